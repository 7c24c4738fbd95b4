"""What a store decides before it writes: pure, and the same for every store."""

from __future__ import annotations

from datetime import datetime, timedelta

from aiobreakglass._domain.change import EXTENSION_MARGIN, Action, Change
from aiobreakglass._domain.errors import (
    ConcurrentModificationError,
    ImmutableFieldError,
    InvalidStateTransitionError,
)
from aiobreakglass._domain.event import (
    BreakGlassEvent,
    BreakGlassStatus,
    read_event,
    written_event,
)

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

_ACTIONS = {
    BreakGlassStatus.ACTIVE: Action.UPDATED,
    BreakGlassStatus.CLOSED: Action.CLOSED,
    BreakGlassStatus.EXPIRED: Action.EXPIRED,
}


def check_creatable(event: BreakGlassEvent, now: datetime) -> None:
    """Refuse a new event for its lapse or its lead; what has ended can be imported at any time."""
    if event.status.is_terminal:
        return
    # The clock may be a test's, years away from the machine's, so the message says what it reads.
    clock = f"the store's clock, which reads {now.isoformat()}"
    if event.is_lapsed(now):
        raise ValueError(f"expires_at of an active event must lie after {clock}")
    if event.created_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"created_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of {clock}"
        )
    # Versions only go up: one from the future would be the version of every change to come.
    if event.updated_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"updated_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of {clock}"
        )


def decide_create(event: BreakGlassEvent, now: datetime) -> Change:
    """Return the change that stores a new event, or raise why it cannot be stored now.

    The event has been validated by the rules for writing, which know no time.
    """
    check_creatable(event, now)
    if event.status.is_terminal:
        return Change(Action.IMPORTED, None, event, now)
    return Change(Action.CREATED, None, event, now, by=event.invoker)


def decide_update(stored: BreakGlassEvent, proposed: BreakGlassEvent, now: datetime) -> Change:
    """Return the change that puts `proposed` in the place of `stored`, or raise why not."""
    if stored.status.is_terminal:
        raise InvalidStateTransitionError(stored.id, stored.status, proposed.status)
    if stored.updated_at != proposed.updated_at:
        raise ConcurrentModificationError(stored.id, stored)
    proposed = written_event(proposed, stored)
    if proposed.status is BreakGlassStatus.EXPIRED:
        stored.expire(at=now)
    else:
        _refuse_lapsed(stored, proposed.status, now)
    extended = proposed.expires_at > stored.expires_at and not proposed.status.is_terminal
    if extended:
        _refuse_late_extension(stored, now)
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
    return _change(
        Action.EXTENDED if extended else _ACTIONS[proposed.status], stored, proposed, now
    )


def decide_close(
    stored: BreakGlassEvent, closed_by: str, closed_reason: str, now: datetime
) -> Change:
    """Return the change that closes `stored`, or raise why it cannot be closed."""
    closed = stored.close(closed_by=closed_by, closed_reason=closed_reason, at=now)
    return _change(Action.CLOSED, stored, closed, now)


def decide_expiry(stored: BreakGlassEvent, now: datetime) -> Change:
    """Return the change that marks `stored` expired, or raise why it cannot be marked."""
    return _change(Action.EXPIRED, stored, stored.expire(at=now), now)


def decide_delete(stored: BreakGlassEvent | None, now: datetime) -> Change:
    """Return the change that deletes an event, whatever its status; None is a row without one."""
    return Change(Action.DELETED, stored, None, now)


def _refuse_lapsed(stored: BreakGlassEvent, new: BreakGlassStatus, now: datetime) -> None:
    if stored.is_lapsed(now):
        raise InvalidStateTransitionError(
            stored.id, BreakGlassStatus.EXPIRED, new, "it has lapsed, and lapsed is over"
        )


def _refuse_late_extension(stored: BreakGlassEvent, now: datetime) -> None:
    if stored.expires_at - now < EXTENSION_MARGIN:
        raise InvalidStateTransitionError(
            stored.id,
            stored.status,
            stored.status,
            f"it lapses in less than {EXTENSION_MARGIN.total_seconds():g} s, "
            "too soon to be extended",
        )


def _change(
    action: Action, stored: BreakGlassEvent, changed: BreakGlassEvent, now: datetime
) -> Change:
    # Strictly later than the version before, even if the clock has stepped back.
    updated_at = max(now, stored.updated_at + _MICROSECOND)
    after = read_event({**vars(changed), "updated_at": updated_at})
    closing = action is Action.CLOSED
    return Change(
        action,
        stored,
        after,
        now,
        by=after.closed_by if closing else None,
        note=after.closed_reason if closing else None,
    )
