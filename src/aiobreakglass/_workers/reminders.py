"""Remind people of the reviews that are overdue."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, NoReturn

from aiobreakglass._contract.arguments import check_async_callback, check_instant, check_interval
from aiobreakglass._contract.governed import GovernedStore
from aiobreakglass._contract.store import MAX_QUERY_LIMIT
from aiobreakglass._domain.errors import CorruptItemError, StoreUnavailableError
from aiobreakglass._domain.event import BreakGlassEvent, ReviewOutcome, utc_now
from aiobreakglass._shielding import shielded
from aiobreakglass._workers.loop import call_back, for_each, log_fields, repeat

_QUEUES: Final = (None, ReviewOutcome.NEEDS_FOLLOW_UP)
"""The outcomes after which an event waits for a review."""

_logger = logging.getLogger("aiobreakglass.reminders")


async def run_reminders(
    store: GovernedStore,
    remind: Callable[[BreakGlassEvent, int], Awaitable[object]],
    *,
    after: timedelta = timedelta(hours=72),
    interval: timedelta = timedelta(hours=24),
    pause: timedelta = timedelta(minutes=5),
    jitter: timedelta = timedelta(seconds=5),
    on_failed: Callable[[CorruptItemError], Awaitable[object]] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> NoReturn:
    """Call back for each overdue review, at least once per interval, until it is cancelled.

    A review is overdue if the event ended `after` ago or earlier and was never reviewed, or if its
    last review said `after` ago or earlier that it needs follow-up. The intervals of an event
    are counted from 0, beginning `after` its end.

    This calls back for each overdue review in each interval, at least once in each replica that
    runs. A callback that raises is logged, and called again in the next pass. A replica forgets on
    restart what it has called back for. So send each pair of `event.id` and interval only once:
    use it as the idempotency key of the message. Up to 16 callbacks run at the same time. A pass
    waits for all its callbacks, so give them a time limit: a pass that takes longer than
    `interval` can miss an interval.

    A pass lists the events first, and the list is eventually consistent. So a reminder can follow
    a review that was made just before. A row that is not an event is logged and left out. If the
    store is unavailable, the pass ends and is logged; the pauses between failed passes double from
    `pause` up to 5 minutes (or `pause`, if that is longer). Any other exception of the list ends
    the loop, because such a problem does not go away by itself.

    When the loop is cancelled, it begins no other callback. It finishes those under way, for one
    second at most.

    Args:
        store: The store whose reviews are overdue.
        remind: Awaited with each event whose review is overdue, and the number of the interval.
        after: How long a review may take.
        interval: How often to call back for the same event.
        pause: How long to wait between two passes; with `jitter`, less than `interval`.
        jitter: The longest random addition to `pause`; it spreads the replicas' passes.
        on_failed: Awaited with the error of each row that is not an event, again in each pass.
        clock: Returns the current time as an aware datetime.

    Raises:
        TableError: The table is missing, or it has no index of reviews.
    """
    check_async_callback("remind", remind, is_optional=False)
    check_async_callback("on_failed", on_failed)
    check_interval("after", after, at_least=timedelta(0))
    check_interval("pause", pause, at_least=timedelta(microseconds=1))
    check_interval("jitter", jitter, at_least=timedelta(0))
    check_interval("interval", interval, at_least=timedelta(microseconds=1))
    if interval - pause <= jitter:
        raise ValueError("interval must be longer than pause and jitter together")

    async def remind_once(reminder: _Reminder) -> bool:
        event, number = reminder
        about = {**log_fields(event), "interval": str(number)}
        done = await call_back("remind", remind, event, number, about=about, logger=_logger)
        if done:
            _logger.info("reminded of the review of event %s", event.id, extra=about)
        return done

    async def report_failed(error: CorruptItemError) -> None:
        about = {"key": error.key}
        _logger.warning("a row that waits for a review is not an event: %s", error, extra=about)
        await call_back("on_failed", on_failed, error, about=about, logger=_logger)

    reminders = _Reminders(store, remind_once, report_failed, after, interval)

    async def one_pass() -> StoreUnavailableError | None:
        await reminders.make_pass(check_instant("clock()", clock()))
        return None

    await repeat("reminder", one_pass, pause, jitter, _logger)


class _Reminder(NamedTuple):
    event: BreakGlassEvent
    interval: int


class _Reminders:
    """The overdue reviews of a store, and what this replica has already called back for."""

    def __init__(
        self,
        store: GovernedStore,
        remind: Callable[[_Reminder], Awaitable[bool]],
        on_corrupt: Callable[[CorruptItemError], Coroutine[Any, Any, None]],
        after: timedelta,
        interval: timedelta,
    ) -> None:
        self._store = store
        self._remind = remind
        self._on_corrupt = on_corrupt
        self._after = after
        self._interval = interval
        self._last: dict[str, int] = {}
        """The last interval in which a callback succeeded, for each event that waits."""

    async def make_pass(self, now: datetime) -> None:
        """Call back for each review that is overdue and has had no callback in its interval."""
        waiting: set[str] = set()
        for outcome in _QUEUES:
            cursor = None
            while True:
                page = await self._store.list_awaiting_review(
                    MAX_QUERY_LIMIT, outcome=outcome, cursor=cursor, on_corrupt="skip"
                )
                for error in page.corrupt:
                    await shielded(self._on_corrupt(error))
                waiting.update(event.id for event in page)
                await for_each(self._due(page, now), self._call_back)
                if page.next_cursor is None:
                    break
                cursor = page.next_cursor
        # Forget the events that no longer wait, so that the memory does not grow for ever.
        self._last = {key: number for key, number in self._last.items() if key in waiting}

    def _due(self, events: Iterable[BreakGlassEvent], now: datetime) -> list[_Reminder]:
        due = []
        for event in events:
            number = _overdue_interval(event, now, self._after, self._interval)
            # Unequal, not greater: a clock that was ahead must not silence the days that follow.
            if number is not None and number != self._last.get(event.id):
                due.append(_Reminder(event, number))
        return due

    async def _call_back(self, reminder: _Reminder) -> None:
        if await self._remind(reminder):
            self._last[reminder.event.id] = reminder.interval


def _overdue_interval(
    event: BreakGlassEvent, now: datetime, after: timedelta, interval: timedelta
) -> int | None:
    """Return the number of the interval in which a review is overdue; None if it is not.

    The boundary instant counts as overdue. Intervals are counted from the end of the event, also
    after a review that needs follow-up, so that no number comes back for another reminder.
    """
    ended_at = event.ended_at or event.expires_at
    waits_since = ended_at if event.reviewed_at is None else max(ended_at, event.reviewed_at)
    if now - waits_since < after:
        return None
    return (now - ended_at - after) // interval
