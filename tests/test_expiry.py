"""Marking lapsed events expired: one pass, and the loop around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    EventPage,
    InMemoryStore,
    StoreUnavailableError,
    TableError,
    create_table,
    expire_due,
    run_expiry,
)
from aiobreakglass._expiry import _pause
from aiobreakglass.testing import FakeClock, make_event

HOUR = timedelta(hours=1)
NOT_AT_ALL = timedelta(0)
REGION = "eu-central-1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Meddling:
    """A store in which something happens just before each update."""

    def __init__(
        self,
        store: BreakGlassStore,
        happening: Callable[[BreakGlassEvent], Awaitable[object]],
    ) -> None:
        self._store = store
        self._happening = happening

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def update(self, event: BreakGlassEvent) -> BreakGlassEvent:
        await self._happening(event)
        return await self._store.update(event)


def meddling(
    store: BreakGlassStore, happening: Callable[[BreakGlassEvent], Awaitable[object]]
) -> BreakGlassStore:
    meddled: Any = Meddling(store, happening)
    assert isinstance(meddled, BreakGlassStore)
    return meddled


async def open_some(
    store: BreakGlassStore, clock: FakeClock, number: int
) -> dict[str, BreakGlassEvent]:
    """Open access for as many invokers, a microsecond apart."""
    events = {}
    for index in range(number):
        clock.advance(timedelta(microseconds=1))
        event = await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        events[event.id] = event
    return events


class TestOnePass:
    """The same on every store."""

    @pytest.fixture(params=["memory", "moto", "dynamodb-local"])
    async def store(
        self, request: pytest.FixtureRequest, clock: FakeClock
    ) -> AsyncIterator[BreakGlassStore]:
        if request.param == "memory":
            yield InMemoryStore(clock=clock)
            return
        endpoint = {"moto": "moto_endpoint", "dynamodb-local": "dynamodb_local_endpoint"}
        url = request.getfixturevalue(endpoint[request.param])
        name = f"breakglass-{uuid4().hex}"
        async with get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=url
        ) as client:
            await create_table(client, name)
            # moto copies the table for each write: on a busy machine 10 s have been too few.
            yield AsyncDynamoDBStore(
                client, name, clock=clock, operation_timeout=timedelta(minutes=5)
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

        async def take(event: BreakGlassEvent) -> None:
            if event.id != taken:
                return
            if how == "closed":
                clock.set(running)
                await store.close(taken, closed_by="bob", closed_reason="done")
                clock.set(now)
            elif how == "deleted":
                await store.delete(taken)
            else:
                await store.update(event)

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

    async def test_a_naive_instant(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """An instant without a time zone is refused by name."""
        with pytest.raises(ValueError, match="now must be timezone-aware"):
            await expire_due(store, now=clock().replace(tzinfo=None))


class TestWithoutAnInstant:
    async def test_is_judged_by_the_present(self) -> None:
        """`now` is the present where none is given."""
        store = InMemoryStore()
        event = await store.create(make_event())
        assert await expire_due(store) == []
        assert (await store.get(event.id)).status is BreakGlassStatus.ACTIVE


class Flaky:
    """A store whose next lists fail as they are told to."""

    def __init__(self, store: BreakGlassStore, *failures: Exception) -> None:
        self._store = store
        self._failures = list(failures)
        self.lists = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def list_by_status(self, *arguments: Any, **options: Any) -> EventPage:
        self.lists += 1
        if self._failures:
            raise self._failures.pop(0)
        return await self._store.list_by_status(*arguments, **options)


@pytest.mark.parametrize(
    ("interval", "failures", "chance", "pause"),
    [
        (20, 0, 0.0, 20),
        (20, 0, 0.5, 22.5),
        (20, 1, 0.0, 40),
        (20, 2, 0.0, 80),
        (20, 3, 0.0, 160),
        (20, 4, 0.0, 300),
        (20, 99, 1.0, 305),
        (600, 9, 0.0, 600),
    ],
)
def test_pauses(interval: int, failures: int, chance: float, pause: float) -> None:
    """Pauses are the interval, doubled by each failure in a row up to 5 minutes, and jitter."""
    assert _pause(
        timedelta(seconds=interval), timedelta(seconds=5), failures, chance
    ) == timedelta(seconds=pause)


def of_expiry(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what the loop has logged; others in the process may log meanwhile."""
    return [record for record in caplog.records if record.name == "aiobreakglass.expiry"]


class TestTheLoop:
    @pytest.fixture
    def store(self, clock: FakeClock) -> InMemoryStore:
        return InMemoryStore(clock=clock)

    async def run_until(self, done: asyncio.Event, store: Any, **options: Any) -> None:
        """Run the loop until something has happened."""
        options = {"interval": HOUR, "jitter": NOT_AT_ALL, **options}
        loop = asyncio.create_task(run_expiry(store, **options))
        waiting = asyncio.create_task(done.wait())
        await asyncio.wait({loop, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        waiting.cancel()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop

    async def test_calls_back_for_each_event_that_it_has_expired(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """The callback gets each event as stored, once, and none that was not expired."""
        events = await open_some(store, clock, 3)
        clock.advance(HOUR)
        await store.create(make_event(created_at=clock()))
        told: list[BreakGlassEvent] = []
        done = asyncio.Event()

        async def on_expired(event: BreakGlassEvent) -> None:
            told.append(event)
            if len(told) == len(events):
                done.set()

        await self.run_until(done, store, on_expired=on_expired, clock=clock)
        assert {event.id for event in told} == set(events)
        assert told == [await store.get(event.id) for event in told]

    async def test_replicas_call_back_once_for_each_event(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """Over all replicas at most one callback is called for an event."""
        events = await open_some(store, clock, 20)
        clock.advance(HOUR)
        told: list[str] = []
        done = asyncio.Event()

        async def on_expired(event: BreakGlassEvent) -> None:
            told.append(event.id)
            if len(told) >= len(events):
                done.set()

        async with asyncio.TaskGroup() as replicas:
            for _ in range(3):
                replicas.create_task(
                    self.run_until(done, store, on_expired=on_expired, clock=clock)
                )
        assert sorted(told) == sorted(events)

    async def test_a_callback_that_raises(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is logged with its event, and the others get theirs."""
        events = await open_some(store, clock, 3)
        clock.advance(HOUR)
        told: list[str] = []
        done = asyncio.Event()

        async def on_expired(event: BreakGlassEvent) -> None:
            told.append(event.id)
            if len(told) == len(events):
                done.set()
            raise LookupError("no such pager")

        await self.run_until(done, store, on_expired=on_expired, clock=clock)
        assert set(told) == set(events)
        errors = [record for record in of_expiry(caplog) if record.levelno == logging.ERROR]
        assert {record.__dict__["event_id"] for record in errors} == set(events)
        assert all(record.exc_info for record in errors)

    async def test_a_store_that_is_unavailable(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each failure is logged, with what a log's reader sorts by, and the loop goes on."""
        await open_some(store, clock, 1)
        clock.advance(HOUR)
        done = asyncio.Event()

        async def on_expired(_: BreakGlassEvent) -> None:
            done.set()

        failures = [StoreUnavailableError("throttled", outcome_unknown=False) for _ in range(3)]
        await self.run_until(
            done,
            Flaky(store, *failures),
            interval=timedelta(milliseconds=1),
            on_expired=on_expired,
            clock=clock,
        )
        warnings = [record for record in of_expiry(caplog) if record.levelno == logging.WARNING]
        assert [record.__dict__["failures"] for record in warnings] == [1, 2, 3]
        assert "throttled" in warnings[0].getMessage()

    async def test_passes_do_not_overlap(self, store: InMemoryStore, clock: FakeClock) -> None:
        """A pass that takes longer than the interval holds the next one up."""
        await open_some(store, clock, 5)
        clock.advance(HOUR)
        running = most = calls = 0
        done = asyncio.Event()

        async def on_expired(_: BreakGlassEvent) -> None:
            nonlocal running, most, calls
            running, calls = running + 1, calls + 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            if calls == 5:
                done.set()

        await self.run_until(
            done,
            store,
            interval=timedelta(microseconds=1),
            on_expired=on_expired,
            clock=clock,
        )
        assert most == 1

    @pytest.mark.parametrize("bug", [TypeError("a bug"), TableError("no such table")])
    async def test_anything_else_is_raised(
        self, store: InMemoryStore, clock: FakeClock, bug: Exception
    ) -> None:
        """What does not mend itself ends the loop at once."""
        flaky: Any = Flaky(store, bug)
        with pytest.raises(type(bug)):
            await run_expiry(flaky, interval=HOUR, clock=clock)

    async def test_is_cancelled_between_events(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """The event in hand is finished, with its callback; the next one is not begun."""
        await open_some(store, clock, 3)
        clock.advance(HOUR)
        begun, go_on = asyncio.Event(), asyncio.Event()
        finished: list[str] = []

        async def on_expired(event: BreakGlassEvent) -> None:
            begun.set()
            await go_on.wait()
            finished.append(event.id)

        loop = asyncio.create_task(
            run_expiry(store, interval=HOUR, on_expired=on_expired, clock=clock)
        )
        await begun.wait()
        loop.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await loop
        assert len(finished) == 1
        assert len(await store.list_by_status("active")) == 2

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"interval": NOT_AT_ALL}, ValueError, "interval"),
            ({"interval": 30}, TypeError, "interval"),
            ({"interval": HOUR, "jitter": -HOUR}, ValueError, "jitter"),
            ({"interval": HOUR, "clock": lambda: None}, TypeError, "clock"),
        ],
    )
    async def test_wrong_options(
        self,
        store: InMemoryStore,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        """A wrong option is refused at once and by name."""
        with pytest.raises(error, match=message):
            await run_expiry(store, **options)
