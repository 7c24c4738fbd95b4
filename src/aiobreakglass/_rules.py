"""What a store decides before it writes: pure, and the same for every store."""

from __future__ import annotations

from datetime import datetime, timedelta

from aiobreakglass._errors import (
    ConcurrentModificationError,
    ImmutableFieldError,
    InvalidStateTransitionError,
)
from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus, read_event, written_event

MAX_CLOCK_LEAD = timedelta(minutes=5)
"""How far ahead of the store's clock the writer of an active event may be."""

IMMUTABLE_FIELDS = (
    "id",
    "invoker",
    "profile",
    "reason_code",
    "justification",
    "duration",
    "created_at",
)

_MICROSECOND = timedelta(microseconds=1)


def check_creatable(event: BreakGlassEvent, now: datetime) -> None:
    """Refuse an event that breaks a rule for writing, has lapsed, or outlives `MAX_DURATION`."""
    written_event(event)
    if event.status.is_terminal:
        return
    if event.is_lapsed(now):
        raise ValueError("expires_at of an active event must lie after the store's clock")
    if event.created_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"created_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of the store's "
            "clock"
        )
    # Versions only go up: one from the future would be the version of every change to come.
    if event.updated_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"updated_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of the store's "
            "clock"
        )


def decide_update(
    stored: BreakGlassEvent, proposed: BreakGlassEvent, now: datetime
) -> BreakGlassEvent:
    """Return what to write so that `proposed` takes the place of `stored`, or raise why not."""
    if stored.status.is_terminal:
        raise InvalidStateTransitionError(stored.id, stored.status, proposed.status)
    if stored.updated_at != proposed.updated_at:
        raise ConcurrentModificationError(stored.id, stored)
    proposed = written_event(proposed, stored)
    if proposed.status is BreakGlassStatus.EXPIRED:
        stored.expire(at=now)
    else:
        _refuse_lapsed(stored, proposed.status, now)
    # An ending event ends as it was granted: its expiry may move only while it is active.
    ending = ("expires_at",) if proposed.status.is_terminal else ()
    for field in (*IMMUTABLE_FIELDS, *ending):
        if getattr(stored, field) != getattr(proposed, field):
            raise ImmutableFieldError(stored.id, field)
    if proposed.expires_at != stored.expires_at and proposed.expires_at < now:
        # It was granted until now: a record of an earlier end would not be true.
        raise ValueError(
            "expires_at may move to the present at the earliest, by the store's clock"
        )
    return _moved_on(stored, proposed, now)


def decide_close(
    stored: BreakGlassEvent, closed_by: str, closed_reason: str, now: datetime
) -> BreakGlassEvent:
    """Return what to write so that `stored` is closed, or raise why it cannot be."""
    closed = stored.close(closed_by=closed_by, closed_reason=closed_reason, at=now)
    return _moved_on(stored, closed, now)


def decide_expiry(stored: BreakGlassEvent, now: datetime) -> BreakGlassEvent:
    """Return what to write so that `stored` is marked expired, or raise why it cannot be."""
    return _moved_on(stored, stored.expire(at=now), now)


def _refuse_lapsed(stored: BreakGlassEvent, new: BreakGlassStatus, now: datetime) -> None:
    if stored.is_lapsed(now):
        raise InvalidStateTransitionError(
            stored.id, BreakGlassStatus.EXPIRED, new, "it has lapsed, and lapsed is over"
        )


def _moved_on(stored: BreakGlassEvent, changed: BreakGlassEvent, now: datetime) -> BreakGlassEvent:
    # Strictly later than the version before, even where the clock has stepped back.
    updated_at = max(now, stored.updated_at + _MICROSECOND)
    return read_event({**vars(changed), "updated_at": updated_at})
