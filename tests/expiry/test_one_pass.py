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
from tests.dynamodb.tables import new_table

from .stores import changed, open_some

HOUR = timedelta(hours=1)
on_emulators = [
    pytest.param(emulator, marks=pytest.mark.emulator) for emulator in ("moto", "dynamodb-local")
]
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
    """The same on every store."""

    @pytest.fixture(params=["memory", *on_emulators])
    async def store(
        self, request: pytest.FixtureRequest, clock: FakeClock
    ) -> AsyncIterator[BreakGlassStore]:
        if request.param == "memory":
            yield InMemoryStore(clock=clock)
            return
        endpoint = {"moto": "moto_endpoint", "dynamodb-local": "dynamodb_local_endpoint"}
        url = request.getfixturevalue(endpoint[request.param])
        async with get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=url
        ) as client:
            # moto copies the table for each write: on a busy machine 10 s have been too few.
            yield AsyncDynamoDBStore(
                client,
                await new_table(client),
                clock=clock,
                operation_timeout=timedelta(minutes=5),
            )

    async def test_marks_what_has_lapsed_and_nothing_else(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An event is expired from the boundary instant on; a running one is left alone."""
        (lapsed,) = (await open_some(store, clock, 1)).values()
        clock.set(lapsed.expires_at - timedelta(microseconds=1))
        running = await store.create(make_event(created_at=clock()))
        assert await expire_due(store, now=clock()) == []
        clock.set(lapsed.expires_at)
        (expired,) = await expire_due(store, now=clock())
        assert expired == await store.get(lapsed.id)
        assert expired.status is BreakGlassStatus.EXPIRED
        assert (await store.get(running.id)).status is BreakGlassStatus.ACTIVE

    async def test_again(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """A second pass finds nothing left to do."""
        events = await open_some(store, clock, 3)
        clock.advance(HOUR)
        assert {event.id for event in await expire_due(store, now=clock())} == set(events)
        assert await expire_due(store, now=clock()) == []

    async def test_more_events_than_a_page_holds(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """None is missed, although marking takes events out of the list that is being read."""
        events = await open_some(store, clock, 120)
        clock.advance(HOUR)
        expired = await expire_due(store, now=clock())
        assert len(expired) == len(events)
        assert {event.id for event in expired} == set(events)

    async def test_replicas_side_by_side(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """Over all replicas each event is marked exactly once."""
        events = await open_some(store, clock, 30)
        clock.advance(HOUR)
        passes = await asyncio.gather(*(expire_due(store, now=clock()) for _ in range(4)))
        marked = [event.id for expired in passes for event in expired]
        assert len(marked) == len(events)
        assert set(marked) == set(events)

    @pytest.mark.parametrize("how", ["closed", "deleted", "expired"])
    async def test_somebody_else_is_faster(
        self, store: BreakGlassStore, clock: FakeClock, how: str
    ) -> None:
        """What somebody else ended since it was listed is left to them, and the pass goes on."""
        events = await open_some(store, clock, 3)
        taken = list(events)[1]
        running = clock()
        clock.advance(HOUR)
        now = clock()

        over = asyncio.Event()

        async def take(event: BreakGlassEvent) -> None:
            if event.id != taken:
                # The clock is everybody's: nothing else is marked while it is set back.
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

    async def test_somebody_extends_it(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """An event that was extended since it was listed runs on."""
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

    async def test_somebody_changes_it_and_it_has_lapsed_all_the_same(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An event whose version has moved on is judged again, not skipped."""
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

    async def test_a_caller_whose_clock_is_ahead(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """What has not lapsed by the store's own clock is not marked."""
        (event,) = (await open_some(store, clock, 1)).values()
        assert await expire_due(store, now=clock() + HOUR) == []
        assert (await store.get(event.id)).is_active(clock())

    async def test_somebody_changes_it_and_the_store_does_not_say_how(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A conflict that comes without the row that won is settled by reading it."""
        (event,) = (await open_some(store, clock, 1)).values()
        clock.advance(HOUR)
        conflicts = [ConcurrentModificationError(event.id)]

        async def conflict(_: BreakGlassEvent) -> None:
            if conflicts:
                raise conflicts.pop()

        (expired,) = await expire_due(meddling(store, conflict), now=clock())
        assert expired == await store.get(event.id)

    async def test_a_naive_instant(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """An instant without a time zone is refused by name."""
        with pytest.raises(ValueError, match="now must be timezone-aware"):
            await expire_due(store, now=clock().replace(tzinfo=None))


class TestAtOnce:
    @pytest.fixture
    def store(self, clock: FakeClock) -> InMemoryStore:
        return InMemoryStore(clock=clock)

    async def test_sixteen_events(self, store: InMemoryStore, clock: FakeClock) -> None:
        """A pass has 16 marks in hand and no more, however many events have lapsed."""
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
            # Whoever else could begin now begins now.
            for _ in range(9):
                await asyncio.sleep(0)
            in_hand.discard(event.id)

        async with asyncio.timeout(60):
            expired = await expire_due(meddling(store, wait_until_full), now=clock())
        assert most == 16
        assert {event.id for event in expired} == set(events)

    async def test_one_that_hangs(self, store: InMemoryStore, clock: FakeClock) -> None:
        """A mark that takes long does not hold up the others."""
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

    async def test_what_is_asked_for(self, store: InMemoryStore, clock: FakeClock) -> None:
        """A pass asks for all active events, whatever their `created_at` says, 1,000 at a time."""
        asked: list[dict[str, Any]] = []

        async def list_by_status(*arguments: Any, **options: Any) -> EventPage:
            asked.append({"arguments": arguments, **options})
            return await store.list_by_status(*arguments, **options)

        await expire_due(changed(store, list_by_status=list_by_status), now=clock())
        assert asked == [{"arguments": ("active", 1000), "cursor": None, "on_corrupt": "skip"}]


class TestWithoutAnInstant:
    async def test_is_judged_by_the_present(self) -> None:
        """`now` is the present where none is given."""
        store = InMemoryStore()
        event = await store.create(make_event())
        assert await expire_due(store) == []
        assert (await store.get(event.id)).status is BreakGlassStatus.ACTIVE
