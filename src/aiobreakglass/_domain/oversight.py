"""Decide what follows the opening of access: extensions, reviews and holds; all pure."""

from __future__ import annotations

from datetime import datetime

from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.errors import (
    EventHeldError,
    InvalidStateTransitionError,
    ReviewRefusedError,
)
from aiobreakglass._domain.event import (
    BreakGlassEvent,
    BreakGlassStatus,
    ReviewOutcome,
    is_same_person,
)
from aiobreakglass._domain.fields import MAX_DURATION
from aiobreakglass._domain.limits import LimitsFor, check_extension, limits_of
from aiobreakglass._domain.rules import changed_event, decide_expiry, refuse_unextendable


def decide_extend(
    stored: BreakGlassEvent,
    expires_at: datetime,
    extended_by: str,
    reason: str,
    now: datetime,
    limits: LimitsFor,
) -> Change:
    """Return the change that moves the end of an event later, or raise if it is not allowed."""
    refuse_unextendable(stored, now)
    if expires_at <= stored.expires_at:
        raise ValueError(f"expires_at must be later than {stored.expires_at.isoformat()}")
    if expires_at - stored.created_at > MAX_DURATION:
        raise ValueError(f"expires_at must be at most {MAX_DURATION} after created_at")
    extended = stored.model_copy(update={"expires_at": expires_at})
    check_extension(limits_of(limits, stored), stored, extended)
    after = changed_event(Action.EXTENDED, stored, extended, now)
    return Change(Action.EXTENDED, stored, after, now, extended_by, reason)


def decide_review(
    stored: BreakGlassEvent,
    reviewed_by: str,
    outcome: ReviewOutcome,
    comment: str,
    now: datetime,
) -> Change:
    """Return the change that records a review, or raise if it is not allowed.

    A lapsed event must be marked first, so the change is then that.
    """
    if is_same_person(reviewed_by, stored.invoker):
        raise ReviewRefusedError(stored, "cannot be reviewed by its own invoker")
    if stored.is_lapsed(now):
        return decide_expiry(stored, now)
    if stored.status is BreakGlassStatus.ACTIVE:
        raise ReviewRefusedError(stored, "is active; review it once it has ended")
    if stored.review_outcome is not None and stored.review_outcome.is_final:
        raise ReviewRefusedError(
            stored, f"was reviewed as {stored.review_outcome}, and that is final"
        )
    reviewed = stored.model_copy(
        update={
            "reviewed_by": reviewed_by,
            "reviewed_at": now,
            "review_outcome": outcome,
            "review_comment": comment,
        }
    )
    after = changed_event(Action.REVIEWED, stored, reviewed, now)
    return Change(Action.REVIEWED, stored, after, now, reviewed_by, comment)


def decide_hold(stored: BreakGlassEvent, held_by: str, reason: str, now: datetime) -> Change:
    """Return the change that puts an event under a legal hold, or raise if it is held already."""
    refuse_held(stored)
    held = stored.model_copy(update={"held_by": held_by, "held_at": now, "held_reason": reason})
    after = changed_event(Action.HELD, stored, held, now)
    return Change(Action.HELD, stored, after, now, held_by, reason)


def decide_release(
    stored: BreakGlassEvent, released_by: str, reason: str, now: datetime
) -> Change:
    """Return the change that ends a legal hold, or raise if the event is not held."""
    if stored.held_by is None:
        raise InvalidStateTransitionError(
            stored.id, stored.status, stored.status, "it is not held"
        )
    free = stored.model_copy(update={"held_by": None, "held_at": None, "held_reason": None})
    after = changed_event(Action.RELEASED, stored, free, now)
    return Change(Action.RELEASED, stored, after, now, released_by, reason)


def refuse_held(stored: BreakGlassEvent) -> None:
    """Raise `EventHeldError` if an event is under a legal hold."""
    if stored.held_by is not None:
        raise EventHeldError(stored)
