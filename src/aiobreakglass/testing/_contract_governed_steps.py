"""Share the steps that the tests of extensions, reviews, holds and limits repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiobreakglass import BreakGlassEvent, GovernedStore, ReviewOutcome
from aiobreakglass.testing._contract_history import Told
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    EXPIRED,
    EXPIRING,
    HOUR,
    changed,
    closed,
    lapsed,
    opened,
)
from aiobreakglass.testing._events import FakeClock

Governed = Callable[[GovernedStore, BreakGlassEvent], Awaitable[BreakGlassEvent]]

EXTENDED = Told("extended", "carol", "Not over yet")
REVIEWED = Told("reviewed", "carol", "There was no\nother way")
HELD = Told("held", "dave", "The regulator asks")
RELEASED = Told("released", "erin", "It is settled")


async def extended(
    store: GovernedStore, event: BreakGlassEvent, expires_at: datetime | None = None
) -> BreakGlassEvent:
    """Extend an event, by an hour unless an end is given."""
    return await store.extend(
        event.id,
        expires_at=expires_at or event.expires_at + HOUR,
        extended_by="carol",
        reason=" Not over yet\n",
    )


async def reviewed(
    store: GovernedStore,
    event: BreakGlassEvent,
    outcome: ReviewOutcome | str = "justified",
    by: str = "carol",
) -> BreakGlassEvent:
    """Review an event."""
    return await store.review(
        event.id, reviewed_by=by, outcome=outcome, comment=" There was no\nother way "
    )


async def held(store: GovernedStore, event: BreakGlassEvent) -> BreakGlassEvent:
    """Put an event under a legal hold."""
    return await store.hold(event.id, held_by="dave", reason="The regulator asks ")


async def released(store: GovernedStore, event: BreakGlassEvent) -> BreakGlassEvent:
    """End the legal hold of an event."""
    return await store.release_hold(event.id, released_by="erin", reason=" It is settled")


async def ended(
    store: GovernedStore, clock: FakeClock, status: str, **fields: Any
) -> BreakGlassEvent:
    """Open an event, and return it closed, expired, or lapsed and not marked yet."""
    if status == CLOSED:
        return await closed(store, await opened(store, clock, **fields))
    event = await lapsed(store, clock, **fields)
    return await store.update(changed(event, **EXPIRING)) if status == EXPIRED else event
