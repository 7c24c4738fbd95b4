"""Stores whose events lapse, and stores that do something else than they should."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent, BreakGlassStore
from aiobreakglass.testing import FakeClock, make_event


class _Changed:
    """A wrapper as users write it, which no `isinstance` takes for a store."""

    def __init__(self, store: BreakGlassStore, methods: dict[str, Any]) -> None:
        self._store = store
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def changed(store: BreakGlassStore, **methods: Callable[..., Awaitable[Any]]) -> BreakGlassStore:
    """Return a store with other methods in the place of some of its own."""
    wrapper: Any = _Changed(store, methods)
    wrapped: BreakGlassStore = wrapper
    return wrapped


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
