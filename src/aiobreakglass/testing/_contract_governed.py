"""Test the contract of `GovernedStore`, in a suite that every implementation can inherit."""

from __future__ import annotations

import pytest

from aiobreakglass.testing._contract import StoreContract

# As in `_contract`.
_PARTS = (
    "extension",
    "governed_fields",
    "governed_input",
    "governed_races",
    "governed_steps",
    "history",
    "hold",
    "oversight_races",
    "review",
    "review_queue",
)
pytest.register_assert_rewrite(*(f"aiobreakglass.testing._contract_{part}" for part in _PARTS))

from aiobreakglass.testing._contract_extension import ExtensionContract  # noqa: E402
from aiobreakglass.testing._contract_governed_fields import GovernedFieldsContract  # noqa: E402
from aiobreakglass.testing._contract_governed_input import GovernedInputContract  # noqa: E402
from aiobreakglass.testing._contract_governed_races import GovernedRacesContract  # noqa: E402
from aiobreakglass.testing._contract_history import HistoryContract  # noqa: E402
from aiobreakglass.testing._contract_hold import HoldContract  # noqa: E402
from aiobreakglass.testing._contract_oversight_races import OversightRacesContract  # noqa: E402
from aiobreakglass.testing._contract_review import ReviewContract  # noqa: E402
from aiobreakglass.testing._contract_review_queue import ReviewQueueContract  # noqa: E402


class GovernedStoreContract(
    HistoryContract,
    GovernedFieldsContract,
    GovernedRacesContract,
    ExtensionContract,
    ReviewContract,
    ReviewQueueContract,
    HoldContract,
    OversightRacesContract,
    GovernedInputContract,
    StoreContract,
):
    """Tests of the contract that every `GovernedStore` fulfils, and so also `StoreContract`.

    Inherit it, and define the fixture `store` as for `StoreContract`. A store that takes `Limits`
    inherits `LimitedStoreContract`, too.
    """
