"""`Changes` comes to show the record, even if the list lags behind."""

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
    """Remembers the ids that `get` was called with."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.read_ids: list[str] = []
        self.failure_of_get: Exception | None = None

    async def get(self, event_id: str) -> BreakGlassEvent:
        self.read_ids.append(event_id)
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
    async def test_event_of_another_replica_appears_and_goes(
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

    async def test_lapsed_event_that_is_still_listed_is_not_shown(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """A lapsed event grants nothing, even if the list still has it as active."""
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        clock.set(event.expires_at)
        await changes.read()
        assert not await shown(changes)

    async def test_event_of_maximal_duration_is_shown_until_it_lapses(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """A reading goes back far enough for every event that may still grant access."""
        event = await store.create(make_event(created_at=clock(), duration=timedelta(hours=4)))
        await store.catch_up()
        clock.set(event.expires_at - timedelta(microseconds=1))
        await changes.read()
        assert await shown(changes) == {event.id}


class TestThisProcess:
    async def test_published_event_is_shown_before_it_is_listed(
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
    async def test_published_event_that_another_closes_is_dropped(
        self, changes: Changes, store: LaggingStore, clock: FakeClock, passed: timedelta
    ) -> None:
        """The next reading drops the event, even if the clock has stepped back."""
        event = await store.create(make_event(created_at=clock()))
        changes.publish(event)
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        clock.set(clock() + passed)
        await changes.read()
        assert not await shown(changes)

    async def test_extended_event_that_another_closes_is_dropped(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """The list still has an older version, which is active."""
        event = await store.create(make_event(created_at=clock(), duration=timedelta(minutes=5)))
        await store.catch_up()
        later = event.model_copy(update={"expires_at": clock() + timedelta(hours=1)})
        changes.publish(await store.update(later))
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        await changes.read()
        assert not await shown(changes)

    async def test_published_event_that_is_deleted_is_dropped(
        self, changes: Changes, clock: FakeClock
    ) -> None:
        changes.publish(make_event(created_at=clock()))
        await changes.read()
        assert not await shown(changes)

    async def test_only_unlisted_events_are_read_by_id(
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
        assert store.read_ids == [open_.id, closed.id]
        store.read_ids.clear()
        await changes.read()
        assert store.read_ids == [open_.id]

    async def test_state_is_not_current_if_a_read_by_id_fails(
        self, changes: Changes, store: ObservedStore, clock: FakeClock
    ) -> None:
        """If an event cannot be read by its id, the state is not current."""
        changes.publish(await store.create(make_event(created_at=clock())))
        await changes.read()
        store.failure_of_get = StoreUnavailableError("throttled")
        assert not await changes.read()
        assert not await is_current(changes)

    async def test_closed_event_stays_hidden_while_it_is_listed(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """A closed event never comes back, however long the list still has it as active."""
        event = await store.create(make_event(created_at=clock()))
        await store.catch_up()
        await changes.read()
        changes.publish(await store.close(event.id, closed_by="bob", closed_reason="Done"))
        assert not await shown(changes)
        clock.advance(timedelta(minutes=10))
        await changes.read()
        assert not await shown(changes)

    async def test_extended_event_is_shown_while_old_version_is_listed(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        event = await store.create(make_event(created_at=clock(), duration=timedelta(seconds=5)))
        await store.catch_up()
        later = event.model_copy(update={"expires_at": clock() + timedelta(hours=1)})
        changes.publish(await store.update(later))
        clock.advance(timedelta(seconds=6))
        await changes.read()
        assert await shown(changes) == {event.id}

    async def test_older_version_published_later_is_ignored(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """The answers to two requests for one event may arrive in the wrong order."""
        event = await store.create(make_event(created_at=clock()))
        closed = await store.close(event.id, closed_by="bob", closed_reason="Done")
        changes.publish(closed)
        changes.publish(event)
        assert not await shown(changes)

    async def test_published_events_are_forgotten_after_max_duration(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        for _ in range(10):
            event = await store.create(make_event(created_at=clock()))
            changes.publish(event)
            changes.publish(await store.close(event.id, closed_by="bob", closed_reason="Done"))
        clock.advance(MAX_DURATION)
        await changes.read()
        assert not changes._own


class TestFailingStore:
    @pytest.mark.parametrize(
        "failure",
        [StoreUnavailableError("throttled"), CorruptItemError("key", "no id"), OSError("a bug")],
        ids=lambda failure: type(failure).__name__,
    )
    async def test_state_is_not_current_while_the_store_fails(
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

    async def test_failure_is_logged_once(
        self, changes: Changes, store: LaggingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.failure = StoreUnavailableError("throttled")
        for _ in range(3):
            await changes.read()
        assert caplog.messages == ["the active events cannot be read: throttled"]

    async def test_each_new_kind_of_failure_is_logged(
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

    async def test_access_lapses_while_the_store_fails(
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
    def test_pause_grows_with_failures_up_to_a_bound(
        self, failures: int, interval: int, pause: int
    ) -> None:
        """A very long outage does not overflow the pause."""
        waited = pause_after(failures, timedelta(seconds=interval))
        assert waited == timedelta(seconds=pause)


class TestCorruptRow:
    CORRUPT = CorruptItemError("BREAKGLASS#0123456789abcdef", "no created_at")

    async def test_corrupt_row_is_counted_and_hides_no_event(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """All other events are shown and current, and the state counts the corrupt row."""
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

    async def test_corrupt_row_of_a_published_event_is_counted_once(
        self, changes: Changes, store: ObservedStore, clock: FakeClock
    ) -> None:
        """The row is counted once, and the event is shown as this process wrote it."""
        own = await store.create(make_event(created_at=clock()))
        other = await store.create(make_event(invoker="bob", created_at=clock()))
        changes.publish(own)
        store.failure_of_get = self.CORRUPT
        store._index = (other,)
        store.corrupt = (self.CORRUPT,)
        assert await changes.read()
        assert await shown(changes) == {own.id, other.id}
        assert await unreadable(changes) == 1

    async def test_corrupt_row_is_logged_once_with_its_key(
        self, changes: Changes, store: LaggingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.corrupt = (self.CORRUPT,)
        for _ in range(3):
            await changes.read()
        (message,) = caplog.messages
        assert message == f"somebody may hold access unseen: {self.CORRUPT}"


async def test_reading_covers_created_at_in_any_time_zone(
    changes: Changes, store: LaggingStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index compares times as text, so a time with an offset may sort up to a day early."""
    asked: list[datetime] = []

    async def list_by_status(*_: object, since: datetime, **__: object) -> EventPage:
        asked.append(since)
        return EventPage(())

    monkeypatch.setattr(store, "list_by_status", list_by_status)
    await changes.read()
    assert asked == [clock() - MAX_DURATION - timedelta(days=1)]


class TestWatching:
    async def test_slow_watcher_skips_to_the_latest_state(
        self, changes: Changes, store: LaggingStore, clock: FakeClock
    ) -> None:
        """A slow watcher gets the latest state next, and older states do not pile up."""
        async with aclosing(changes.watch()) as states:
            first = await anext(states)
            for number in range(100):
                changes.publish(make_event(invoker=f"invoker-{number}", created_at=clock()))
            latest = await anext(states)
        assert not first.events
        assert len(latest.events) == 100

    async def test_waiting_watcher_is_woken_by_a_change(
        self, changes: Changes, clock: FakeClock
    ) -> None:
        async with asyncio.timeout(10), aclosing(changes.watch()) as states:
            await anext(states)
            waiting = asyncio.ensure_future(anext(states))
            await asyncio.sleep(0)
            event = make_event(created_at=clock())
            changes.publish(event)
            assert (await waiting).events.keys() == {event.id}

    async def test_end_stops_every_watcher(self, changes: Changes) -> None:
        async def watch() -> int:
            with changes.place("alice"):
                return len([state async for state in changes.watch()])

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(watch()) for _ in range(3)]
            while changes.places_taken < 3:  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(0)
            changes.end()
        assert [task.result() for task in watching] == [1, 1, 1]
        assert changes.places_taken == 0

    async def test_cancelled_watcher_gives_its_place_back(self, changes: Changes) -> None:
        async def watch() -> None:
            with changes.place("alice"):
                async for _ in changes.watch():
                    pass

        watching = asyncio.create_task(watch())
        while not changes.places_taken:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert changes.places_taken == 0
