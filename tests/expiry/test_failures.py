"""Rows that a pass cannot read or mark: the pass continues, and reports each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    CorruptItemError,
    EventPage,
    ExpiryError,
    InMemoryStore,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
    expire_due,
)
from aiobreakglass.testing import FakeClock

from .stores import changed, open_some

HOUR = timedelta(hours=1)
ACTIVE = {"status": BreakGlassStatus.ACTIVE}
KEY = "BREAKGLASS#0123456789abcdef"

Fails = Callable[[BreakGlassEvent], Exception | None]


@pytest.fixture
def store(clock: FakeClock) -> InMemoryStore:
    return InMemoryStore(clock=clock)


def failing(store: InMemoryStore, fails: Fails) -> BreakGlassStore:
    """Return a store that cannot mark some events."""

    async def update(event: BreakGlassEvent) -> BreakGlassEvent:
        if (error := fails(event)) is not None:
            raise error
        return await store.update(event)

    return changed(store, update=update)


async def active(store: InMemoryStore) -> set[str]:
    return {event.id for event in await store.list_by_status("active", 1000)}


FAILURES = [
    pytest.param(lambda event: ItemTooLargeError(KEY), ItemTooLargeError, id="too large"),
    pytest.param(lambda event: CorruptItemError(KEY, "odd"), CorruptItemError, id="corrupt"),
    pytest.param(
        lambda event: StoreUnavailableError("lost", True), StoreUnavailableError, id="lost"
    ),
    pytest.param(lambda event: TableError("invalid"), TableError, id="refused as invalid"),
    pytest.param(
        lambda event: ConcurrentModificationError(event.id, event.model_copy(update=ACTIVE)),
        ConcurrentModificationError,
        id="changed by others all the time",
    ),
    pytest.param(lambda event: ValueError("hunter2"), BreakGlassError, id="an unexpected error"),
]


@pytest.mark.parametrize(("fail", "reported"), FAILURES)
async def test_event_that_cannot_be_marked_is_reported(
    store: InMemoryStore,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    fail: Callable[[BreakGlassEvent], Exception],
    reported: type[BreakGlassError],
) -> None:
    """The pass marks all others; the error and the log name the event that it cannot mark."""
    (bad, *others) = await open_some(store, clock, 40)
    clock.advance(HOUR)
    flawed = failing(store, lambda event: fail(event) if event.id == bad else None)
    with pytest.raises(ExpiryError) as caught:
        await expire_due(flawed, now=clock())
    (error,) = caught.value.exceptions
    assert type(error) is reported
    assert any(bad in note for note in error.__notes__)
    assert "hunter2" not in str(error)
    assert {event.id for event in caught.value.expired} == set(others)
    assert all(event.status is BreakGlassStatus.EXPIRED for event in caught.value.expired)
    assert await active(store) == {bad}
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.__dict__["event_id"] == bad
    assert record.__dict__.get("key") == getattr(error, "key", None)


async def test_row_that_is_not_an_event_is_reported(
    store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The pass reports the rows that the list left out, and marks the rest."""
    events = await open_some(store, clock, 3)
    clock.advance(HOUR)
    corrupt = CorruptItemError(KEY, "status is missing")

    async def list_by_status(*arguments: Any, **options: Any) -> EventPage:
        page = await store.list_by_status(*arguments, **options)
        return EventPage(page.events, page.next_cursor, (corrupt,))

    with pytest.raises(ExpiryError) as caught:
        await expire_due(changed(store, list_by_status=list_by_status), now=clock())
    assert caught.value.exceptions == (corrupt,)
    assert {event.id for event in caught.value.expired} == set(events)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.__dict__["key"] == KEY


async def test_pass_stops_after_16_unavailable_marks(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """A pass stops after 16 failures in a row, so it does not wait for each event to time out."""
    await open_some(store, clock, 100)
    clock.advance(HOUR)
    tried: list[str] = []

    def unavailable(event: BreakGlassEvent) -> Exception:
        tried.append(event.id)
        return StoreUnavailableError("throttled")

    with pytest.raises(ExpiryError, match="stopped early") as caught:
        await expire_due(failing(store, unavailable), now=clock())
    assert 16 <= len(tried) <= 31
    assert len(caught.value.exceptions) == len(tried)
    assert all(isinstance(error, StoreUnavailableError) for error in caught.value.exceptions)


async def test_pass_continues_after_fewer_unavailable_marks(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """Fewer than 16 failures in a row may be about those events, so they do not stop a pass."""
    await open_some(store, clock, 15)
    clock.advance(HOUR)
    down = failing(store, lambda event: StoreUnavailableError("throttled"))
    with pytest.raises(ExpiryError, match="some lapsed events could not be marked"):
        await expire_due(down, now=clock())


async def test_missing_table_ends_the_pass(store: InMemoryStore, clock: FakeClock) -> None:
    """A refusal may be about one event; after 16 in a row the table itself is at fault."""
    await open_some(store, clock, 100)
    clock.advance(HOUR)
    with pytest.raises(TableError):
        await expire_due(failing(store, lambda event: TableError("no such table")), now=clock())


async def test_other_events_are_marked_despite_unavailable_ones(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """However many events always fail, the others are marked, if only in a later pass."""
    events = list(await open_some(store, clock, 60))
    clock.advance(HOUR)
    # The newest events, which come first in the list.
    unavailable = set(events[20:])
    flawed = failing(
        store, lambda event: StoreUnavailableError("lost") if event.id in unavailable else None
    )
    for _ in range(1000):
        with pytest.raises(ExpiryError):
            await expire_due(flawed, now=clock())
        if await active(store) == unavailable:
            return
    pytest.fail("some events were never tried")
