"""Decide what a store writes: pure functions that all stores share."""

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
    within_life,
    written_event,
)

MAX_CLOCK_LEAD = timedelta(minutes=5)
"""How far a new active event's times may be ahead of the store's clock."""

IMMUTABLE_FIELDS = (
    "id",
    "invoker",
    "profile",
    "reason_code",
    "justification",
    "duration",
    "created_at",
    "labels",
)

SET_BY_STORES = (
    "extensions",
    "reviewed_by",
    "reviewed_at",
    "review_outcome",
    "review_comment",
    "held_by",
    "held_at",
    "held_reason",
)
"""The fields that `update` never changes; `ended_at` follows from the status."""

_MICROSECOND = timedelta(microseconds=1)

_ACTIONS = {
    BreakGlassStatus.ACTIVE: Action.UPDATED,
    BreakGlassStatus.CLOSED: Action.CLOSED,
    BreakGlassStatus.EXPIRED: Action.EXPIRED,
}


def check_creatable(event: BreakGlassEvent, now: datetime) -> None:
    """Raise `ValueError` if a new event cannot be true by the store's clock.

    An active event must not have lapsed, and its times must not be too far ahead. An ended event
    can be imported at any time.
    """
    if event.status.is_terminal:
        if event.status is BreakGlassStatus.EXPIRED and event.ended_at != event.expires_at:
            raise ValueError("ended_at of an expired event must be its expires_at")
        return
    # A test's clock may be years away from the machine's, so the message shows its time.
    clock = f"the store's clock, which reads {now.isoformat()}"
    if event.is_lapsed(now):
        raise ValueError(f"expires_at of an active event must lie after {clock}")
    if event.created_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"created_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of {clock}"
        )
    if event.extensions:
        raise ValueError("extensions of a new active event must be 0")
    if event.held_by is not None:
        raise ValueError("a new active event must not be held; create it, then hold it")
    # Versions only increase, so all later versions would stay in the future, too.
    if event.updated_at - now > MAX_CLOCK_LEAD:
        raise ValueError(
            f"updated_at of an active event must be at most {MAX_CLOCK_LEAD} ahead of {clock}"
        )


def decide_create(
    event: BreakGlassEvent, now: datetime, by: str | None = None, note: str | None = None
) -> Change:
    """Return the change that stores a new event, or raise if it cannot be stored now.

    The caller has validated the event by the rules for writing, which do not depend on the time.
    """
    check_creatable(event, now)
    action = Action.IMPORTED if event.status.is_terminal else Action.CREATED
    return Change(action, None, event, now, by or event.invoker, note)


def decide_update(
    stored: BreakGlassEvent,
    proposed: BreakGlassEvent,
    now: datetime,
    by: str | None = None,
    note: str | None = None,
) -> Change:
    """Return the change that replaces `stored` by `proposed`, or raise if it is not allowed."""
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
    # `expires_at` may move only while the event stays active.
    ending = ("expires_at",) if proposed.status.is_terminal else ()
    for field in (*IMMUTABLE_FIELDS, *SET_BY_STORES, *ending):
        if getattr(stored, field) != getattr(proposed, field):
            raise ImmutableFieldError(stored.id, field)
    if proposed.expires_at != stored.expires_at and proposed.expires_at < now:
        # The event has granted access until now, so an earlier end would be a false record.
        raise ValueError(
            "expires_at may move to the present at the earliest, by the store's clock"
        )
    action = Action.EXTENDED if extended else _ACTIONS[proposed.status]
    if action is Action.CLOSED:
        by, note = by or proposed.closed_by, note or proposed.closed_reason
    return _change(action, stored, proposed, now, by, note)


def decide_close(
    stored: BreakGlassEvent, closed_by: str, closed_reason: str, now: datetime
) -> Change:
    """Return the change that closes `stored`, or raise if it cannot be closed."""
    closed = stored.close(closed_by=closed_by, closed_reason=closed_reason, at=now)
    return _change(Action.CLOSED, stored, closed, now, closed_by, closed_reason)


def decide_expiry(stored: BreakGlassEvent, now: datetime) -> Change:
    """Return the change that marks `stored` expired, or raise if it cannot be marked."""
    return _change(Action.EXPIRED, stored, stored.expire(at=now), now)


def decide_delete(
    stored: BreakGlassEvent | None,
    now: datetime,
    by: str | None = None,
    note: str | None = None,
) -> Change:
    """Return the change that deletes an event of any status; None means a row without an event."""
    return Change(Action.DELETED, stored, None, now, by, note)


def _refuse_lapsed(stored: BreakGlassEvent, new: BreakGlassStatus, now: datetime) -> None:
    if stored.is_lapsed(now):
        raise InvalidStateTransitionError(
            stored.id,
            BreakGlassStatus.EXPIRED,
            new,
            "it has lapsed, and a lapsed event cannot change",
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
    action: Action,
    stored: BreakGlassEvent,
    changed: BreakGlassEvent,
    now: datetime,
    by: str | None = None,
    note: str | None = None,
) -> Change:
    # Strictly later than the previous version, even if the clock has stepped back.
    values = {**vars(changed), "updated_at": max(now, stored.updated_at + _MICROSECOND)}
    if action is Action.EXTENDED:
        values["extensions"] = stored.extensions + 1
    elif action is Action.CLOSED:
        values["ended_at"] = within_life(stored, now)
    return Change(action, stored, read_event(values), now, by, note)
