"""Provide test suites with events, a clock, the contract, a store that fails, and moto."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aiobreakglass.testing._events import FakeClock, make_event
from aiobreakglass.testing._faulty import FaultyStore
from aiobreakglass.testing._moto import moto_server

if TYPE_CHECKING:
    from aiobreakglass.testing._contract import StoreContract

__all__ = ["FakeClock", "FaultyStore", "StoreContract", "make_event", "moto_server"]


def __getattr__(name: str) -> object:
    # The contract needs pytest; a program that only starts moto, like the quickstart, does not.
    if name != "StoreContract":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("aiobreakglass.testing._contract").StoreContract
