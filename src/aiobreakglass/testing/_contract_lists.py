"""Test the contract of the lists: their events, their order and their pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from itertools import cycle, islice
from operator import attrgetter
from typing import Any

import pytest

from aiobreakglass import (
    DEFAULT_QUERY_LIMIT,
    MAX_QUERY_LIMIT,
    BreakGlassEvent,
    BreakGlassStore,
    EventPage,
    iterate,
)
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSING,
    EXPIRING,
    MICROSECOND,
    MINUTE,
    closed,
    lapsed,
    opened,
)
from aiobreakglass.testing._events import FakeClock, make_event

# Each of these lists has the events of `history`.
LISTS = {"list_by_invoker": "alice", "list_by_status": "closed", "list_by_profile": "prod"}

STATUSES = ("active", "closed", "expired")

on_each_list = pytest.mark.parametrize(("method", "key"), LISTS.items(), ids=LISTS)


async def history(store: BreakGlassStore, *ages: timedelta) -> list[BreakGlassEvent]:
    """Import closed events with these ages at `FakeClock.START`, and return them newest first."""
    events = [
        await store.create(make_event(created_at=FakeClock.START - age, **CLOSING)) for age in ages
    ]
    return sorted(events, key=attrgetter("created_at"), reverse=True)


async def pages(
    store: BreakGlassStore, method: str, key: str, *sizes: int, **query: Any
) -> list[EventPage]:
    """Follow the cursors of a list to its end, with pages of these sizes in turn."""
    walked: list[EventPage] = []
    for size in islice(cycle(sizes), 100):
        page = await getattr(store, method)(key, size, **query)
        walked.append(page)
        if page.next_cursor is None:
            return walked
        query["cursor"] = page.next_cursor
    raise AssertionError("the list has no end")


async def walk(
    store: BreakGlassStore, method: str, key: str, *sizes: int, **query: Any
) -> list[BreakGlassEvent]:
    """Return the events of all pages."""
    return [event for page in await pages(store, method, key, *sizes, **query) for event in page]


def minutes(counts: Iterable[int]) -> list[timedelta]:
    """Return these numbers of minutes as timedeltas."""
    return [count * MINUTE for count in counts]


class ListsContract:
    """The lists have the right events, order and pages."""

    async def test_list_has_all_events_of_its_key_and_no_others(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Each list has all events of its key as they are stored, and no others."""
        events = [
            await opened(store, clock, invoker=invoker, profile=profile, **fields)
            for invoker in ("alice", "bob")
            for profile in ("prod", "staging")
            for fields in ({}, CLOSING, {**EXPIRING, "mfa_verified": True, "request_id": "c0ffee"})
        ]
        for field in ("invoker", "profile", "status"):
            for key in {getattr(event, field) for event in events}:
                page = await getattr(store, f"list_by_{field}")(key)
                expected = [event for event in events if getattr(event, field) == key]
                assert _by_id(page) == _by_id(expected)
                assert page.next_cursor is None

    @on_each_list
    async def test_list_without_events_is_one_empty_page(
        self, store: BreakGlassStore, clock: FakeClock, method: str, key: str
    ) -> None:
        """A key without events has one page, which is empty."""
        await opened(store, clock, invoker="bob", profile="staging")
        assert await getattr(store, method)(key) == EventPage(())

    @on_each_list
    async def test_page_is_a_sequence_of_events(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """A page is a sequence of its events."""
        newest, middle, oldest = await history(store, *minutes(range(3)))
        page = await getattr(store, method)(key)
        assert isinstance(page, EventPage)
        assert (len(page), page[0], page[-1]) == (3, newest, oldest)
        assert page[1:] == (middle, oldest)
        assert list(page) == [newest, middle, oldest]
        assert middle in page

    @on_each_list
    async def test_list_is_sorted_newest_first(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Lists sort by `created_at`, newest first, regardless of the order of storing."""
        events = await history(store, *minutes([3, 0, 4, 1, 5, 2]))
        assert list(await getattr(store, method)(key)) == events

    @on_each_list
    async def test_fractions_of_a_second_sort_by_value(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Fractions of a second sort by value, even if they end in zeros."""
        fractions = [0, 900_000, 100_000, 120_000, 123_456, 99_999, 1, 1_000_000]
        events = await history(store, *(fraction * MICROSECOND for fraction in fractions))
        assert list(await getattr(store, method)(key)) == events
        for index, event in enumerate(events):
            since = await getattr(store, method)(key, since=event.created_at)
            until = await getattr(store, method)(key, until=event.created_at)
            assert (list(since), list(until)) == (events[: index + 1], events[index + 1 :])

    @on_each_list
    async def test_list_is_bounded_by_since_and_until(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """A list has the events with since <= created_at < until, in any time zone."""
        events = await history(store, *minutes(range(4)))
        for since, until, expected in [
            (None, None, slice(0, 4)),
            (2, None, slice(0, 3)),
            (None, 2, slice(3, 4)),
            (2, 1, slice(2, 3)),
            (9, -9, slice(0, 4)),
            (-1, None, slice(0, 0)),
            (None, 3, slice(0, 0)),
            (2, 2, slice(0, 0)),
            (1, 2, slice(0, 0)),
        ]:
            page = await getattr(store, method)(key, since=before(since), until=before(until))
            assert page == EventPage(tuple(events[expected])), (since, until)

    @on_each_list
    async def test_pages_of_mixed_sizes_skip_and_repeat_no_event(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Following the cursors skips and repeats no event, in a time range too."""
        events = await history(store, *minutes(range(10)))
        assert await walk(store, method, key, 1, 3, 2) == events
        query = {"since": events[7].created_at, "until": events[1].created_at}
        assert await walk(store, method, key, 2, 1, **query) == events[2:8]

    @on_each_list
    async def test_events_with_equal_created_at_are_listed_once(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Events with the same `created_at` come in any order, but each exactly once."""
        events = await history(store, *minutes([1, 1, 1, 1, 1, 0, 2]))
        walked = await walk(store, method, key, 2, 1)
        assert _by_id(walked) == _by_id(events)
        assert (walked[0], walked[-1]) == (events[0], events[-1])

    @on_each_list
    async def test_only_last_page_has_no_cursor(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Each page but the last has `limit` events, and the last has no cursor."""
        await history(store, *minutes(range(4)))
        lengths = {
            limit: [len(page) for page in await pages(store, method, key, limit)]
            for limit in (1, 2, 3, 4, 5, MAX_QUERY_LIMIT + 1)
        }
        assert lengths == {
            1: [1, 1, 1, 1],
            2: [2, 2],
            3: [3, 1],
            4: [4],
            5: [4],
            MAX_QUERY_LIMIT + 1: [4],
        }

    async def test_default_limit_bounds_lists_but_not_counts(self, store: BreakGlassStore) -> None:
        """A list without a limit stops at `DEFAULT_QUERY_LIMIT`; a count does not."""
        events = await history(store, *minutes(range(DEFAULT_QUERY_LIMIT + 1)))
        first = await store.list_by_invoker("alice")
        assert list(first) == events[:-1]
        last = await store.list_by_invoker("alice", cursor=first.next_cursor)
        assert last == EventPage((events[-1],))
        oldest = events[-1].created_at
        assert await store.count_by_invoker_since("alice", oldest) == len(events)
        assert await store.count_by_profile_since("prod", oldest) == len(events)

    @on_each_list
    async def test_pages_while_events_are_added_and_deleted(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """Pages show each event that stays exactly once, even if a cursor's event is deleted."""
        events = await history(store, *minutes(range(6)))
        first = await getattr(store, method)(key, 2)
        await store.delete(events[1].id)
        await history(store, -MINUTE, -2 * MINUTE)
        rest = await walk(store, method, key, 3, cursor=first.next_cursor)
        assert [*first, *rest] == events

    async def test_closing_events_while_listing_skips_none(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Closing each active event while listing them skips no event."""
        invokers = [f"user-{number}" for number in range(7)]
        for invoker in invokers:
            await opened(store, clock, invoker=invoker)
            clock.advance(MINUTE)
        async for event in iterate(store.list_by_status, "active", 2):
            await closed(store, event)
        assert await store.list_by_status(ACTIVE) == EventPage(())
        assert [event.invoker for event in await store.list_by_status("closed")] == invokers[::-1]

    @on_each_list
    async def test_iterate_requests_pages_only_when_needed(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """`iterate` yields the events of all pages, and requests each page when it is needed."""
        events = await history(store, *minutes(range(6)))
        since, until = events[4].created_at, events[0].created_at
        asked = []

        async def list_method(key: str, /, *limits: int | None, **query: Any) -> EventPage:
            asked.append(query["cursor"])
            page: EventPage = await getattr(store, method)(key, *limits, **query)
            return page

        iteration = iterate(list_method, key, 3, since=since, until=until)
        async with aclosing(iteration):
            seen = [(await anext(iteration), len(asked)) for _ in range(4)]
            assert seen == list(zip(events[1:5], [1, 1, 1, 2], strict=True))
            assert [event async for event in iteration] == []
        rest = iterate(list_method, key, since=since, until=until, cursor=asked[1])
        assert [event async for event in rest] == [events[4]]

    @on_each_list
    async def test_skip_without_corrupt_rows_changes_nothing(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """If all rows are events, "skip" changes nothing and reports nothing."""
        events = await history(store, *minutes(range(5)))
        for on_corrupt in ("raise", "skip"):
            walked = await pages(store, method, key, 2, on_corrupt=on_corrupt)
            assert [event for page in walked for event in page] == events
            assert [page.corrupt for page in walked] == [(), (), ()]
        iteration = iterate(getattr(store, method), key, 2, on_corrupt="skip")
        assert [event async for event in iteration] == events

    @on_each_list
    async def test_unknown_on_corrupt_value_is_refused(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """`on_corrupt` is "raise" or "skip"; another value raises an error that names it."""
        with pytest.raises(ValueError, match="on_corrupt"):
            await getattr(store, method)(key, on_corrupt="ignore")

    async def test_lapsed_event_is_listed_by_stored_status(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A lapsed event is listed by its stored status until it is marked expired."""
        event = await lapsed(store, clock)
        stored = await store.get(event.id)
        listed = {status: list(await store.list_by_status(status)) for status in STATUSES}
        assert listed == {
            status: [stored] if status == stored.status else [] for status in STATUSES
        }
        await store.update(event.expire(at=clock()))
        assert [stored.id for stored in await store.list_by_status("expired")] == [event.id]
        assert await store.list_by_status("active") == EventPage(())

    @on_each_list
    async def test_deleted_event_is_on_no_list(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """A deleted event is on no list."""
        newest, middle, oldest = await history(store, *minutes(range(3)))
        await store.delete(middle.id)
        assert list(await getattr(store, method)(key)) == [newest, oldest]


def before(minutes: int | None) -> datetime | None:
    """Return the instant this many minutes before `FakeClock.START`, in another time zone."""
    elsewhere = timezone(timedelta(hours=5, minutes=45))
    return None if minutes is None else (FakeClock.START - minutes * MINUTE).astimezone(elsewhere)


def _by_id(events: Sequence[BreakGlassEvent]) -> list[BreakGlassEvent]:
    return sorted(events, key=attrgetter("id"))
