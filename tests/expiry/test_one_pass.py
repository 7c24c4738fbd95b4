"""Marking lapsed events expired: one pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.session import get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    EventPage,
    InMemoryStore,
    expire_due,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.tables import temporary_table

from .stores import changed, open_some

HOUR = timedelta(hours=1)
# moto copies the table for each write, so a pass over many events would take half a minute there.
on_dynamodb_local = pytest.param("dynamodb-local", marks=pytest.mark.emulator)
REGION = "eu-central-1"


def meddling(
    store: BreakGlassStore, happening: Callable[[BreakGlassEvent], Awaitable[object]]
) -> BreakGlassStore:
    """Return a store in which something happens just before each update."""

    async def update(event: BreakGlassEvent) -> BreakGlassEvent:
        await happening(event)
        return await store.update(event)

    return changed(store, update=update)


class TestOnePass:
    """A pass works the same on every store."""

    @pytest.fixture(params=["memory", on_dynamodb_local])
    async def store(
        self, request: pytest.FixtureRequest, clock: FakeClock
    ) -> AsyncIterator[BreakGlassStore]:
        if request.param == "memory":
            yield InMemoryStore(clock=clock)
            return
        url = request.getfixturevalue("dynamodb_local_endpoint")
        async with (
            get_session().create_client(
                "dynamodb", region_name=REGION, endpoint_url=url
            ) as client,
            temporary_table(client) as table_name,
        ):
            # On a busy machine 10 s have been too few for a pass over many events.
            yield AsyncDynamoDBStore(
                client,
                table_name,
                clock=clock,
                operation_timeout=timedelta(minutes=5),
            )

    async def test_pass_marks_only_lapsed_events(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A pass marks an event from `expires_at` on, and leaves running events alone."""
        (lapsed,) = (await open_some(store, clock, 1)).values()
        clock.set(lapsed.expires_at - timedelta(microseconds=1))
        running = await store.create(make_event(created_at=clock()))
        assert await expire_due(store, now=clock()) == []
        clock.set(lapsed.expires_at)
        (expired,) = await expire_due(store, now=clock())
        assert expired == await store.get(lapsed.id)
        assert expired.status is BreakGlassStatus.EXPIRED
        assert (await store.get(running.id)).status is BreakGlassStatus.ACTIVE

    async def test_second_pass_marks_nothing(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A second pass finds nothing left to do."""
        events = await open_some(store, clock, 3)
        clock.advance(HOUR)
        assert {event.id for event in await expire_due(store, now=clock())} == set(events)
        assert await expire_due(store, now=clock()) == []

    async def test_pass_marks_more_events_than_a_page_holds(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """No event is missed, although marking removes events from the list being read."""
        events = await open_some(store, clock, 120)
        clock.advance(HOUR)
        expired = await expire_due(store, now=clock())
        assert len(expired) == len(events)
        assert {event.id for event in expired} == set(events)

    async def test_concurrent_passes_mark_each_event_once(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Across all replicas, each event is marked exactly once."""
        events = await open_some(store, clock, 30)
        clock.advance(HOUR)
        passes = await asyncio.gather(*(expire_due(store, now=clock()) for _ in range(4)))
        marked = [event.id for expired in passes for event in expired]
        assert len(marked) == len(events)
        assert set(marked) == set(events)

    @pytest.mark.parametrize("how", ["closed", "deleted", "expired"])
    async def test_event_ended_by_others_is_skipped(
        self, store: BreakGlassStore, clock: FakeClock, how: str
    ) -> None:
        """The pass skips an event that somebody else ended after it was listed, and continues."""
        events = await open_some(store, clock, 3)
        taken = list(events)[1]
        running = clock()
        clock.advance(HOUR)
        now = clock()

        over = asyncio.Event()

        async def take(event: BreakGlassEvent) -> None:
            if event.id != taken:
                # All share this clock, so nothing else is marked while it is set back.
                await over.wait()
                return
            if how == "closed":
                clock.set(running)
                await store.close(taken, closed_by="bob", closed_reason="done")
                clock.set(now)
            elif how == "deleted":
                await store.delete(taken)
            else:
                await store.update(event)
            over.set()

        expired = await expire_due(meddling(store, take), now=now)
        assert {event.id for event in expired} == set(events) - {taken}

    async def test_event_extended_by_others_runs_on(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An event that was extended after it was listed runs on."""
        (event,) = (await open_some(store, clock, 1)).values()
        running = clock()
        clock.advance(HOUR)
        now = clock()

        async def extend(_: BreakGlassEvent) -> None:
            clock.set(running)
            await store.update(
                event.model_copy(update={"expires_at": event.created_at + 2 * HOUR})
            )
            clock.set(now)

        assert await expire_due(meddling(store, extend), now=now) == []
        assert (await store.get(event.id)).is_active(now)

    async def test_event_changed_by_others_is_judged_again(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A lapsed event with a newer version is judged again, not skipped."""
        (event,) = (await open_some(store, clock, 1)).values()
        running = clock()
        clock.advance(HOUR)
        now = clock()
        changes = ["r-1"]

        async def change(_: BreakGlassEvent) -> None:
            if changes:
                clock.set(running)
                await store.update(event.model_copy(update={"request_id": changes.pop()}))
                clock.set(now)

        (expired,) = await expire_due(meddling(store, change), now=now)
        assert expired.request_id == "r-1"

    async def test_caller_with_a_clock_ahead_marks_nothing_early(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An event that has not lapsed by the store's own clock is not marked."""
        (event,) = (await open_some(store, clock, 1)).values()
        assert await expire_due(store, now=clock() + HOUR) == []
        assert (await store.get(event.id)).is_active(clock())

    async def test_conflict_without_the_current_event_is_read(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """If a conflict does not contain the current event, the pass reads it."""
        (event,) = (await open_some(store, clock, 1)).values()
        clock.advance(HOUR)
        conflicts = [ConcurrentModificationError(event.id)]

        async def conflict(_: BreakGlassEvent) -> None:
            if conflicts:
                raise conflicts.pop()

        (expired,) = await expire_due(meddling(store, conflict), now=clock())
        assert expired == await store.get(event.id)

    async def test_naive_instant_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An instant without a time zone is refused by name."""
        with pytest.raises(ValueError, match="now must be timezone-aware"):
            await expire_due(store, now=clock().replace(tzinfo=None))


class TestAtOnce:
    @pytest.fixture
    def store(self, clock: FakeClock) -> InMemoryStore:
        return InMemoryStore(clock=clock)

    async def test_pass_marks_at_most_16_events_at_once(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """A pass has at most 16 marks in hand, however many events have lapsed."""
        events = await open_some(store, clock, 40)
        clock.advance(HOUR)
        in_hand: set[str] = set()
        most = 0
        full = asyncio.Event()

        async def wait_until_full(event: BreakGlassEvent) -> None:
            nonlocal most
            in_hand.add(event.id)
            most = max(most, len(in_hand))
            if len(in_hand) == 16:
                full.set()
            await full.wait()
            # Any other mark that could begin would begin now.
            for _ in range(9):
                await asyncio.sleep(0)
            in_hand.discard(event.id)

        async with asyncio.timeout(60):
            expired = await expire_due(meddling(store, wait_until_full), now=clock())
        assert most == 16
        assert {event.id for event in expired} == set(events)

    async def test_slow_mark_does_not_delay_the_others(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """A slow mark does not delay the others."""
        slow, *others = await open_some(store, clock, 40)
        clock.advance(HOUR)
        marked: set[str] = set()
        all_others = asyncio.Event()

        async def update(event: BreakGlassEvent) -> BreakGlassEvent:
            if event.id == slow:
                await all_others.wait()
            expired = await store.update(event)
            marked.add(event.id)
            if marked == set(others):
                all_others.set()
            return expired

        async with asyncio.timeout(60):
            assert len(await expire_due(changed(store, update=update), now=clock())) == 40

    async def test_pass_lists_all_active_events_by_1000(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """A pass lists all active events, whatever their `created_at`, 1,000 at a time."""
        asked: list[dict[str, Any]] = []

        async def list_by_status(*arguments: Any, **options: Any) -> EventPage:
            asked.append({"arguments": arguments, **options})
            return await store.list_by_status(*arguments, **options)

        await expire_due(changed(store, list_by_status=list_by_status), now=clock())
        assert asked == [{"arguments": ("active", 1000), "cursor": None, "on_corrupt": "skip"}]


class TestWithoutAnInstant:
    async def test_pass_without_an_instant_uses_the_present(self) -> None:
        """`now` defaults to the present."""
        store = InMemoryStore()
        event = await store.create(make_event())
        assert await expire_due(store) == []
        assert (await store.get(event.id)).status is BreakGlassStatus.ACTIVE
