"""Reminding people of overdue reviews."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import (
    BreakGlassEvent,
    CorruptItemError,
    EventPage,
    InMemoryStore,
    ReviewOutcome,
    StoreUnavailableError,
    TableError,
    run_reminders,
)
from aiobreakglass._workers.reminders import _overdue_interval, _Reminders
from aiobreakglass.testing import FakeClock, make_event

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AFTER = 3 * DAY
TICK = timedelta(microseconds=1)
KEY = "BREAKGLASS#0123456789abcdef"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> InMemoryStore:
    return InMemoryStore(clock=clock)


class Queue:
    """The store's queue of reviews, with what the database does to it."""

    def __init__(self, store: InMemoryStore) -> None:
        self._store = store
        self.pass_began = asyncio.Event()
        self.failures: list[Exception | None] = []
        """What the next lists raise; None is a list that succeeds."""
        self.corrupt: tuple[CorruptItemError, ...] = ()
        self.page_size = 1000

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def list_awaiting_review(self, limit: int, **options: Any) -> EventPage:
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        assert options["on_corrupt"] == "skip"
        if options["outcome"] is None and options["cursor"] is None:
            self.pass_began.set()
        page = await self._store.list_awaiting_review(min(limit, self.page_size), **options)
        return EventPage(page.events, page.next_cursor, self.corrupt)


class Replica:
    """One loop with the test's clock, whose callbacks are recorded."""

    def __init__(self, queue: Queue, clock: FakeClock, **options: Any) -> None:
        self.told: list[tuple[str, int]] = []
        self.fails: Callable[[str], bool] = lambda _: False
        self._queue = queue
        store: Any = queue
        self._task = asyncio.create_task(
            run_reminders(
                store,
                self._remind,
                **{"pause": TICK, "jitter": timedelta(0), "clock": clock, **options},
            )
        )

    async def _remind(self, event: BreakGlassEvent, interval: int) -> None:
        self.told.append((event.id, interval))
        if self.fails(event.id):
            raise LookupError("no such pager")

    async def finish_a_pass(self) -> None:
        """Wait until a pass that begins from now on has ended."""
        async with asyncio.timeout(60):
            for _ in range(2):
                self._queue.pass_began.clear()
                await self._queue.pass_began.wait()

    async def stop(self) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


async def opened(store: InMemoryStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await store.create(
        make_event(invoker=invoker, created_at=clock(), justification="hunter2 hunter2 hunter2")
    )


async def ended(store: InMemoryStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    event = await opened(store, clock, invoker)
    return await store.close(event.id, closed_by="bob", closed_reason="Over")


async def reviewed(store: InMemoryStore, event: BreakGlassEvent, outcome: str) -> None:
    await store.review(event.id, reviewed_by="rita", outcome=outcome, comment="Looked at it")


def ended_event(*, reviewed_after: timedelta | None = None) -> BreakGlassEvent:
    """Return an event that ended at the clock's first instant, perhaps reviewed later."""
    end = FakeClock.START
    review: dict[str, object] = {}
    if reviewed_after is not None:
        review = {
            "reviewed_by": "rita",
            "reviewed_at": end + reviewed_after,
            "review_outcome": ReviewOutcome.NEEDS_FOLLOW_UP,
            "review_comment": "Ask alice",
        }
    return make_event(
        status="closed", created_at=end - HOUR, updated_at=end, ended_at=end, **review
    )


@pytest.mark.parametrize(
    ("reviewed_after", "waited", "interval"),
    [
        (None, AFTER - TICK, None),
        (None, AFTER, 0),
        (None, AFTER + DAY - TICK, 0),
        (None, AFTER + DAY, 1),
        (None, AFTER + 10 * DAY, 10),
        (None, -HOUR, None),
        (DAY, AFTER + DAY - TICK, None),
        (DAY, AFTER + DAY, 1),
        (10 * HOUR, AFTER + 10 * HOUR, 0),
        (-HOUR, AFTER - TICK, None),
        (-HOUR, AFTER, 0),
    ],
)
def test_interval_of_an_overdue_review(
    reviewed_after: timedelta | None, waited: timedelta, interval: int | None
) -> None:
    """A review is overdue `after` the end or the last review; intervals count from the end."""
    event = ended_event(reviewed_after=reviewed_after)
    assert _overdue_interval(event, FakeClock.START + waited, AFTER, DAY) == interval


@given(st.lists(st.timedeltas(timedelta(0), 30 * DAY), min_size=2, max_size=5))
def test_interval_never_goes_back(waits: list[timedelta]) -> None:
    """The later it is, the higher the number, so no key comes back for another reminder."""
    numbers = [
        _overdue_interval(ended_event(), FakeClock.START + wait, HOUR, DAY)
        for wait in sorted(waits)
    ]
    overdue = [number for number in numbers if number is not None]
    assert overdue == sorted(overdue)
    assert numbers[len(numbers) - len(overdue) :] == overdue


async def test_lapsed_event_that_nobody_marked_is_overdue(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """An event that has run out waits for its review from `expires_at` on, marked or not."""
    event = await opened(store, clock, "alice")
    clock.set(event.expires_at + AFTER - TICK)
    replica = Replica(Queue(store), clock)
    await replica.finish_a_pass()
    assert replica.told == []
    clock.advance(TICK)
    await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 0)]


async def test_each_overdue_review_is_called_back_once_in_each_interval(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """However many passes are made, each interval has one callback for each overdue review."""
    first, second = await ended(store, clock, "alice"), await ended(store, clock, "bob")
    replica = Replica(Queue(store), clock)
    for interval in range(3):
        clock.set(FakeClock.START + AFTER + interval * DAY)
        for _ in range(3):
            await replica.finish_a_pass()
        assert sorted(replica.told) == sorted([(first.id, interval), (second.id, interval)])
        replica.told.clear()
    await replica.stop()


async def test_clock_that_was_ahead_and_is_set_back(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """Each interval has its callback, whatever the clock said before."""
    event = await ended(store, clock, "alice")
    replica = Replica(Queue(store), clock)
    for interval in (10, 0, 1):
        clock.set(FakeClock.START + AFTER + interval * DAY)
        for _ in range(2):
            await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 10), (event.id, 0), (event.id, 1)]


async def test_final_review_ends_the_reminders(store: InMemoryStore, clock: FakeClock) -> None:
    """A finally reviewed event no longer waits."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER)
    replica = Replica(Queue(store), clock)
    await replica.finish_a_pass()
    await reviewed(store, event, "justified")
    clock.advance(10 * DAY)
    await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 0)]


async def test_follow_up_is_due_after_its_own_time(store: InMemoryStore, clock: FakeClock) -> None:
    """A review that needs follow-up starts the time again, and no interval comes twice."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER)
    replica = Replica(Queue(store), clock)
    await replica.finish_a_pass()
    await reviewed(store, event, "needs_follow_up")
    clock.advance(AFTER - TICK)
    await replica.finish_a_pass()
    assert replica.told == [(event.id, 0)]
    clock.advance(TICK)
    await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 0), (event.id, 3)]


async def test_each_replica_calls_back_with_the_same_key(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """Replicas know nothing of each other, so the key is the same for all of them."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER + DAY)
    replicas = [Replica(Queue(store), clock) for _ in range(3)]
    for replica in replicas:
        await replica.finish_a_pass()
        await replica.stop()
        assert replica.told == [(event.id, 1)]


async def test_failed_callback_is_repeated_and_starves_nobody(
    store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that fails is logged and called again; the other events have theirs once."""
    caplog.set_level(logging.DEBUG, "aiobreakglass.reminders")
    events = [await ended(store, clock, f"invoker-{number}") for number in range(40)]
    bad, others = events[0].id, {(event.id, 0) for event in events[1:]}
    clock.advance(AFTER)
    replica = Replica(Queue(store), clock)
    replica.fails = lambda event_id: event_id == bad
    await replica.finish_a_pass()
    await replica.finish_a_pass()
    failed = replica.told.count((bad, 0))
    assert failed >= 2
    replica.fails = lambda _: False
    await replica.finish_a_pass()
    told = len(replica.told)
    await replica.finish_a_pass()
    await replica.stop()
    assert len(replica.told) == told
    assert sorted(key for key in replica.told if key[0] != bad) == sorted(others)
    assert set(replica.told) == {(bad, 0), *others}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.__dict__["event_id"] for record in errors} == {bad}
    assert all(record.exc_info for record in errors)
    assert not any("hunter2" in f"{vars(record)}" for record in caplog.records)


async def test_cancelled_callback_counts_as_failed(store: InMemoryStore, clock: FakeClock) -> None:
    """A callback whose own work was cancelled has failed; the loop was not cancelled."""
    events = [await ended(store, clock, f"invoker-{number}") for number in range(40)]
    clock.advance(AFTER)
    replica = Replica(Queue(store), clock)

    def cancelled(_: str) -> bool:
        raise asyncio.CancelledError

    replica.fails = cancelled
    await replica.finish_a_pass()
    await replica.finish_a_pass()
    await replica.stop()
    first_pass, next_pass = replica.told[:40], replica.told[40:80]
    assert set(first_pass) == set(next_pass) == {(event.id, 0) for event in events}


async def test_row_that_is_not_an_event_is_reported_and_starves_nobody(
    store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each pass reports the rows that the list left out, and calls back for the events."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER)
    queue = Queue(store)
    queue.corrupt = (CorruptItemError(KEY, "status is missing"),)
    failed: list[CorruptItemError] = []

    async def on_failed(error: CorruptItemError) -> None:
        failed.append(error)
        raise LookupError("no such pager")

    replica = Replica(queue, clock, on_failed=on_failed)
    await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 0)]
    assert set(failed) == set(queue.corrupt)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert {record.__dict__["key"] for record in warnings} == {KEY}


async def test_every_page_of_the_queue_is_read(store: InMemoryStore, clock: FakeClock) -> None:
    """The queue may be longer than a page."""
    events = [await ended(store, clock, f"invoker-{number}") for number in range(7)]
    for event in events[:3]:
        await reviewed(store, event, "needs_follow_up")
    clock.advance(AFTER)
    queue = Queue(store)
    queue.page_size = 2
    replica = Replica(queue, clock)
    await replica.finish_a_pass()
    await replica.stop()
    assert sorted(replica.told) == sorted((event.id, 0) for event in events)


async def test_loop_continues_if_the_store_is_unavailable(
    store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each failed pass is logged, and the loop continues."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER)
    queue = Queue(store)
    queue.failures = [StoreUnavailableError("throttled") for _ in range(3)]
    replica = Replica(queue, clock)
    await replica.finish_a_pass()
    await replica.stop()
    assert replica.told == [(event.id, 0)]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == [
        f"reminder pass failed ({number} in a row): throttled" for number in (1, 2, 3)
    ]


async def test_pass_that_ends_in_the_middle_keeps_what_it_has_done(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """Whoever was reminded before the store became unavailable is not reminded again."""
    events = [await ended(store, clock, f"invoker-{number}") for number in range(4)]
    clock.advance(AFTER)
    queue = Queue(store)
    queue.page_size = 2
    queue.failures = [None, StoreUnavailableError("throttled")] * 2
    replica = Replica(queue, clock)
    for _ in range(2):
        await replica.finish_a_pass()
    await replica.stop()
    assert sorted(replica.told) == sorted((event.id, 0) for event in events)


@pytest.mark.parametrize("bug", [TypeError("a bug"), TableError("no index of reviews")])
async def test_lasting_error_ends_the_loop(
    store: InMemoryStore, clock: FakeClock, bug: Exception
) -> None:
    """An error that does not go away by itself ends the loop at once."""
    queue: Any = Queue(store)
    queue.failures = [bug]

    async def remind(event: BreakGlassEvent, interval: int) -> None:
        raise AssertionError

    with pytest.raises(type(bug)):
        await run_reminders(queue, remind, clock=clock)


async def test_cancelled_loop_finishes_the_callbacks_under_way(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """The loop finishes the callbacks that have begun, and begins no others."""
    for number in range(20):
        await ended(store, clock, f"invoker-{number}")
    clock.advance(AFTER)
    all_begun, go_on = asyncio.Event(), asyncio.Event()
    begun: list[str] = []
    finished: list[str] = []

    async def remind(event: BreakGlassEvent, _: int) -> None:
        begun.append(event.id)
        if len(begun) == 16:
            all_begun.set()
        await go_on.wait()
        finished.append(event.id)

    others = asyncio.all_tasks()
    loop = asyncio.create_task(run_reminders(store, remind, clock=clock))
    await all_begun.wait()
    loop.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert finished == begun
    assert len(begun) == 16
    assert asyncio.all_tasks() == others


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"remind": None}, TypeError, "^remind must be an async function$"),
        ({"remind": print}, TypeError, "^remind must be an async function$"),
        ({"after": -TICK}, ValueError, "after"),
        ({"after": 72}, TypeError, "after"),
        ({"interval": timedelta(0)}, ValueError, "interval"),
        ({"pause": timedelta(0)}, ValueError, "pause"),
        ({"jitter": -TICK}, ValueError, "jitter"),
        ({"interval": 2 * HOUR, "pause": HOUR, "jitter": HOUR}, ValueError, "interval must be"),
        ({"on_failed": print}, TypeError, "on_failed must be an async function"),
        ({"clock": lambda: None}, TypeError, "clock"),
    ],
)
async def test_wrong_option_is_refused_by_name(
    store: InMemoryStore, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong option is refused at once and by name."""

    async def remind(event: BreakGlassEvent, interval: int) -> None:
        raise AssertionError

    def not_asked() -> datetime:
        raise LookupError("no pass must begin")

    with pytest.raises(error, match=message):
        await run_reminders(store, **{"remind": remind, "clock": not_asked, **options})


async def test_reviewed_events_are_forgotten(store: InMemoryStore, clock: FakeClock) -> None:
    """What a replica remembers does not grow with the events of years."""
    event = await ended(store, clock, "alice")
    clock.advance(AFTER)

    async def remind(_: object) -> bool:
        return True

    async def on_corrupt(_: object) -> None:
        raise AssertionError

    reminders = _Reminders(store, remind, on_corrupt, AFTER, DAY)
    await reminders.make_pass(clock())
    assert reminders._last == {event.id: 0}
    await reviewed(store, event, "justified")
    await reminders.make_pass(clock())
    assert reminders._last == {}
