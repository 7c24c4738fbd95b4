"""Stores whose events lapse, and stores with some methods replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent, BreakGlassStore
from aiobreakglass.testing import FakeClock, make_event


class _Changed:
    """A wrapper as users write it; `isinstance` does not see it as a store."""

    def __init__(self, store: BreakGlassStore, methods: dict[str, Any]) -> None:
        self._store = store
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def changed(store: BreakGlassStore, **methods: Callable[..., Awaitable[Any]]) -> BreakGlassStore:
    """Return a store with some of its methods replaced."""
    wrapper: Any = _Changed(store, methods)
    wrapped: BreakGlassStore = wrapper
    return wrapped


async def open_some(
    store: BreakGlassStore, clock: FakeClock, number: int
) -> dict[str, BreakGlassEvent]:
    """Open one event for each of `number` invokers, a microsecond apart."""
    events = {}
    for index in range(number):
        clock.advance(timedelta(microseconds=1))
        event = await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        events[event.id] = event
    return events
