"""Tell the changes that an event can undergo from alterations of its record; all pure."""

from __future__ import annotations

from typing import Final

from aiobreakglass._domain.change import Action
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus
from aiobreakglass._domain.history import event_values
from aiobreakglass._domain.rules import IMMUTABLE_FIELDS

_FIELDS: Final = tuple(BreakGlassEvent.model_fields)
_REVIEW: Final = ("reviewed_by", "reviewed_at", "review_outcome", "review_comment")
_HOLD: Final = ("held_by", "held_at", "held_reason")
_DETAILS: Final = ("request_id", "mfa_verified", "mfa_method", "mfa_challenge_id")
_ENDING: Final = ("updated_at", "status", "ended_at", *_DETAILS)

_WHILE_ACTIVE: Final = (Action.UPDATED, Action.EXTENDED, Action.CLOSED, Action.EXPIRED)
"""The actions that need an active event."""

_CHANGED_BY: Final = {
    Action.UPDATED: ("updated_at", "expires_at", *_DETAILS),
    Action.EXTENDED: ("updated_at", "expires_at", "extensions", *_DETAILS),
    Action.CLOSED: ("closed_by", "closed_reason", *_ENDING),
    Action.EXPIRED: _ENDING,
    Action.REVIEWED: ("updated_at", *_REVIEW),
    Action.HELD: ("updated_at", *_HOLD),
    Action.RELEASED: ("updated_at", *_HOLD),
}
"""The fields that each action may change."""


def is_result_of(action: Action, event: BreakGlassEvent | None) -> bool:
    """Return whether an action can leave this event; None means that it leaves no event."""
    if event is None or action is Action.DELETED:
        return event is None and action is Action.DELETED
    match action:
        case Action.CREATED:
            is_new = not event.extensions and event.held_by is None
            return is_new and event.status is BreakGlassStatus.ACTIVE
        case Action.UPDATED | Action.EXTENDED:
            return event.status is BreakGlassStatus.ACTIVE
        case Action.IMPORTED:
            return event.status.is_terminal
        case Action.CLOSED:
            return event.status is BreakGlassStatus.CLOSED
        case Action.EXPIRED:
            return event.status is BreakGlassStatus.EXPIRED
        case Action.REVIEWED:
            return event.reviewed_by is not None
        case Action.HELD:
            return event.held_by is not None
        case Action.RELEASED:
            return event.held_by is None
        case Action.ADOPTED:
            return True


def changed_fields(before: BreakGlassEvent, after: BreakGlassEvent) -> list[str]:
    """Return the names of the fields in which two events differ."""
    one, other = event_values(before), event_values(after)
    return [field for field in _FIELDS if one.get(field) != other.get(field)]


def altered_fields(before: BreakGlassEvent, after: BreakGlassEvent) -> list[str]:
    """Return the fields whose values `before` and `after` no sequence of changes can explain.

    Those are evidence, the past of an ended event, and whatever only moves forward.
    """
    fixed = {*IMMUTABLE_FIELDS}
    if before.status.is_terminal:
        fixed |= {*_FIELDS} - {"updated_at", *_REVIEW, *_HOLD}
    outcome = before.review_outcome
    if outcome is not None and (outcome.is_final or after.review_outcome is None):
        fixed |= {*_REVIEW}
    if after.updated_at < before.updated_at:
        fixed.add("updated_at")
    if after.extensions < before.extensions:
        fixed.add("extensions")
    if after.status is BreakGlassStatus.EXPIRED and after.ended_at != after.expires_at:
        fixed.add("ended_at")
    return [field for field in changed_fields(before, after) if field in fixed]


def fields_beyond(action: Action, before: BreakGlassEvent, after: BreakGlassEvent) -> list[str]:
    """Return the fields of `after` that this action cannot have made from `before`."""
    allowed = _CHANGED_BY.get(action, ())
    beyond = {field for field in changed_fields(before, after) if field not in allowed}
    beyond |= {*altered_fields(before, after)}
    is_extended = action is Action.EXTENDED
    if (after.expires_at > before.expires_at) is not is_extended:
        beyond.add("expires_at")
    if after.extensions != before.extensions + is_extended:
        beyond.add("extensions")
    if after.updated_at <= before.updated_at:
        beyond.add("updated_at")
    if action in _WHILE_ACTIVE and before.status.is_terminal:
        beyond.add("status")
    if action is Action.EXPIRED and after.updated_at < after.expires_at:
        beyond.add("updated_at")
    outcome = before.review_outcome
    if action is Action.REVIEWED and outcome is not None and outcome.is_final:
        beyond.add("review_outcome")
    is_held = before.held_by is not None
    if (action is Action.HELD and is_held) or (action is Action.RELEASED and not is_held):
        beyond.add("held_by")
    return [field for field in _FIELDS if field in beyond]
