"""Share the steps that the tests of the contract repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
)
from aiobreakglass.testing._events import FakeClock, make_event

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

ACTIVE = BreakGlassStatus.ACTIVE
CLOSED = BreakGlassStatus.CLOSED
EXPIRED = BreakGlassStatus.EXPIRED

Fields = dict[str, Any]
Attempt = Callable[[BreakGlassStore, BreakGlassEvent], Awaitable[object]]

CLOSING: Fields = {"status": CLOSED, "closed_by": "bob", "closed_reason": "Over"}
EXPIRING: Fields = {"status": EXPIRED}
REOPENING: Fields = {"status": ACTIVE, "closed_by": None, "closed_reason": None}

NEVER_USED = "0123456789abcdef"


def fresh(clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    """Return an event that is created now by the store's clock."""
    return make_event(**{"created_at": clock(), **fields})


def changed(event: BreakGlassEvent, **changes: Any) -> BreakGlassEvent:
    """Return a copy with changes that are not validated."""
    return event.model_copy(update=changes)


async def opened(store: BreakGlassStore, clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    """Create an event now."""
    return await store.create(fresh(clock, **fields))


async def lapsed(store: BreakGlassStore, clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    """Create an event, and move the clock to the instant at which it lapses."""
    event = await opened(store, clock, **fields)
    clock.set(event.expires_at)
    return event


async def closed(store: BreakGlassStore, event: BreakGlassEvent) -> BreakGlassEvent:
    """Close an event by its id."""
    return await store.close(
        event.id, closed_by=CLOSING["closed_by"], closed_reason=CLOSING["closed_reason"]
    )


async def deleted(store: BreakGlassStore, event: BreakGlassEvent) -> None:
    """Delete an event by its id."""
    await store.delete(event.id)


def updating(**changes: Any) -> Attempt:
    """Return an attempt to update an event with these changes."""
    return lambda store, event: store.update(changed(event, **changes))


async def holder(store: BreakGlassStore, event: BreakGlassEvent) -> BreakGlassEvent | None:
    """Return the event that grants the access of this event's pair."""
    return await store.find_active_by_invoker_and_profile(event.invoker, event.profile)


async def assert_held_by(store: BreakGlassStore, clock: FakeClock, event: BreakGlassEvent) -> None:
    """Assert that the check returns this event, and that no other event can be stacked on it."""
    assert await holder(store, event) == event
    with pytest.raises(ActiveEventExistsError) as refusal:
        await opened(store, clock, invoker=event.invoker, profile=event.profile)
    assert refusal.value.event == event


async def assert_free(store: BreakGlassStore, clock: FakeClock, event: BreakGlassEvent) -> None:
    """Assert that nobody holds this event's access, and that it can be opened again."""
    assert await holder(store, event) is None
    another = await opened(store, clock, invoker=event.invoker, profile=event.profile)
    assert await holder(store, event) == another
