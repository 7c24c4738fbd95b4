"""A second opinion: the checker of `tests.histories`, which searches an order and knows none.

It alone cannot see that access was revived, for it judges by the clock that the call has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    ConcurrentModificationError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from tests.histories.check import Verdict, check
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Version, microseconds
from tests.histories.record import Call as SearchedCall
from tests.simulation.record import Call
from tests.simulation.timeline import DELETED, LAYOUT, Timeline

_KINDS: Final = {
    "check": "find",
    "create": "create",
    "get": "get",
    "update": "update",
    "close": "close",
    "delete": "delete",
}


def verdicts(calls: Iterable[Call], timeline: Timeline) -> list[Verdict]:
    """Judge a history pair by pair."""
    written = [_written_down(call) for call in calls if call.kind in _KINDS]
    return check([call for call in written if call is not None], _final(timeline))


def _final(timeline: Timeline) -> Mapping[str, Version | None]:
    versions: dict[str, Version | None] = {}
    for key, sight in timeline.last():
        if sight.event is not None:
            versions[sight.event.id] = Version.of(sight.event)
        elif sight.said == DELETED:
            versions[key.removeprefix(LAYOUT.event_prefix)] = None
    return versions


def _written_down(call: Call) -> SearchedCall | None:
    answer, seen = _answer(call)
    if call.kind == "update" and answer in (
        "ImmutableFieldError",
        "ValueError",
        "ValidationError",
    ):
        # Its arguments are refused, whatever is stored.
        return None
    asked = None if call.subject is None else Version.of(call.subject)
    if call.kind == "close":
        asked = Version("closed", 0, 0, "", None, call.sign, "done")
    return SearchedCall(
        caller=call.sign,
        kind=_KINDS[call.kind],
        pair="/".join(call.pair),
        event_id=call.event_id,
        invoked=call.invoked,
        returned=None if answer == UNKNOWN else call.returned,
        nows=tuple(dict.fromkeys(map(microseconds, call.nows))) or (0,),
        answer=answer,
        asked=asked if call.kind in ("create", "update", "close") else None,
        seen_id=None if seen is None else seen.id,
        seen=None if seen is None else Version.of(seen),
    )


def _answer(call: Call) -> tuple[str, BreakGlassEvent | None]:
    error = call.error
    if call.ended is None:
        return UNKNOWN, None
    if error is None:
        return OK, call.value
    if isinstance(error, StoreUnavailableError):
        return UNKNOWN if error.outcome_unknown else UNAVAILABLE, None
    if isinstance(error, ActiveEventExistsError):
        return type(error).__name__, error.event
    if isinstance(error, ConcurrentModificationError):
        return type(error).__name__, error.current
    if isinstance(error, InvalidStateTransitionError):
        return f"{type(error).__name__}({error.current_status})", None
    return (type(error).__name__ if isinstance(error, Exception) else UNKNOWN), None
