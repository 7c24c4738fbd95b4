"""Mark lapsed events expired: one pass, and the loop around it.

A lapsed event grants nothing, marked or not; marking it is what completes the record.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from aiobreakglass._back_off import back_off
from aiobreakglass._contract.arguments import check_async_callback, check_instant, check_interval
from aiobreakglass._contract.store import MAX_QUERY_LIMIT, BreakGlassStore
from aiobreakglass._domain.errors import (
    BreakGlassError,
    ConcurrentModificationError,
    CorruptItemError,
    EventNotFoundError,
    ExpiryError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus, utc_now
from aiobreakglass._shielding import shielded

_Subject = TypeVar("_Subject")
_About = Mapping[str, str]
"""What a log record says besides its message."""

_CONCURRENCY: Final = 16
"""How many events a pass marks at the same time."""

_ROUNDS: Final = 16
"""How often a pass judges an event anew because others changed it in between."""

_LONGEST_BACK_OFF: Final = timedelta(minutes=5)

_logger = logging.getLogger("aiobreakglass.expiry")


async def expire_due(
    store: BreakGlassStore, *, now: datetime | None = None
) -> list[BreakGlassEvent]:
    """Mark every lapsed event expired, and return those that this call has marked, as stored.

    One pass over the active events, 16 at a time. It is safe to repeat and to run in any number
    of replicas: it leaves an event that somebody else extends, closes, expires or deletes in the
    meantime to them. `now` is the instant to judge by, by default the present; if the store's
    clock is behind it, what has not lapsed by that clock stays. Lists are eventually consistent,
    so an event that was created this very moment may be left to the next pass.

    A row that cannot be read or marked does not stop the pass. It is logged, and at the end
    `ExpiryError` holds the error of each such row, and in `expired` what was marked. If the store
    is unavailable for 16 events in a row, the pass stops there.

    Raises what the store's `list_by_status` raises; what was marked by then stays marked.
    """
    expired: list[BreakGlassEvent] = []
    failures: list[BreakGlassError] = []

    async def collect_expired(event: BreakGlassEvent) -> None:
        expired.append(event)

    async def collect_failed(error: BreakGlassError, _: _About) -> None:
        failures.append(error)

    instant = utc_now() if now is None else check_instant("now", now)
    stopped_by = await _Pass(store, instant, collect_expired, collect_failed).run()
    if failures:
        problem = "some lapsed events could not be marked expired"
        if stopped_by is not None:
            problem = "the pass stopped early, because the store is unavailable"
        raise ExpiryError(problem, failures, expired)
    return expired


async def run_expiry(
    store: BreakGlassStore,
    *,
    interval: timedelta,
    jitter: timedelta = timedelta(seconds=5),
    on_expired: Callable[[BreakGlassEvent], Awaitable[object]] | None = None,
    on_failed: Callable[[BreakGlassError], Awaitable[object]] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> NoReturn:
    """Mark lapsed events expired, pass after pass, until it is cancelled.

    It waits `interval`, and up to `jitter` more, between two passes, so that replicas drift apart.
    A pass marks up to 16 events at the same time, so up to 16 callbacks run at the same time.
    `on_expired` is awaited for each event that this call has
    marked, as stored, right after: at most once for an event, over all replicas, and not at all if
    the process dies in between. `on_failed` is awaited for each row that a pass cannot read or
    mark, with its error, again in each pass; the pass goes on. A callback that raises is logged.

    If the list raises `StoreUnavailableError`, or 16 marks in a row do, the pass ends. That is
    logged, and the next pass follows after pauses that double from `interval` up to 5 minutes (or
    `interval`, if that is longer). `TableError`, and anything else that the list raises, ends the
    loop: it does not mend itself. When it is cancelled, it begins no other event, and finishes
    those in hand, with their callbacks, for a second at most.
    """
    check_interval("interval", interval, at_least=timedelta(microseconds=1))
    check_interval("jitter", jitter, at_least=timedelta(0))
    check_async_callback("on_expired", on_expired)
    check_async_callback("on_failed", on_failed)

    async def report_expired(event: BreakGlassEvent) -> None:
        about = _log_fields(event)
        _logger.info("expired event %s", event.id, extra=about)
        await _call_back("on_expired", on_expired, event, about)

    async def report_failed(error: BreakGlassError, about: _About) -> None:
        await _call_back("on_failed", on_failed, error, about)

    failures = 0
    while True:
        now = check_instant("clock()", clock())
        try:
            stopped_by = await _Pass(store, now, report_expired, report_failed).run()
        except StoreUnavailableError as error:
            stopped_by = error
        failures = 0 if stopped_by is None else failures + 1
        if stopped_by is not None:
            _logger.warning(
                "expiry pass failed (%d in a row): %s",
                failures,
                stopped_by,
                extra={"failures": failures, "outcome_unknown": stopped_by.outcome_unknown},
            )
        chance = random.random()  # noqa: S311 - spreads load, guards nothing
        await asyncio.sleep(_pause(interval, jitter, failures, chance))


class _Pass:
    """One pass over the active events."""

    def __init__(
        self,
        store: BreakGlassStore,
        now: datetime,
        on_expired: Callable[[BreakGlassEvent], Awaitable[object]],
        on_failed: Callable[[BreakGlassError, _About], Awaitable[object]],
    ) -> None:
        self._store = store
        self._now = now
        self._on_expired = on_expired
        self._on_failed = on_failed
        self._unanswered: list[StoreUnavailableError | TableError] = []
        """What the last marks in a row ended with, if it was not about their events."""

    async def run(self) -> StoreUnavailableError | None:
        """Go through the pages, and return what stopped the pass before the end, if anything."""
        cursor = None
        while True:
            # All that is active, without `until`: the index compares `created_at` as text, and
            # another writer's offset from UTC would hide its event for hours.
            page = await self._store.list_by_status(
                BreakGlassStatus.ACTIVE, MAX_QUERY_LIMIT, cursor=cursor, on_corrupt="skip"
            )
            for error in page.corrupt:
                await shielded(self._fail(error, "a row that says active is not an event", {}))
            lapsed = [event for event in page if event.is_lapsed(self._now)]
            # In no order: replicas begin with different events, and events for which the store is
            # always unavailable do not keep every pass from the same others.
            random.shuffle(lapsed)
            await self._mark_all(lapsed)
            if self._is_stopped():
                stopped_by = self._unanswered[-1]
                if isinstance(stopped_by, TableError):
                    raise stopped_by
                return stopped_by
            if page.next_cursor is None:
                return None
            cursor = page.next_cursor

    async def _mark_all(self, events: Sequence[BreakGlassEvent]) -> None:
        waiting = iter(events)

        async def work() -> None:
            for event in waiting:
                await shielded(self._mark(event))
                if self._is_stopped():
                    return

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(_CONCURRENCY, len(events))):
                workers.create_task(work())

    def _is_stopped(self) -> bool:
        return len(self._unanswered) >= _CONCURRENCY

    async def _mark(self, event: BreakGlassEvent) -> None:
        try:
            expired = await _expire(self._store, event, self._now)
        except (StoreUnavailableError, TableError) as error:
            # One such answer may be about this event alone; many in a row are not.
            self._unanswered.append(error)
            await self._fail_to_mark(event, error)
        except Exception as error:  # noqa: BLE001 - it is reported, and the others get their mark
            self._unanswered.clear()
            await self._fail_to_mark(event, error)
        else:
            self._unanswered.clear()
            if expired is not None:
                await self._on_expired(expired)

    async def _fail_to_mark(self, event: BreakGlassEvent, error: Exception) -> None:
        problem = f"event {event.id} could not be marked expired"
        if not isinstance(error, BreakGlassError):
            _logger.error(problem, extra=_log_fields(event), exc_info=error)
            # Only its type: others' messages may quote values.
            unexpected = BreakGlassError(type(error).__name__)
            unexpected.__cause__ = error
            error = unexpected
        error.add_note(problem)
        await self._fail(error, problem, _log_fields(event))

    async def _fail(self, error: BreakGlassError, problem: str, about: _About) -> None:
        if isinstance(error, (CorruptItemError, ItemTooLargeError)):
            about = {**about, "key": error.key}
        _logger.warning("%s: %s", problem, error, extra=about)
        await self._on_failed(error, about)


async def _expire(
    store: BreakGlassStore, event: BreakGlassEvent, now: datetime
) -> BreakGlassEvent | None:
    """Mark an event expired, and return it as stored; None if it is for somebody else to end."""
    rounds = 0
    try:
        while event.is_lapsed(now):
            rounds += 1
            try:
                return await store.update(event.expire(at=now))
            except ConcurrentModificationError as error:
                if rounds == _ROUNDS:
                    raise
                # Changed since it was listed, perhaps extended: judge it as it is now.
                event = error.current or await store.get(event.id)
    except (EventNotFoundError, InvalidStateTransitionError):
        # Somebody else deleted or ended it.
        pass
    return None


async def _call_back(
    name: str,
    callback: Callable[[_Subject], Awaitable[object]] | None,
    subject: _Subject,
    about: _About,
) -> None:
    """Await a callback; one that raises must not keep the others from being told."""
    if callback is None:
        return
    try:
        await callback(subject)
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            raise
        _logger.exception("%s failed", name, extra=about)


def _pause(interval: timedelta, jitter: timedelta, failures: int, chance: float) -> float:
    """Return the seconds to wait after so many failures in a row; `chance` is from 0 to 1."""
    pause = back_off(interval.total_seconds(), _LONGEST_BACK_OFF.total_seconds(), failures)
    return pause + jitter.total_seconds() * chance


def _log_fields(event: BreakGlassEvent) -> _About:
    """Return what a log record says of an event: never its justification."""
    return {"event_id": event.id, "invoker": event.invoker, "profile": event.profile}
