"""Test the contract of `Limits`, in a suite that every store with limits can inherit."""

from __future__ import annotations

import pytest

# Without this, failing asserts in these modules would not show their values.
_PARTS = (
    "governed_steps",
    "history",
    "limits_races",
    "limits_steps",
    "quotas",
    "rules",
    "steps",
)
pytest.register_assert_rewrite(*(f"aiobreakglass.testing._contract_{part}" for part in _PARTS))

from aiobreakglass.testing._contract_limits_races import LimitsRacesContract  # noqa: E402
from aiobreakglass.testing._contract_quotas import QuotasContract  # noqa: E402
from aiobreakglass.testing._contract_rules import RulesContract  # noqa: E402


class LimitedStoreContract(QuotasContract, RulesContract, LimitsRacesContract):
    """Tests of `Limits`, for a store that takes them; inherit it beside `GovernedStoreContract`.

    Define the fixture `limited`: a function that takes limits, by value or as a function of an
    event, and returns an empty store with these limits that uses the fixture `clock`::

        class TestMyStore(LimitedStoreContract, GovernedStoreContract):
            @pytest.fixture
            def store(self, clock: FakeClock) -> MyStore:
                return MyStore(clock=clock)

            @pytest.fixture
            def limited(self, clock: FakeClock) -> Callable[..., MyStore]:
                return lambda limits: MyStore(clock=clock, limits=limits)

    `GovernedStore` asks for no limits, so a store without them inherits
    `GovernedStoreContract` alone.
    """
