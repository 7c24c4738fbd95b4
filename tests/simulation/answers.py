"""Is an answer true at one instant of its call? The order of commits is known: nothing to search.

Each function yields what a call was told that no instant within it, and no time that its clock
told it, would have had it be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
    ExpiryError,
    HistoryEntry,
    ImmutableFieldError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._domain.change import EXTENSION_MARGIN
from aiobreakglass._domain.rules import MAX_CLOCK_LEAD
from tests.simulation.record import Call, Finding, Kind
from tests.simulation.timeline import DELETED, LAYOUT, Pair, Sight, Timeline

_CHANGES: Final = ("update", "close")
_WRITES: Final = ("create", "delete", *_CHANGES)


def judge(call: Call, timeline: Timeline) -> Iterator[Finding]:
    """Yield what is wrong with the answer to a call that has told how it ended."""
    assert call.ended is not None
    span = Span(timeline, call, call.began, call.ended)
    if isinstance(call.error, StoreUnavailableError):
        return
    if isinstance(call.error, CorruptItemError):
        if not span.meets_corrupt():
            yield Finding(Kind.UNTRUE, f"no row is corrupt: {call.error}")
        return
    for text in _JUDGES[call.kind](call, span):
        kind = Kind.LOST if call.error is None and call.kind in _WRITES else Kind.UNTRUE
        yield Finding(kind, f"{call.kind} {call.event_id or call.pair}: {text}")


class Span:
    """The table while a call lasted."""

    def __init__(self, timeline: Timeline, call: Call, began: int, ended: int) -> None:
        self.timeline = timeline
        self._call = call
        self._began = began
        self._ended = ended

    def event(self, event_id: str) -> Iterator[Sight]:
        """Yield what an event's row was."""
        return self.timeline.during(LAYOUT.event_key(event_id), self._began, self._ended)

    def holdings(self, pair: Pair) -> Iterator[Sight]:
        """Yield what a pair's guard led to."""
        return self.timeline.holdings(pair, self._began, self._ended)

    def was(self, event: BreakGlassEvent) -> bool:
        """Tell whether an event was in the table as it is given."""
        return any(sight.said == event for sight in self.event(event.id))

    def existed(self, event: BreakGlassEvent) -> bool:
        """Tell whether it was so until the end of the call, as an index may still have it."""
        key = LAYOUT.event_key(event.id)
        return any(
            sight.said == event for sight in self.timeline.ever(key) if sight.since <= self._ended
        )

    def is_granting(self, sight: Sight, pair: Pair, now: datetime) -> bool:
        """Tell whether a row grants a pair access at a time."""
        event = sight.event
        return event is not None and sight.claimed == pair and event.is_active(now)

    def first_entry(self, event_id: str) -> Iterator[Sight]:
        """Yield what the row of a history's first entry was."""
        key = LAYOUT.history_key(event_id, 1)
        return self.timeline.during(key, self._began, self._ended)

    def had_entry(self, event_id: str, entry: HistoryEntry) -> bool:
        """Tell whether a history had an entry in its place."""
        key = LAYOUT.history_key(event_id, entry.revision)
        sights = self.timeline.during(key, self._began, self._ended)
        return any(sight.entry == entry for sight in sights)

    def lasting_entries(self, event_id: str) -> list[HistoryEntry]:
        """Return the entries from the first on that were there from the beginning to the end."""
        lasting: list[HistoryEntry] = []
        while True:
            key = LAYOUT.history_key(event_id, len(lasting) + 1)
            first, *others = self.timeline.during(key, self._began, self._ended)
            if first.entry is None or others:
                return lasting
            lasting.append(first.entry)

    def meets_corrupt(self) -> bool:
        """Tell whether there is, or was, any row that could be met and is not an event."""
        return self.timeline.has_corrupt


_Judge = Callable[[Call, Span], Iterator[str]]


def _check(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
    else:
        yield from _holder(call, span, call.pair, call.value)


def _check_many(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
        return
    for profile in call.asked["profiles"]:
        yield from _holder(call, span, (call.pair[0], profile), call.value.get(profile))


def _holder(call: Call, span: Span, pair: Pair, event: BreakGlassEvent | None) -> Iterator[str]:
    if event is not None:
        granted = (event.invoker, event.profile) == pair and any(map(event.is_active, call.nows))
        if not granted or not span.was(event):
            yield f"{pair} was said to hold {told(event)}"
        return
    for sight in span.holdings(pair):
        # Without a guard the clock is not asked.
        if sight.event is None or sight.claimed != pair:
            return
        if not all(map(sight.event.is_active, call.nows)):
            return
    yield f"{pair} was said to hold nothing"


def _get(call: Call, span: Span) -> Iterator[str]:
    if isinstance(call.error, EventNotFoundError):
        if all(sight.said not in (None, DELETED) for sight in span.event(call.event_id)):
            yield "was said not to be there"
    elif call.error is not None:
        yield f"raised {call.error!r}"
    elif call.value.id != call.event_id or not span.was(call.value):
        yield f"was said to be {told(call.value)}"


def _create(call: Call, span: Span) -> Iterator[str]:
    error, subject = call.error, call.subject
    assert subject is not None
    if error is None:
        yield from _acknowledged(call, call.value)
    elif isinstance(error, ActiveEventExistsError):
        pair = subject.invoker, subject.profile
        event = error.event
        if (
            (event.invoker, event.profile) != pair
            or not any(map(event.is_active, call.nows))
            or not span.was(event)
        ):
            yield f"was said to be refused for {told(event)}"
    elif isinstance(error, EventExistsError):
        # An id is taken for as long as anything is known of it.
        known = (*span.event(subject.id), *span.first_entry(subject.id))
        if all(sight.said is None for sight in known):
            yield "was said to be there"
    elif isinstance(error, ValueError):
        if not any(_cannot_be_created(subject, now) for now in call.nows):
            yield f"raised {error!r}"
    else:
        yield f"raised {error!r}"


def _cannot_be_created(event: BreakGlassEvent, now: datetime) -> bool:
    lead = max(event.created_at, event.updated_at) - now
    is_extended = not event.status.is_terminal and event.extensions > 0
    return event.is_lapsed(now) or lead > MAX_CLOCK_LEAD or is_extended


def _change(call: Call, span: Span) -> Iterator[str]:
    error = call.error
    if error is None:
        yield from _acknowledged(call, call.value)
        return
    sights = list(span.event(call.event_id))
    if isinstance(error, EventNotFoundError):
        if all(sight.event for sight in sights):
            yield "was said not to be there"
    elif isinstance(error, ConcurrentModificationError):
        assert call.subject is not None
        seen = error.current
        if seen is None or seen.updated_at == call.subject.updated_at or not span.was(seen):
            yield f"was said to be in conflict with {None if seen is None else told(seen)}"
    elif isinstance(error, InvalidStateTransitionError):
        if not any(_forbids(sight.event, call, now) for sight in sights for now in call.nows):
            yield f"raised {error!r}"
    elif isinstance(error, (ImmutableFieldError, ValueError)):
        if call.asked.get("right", True):
            yield f"raised {error!r}"
    else:
        yield f"raised {error!r}"


def _forbids(event: BreakGlassEvent | None, call: Call, now: datetime) -> bool:
    """Tell whether an event's state forbids what a call wants."""
    if event is None:
        return False
    if event.status.is_terminal or event.is_lapsed(now):
        return True
    if call.kind == "close" or call.subject is None:
        return False
    proposed = call.subject
    late = proposed.expires_at > event.expires_at and event.expires_at - now < EXTENSION_MARGIN
    return proposed.status == "expired" or late


def _delete(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
    elif all(sight.said not in (None, DELETED) for sight in span.event(call.event_id)):
        yield "was said to be deleted"


def _list(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
        return
    field, value = call.asked["field"], call.asked["value"]
    events = list(call.value)
    if [event.created_at for event in events] != sorted(
        (event.created_at for event in events), reverse=True
    ):
        yield "was not newest first"
    for event in events:
        if getattr(event, field) != value or not span.existed(event):
            yield f"had {told(event)}"


def _last(call: Call, span: Span) -> Iterator[str]:
    event = call.value
    if call.error is not None:
        yield f"raised {call.error!r}"
    elif event is not None and (
        (event.invoker, event.profile) != call.pair or not span.existed(event)
    ):
        yield f"was said to be {told(event)}"


def _count(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
    elif not 0 <= call.value <= span.timeline.number_of(**call.asked):
        yield f"was said to be {call.value}"


def _sweep(call: Call, span: Span) -> Iterator[str]:
    error = call.error
    if error is not None and not isinstance(error, ExpiryError):
        yield f"raised {error!r}"
        return
    marked = call.value if error is None else error.expired
    written = [row.after.event for row in call.written]
    for event in marked:
        if event not in written:
            yield f"was said to have marked {told(event)}"


def _history(call: Call, span: Span) -> Iterator[str]:
    """Compare a history with what it was: read in parts, so no one instant may have had it all."""
    if isinstance(call.error, EventNotFoundError):
        if all(sight.said is not None for sight in span.event(call.event_id)):
            yield "was said to be unknown"
        if span.lasting_entries(call.event_id):
            yield "was said to have no history"
        return
    if call.error is not None:
        yield f"raised {call.error!r}"
        return
    revisions = [entry.revision for entry in call.value]
    if revisions != sorted(set(revisions)):
        yield f"was said to have the entries {revisions}"
    for entry in call.value:
        if not span.had_entry(call.event_id, entry):
            yield f"was said to have an entry {entry.revision} that it never had meanwhile"
    for entry in span.lasting_entries(call.event_id):
        if entry not in call.value:
            yield f"was said not to have its entry {entry.revision}"


_JUDGES: Final[Mapping[str, _Judge]] = {
    "check": _check,
    "check many": _check_many,
    "get": _get,
    "create": _create,
    "update": _change,
    "close": _change,
    "delete": _delete,
    "list": _list,
    "last": _last,
    "count": _count,
    "sweep": _sweep,
    "history": _history,
}


def _acknowledged(call: Call, event: BreakGlassEvent) -> Iterator[str]:
    """Compare what a writer was told with what it wrote."""
    for row in call.written:
        before, asked = row.before, call.subject
        if row.after.event == event:
            if (
                call.kind == "update"
                and asked is not None
                and before.event is not None
                and before.event.updated_at != asked.updated_at
            ):
                yield f"replaced {told(before.event)}, which its caller had not read"
            return
    yield f"was said to be stored as {told(event)}"


def told(event: BreakGlassEvent) -> str:
    """Return an event in a few words."""
    return (
        f"{event.id} {event.status} of {event.invoker}/{event.profile}, version "
        f"{event.updated_at:%H:%M:%S.%f}, until {event.expires_at:%H:%M:%S.%f}"
    )
