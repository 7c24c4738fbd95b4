"""What is shown converges to the truth, whatever the list says in between."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from contextlib import aclosing
from datetime import datetime, timedelta

import pytest
from web_backend.changes import Changes, pause_after

from aiobreakglass import (
    MAX_DURATION,
    BreakGlassEvent,
    CorruptItemError,
    EventPage,
    StoreUnavailableError,
)
from aiobreakglass.testing import FakeClock, make_event

from .stores import LaggingStore

INTERVAL = timedelta(seconds=2)


class ObservedStore(LaggingStore):
    """Remembers what was asked for by its id."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.gotten: list[str] = []
        self.failure_of_get: Exception | None = None

    async def get(self, event_id: str) -> BreakGlassEvent:
        self.gotten.append(event_id)
        if self.failure_of_get is not None:
            raise self.failure_of_get
        return await super().get(event_id)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> ObservedStore:
    return ObservedStore(clock=clock)


@pytest.fixture
def changes(store: LaggingStore, clock: FakeClock) -> Changes:
    return Changes(store, interval=INTERVAL, clock=clock)


async def shown(changes: Changes) -> Set[str]:
    async with aclosing(changes.watch()) as states:
        async for state in states:
            return state.events.keys()
    raise AssertionError("watching has ended")


async def unreadable(changes: Changes) -> int:
    async with aclosing(changes.watch()) as states:
        async for state in states:
            return state.unreadable
    raise AssertionError("watching has ended")


async def is_current(changes: Changes) -> bool:
    async with aclosing(changes.watch()) as states:
        async for state in states:
            return state.is_current
    raise AssertionError("watching has ended")


class TestAnotherReplica:
    async def test_opens_and_closes(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        await changes.read()
        assert await shown(changes) == {event.id}
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        await store.catch_up()
        await changes.read()
        assert not await shown(changes)

    async def test_has_not_marked_what_has_lapsed(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """A lapsed event grants nothing, although the list has it as active."""
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        clock.set(event.expires_at)
        await changes.read()
        assert not await shown(changes)

    async def test_opened_the_longest_access_that_there_is(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """Nothing that still grants access is too old to be read."""
        event = await store.create(make_event(created_at=clock(), duration=timedelta(hours=4)))
        await store.catch_up()
        clock.set(event.expires_at - timedelta(microseconds=1))
        await changes.read()
        assert await shown(changes) == {event.id}


class TestThisProcess:
    async def test_opens_before_the_list_knows(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        event = await store.create(make_event(created_at=clock()))
        changes.publish(event)
        assert await shown(changes) == {event.id}
        await changes.read()
        assert await shown(changes) == {event.id}

    @pytest.mark.parametrize(
        "passed", [timedelta(0), timedelta(minutes=-30)], ids=["at once", "clock set back"]
    )
    async def test_opens_what_somebody_else_closes_before_the_list_knows(
        self, changes: Changes, store: LaggingStore, clock: FakeClock, passed: timedelta
    ) -> None:
        """The next reading shows it, whatever the list says and whatever the time is."""
        event = await store.create(make_event(created_at=clock()))
        changes.publish(event)
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        clock.set(clock() + passed)
        await changes.read()
        assert not await shown(changes)

    async def test_extends_what_somebody_else_closes_before_the_list_knows(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """The list has an older version, in which it is active."""
        event = await store.create(make_event(created_at=clock(), duration=timedelta(minutes=5)))
        await store.catch_up()
        later = event.model_copy(update={"expires_at": clock() + timedelta(hours=1)})
        changes.publish(await store.update(later))
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        await changes.read()
        assert not await shown(changes)

    async def test_opens_what_is_deleted_before_the_list_knows(
        self, changes: Changes, clock: FakeClock
    ) -> None:
        changes.publish(make_event(created_at=clock()))
        await changes.read()
        assert not await shown(changes)

    async def test_asks_only_for_what_the_list_does_not_confirm(
        self, changes: Changes, store: ObservedStore, clock: FakeClock
    ) -> None:
        listed = await store.create(make_event(invoker="alice", created_at=clock()))
        await store.catch_up()
        open_ = await store.create(make_event(invoker="bob", created_at=clock()))
        closed = await store.create(make_event(invoker="carol", created_at=clock()))
        lapsed = await store.create(
            make_event(invoker="dave", created_at=clock(), duration=timedelta(minutes=5))
        )
        for event in (listed, open_, closed, lapsed):
            changes.publish(event)
        await store.close(closed.id, closed_by="rita", closed_reason="Done")
        clock.set(lapsed.expires_at)
        await changes.read()
        assert store.gotten == [open_.id, closed.id]
        store.gotten.clear()
        await changes.read()
        assert store.gotten == [open_.id]

    async def test_cannot_ask_for_what_the_list_does_not_confirm(
        self, changes: Changes, store: ObservedStore, clock: FakeClock
    ) -> None:
        """What it shows then is not said to be current."""
        changes.publish(await store.create(make_event(created_at=clock())))
        await changes.read()
        store.failure_of_get = StoreUnavailableError("throttled")
        assert not await changes.read()
        assert not await is_current(changes)

    async def test_closes_before_the_list_knows(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """An end is for ever, however long the list takes to show it."""
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        await changes.read()
        changes.publish(await store.close(event.id, closed_by="bob", closed_reason="Done"))
        assert not await shown(changes)
        clock.advance(timedelta(minutes=10))
        await changes.read()
        assert not await shown(changes)

    async def test_extends_before_the_list_knows(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        event = await store.create(make_event(created_at=clock(), duration=timedelta(seconds=5)))
        await store.catch_up()
        later = event.model_copy(update={"expires_at": clock() + timedelta(hours=1)})
        changes.publish(await store.update(later))
        clock.advance(timedelta(seconds=6))
        await changes.read()
        assert await shown(changes) == {event.id}

    async def test_publishes_in_the_wrong_order(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """Two requests for one event may come back in another order than they were done."""
        event = await store.create(make_event(created_at=clock()))
        closed = await store.close(event.id, closed_by="bob", closed_reason="Done")
        changes.publish(closed)
        changes.publish(event)
        assert not await shown(changes)

    async def test_remembers_no_longer_than_it_has_to(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        for _ in range(10):
            event = await store.create(make_event(created_at=clock()))
            changes.publish(event)
            changes.publish(await store.close(event.id, closed_by="bob", closed_reason="Done"))
        clock.advance(MAX_DURATION)
        await changes.read()
        assert not changes._own


class TestAStoreThatCannotBeReached:
    @pytest.mark.parametrize(
        "failure",
        [StoreUnavailableError("throttled"), CorruptItemError("key", "no id"), OSError("a bug")],
        ids=lambda failure: type(failure).__name__,
    )
    async def test_is_told_of_until_it_can(
        self,
        changes: Changes,
        store: LaggingStore,
        clock: FakeClock,
        failure: Exception,
    ) -> None:
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        assert not await is_current(changes)
        await changes.read()
        assert await is_current(changes)
        store.failure = failure
        assert not await changes.read()
        assert not await is_current(changes)
        assert await shown(changes) == {event.id}
        store.failure = None
        assert await changes.read()
        assert await is_current(changes)

    async def test_is_logged_once_be_it_from_the_start(
        self, changes: Changes, store: LaggingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.failure = StoreUnavailableError("throttled")
        for _ in range(3):
            await changes.read()
        assert caplog.messages == ["the active events cannot be read: throttled"]

    async def test_is_logged_when_what_is_wrong_becomes_something_else(
        self, changes: Changes, store: LaggingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        unavailable, corrupt = StoreUnavailableError("throttled"), CorruptItemError("key", "no id")
        for failure in (unavailable, unavailable, corrupt, corrupt, unavailable):
            store.failure = failure
            await changes.read()
        assert caplog.messages == [
            f"the active events cannot be read: {failure}"
            for failure in (unavailable, corrupt, unavailable)
        ]

    async def test_does_not_make_access_last_longer(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        await changes.read()
        store.failure = StoreUnavailableError("throttled")
        clock.set(event.expires_at)
        await changes.read()
        assert not await shown(changes)

    @pytest.mark.parametrize(
        ("failures", "interval", "pause"),
        [(0, 2, 2), (1, 2, 4), (2, 2, 8), (3, 2, 10), (10**6, 2, 10), (10**6, 60, 60)],
    )
    def test_is_asked_less_and_less(self, failures: int, interval: int, pause: int) -> None:
        """However long it lasts."""
        waited = pause_after(failures, timedelta(seconds=interval))
        assert waited == timedelta(seconds=pause)


class TestARowThatIsNoEvent:
    CORRUPT = CorruptItemError("BREAKGLASS#0123456789abcdef", "no created_at")

    async def test_hides_no_other(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """All others are shown and current, and how many are not is said."""
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        store.corrupt = (self.CORRUPT,)
        assert await changes.read()
        assert await shown(changes) == {event.id}
        assert await is_current(changes)
        assert await unreadable(changes) == 1
        store.corrupt = ()
        await changes.read()
        assert await unreadable(changes) == 0

    async def test_that_this_process_wrote_hides_no_other(
        self, changes: Changes, store: ObservedStore, clock: FakeClock
    ) -> None:
        """It is counted once, and shown as it was written."""
        own = await store.create(make_event(created_at=clock()))
        other = await store.create(make_event(invoker="bob", created_at=clock()))
        changes.publish(own)
        store.failure_of_get = self.CORRUPT
        store._index = (other,)
        store.corrupt = (self.CORRUPT,)
        assert await changes.read()
        assert await shown(changes) == {own.id, other.id}
        assert await unreadable(changes) == 1

    async def test_is_logged_once_with_its_key(
        self, changes: Changes, store: LaggingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.corrupt = (self.CORRUPT,)
        for _ in range(3):
            await changes.read()
        (message,) = caplog.messages
        assert message == f"somebody may hold access unseen: {self.CORRUPT}"


async def test_a_time_in_another_zone_is_within_what_is_read(
    changes: Changes, store: LaggingStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index compares times as text, in which an offset from UTC may lie a day before."""
    asked: list[datetime] = []

    async def list_by_status(*_: object, since: datetime, **__: object) -> EventPage:
        asked.append(since)
        return EventPage(())

    monkeypatch.setattr(store, "list_by_status", list_by_status)
    await changes.read()
    assert asked == [clock() - MAX_DURATION - timedelta(days=1)]


class TestWatching:
    async def test_slowly(self, changes: Changes, store: LaggingStore, clock: FakeClock) -> None:
        """Who is not ready for a state is given the latest one next, and nothing piles up."""
        async with aclosing(changes.watch()) as states:
            first = await anext(states)
            for number in range(100):
                changes.publish(make_event(invoker=f"invoker-{number}", created_at=clock()))
            latest = await anext(states)
        assert not first.events
        assert len(latest.events) == 100

    async def test_that_waits_is_woken(self, changes: Changes, clock: FakeClock) -> None:
        async with asyncio.timeout(10), aclosing(changes.watch()) as states:
            await anext(states)
            waiting = asyncio.ensure_future(anext(states))
            await asyncio.sleep(0)
            event = make_event(created_at=clock())
            changes.publish(event)
            assert (await waiting).events.keys() == {event.id}

    async def test_ends_for_all(self, changes: Changes) -> None:
        async def watch() -> int:
            with changes.place("alice"):
                return len([state async for state in changes.watch()])

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(watch()) for _ in range(3)]
            while changes.places_taken < 3:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            changes.end()
        assert [task.result() for task in watching] == [1, 1, 1]
        assert changes.places_taken == 0

    async def test_that_is_cancelled_leaves_nothing_behind(self, changes: Changes) -> None:
        async def watch() -> None:
            with changes.place("alice"):
                async for _ in changes.watch():
                    pass

        watching = asyncio.create_task(watch())
        while not changes.places_taken:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert changes.places_taken == 0
