"""Mark lapsed events expired, in one pass or in a loop.

A lapsed event grants nothing, whether or not it is marked; the mark completes the record.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NoReturn

from aiobreakglass import _randomness
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
from aiobreakglass._workers.loop import (
    CONCURRENCY,
    About,
    call_back,
    for_each,
    log_fields,
    repeat,
)

_ROUNDS: Final = 16
"""How often a pass judges an event again because others changed it meanwhile."""

_logger = logging.getLogger("aiobreakglass.expiry")


async def expire_due(
    store: BreakGlassStore, *, now: datetime | None = None
) -> list[BreakGlassEvent]:
    """Mark every lapsed event expired, and return the events that this call marked, as stored.

    This makes one pass over the active events, and marks up to 16 at a time. It is safe to repeat
    and to run in any number of replicas: it skips an event that somebody else extends, closes,
    expires or deletes meanwhile. Lists are eventually consistent, so it may miss an event that was
    created just now; the next pass finds it.

    A row that cannot be read or marked does not stop the pass: the pass logs it, and raises
    `ExpiryError` at the end. If the store is unavailable for 16 events in a row, the pass stops.

    Args:
        store: The store whose events to mark.
        now: The instant to judge by; by default the current time. If the store's clock is behind
            it, events that have not lapsed by that clock stay active.

    Raises:
        ExpiryError: Some rows could not be read or marked. It has the error of each such row, and
            in `expired` the events that were marked.
        BreakGlassError: The store's `list_by_status` failed; marked events stay marked.
    """
    expired: list[BreakGlassEvent] = []
    failures: list[BreakGlassError] = []

    async def collect_expired(event: BreakGlassEvent) -> None:
        expired.append(event)

    async def collect_failed(error: BreakGlassError, _: About) -> None:
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

    A pass marks up to 16 events at the same time, so up to 16 callbacks run at the same time. A
    callback that raises is logged.

    If the list or 16 marks in a row raise `StoreUnavailableError`, the pass ends and is logged.
    The pauses between failed passes double from `interval` up to 5 minutes (or `interval`, if that
    is longer). A `TableError`, and any other exception of the list, ends the loop, because such a
    problem does not go away by itself.

    When the loop is cancelled, it starts no other event. It finishes the events under way and
    their callbacks, for one second at most.

    Args:
        store: The store whose events to mark.
        interval: How long to wait between two passes.
        jitter: The longest random addition to `interval`; it spreads the replicas' passes.
        on_expired: Awaited with each event that this call marked, as stored, right after the mark.
            Over all replicas, it is called at most once for an event, and not at all if the
            process dies in between.
        on_failed: Awaited with the error of each row that a pass cannot read or mark, again in
            each pass; the pass goes on.
        clock: Returns the current time as an aware datetime.

    Raises:
        TableError: The table is missing or is not laid out as the store expects.
    """
    check_interval("interval", interval, at_least=timedelta(microseconds=1))
    check_interval("jitter", jitter, at_least=timedelta(0))
    check_async_callback("on_expired", on_expired)
    check_async_callback("on_failed", on_failed)

    async def report_expired(event: BreakGlassEvent) -> None:
        about = log_fields(event)
        _logger.info("expired event %s", event.id, extra=about)
        await call_back("on_expired", on_expired, event, about=about, logger=_logger)

    async def report_failed(error: BreakGlassError, about: About) -> None:
        await call_back("on_failed", on_failed, error, about=about, logger=_logger)

    async def one_pass() -> StoreUnavailableError | None:
        now = check_instant("clock()", clock())
        return await _Pass(store, now, report_expired, report_failed).run()

    await repeat("expiry", one_pass, interval, jitter, _logger)


class _Pass:
    """One pass over the active events."""

    def __init__(
        self,
        store: BreakGlassStore,
        now: datetime,
        on_expired: Callable[[BreakGlassEvent], Awaitable[object]],
        on_failed: Callable[[BreakGlassError, About], Awaitable[object]],
    ) -> None:
        self._store = store
        self._now = now
        self._on_expired = on_expired
        self._on_failed = on_failed
        self._unanswered: list[StoreUnavailableError | TableError] = []
        """The errors of the last marks in a row that were not about single events."""

    async def run(self) -> StoreUnavailableError | None:
        """Mark the events of all pages, and return the error that stopped the pass, if any."""
        cursor = None
        while True:
            # All active events, without `until`, because the index compares `created_at` as text:
            # with another writer's offset from UTC, `until` would hide an event for hours.
            page = await self._store.list_by_status(
                BreakGlassStatus.ACTIVE, MAX_QUERY_LIMIT, cursor=cursor, on_corrupt="skip"
            )
            for error in page.corrupt:
                await shielded(self._fail(error, "a row that says active is not an event", {}))
            lapsed = [event for event in page if event.is_lapsed(self._now)]
            # In random order, so that replicas begin with different events, and so that events
            # whose marks always fail do not keep every pass from reaching the same others.
            _randomness.source.get().shuffle(lapsed)
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
        await for_each(events, self._mark, self._is_stopped)

    def _is_stopped(self) -> bool:
        return len(self._unanswered) >= CONCURRENCY

    async def _mark(self, event: BreakGlassEvent) -> None:
        try:
            expired = await _expire(self._store, event, self._now)
        except (StoreUnavailableError, TableError) as error:
            # One such error may be about this event alone; many in a row are not.
            self._unanswered.append(error)
            await self._fail_to_mark(event, error)
        except Exception as error:  # noqa: BLE001 - reported; the other events are still marked
            self._unanswered.clear()
            await self._fail_to_mark(event, error)
        else:
            self._unanswered.clear()
            if expired is not None:
                await self._on_expired(expired)

    async def _fail_to_mark(self, event: BreakGlassEvent, error: Exception) -> None:
        problem = f"event {event.id} could not be marked expired"
        if not isinstance(error, BreakGlassError):
            _logger.error(problem, extra=log_fields(event), exc_info=error)
            # Only its type, because third-party messages may quote values.
            unexpected = BreakGlassError(type(error).__name__)
            unexpected.__cause__ = error
            error = unexpected
        error.add_note(problem)
        await self._fail(error, problem, log_fields(event))

    async def _fail(self, error: BreakGlassError, problem: str, about: About) -> None:
        if isinstance(error, (CorruptItemError, ItemTooLargeError)):
            about = {**about, "key": error.key}
        _logger.warning("%s: %s", problem, error, extra=about)
        await self._on_failed(error, about)


async def _expire(
    store: BreakGlassStore, event: BreakGlassEvent, now: datetime
) -> BreakGlassEvent | None:
    """Mark an event expired, and return it as stored; None if others extended or ended it."""
    rounds = 0
    try:
        while event.is_lapsed(now):
            rounds += 1
            try:
                return await store.update(event.expire(at=now))
            except ConcurrentModificationError as error:
                if rounds == _ROUNDS:
                    raise
                # It changed since it was listed, perhaps it was extended: judge it again.
                event = error.current or await store.get(event.id)
    except (EventNotFoundError, InvalidStateTransitionError):
        # Somebody else deleted or ended it.
        pass
    return None
