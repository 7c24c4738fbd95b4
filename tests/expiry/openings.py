"""Events that are open until they lapse."""

from __future__ import annotations

from datetime import timedelta

from aiobreakglass import BreakGlassEvent, BreakGlassStore
from aiobreakglass.testing import FakeClock, make_event


async def open_some(
    store: BreakGlassStore, clock: FakeClock, number: int
) -> dict[str, BreakGlassEvent]:
    """Open access for as many invokers, a microsecond apart."""
    events = {}
    for index in range(number):
        clock.advance(timedelta(microseconds=1))
        event = await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        events[event.id] = event
    return events
