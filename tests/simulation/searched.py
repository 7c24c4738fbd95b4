"""A second opinion: the checker of `tests.histories`, which searches an order and knows none.

It alone cannot see that access was revived, for it judges by the clock that the call has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Final

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    ConcurrentModificationError,
    EventHeldError,
    HistoryEntry,
    InvalidStateTransitionError,
    ReviewRefusedError,
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
    "prolong": "prolong",
    "review": "review",
    "hold": "hold",
    "release": "release",
}


def verdicts(calls: Iterable[Call], timeline: Timeline) -> list[Verdict]:
    """Judge a history pair by pair."""
    calls = [call for call in calls if call.kind in _KINDS]
    entries = {
        sight.entry.by: sight.entry for _, sight in timeline.last() if sight.entry is not None
    }
    end = 1 + max((call.returned for call in calls), default=0)
    written = (_written_down(call, entries.get(call.sign), end) for call in calls)
    return check(list(chain.from_iterable(written)), _final(timeline))


def _final(timeline: Timeline) -> Mapping[str, Version | None]:
    versions: dict[str, Version | None] = {}
    for key, sight in timeline.last():
        if sight.event is not None:
            versions[sight.event.id] = Version.of(sight.event)
        elif sight.said == DELETED:
            versions[key.removeprefix(LAYOUT.event_prefix)] = None
    return versions


def _written_down(call: Call, entry: HistoryEntry | None, end: int) -> Iterator[SearchedCall]:
    answer, seen = _answer(call)
    if call.kind == "update" and answer in (
        "ImmutableFieldError",
        "ValueError",
        "ValidationError",
    ):
        # Its arguments are refused, whatever is stored.
        return
    written = SearchedCall(
        caller=call.sign,
        kind=_KINDS[call.kind],
        pair="/".join(call.pair),
        event_id=call.event_id,
        invoked=call.invoked,
        returned=call.returned,
        nows=tuple(dict.fromkeys(map(microseconds, call.nows))) or (0,),
        answer=answer,
        asked=_asked(call),
        seen_id=None if seen is None else seen.id,
        seen=None if seen is None else Version.of(seen),
    )
    if answer != UNKNOWN:
        yield written
        return
    # It may have marked what has lapsed, whatever else it did.
    yield replace(written, answer=UNAVAILABLE, returned=None)
    if entry is not None:
        # Its entry tells what it made of the event, but not when.
        made = entry.event
        yield replace(
            written,
            answer=OK,
            returned=end,
            seen_id=None if made is None else made.id,
            seen=None if made is None else Version.of(made),
        )


def _asked(call: Call) -> Version | None:
    """Return what a call is to make of its event, as far as it says."""
    match call.kind:
        case "create" | "update":
            assert call.subject is not None
            return Version.of(call.subject)
        case "close":
            return Version("closed", 0, 0, "", closed_by=call.sign, closed_reason="done")
        case "prolong":
            return Version("active", 0, microseconds(call.asked["expires_at"]), "")
        case "review":
            reviewer, outcome = call.asked["reviewed_by"], call.asked["outcome"]
            return Version("", 0, 0, "", reviewed_by=reviewer, review_outcome=outcome)
        case "hold":
            return Version("", 0, 0, "", held_by=call.sign)
        case "release":
            return Version("", 0, 0, "")
    return None


def _answer(call: Call) -> tuple[str, BreakGlassEvent | None]:
    error = call.error
    if call.ended is None:
        return UNKNOWN, None
    if error is None:
        return OK, call.value
    if isinstance(error, StoreUnavailableError):
        return UNKNOWN if error.outcome_unknown else UNAVAILABLE, None
    if isinstance(error, ActiveEventExistsError | EventHeldError | ReviewRefusedError):
        return type(error).__name__, error.event
    if isinstance(error, ConcurrentModificationError):
        return type(error).__name__, error.current
    if isinstance(error, InvalidStateTransitionError):
        return f"{type(error).__name__}({error.current_status})", None
    return (type(error).__name__ if isinstance(error, Exception) else UNKNOWN), None
