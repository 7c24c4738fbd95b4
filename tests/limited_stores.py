"""Stores with limits: in memory, and on the simulation's model of DynamoDB."""

from __future__ import annotations

from collections.abc import Callable

from aiobreakglass import GovernedStore, InMemoryStore
from aiobreakglass._domain.limits import LimitsFor
from aiobreakglass.testing import FakeClock
from tests.dynamodb.modelled import Modelled

Open = Callable[[FakeClock, LimitsFor], GovernedStore]
"""Opens an empty store."""


def in_memory(clock: FakeClock, limits: LimitsFor) -> GovernedStore:
    return InMemoryStore(clock=clock, limits=limits)


def on_dynamodb(clock: FakeClock, limits: LimitsFor) -> GovernedStore:
    return Modelled(clock).store(limits=limits)


STORES = (in_memory, on_dynamodb)
