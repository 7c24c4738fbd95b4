"""The steps that the tests of `Limits` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassEvent,
    EventNotFoundError,
    GovernedStore,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass.testing._contract_governed_steps import ended
from aiobreakglass.testing._contract_steps import CLOSED, MINUTE, fresh, holder
from aiobreakglass.testing._events import FakeClock

Limited = Callable[[Limits | Callable[[BreakGlassEvent], Limits]], GovernedStore]
"""Returns an empty store with these limits; a test calls it once."""

DAY = timedelta(days=1)
PER_INVOKER = Limits(per_invoker=Quota(2, DAY))
PER_PROFILE = Limits(per_profile=Quota(2, DAY))


async def used(
    store: GovernedStore, clock: FakeClock, uses: int = 1, **fields: Any
) -> list[BreakGlassEvent]:
    """Open and close access so many times, a minute apart."""
    events = []
    for _ in range(uses):
        events.append(await ended(store, clock, CLOSED, **fields))
        clock.advance(MINUTE)
    return events


async def refusal_of(store: GovernedStore, clock: FakeClock, **fields: Any) -> LimitExceededError:
    """Return the refusal to open access now, after asserting that nothing was written."""
    event = fresh(clock, **fields)
    with pytest.raises(LimitExceededError) as refusal:
        await store.create(event)
    with pytest.raises(EventNotFoundError):
        await store.history(event.id)
    assert await holder(store, event) is None
    return refusal.value


def ids(events: Sequence[BreakGlassEvent]) -> tuple[str, ...]:
    """Return the ids of events."""
    return tuple(event.id for event in events)
