"""Test the contract of `GovernedStore`, in a suite that every implementation can inherit."""

from __future__ import annotations

import pytest

from aiobreakglass.testing._contract import StoreContract

# As in `_contract`.
_PARTS = ("governed_fields", "governed_races", "history")
pytest.register_assert_rewrite(*(f"aiobreakglass.testing._contract_{part}" for part in _PARTS))

from aiobreakglass.testing._contract_governed_fields import GovernedFieldsContract  # noqa: E402
from aiobreakglass.testing._contract_governed_races import GovernedRacesContract  # noqa: E402
from aiobreakglass.testing._contract_history import HistoryContract  # noqa: E402


class GovernedStoreContract(
    HistoryContract, GovernedFieldsContract, GovernedRacesContract, StoreContract
):
    """Tests of the contract that every `GovernedStore` fulfils, and so also `StoreContract`.

    Inherit it, and define the fixture `store` as for `StoreContract`.
    """
