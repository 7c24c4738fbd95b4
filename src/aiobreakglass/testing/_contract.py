"""The contract of `BreakGlassStore` as a suite of tests that every implementation can inherit."""

from __future__ import annotations

import pytest

# Without this, asserts in these modules would fail without showing their values.
_PARTS = (
    "cursors",
    "input",
    "questions",
    "endings",
    "lists",
    "opening",
    "races",
    "steps",
    "updates",
)
pytest.register_assert_rewrite(*(f"{__name__}_{part}" for part in _PARTS))

from aiobreakglass.testing._contract_cursors import CursorsContract  # noqa: E402
from aiobreakglass.testing._contract_endings import EndingsContract  # noqa: E402
from aiobreakglass.testing._contract_input import InputContract  # noqa: E402
from aiobreakglass.testing._contract_lists import ListsContract  # noqa: E402
from aiobreakglass.testing._contract_opening import OpeningContract  # noqa: E402
from aiobreakglass.testing._contract_questions import QuestionsContract  # noqa: E402
from aiobreakglass.testing._contract_races import RacesContract  # noqa: E402
from aiobreakglass.testing._contract_updates import UpdatesContract  # noqa: E402
from aiobreakglass.testing._events import FakeClock  # noqa: E402


class StoreContract(
    OpeningContract,
    UpdatesContract,
    EndingsContract,
    RacesContract,
    ListsContract,
    CursorsContract,
    QuestionsContract,
    InputContract,
):
    """What every `BreakGlassStore` owes its callers, as tests.

    Inherit it, and bring the fixture `store`: an empty store that takes its time from `clock`::

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self, clock: FakeClock) -> MyStore:
                return MyStore(clock=clock)

    The tests are coroutines and carry no marks of a plugin. Under pytest-asyncio in auto mode they
    run as they stand; in strict mode mark the class with `@pytest.mark.asyncio`, under anyio with
    `@pytest.mark.anyio` and its backend asyncio. `store` may be whatever fixture the plugin knows,
    so it can also be async and close the store after its test.

    The lists and counts of the subject must show each write at once, as those of emulators do:
    eventual consistency is allowed by the contract, and tests cannot wait for it without sleeping.
    """

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock of the test's store, which starts at `FakeClock.START`."""
        return FakeClock()
