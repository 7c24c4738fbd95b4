"""The answers of a single store that runs one call after the other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from aiobreakglass import MAX_DURATION
from aiobreakglass._domain.change import EXTENSION_MARGIN
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

_MAX_DURATION: Final = MAX_DURATION // timedelta(microseconds=1)
_MARGIN: Final = EXTENSION_MARGIN // timedelta(microseconds=1)

LIMITED: Final = "LimitExceededError"

OVERSIGHT: Final = ("review", "hold", "release")
"""The calls that change an ended event as well."""

_FINAL: Final = ("justified", "unjustified")

State = Mapping[str, Version | None]
"""The events of one pair by id; None is a deleted event."""


class Answer(NamedTuple):
    """The answer due to a call, and the pair afterwards: the same object if nothing changes."""

    answer: str
    state: State
    seen_id: str | None = None
    seen: Version | None = None

    def is_given_to(self, call: Call) -> bool:
        """Tell whether the call got this answer."""
        return (self.answer, self.seen_id, self.seen) == (call.answer, call.seen_id, call.seen)


def answer_to(call: Call, now: int, state: State) -> Answer:
    """Return the answer due to a call that is decided at an instant.

    If a lapsed event is in the way of a create, it must first be marked expired. That is a
    separate step: see `marked`.
    """
    if call.kind == "find":
        held = holder(state)
        if held is None or held[1].expires_at <= now:
            return Answer(OK, state)
        return Answer(OK, state, *held)
    if call.kind == "create":
        return _answer_to_create(call, now, state)
    stored = state.get(call.event_id)
    if call.kind == "delete":
        if stored is not None and stored.held_by is not None:
            return Answer("EventHeldError", state, call.event_id, stored)
        return Answer(OK, {**state, call.event_id: None} if stored else state)
    if stored is None:
        return Answer("EventNotFoundError", state)
    if call.kind == "get":
        return Answer(OK, state, call.event_id, stored)
    if call.kind in OVERSIGHT:
        return _answer_to_oversight(call, now, stored, state)
    return _answer_to_change(call, now, stored, state)


def marked(call: Call, now: int, state: State) -> tuple[str, State] | None:
    """Mark the lapsed event in a call's way, if any; return its id and the pair afterwards.

    The call may do this at any time or not at all, because other calls may be faster.
    """
    held = holder(state)
    if held is None or not _may_mark(call):
        return None
    event_id, version = held
    if version.expires_at > now or (call.kind != "create" and event_id != call.event_id):
        return None
    expired = _moved_on(version._replace(status="expired"), version, now)
    return event_id, {**state, event_id: expired}


def holder(state: State) -> tuple[str, Version] | None:
    """Return the pair's active event, lapsed or not."""
    for event_id, version in state.items():
        if version is not None and version.status == "active":
            return event_id, version
    return None


def _may_mark(call: Call) -> bool:
    if call.kind in ("create", "review"):
        return True
    # A release is refused as one of an event that is not held.
    current = "active" if call.kind == "release" else "expired"
    answers = (UNKNOWN, UNAVAILABLE, f"InvalidStateTransitionError({current})")
    return call.kind in ("update", "close", "prolong", "release") and call.answer in answers


def _answer_to_create(call: Call, now: int, state: State) -> Answer:
    assert call.asked is not None
    is_active = call.asked.status == "active"
    if is_active and (call.asked.expires_at <= now or call.asked.extensions or call.asked.held_by):
        return Answer("ValueError", state)
    if call.event_id in state:
        return Answer("EventExistsError", state)
    held = holder(state)
    is_blocked = held is not None and held[1].expires_at > now
    if call.answer == LIMITED and is_active and not is_blocked:
        # Whether a limit is used up depends on other pairs, too: see `evidence`.
        return Answer(LIMITED, state)
    if held is None or not is_active:
        created = {**state, call.event_id: call.asked}
        return Answer(OK, created, call.event_id, call.asked)
    if held[1].expires_at <= now:
        return Answer("nothing, before the lapsed event is marked", state)
    return Answer("ActiveEventExistsError", state, *held)


def _answer_to_change(call: Call, now: int, stored: Version, state: State) -> Answer:
    asked = call.asked
    assert asked is not None
    is_lapsed = stored.expires_at <= now
    if stored.status != "active":
        return Answer(f"InvalidStateTransitionError({stored.status})", state)
    if call.kind == "update" and asked.updated_at != stored.updated_at:
        return Answer("ConcurrentModificationError", state, call.event_id, stored)
    if call.kind == "prolong" and not is_lapsed and _is_late(stored, now):
        return Answer("InvalidStateTransitionError(active)", state)
    if call.kind == "prolong" and not is_lapsed:
        longest = int(stored.evidence.rpartition("|")[2]) + _MAX_DURATION
        if not stored.expires_at < asked.expires_at <= longest:
            return Answer("ValueError", state)
        asked = stored._replace(expires_at=asked.expires_at)
    if is_lapsed != (asked.status == "expired"):
        current = "expired" if is_lapsed else "active"
        return Answer(f"InvalidStateTransitionError({current})", state)
    if call.kind == "update" and _comes_too_late(asked, stored, now):
        return Answer("InvalidStateTransitionError(active)", state)
    if call.kind == "close":
        asked = stored._replace(
            status="closed", closed_by=asked.closed_by, closed_reason=asked.closed_reason
        )
    if _is_extension(asked, stored):
        asked = asked._replace(extensions=stored.extensions + 1)
    changed = _moved_on(asked, stored, now)
    return Answer(OK, {**state, call.event_id: changed}, call.event_id, changed)


def _answer_to_oversight(call: Call, now: int, stored: Version, state: State) -> Answer:
    asked = call.asked
    assert asked is not None
    is_held = stored.held_by is not None
    if call.kind == "hold" and is_held:
        return Answer("EventHeldError", state, call.event_id, stored)
    if call.kind == "release" and not is_held:
        return Answer(f"InvalidStateTransitionError({stored.status})", state)
    changed = stored._replace(held_by=asked.held_by)
    if call.kind == "review":
        if _is_own(asked, stored):
            return Answer("ReviewRefusedError", state, call.event_id, stored)
        if stored.status == "active" and stored.expires_at <= now:
            return Answer("nothing, before the lapsed event is marked", state)
        if stored.status == "active" or stored.review_outcome in _FINAL:
            return Answer("ReviewRefusedError", state, call.event_id, stored)
        changed = stored._replace(
            reviewed_by=asked.reviewed_by, review_outcome=asked.review_outcome
        )
    changed = _moved_on(changed, stored, now)
    return Answer(OK, {**state, call.event_id: changed}, call.event_id, changed)


def _is_own(asked: Version, stored: Version) -> bool:
    """Tell whether the invoker is to review their own use."""
    invoker = stored.evidence.partition("|")[0]
    return asked.reviewed_by is not None and asked.reviewed_by.casefold() == invoker.casefold()


def _is_late(stored: Version, now: int) -> bool:
    return stored.expires_at - now < _MARGIN


def _comes_too_late(asked: Version, stored: Version, now: int) -> bool:
    """Tell whether an extension is decided within the last second before the lapse."""
    return _is_extension(asked, stored) and _is_late(stored, now)


def _is_extension(asked: Version, stored: Version) -> bool:
    return asked.status == "active" and asked.expires_at > stored.expires_at


def _moved_on(changed: Version, before: Version, now: int) -> Version:
    return changed._replace(updated_at=max(now, before.updated_at + 1))
