"""Mark lapsed events expired: one pass, and the loop around it.

A lapsed event grants nothing, marked or not; marking it is what completes the record.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, NoReturn

from aiobreakglass._arguments import check_instant, check_interval
from aiobreakglass._errors import (
    ConcurrentModificationError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus, utc_now
from aiobreakglass._shielding import shielded
from aiobreakglass._store import BreakGlassStore, iterate

_Callback = Callable[[BreakGlassEvent], Awaitable[object]]

_LONGEST_BACK_OFF: Final = timedelta(minutes=5)

_logger = logging.getLogger("aiobreakglass.expiry")


async def expire_due(
    store: BreakGlassStore, *, now: datetime | None = None
) -> list[BreakGlassEvent]:
    """Mark every lapsed event expired, and return those that this call has marked, as stored.

    One pass over the active events, safe to repeat and to run in any number of replicas: an event
    that somebody else extends, closes, expires or deletes in the meantime is left to them. `now`
    is the instant to judge by, by default the present; where the store's clock is behind it, what
    has not lapsed by that clock stays. Lists are eventually consistent, so an event that was
    created this very moment may be left to the next pass.

    Raises what the store's `list_by_status`, `get` and `update` raise; what was marked by then
    stays marked.
    """
    expired: list[BreakGlassEvent] = []

    async def collect(event: BreakGlassEvent) -> None:
        expired.append(event)

    await _expire_all(store, utc_now() if now is None else check_instant("now", now), collect)
    return expired


async def run_expiry(
    store: BreakGlassStore,
    *,
    interval: timedelta,
    jitter: timedelta = timedelta(seconds=5),
    on_expired: _Callback | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> NoReturn:
    """Mark lapsed events expired, pass after pass, until it is cancelled.

    Between the end of a pass and the begin of the next lies `interval`, and up to `jitter` more,
    so that replicas drift apart. `on_expired` is awaited for each event that this call has marked,
    as stored, right after: at most once for an event, over all replicas, and not at all where the
    process dies in between. One that raises is logged, and the pass goes on.

    `StoreUnavailableError` is logged, and the pass tried again, after pauses that double from
    `interval` up to 5 minutes (or `interval`, where that is longer). Everything else is raised: a
    missing table or a row that is no event does not mend itself. Cancellation ends it between
    events: the one in hand, with its callback, is finished first, for a second at most.
    """
    check_interval("interval", interval, at_least=timedelta(microseconds=1))
    check_interval("jitter", jitter, at_least=timedelta(0))

    async def notify(event: BreakGlassEvent) -> None:
        _logger.info("expired event %s", event.id, extra=_described(event))
        if on_expired is None:
            return
        try:
            await on_expired(event)
        except Exception:
            # One reader of the record must not keep the others from theirs.
            _logger.exception("on_expired failed for event %s", event.id, extra=_described(event))

    failures = 0
    while True:
        try:
            await _expire_all(store, check_instant("clock()", clock()), notify)
            failures = 0
        except StoreUnavailableError as error:
            failures += 1
            _logger.warning(
                "expiry is held up, for the %d. time in a row: %s",
                failures,
                error,
                extra={"failures": failures, "outcome_unknown": error.outcome_unknown},
            )
        chance = random.random()  # noqa: S311 - spreads load, guards nothing
        await asyncio.sleep(_pause(interval, jitter, failures, chance).total_seconds())


async def _expire_all(store: BreakGlassStore, now: datetime, on_expired: _Callback) -> None:
    # What has lapsed was created before, so events that are newer need not be read.
    active = iterate(store.list_by_status, BreakGlassStatus.ACTIVE, until=now)
    async with aclosing(active) as events:
        async for event in events:
            if event.is_lapsed(now):
                await shielded(_expire(store, event, now, on_expired))


async def _expire(
    store: BreakGlassStore, event: BreakGlassEvent, now: datetime, on_expired: _Callback
) -> None:
    try:
        while event.is_lapsed(now):
            try:
                expired = await store.update(event.expire(at=now))
            except ConcurrentModificationError as error:
                # Changed since it was listed, perhaps extended: judge it as it is now.
                event = error.current or await store.get(event.id)
            else:
                await on_expired(expired)
                return
    except (EventNotFoundError, InvalidStateTransitionError):
        # Deleted, or ended by somebody else, whose doing it is then.
        return


def _pause(interval: timedelta, jitter: timedelta, failures: int, chance: float) -> timedelta:
    """Return how long to wait after so many failures in a row; `chance` is from 0 to 1."""
    pause = interval
    if failures and interval < _LONGEST_BACK_OFF:
        # Doubling 30 times goes past the longest from anywhere, and stays within a timedelta.
        pause = min(_LONGEST_BACK_OFF, interval * 2 ** min(failures, 30))
    return pause + jitter * chance


def _described(event: BreakGlassEvent) -> dict[str, str]:
    """Return what a log record says of an event: never its justification."""
    return {"event_id": event.id, "invoker": event.invoker, "profile": event.profile}
