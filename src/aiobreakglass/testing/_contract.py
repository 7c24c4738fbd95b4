"""Test the contract of `BreakGlassStore`, in a suite that every implementation can inherit."""

from __future__ import annotations

import pytest

# Without this, failing asserts in these modules would not show their values.
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
    """Tests of the contract that every `BreakGlassStore` fulfils.

    Inherit it, and define the fixture `store`: an empty store that uses the fixture `clock`::

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self, clock: FakeClock) -> MyStore:
                return MyStore(clock=clock)

    The tests are coroutines and have no marks of a plugin. pytest-asyncio runs them in auto mode;
    in strict mode, mark the class with `@pytest.mark.asyncio`. For anyio, mark it with
    `@pytest.mark.anyio`, and use the backend asyncio. `store` can be any fixture that the plugin
    supports, so it can be async and close the store after its test.

    The lists and counts of the tested store must show each write at once, as those of emulators
    do. The contract allows eventual consistency, but tests cannot wait for it without sleeping.
    """

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock of the test's store, which starts at `FakeClock.START`."""
        return FakeClock()
