"""Provide test suites with events, a clock, the contracts, a store that fails, and moto."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aiobreakglass.testing._events import FakeClock, make_event
from aiobreakglass.testing._faulty import FaultyStore
from aiobreakglass.testing._moto import moto_server

if TYPE_CHECKING:
    from aiobreakglass.testing._contract import StoreContract
    from aiobreakglass.testing._contract_governed import GovernedStoreContract

__all__ = [
    "FakeClock",
    "FaultyStore",
    "GovernedStoreContract",
    "StoreContract",
    "make_event",
    "moto_server",
]

# The contracts need pytest; a program that only starts moto, like the quickstart, does not.
_IMPORTED_WHEN_FIRST_NEEDED = {
    "GovernedStoreContract": "aiobreakglass.testing._contract_governed",
    "StoreContract": "aiobreakglass.testing._contract",
}


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_WHEN_FIRST_NEEDED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IMPORTED_WHEN_FIRST_NEEDED[name]), name)
