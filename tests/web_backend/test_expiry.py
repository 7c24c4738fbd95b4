"""The expiry that the application may run beside its requests."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, CorruptItemError
from aiobreakglass.testing import make_event

from .conftest import SETTINGS, application, started
from .stores import FaultyStore

EXPIRING = SETTINGS.model_copy(update={"expiry_seconds": 0.01})


@pytest.fixture
async def lapsed(store: FaultyStore) -> BreakGlassEvent:
    """An event that has run out, and is not marked yet."""
    event = await store.create(make_event(duration=timedelta(milliseconds=200)))
    while not event.is_lapsed():  # noqa: ASYNC110 - time tells nobody
        await asyncio.sleep(0.01)
    return event


async def is_marked(store: FaultyStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.EXPIRED


async def marked(store: FaultyStore, event: BreakGlassEvent) -> None:
    while not await is_marked(store, event):  # noqa: ASYNC110 - a store tells nobody
        await asyncio.sleep(0.01)


async def test_what_has_lapsed_is_marked(store: FaultyStore, lapsed: BreakGlassEvent) -> None:
    async with asyncio.timeout(30), started(application(store, EXPIRING)):
        await marked(store, lapsed)


async def test_it_is_left_to_others_unless_asked_for(
    store: FaultyStore, lapsed: BreakGlassEvent
) -> None:
    app = application(store)
    async with asyncio.timeout(30), started(app):
        states = app.state.changes.watch()
        while not (await anext(states)).is_current:
            pass
        await states.aclose()
        assert not await is_marked(store, lapsed)


@pytest.mark.parametrize("failure", [CorruptItemError("key", "no id"), OSError("a bug")])
async def test_a_failure_stops_neither_it_nor_the_application(
    store: FaultyStore,
    lapsed: BreakGlassEvent,
    failure: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The store stays open, for it is what answers the checks."""
    store.failure = failure
    async with asyncio.timeout(30), started(application(store, EXPIRING)):
        while "not marked for now" not in caplog.text:  # noqa: ASYNC110 - nor does a log
            await asyncio.sleep(0.01)
        store.failure = None
        await marked(store, lapsed)
