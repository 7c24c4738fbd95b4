"""The last hours that a datetime can express: every call works, or names the rule it breaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    InMemoryStore,
    InvalidStateTransitionError,
    expire_due,
    iterate,
)
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.rules import (
    check_creatable,
    decide_close,
    decide_create,
    decide_expiry,
    decide_update,
)
from aiobreakglass._dynamodb.codec import decode_event, encode_event
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass.testing import FakeClock, make_event

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
END = datetime.max.replace(tzinfo=UTC)
LAST = [END, END - MICROSECOND, END - timedelta(minutes=1), END - HOUR, END - 4 * HOUR]
LAYOUT = TableLayout()
CLOSING: dict[str, Any] = {"closed_by": "bob", "closed_reason": "Over"}

Decision = Callable[[BreakGlassEvent, datetime], Change]
Call = Callable[[BreakGlassStore, BreakGlassEvent, datetime], Awaitable[object]]
CALLS: dict[str, Call] = {
    "create": lambda store, event, _: store.create(event),
    "get": lambda store, event, _: store.get(event.id),
    "update": lambda store, event, _: store.update(event.model_copy(update={"request_id": "r-1"})),
    "close": lambda store, event, _: store.close(event.id, **CLOSING),
    "delete": lambda store, event, _: store.delete(event.id),
    "list": lambda store, event, now: store.list_by_status("active", since=now, until=END),
    "check": lambda store, event, _: store.find_active_by_invoker_and_profile("alice", "prod"),
    "count": lambda store, event, now: store.count_by_invoker_since("alice", now),
    "expire": lambda store, event, now: expire_due(store, now=now),
}


def last_event(**changes: Any) -> BreakGlassEvent:
    """Return an event that has room for exactly one more version."""
    return make_event(
        created_at=END - HOUR, duration=HOUR, **{"updated_at": END - MICROSECOND, **changes}
    )


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_with_a_clock_near_the_end(name: str) -> None:
    """For any such clock and event, the result is a valid event or a named refusal."""
    for created_at, now in product(LAST[3:], LAST):
        clock = FakeClock(created_at)
        store = InMemoryStore(clock=clock)
        event = await store.create(make_event(created_at=created_at, duration=HOUR))
        clock.set(now)
        subject = event if name != "create" else make_event(created_at=created_at)
        try:
            await CALLS[name](store, subject, now)
            stored = await store.get(event.id)
        except (ValueError, BreakGlassError):
            continue
        assert stored == BreakGlassEvent.model_validate(stored)


@pytest.mark.parametrize("now", LAST)
def test_create_near_the_end_checks_the_clocks_lead(now: datetime) -> None:
    """The check of the clock's lead does not overflow the end of time."""
    check_creatable(make_event(created_at=END - HOUR, duration=HOUR, status="expired"), now)
    fresh = make_event(created_at=END - 2 * HOUR, duration=2 * HOUR)
    if now == END:
        with pytest.raises(ValueError, match="expires_at of an active event"):
            check_creatable(fresh, now)
    elif now >= fresh.created_at:
        check_creatable(fresh, now)


@pytest.mark.parametrize(
    ("now", "decide"),
    [
        (END - HOUR, lambda stored, now: decide_close(stored, "bob", "Over", now)),
        (END - MICROSECOND, lambda stored, now: decide_close(stored, "bob", "Over", now)),
        (END, decide_expiry),
    ],
    ids=["closed early", "closed late", "expired"],
)
def test_event_at_its_last_version_can_end(now: datetime, decide: Decision) -> None:
    """An active event can always end, and the row of its ending decodes to an event."""
    ended = decide(last_event(), now).stored
    assert ended.updated_at == END
    row = encode_event(ended, LAYOUT, write_id="w1")
    assert decode_event(row, LAYOUT) == ended
    with pytest.raises(InvalidStateTransitionError):
        decide_update(ended, ended, END)


def test_update_without_room_for_an_ending_is_refused() -> None:
    """A change that would leave no version for the ending is refused before it is written."""
    stored = last_event()
    with pytest.raises(ValueError, match="updated_at must leave room"):
        decide_update(stored, stored.model_copy(update={"request_id": "r-1"}), END - HOUR)


def test_active_event_at_the_end_of_time_is_invalid() -> None:
    """An active event needs room for a later version, because it could not end otherwise."""
    with pytest.raises(ValueError, match="updated_at must leave room"):
        last_event(updated_at=END)
    assert last_event(updated_at=END, status="expired").status is BreakGlassStatus.EXPIRED


def test_duration_past_the_end_of_time_is_refused() -> None:
    """An expiry that no datetime can express is refused by its rule."""
    with pytest.raises(ValueError, match="expires_at must be after created_at"):
        make_event(created_at=END - HOUR, duration=2 * HOUR)


def test_longest_retention_fits_the_ttl() -> None:
    """TTL is a number, so it may exceed what a datetime or a timedelta can express."""
    longest = 86653402300800
    event = last_event(status="expired", expires_at=END)
    imported = decide_create(event, END)
    retention = Retention(timedelta.max)
    assert retention.of_event(imported, None, None) == longest
    assert retention.of_tombstone(END, None) == longest
    assert retention.of_history(END - HOUR) == longest + 3 * 3600 + 8 * 24 * 3600


async def test_pages_of_events_near_the_end_of_time() -> None:
    """A cursor works up to the end of time."""
    store = InMemoryStore(clock=FakeClock(END))
    last = [
        make_event(created_at=END - n * MICROSECOND, expires_at=END, status="expired")
        for n in (1, 2, 3)
    ]
    for event in last:
        await store.create(event)
    pages = iterate(store.list_by_status, "expired", 1, since=last[-1].created_at, until=END)
    assert [event async for event in pages] == last
