"""Test the contract of `list_awaiting_review`: its events, their order and their pages."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice
from operator import attrgetter
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassEvent,
    EventPage,
    GovernedStore,
    ReviewOutcome,
)
from aiobreakglass.testing._contract_governed_steps import ended, held, released, reviewed
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    CLOSING,
    EXPIRED,
    HOUR,
    MICROSECOND,
    MINUTE,
    closed,
    opened,
)
from aiobreakglass.testing._events import FakeClock, make_event

FOLLOW_UP = "needs_follow_up"
REVIEW = {
    "reviewed_by": "carol",
    "reviewed_at": FakeClock.START,
    "review_comment": "There was no other way",
}


async def waiting(store: GovernedStore, *ages: float, **fields: Any) -> list[BreakGlassEvent]:
    """Import ended events with these ages in minutes at `START`; return them oldest first."""
    events = [
        await store.create(
            make_event(created_at=FakeClock.START - age * MINUTE, **CLOSING, **fields)
        )
        for age in ages
    ]
    return sorted(events, key=attrgetter("created_at"))


async def walk(store: GovernedStore, *sizes: int, **query: Any) -> list[BreakGlassEvent]:
    """Return the events of all pages of the list, which have these sizes in turn."""
    walked: list[BreakGlassEvent] = []
    for size in islice(cycle(sizes), 100):
        page = await store.list_awaiting_review(size, **query)
        walked += page
        if page.next_cursor is None:
            return walked
        assert len(page) == size
        query["cursor"] = page.next_cursor
    raise AssertionError("the list has no end")


async def ids(store: GovernedStore, outcome: str | None = None) -> list[str]:
    """Return the ids of the events that wait for a review after this outcome."""
    return [event.id for event in await store.list_awaiting_review(outcome=outcome)]


class ReviewQueueContract:
    """The list has the ended events that wait for a review, oldest first."""

    async def test_empty_queue_is_one_empty_page(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Nothing waits if nothing has ended."""
        await opened(store, clock)
        for outcome in (None, FOLLOW_UP):
            assert await store.list_awaiting_review(outcome=outcome) == EventPage(())

    async def test_oldest_event_comes_first(self, store: GovernedStore) -> None:
        """The list sorts by `created_at`, oldest first, regardless of the order of storing."""
        events = await waiting(store, 3, 0, 4, 1, 5, 2)
        assert list(await store.list_awaiting_review()) == events

    async def test_active_event_waits_once_it_has_ended(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Closed, lapsed and expired events wait; active ones do not."""
        event = await opened(store, clock)
        another = await opened(store, clock, profile="staging")
        clock.set(event.expires_at - MICROSECOND)
        assert await ids(store) == []
        await closed(store, another)
        assert await ids(store) == [another.id]
        clock.set(event.expires_at)
        lapsed = await store.list_awaiting_review()
        assert {each.id for each in lapsed} == {event.id, another.id}
        assert event in lapsed
        await store.update(event.model_copy(update={"status": EXPIRED}))
        assert set(await ids(store)) == {event.id, another.id}

    async def test_extended_event_waits_from_its_new_end_on(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """An extension moves the instant from which the event waits."""
        event = await opened(store, clock)
        longer = await store.extend(
            event.id,
            expires_at=event.expires_at + HOUR,
            extended_by="carol",
            reason="Not over yet",
        )
        clock.set(event.expires_at)
        assert await ids(store) == []
        clock.set(longer.expires_at)
        assert await ids(store) == [event.id]

    @pytest.mark.parametrize("status", [CLOSED, EXPIRED, "lapsed"])
    async def test_review_moves_an_event_along(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """Follow-up is a queue of its own, and a final review ends the waiting."""
        event = await ended(store, clock, status)
        assert (await ids(store), await ids(store, FOLLOW_UP)) == ([event.id], [])
        for _ in range(2):
            await reviewed(store, event, FOLLOW_UP)
            assert (await ids(store), await ids(store, FOLLOW_UP)) == ([], [event.id])
        after = await reviewed(store, event, "unjustified")
        assert after.review_outcome is ReviewOutcome.UNJUSTIFIED
        assert (await ids(store), await ids(store, FOLLOW_UP)) == ([], [])

    @pytest.mark.parametrize("final", ["justified", "unjustified"])
    async def test_list_of_final_outcome_is_refused(
        self, store: GovernedStore, final: str
    ) -> None:
        """Events with a final outcome do not wait, so there is no list of them."""
        for outcome in (final, ReviewOutcome(final)):
            with pytest.raises(ValueError, match=r"\boutcome\b"):
                await store.list_awaiting_review(outcome=outcome)

    async def test_import_waits_unless_its_review_is_final(self, store: GovernedStore) -> None:
        """An import brings its review along."""
        (unreviewed,) = await waiting(store, 1)
        (open_again,) = await waiting(store, 2, **REVIEW, review_outcome=FOLLOW_UP)
        await waiting(store, 3, **REVIEW, review_outcome="justified")
        await waiting(store, 4, **REVIEW, review_outcome="unjustified")
        assert list(await store.list_awaiting_review()) == [unreviewed]
        assert list(await store.list_awaiting_review(outcome=FOLLOW_UP)) == [open_again]
        assert list(await store.list_awaiting_review(outcome=ReviewOutcome.NEEDS_FOLLOW_UP)) == [
            open_again
        ]

    async def test_deleted_event_does_not_wait(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A deletion removes an event from every list."""
        event = await ended(store, clock, CLOSED)
        await store.delete(event.id)
        assert await ids(store) == []

    async def test_held_event_waits(self, store: GovernedStore, clock: FakeClock) -> None:
        """A hold and its release leave an event where it waits."""
        event = await ended(store, clock, CLOSED)
        kept = await held(store, event)
        assert list(await store.list_awaiting_review()) == [kept]
        free = await released(store, kept)
        assert list(await store.list_awaiting_review()) == [free]

    async def test_limit_counts_what_the_caller_receives(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Active events between the listed ones make no page shorter."""
        events = await waiting(store, *range(0, 20, 2))
        for age in range(-1, 20, 2):
            await opened(store, clock, created_at=clock() - age * MINUTE, invoker=f"invoker{age}")
        for size in (1, 2, 3, 7, 9):
            page = await store.list_awaiting_review(size)
            assert list(page) == events[:size]
            assert page.next_cursor is not None
        # An active event follows the last one, and is no reason for another page.
        assert await store.list_awaiting_review(10) == EventPage(tuple(events))
        assert await walk(store, 1, 3, 2) == events

    async def test_pages_skip_and_repeat_no_event(self, store: GovernedStore) -> None:
        """Following the cursors gives every event once, in a time range too."""
        events = await waiting(store, *range(10), 5, 5, 5)
        assert Counter(await walk(store, 1, 3, 2)) == Counter(events)
        query = {"since": events[2].created_at, "until": events[-2].created_at}
        walked = await walk(store, 2, 1, **query)
        assert Counter(walked) == Counter(events[2:-2])
        assert walked == sorted(walked, key=attrgetter("created_at"))

    @pytest.mark.parametrize(
        ("since", "until", "expected"),
        [
            (None, None, slice(0, 4)),
            (2, None, slice(1, 4)),
            (None, 2, slice(0, 1)),
            (2, 1, slice(1, 2)),
            (-1, None, slice(0, 0)),
            (None, 3, slice(0, 0)),
            (2, 2, slice(0, 0)),
            (1, 2, slice(0, 0)),
        ],
    )
    async def test_queue_is_bounded_by_since_and_until(
        self,
        store: GovernedStore,
        since: int | None,
        until: int | None,
        expected: slice,
    ) -> None:
        """The list has the events with since <= created_at < until."""
        events = await waiting(store, *range(4))
        page = await store.list_awaiting_review(
            since=None if since is None else FakeClock.START - since * MINUTE,
            until=None if until is None else FakeClock.START - until * MINUTE,
        )
        assert page == EventPage(tuple(events[expected]))

    async def test_event_that_is_reviewed_between_pages_is_not_repeated(
        self, store: GovernedStore
    ) -> None:
        """Reviewing the events of a page moves no event of the next pages."""
        events = await waiting(store, *range(5))
        met: list[BreakGlassEvent] = []
        cursor = None
        while len(met) < len(events):
            page = await store.list_awaiting_review(2, cursor=cursor)
            for event in page:
                await reviewed(store, event)
            met += page
            cursor = page.next_cursor
        assert met == events
        assert await ids(store) == []

    async def test_cursor_of_another_queue_is_refused(self, store: GovernedStore) -> None:
        """A cursor is valid only for its own list, outcome and time range."""
        await waiting(store, *range(3))
        await waiting(store, *range(3), **REVIEW, review_outcome=FOLLOW_UP)
        cursor = (await store.list_awaiting_review(1)).next_cursor
        assert cursor is not None
        other = (await store.list_by_status(CLOSED, 1)).next_cursor
        since = FakeClock.START - HOUR
        queries: list[dict[str, Any]] = [
            {"outcome": FOLLOW_UP, "cursor": cursor},
            {"since": since, "cursor": cursor},
            {"until": FakeClock.START + HOUR, "cursor": cursor},
            {"cursor": other},
            {"cursor": cursor[:-1]},
            {"cursor": f"{cursor}A"},
        ]
        for query in queries:
            with pytest.raises(ValueError, match="cursor"):
                await store.list_awaiting_review(**query)
        with pytest.raises(ValueError, match="cursor"):
            await store.list_by_status(CLOSED, cursor=cursor)
