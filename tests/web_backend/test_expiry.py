"""The expiry pass that the application can run beside its requests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, CorruptItemError
from aiobreakglass.testing import FakeClock, make_event

from .conftest import PATIENCE, SETTINGS, application, started
from .stores import FaultyStore

EXPIRING = SETTINGS.model_copy(update={"expiry_seconds": 0.01})


async def store_with_a_lapsed_event() -> tuple[FaultyStore, BreakGlassEvent]:
    """Return a store, and its lapsed event that is not marked expired yet."""
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=1))
    store = FaultyStore(clock=clock)
    event = await store.create(make_event(created_at=clock(), duration=timedelta(minutes=30)))
    clock.set(datetime.now(UTC))
    return store, event


async def is_marked(store: FaultyStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.EXPIRED


async def marked(store: FaultyStore, event: BreakGlassEvent) -> None:
    while not await is_marked(store, event):  # noqa: ASYNC110 - a store has no event to wait for
        await asyncio.sleep(0.01)


async def test_lapsed_event_is_marked_expired() -> None:
    store, lapsed = await store_with_a_lapsed_event()
    async with asyncio.timeout(PATIENCE), started(application(store, EXPIRING)):
        await marked(store, lapsed)


async def test_nothing_is_marked_without_expiry_seconds() -> None:
    store, lapsed = await store_with_a_lapsed_event()
    expired, lapsed_as_well = await store_with_a_lapsed_event()
    async with (
        asyncio.timeout(PATIENCE),
        started(application(store)),
        # This one starts later: once it marks an event, the other has had time to do so.
        started(application(expired, EXPIRING)),
    ):
        await marked(expired, lapsed_as_well)
        assert not await is_marked(store, lapsed)


@pytest.mark.parametrize("failure", [CorruptItemError("key", "no id"), OSError("a bug")])
async def test_failed_pass_stops_neither_expiry_nor_application(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The store stays open, because the checks need it."""
    store, lapsed = await store_with_a_lapsed_event()
    store.failure = failure
    async with asyncio.timeout(PATIENCE), started(application(store, EXPIRING)):
        while "not marked for now" not in caplog.text:  # noqa: ASYNC110 - nor has a log
            await asyncio.sleep(0.01)
        store.failure = None
        await marked(store, lapsed)
