"""Marking lapsed events expired: the loop around the passes."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStore,
    EventPage,
    InMemoryStore,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
    run_expiry,
)
from aiobreakglass._workers.loop import pause as pause_after
from aiobreakglass.testing import FakeClock, make_event

from .stores import changed, open_some

HOUR = timedelta(hours=1)
NOT_AT_ALL = timedelta(0)


class Flaky:
    """A store whose next lists raise the given failures."""

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
def test_pause_grows_with_failures_and_has_jitter(
    interval: int, failures: int, chance: float, pause: float
) -> None:
    """A pause is the interval, doubled by each failure in a row up to 5 minutes, plus jitter."""
    waited = pause_after(timedelta(seconds=interval), timedelta(seconds=5), failures, chance)
    assert waited == pause


def of_expiry(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log records of the loop; other code may log at the same time."""
    return [record for record in caplog.records if record.name == "aiobreakglass.expiry"]


class TestLoop:
    @pytest.fixture
    def store(self, clock: FakeClock) -> InMemoryStore:
        return InMemoryStore(clock=clock)

    async def run_until(self, done: asyncio.Event, store: Any, **options: Any) -> None:
        """Run the loop until `done` is set."""
        options = {"interval": HOUR, "jitter": NOT_AT_ALL, **options}
        loop = asyncio.create_task(run_expiry(store, **options))
        waiting = asyncio.create_task(done.wait())
        await asyncio.wait({loop, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        waiting.cancel()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop

    async def test_loop_calls_back_for_each_expired_event(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """The callback gets each expired event once, as stored, and no other event."""
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
        """Across all replicas, each event gets at most one callback."""
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

    async def test_failed_callback_is_logged_and_others_run(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A failed callback is logged with its event, and the other callbacks run."""
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

    async def test_loop_continues_if_the_store_is_unavailable(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each failed pass is logged with fields to filter by, and the loop continues."""
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
        assert [record.__dict__["outcome_unknown"] for record in warnings] == [False] * 3
        assert [record.getMessage() for record in warnings] == [
            f"expiry pass failed ({number} in a row): throttled" for number in (1, 2, 3)
        ]

    async def test_pass_stopped_by_failed_marks_counts_as_failed(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A pass that 16 failed marks in a row stop counts as failed, and the loop continues."""
        await open_some(store, clock, 100)
        clock.advance(HOUR)
        lists = 0
        done = asyncio.Event()

        async def list_by_status(*arguments: Any, **options: Any) -> EventPage:
            nonlocal lists
            lists += 1
            if lists == 3:
                done.set()
            return await store.list_by_status(*arguments, **options)

        async def update(_: BreakGlassEvent) -> BreakGlassEvent:
            raise StoreUnavailableError("throttled", outcome_unknown=True)

        down = changed(store, list_by_status=list_by_status, update=update)
        await self.run_until(done, down, interval=timedelta(microseconds=1), clock=clock)
        failures = [record for record in of_expiry(caplog) if hasattr(record, "failures")]
        assert [record.__dict__["failures"] for record in failures[:2]] == [1, 2]
        assert all(record.__dict__["outcome_unknown"] for record in failures)

    async def test_loop_calls_back_for_each_failed_event(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each pass calls `on_failed` with the error, and the loop continues."""
        bad, *_ = await open_some(store, clock, 3)
        clock.advance(HOUR)
        refused = ItemTooLargeError(f"BREAKGLASS#{bad}")
        failed: list[BreakGlassError] = []
        done = asyncio.Event()

        async def update(event: BreakGlassEvent) -> BreakGlassEvent:
            if event.id == bad:
                raise refused
            return await store.update(event)

        async def on_failed(error: BreakGlassError) -> None:
            failed.append(error)
            if len(failed) == 2:
                done.set()
            raise LookupError("no such pager")

        await self.run_until(
            done,
            changed(store, update=update),
            interval=timedelta(microseconds=1),
            on_failed=on_failed,
            clock=clock,
        )
        assert failed[:2] == [refused, refused]
        assert [event.id for event in await store.list_by_status("active")] == [bad]
        logged = [record for record in of_expiry(caplog) if record.levelno > logging.INFO]
        assert {record.__dict__["key"] for record in logged} == {refused.key}
        assert {record.levelno for record in logged} == {logging.WARNING, logging.ERROR}

    async def test_loop_without_callbacks_marks_and_logs(
        self, store: InMemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Without callbacks, events are still marked and logged."""
        caplog.set_level(logging.INFO, "aiobreakglass.expiry")
        events = await open_some(store, clock, 3)
        clock.advance(HOUR)
        passes = 0
        done = asyncio.Event()

        async def list_by_status(*arguments: Any, **options: Any) -> EventPage:
            nonlocal passes
            passes += 1
            if passes == 2:
                done.set()
            return await store.list_by_status(*arguments, **options)

        await self.run_until(
            done,
            changed(store, list_by_status=list_by_status),
            interval=timedelta(microseconds=1),
            clock=clock,
        )
        logged = {record.__dict__["event_id"]: record for record in of_expiry(caplog)}
        assert logged.keys() == events.keys()
        for event_id, record in logged.items():
            assert record.levelno == logging.INFO
            assert record.__dict__["invoker"] == events[event_id].invoker
            assert record.__dict__["profile"] == events[event_id].profile

    async def test_cancelled_callback_counts_as_failed(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """A callback whose own work was cancelled has failed; the loop was not cancelled."""
        events = await open_some(store, clock, 40)
        clock.advance(HOUR)
        told: list[str] = []
        done = asyncio.Event()

        async def on_expired(event: BreakGlassEvent) -> None:
            told.append(event.id)
            if len(told) == len(events):
                done.set()
            raise asyncio.CancelledError

        await self.run_until(done, store, on_expired=on_expired, clock=clock)
        assert set(told) == set(events)

    async def test_passes_do_not_overlap(self, store: InMemoryStore, clock: FakeClock) -> None:
        """The next pass waits for the callbacks of the previous one."""
        await open_some(store, clock, 5)
        clock.advance(HOUR)
        flaky = Flaky(store)
        passes: list[int] = []
        done = asyncio.Event()

        async def on_expired(event: BreakGlassEvent) -> None:
            for _ in range(100):
                await asyncio.sleep(0)
            passes.append(flaky.lists)
            if len(passes) == 5:
                done.set()

        await self.run_until(
            done,
            flaky,
            interval=timedelta(microseconds=1),
            on_expired=on_expired,
            clock=clock,
        )
        assert passes == [1] * 5

    @pytest.mark.parametrize("bug", [TypeError("a bug"), TableError("no such table")])
    async def test_lasting_error_ends_the_loop(
        self, store: InMemoryStore, clock: FakeClock, bug: Exception
    ) -> None:
        """An error that does not go away by itself ends the loop at once."""
        flaky: Any = Flaky(store, bug)
        with pytest.raises(type(bug)):
            await run_expiry(flaky, interval=HOUR, clock=clock)

    async def test_cancelled_loop_finishes_events_in_hand(
        self, store: InMemoryStore, clock: FakeClock
    ) -> None:
        """The loop finishes the events in hand with their callbacks, and begins no others."""
        await open_some(store, clock, 20)
        clock.advance(HOUR)
        all_begun, go_on = asyncio.Event(), asyncio.Event()
        begun: list[str] = []
        finished: list[str] = []

        async def on_expired(event: BreakGlassEvent) -> None:
            begun.append(event.id)
            if len(begun) == 16:
                all_begun.set()
            await go_on.wait()
            finished.append(event.id)

        others = asyncio.all_tasks()
        loop = asyncio.create_task(
            run_expiry(store, interval=HOUR, on_expired=on_expired, clock=clock)
        )
        await all_begun.wait()
        loop.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await loop
        assert finished == begun
        assert len(await store.list_by_status("active")) == 4
        assert asyncio.all_tasks() == others

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"interval": NOT_AT_ALL}, ValueError, "interval"),
            ({"interval": 30}, TypeError, "interval"),
            ({"interval": HOUR, "jitter": -HOUR}, ValueError, "jitter"),
            ({"interval": HOUR, "clock": lambda: None}, TypeError, "clock"),
            ({"interval": HOUR, "on_expired": print}, TypeError, "on_expired must be an async"),
            ({"interval": HOUR, "on_failed": print}, TypeError, "on_failed must be an async"),
        ],
    )
    async def test_wrong_option_is_refused_by_name(
        self,
        store: InMemoryStore,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        """A wrong option is refused at once and by name."""
        with pytest.raises(error, match=message):
            await run_expiry(store, **options)
