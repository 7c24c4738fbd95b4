"""Is an answer true at one instant of its call? The order of commits is known: nothing to search.

Each function yields what a call was told that no instant within it, and no time that its clock
told it, would have had it be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from aiobreakglass import (
    MAX_DURATION,
    ActiveEventExistsError,
    BreakGlassEvent,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    LimitExceededError,
    ReviewRefusedError,
    StoreUnavailableError,
)
from aiobreakglass._domain.change import EXTENSION_MARGIN
from aiobreakglass._domain.rules import MAX_CLOCK_LEAD
from tests.simulation.judged_limits import refused_extension, refused_opening
from tests.simulation.record import Call, Finding, Kind
from tests.simulation.span import Span, told
from tests.simulation.timeline import DELETED, Pair, Timeline

_CHANGES: Final = ("update", "close", "prolong", "review", "hold", "release")
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
    elif isinstance(error, LimitExceededError):
        yield from refused_opening(call, error, span)
    else:
        yield f"raised {error!r}"


def _cannot_be_created(event: BreakGlassEvent, now: datetime) -> bool:
    lead = max(event.created_at, event.updated_at) - now
    is_old = event.extensions > 0 or event.held_by is not None
    is_wrong = not event.status.is_terminal and is_old
    return event.is_lapsed(now) or lead > MAX_CLOCK_LEAD or is_wrong


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
    elif isinstance(error, LimitExceededError):
        yield from refused_extension(call, error, sights)
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
    if call.kind == "prolong":
        return event.expires_at - now < EXTENSION_MARGIN
    if call.kind == "close" or call.subject is None:
        return False
    proposed = call.subject
    late = proposed.expires_at > event.expires_at and event.expires_at - now < EXTENSION_MARGIN
    return proposed.status == "expired" or late


def _delete(call: Call, span: Span) -> Iterator[str]:
    sights = list(span.event(call.event_id))
    if isinstance(call.error, EventHeldError):
        if not any("held_by" in (sight.item or {}) for sight in sights):
            yield "was said to be held"
    elif call.error is not None:
        yield f"raised {call.error!r}"
    elif all(sight.said not in (None, DELETED) for sight in sights):
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


def _prolong(call: Call, span: Span) -> Iterator[str]:
    if type(call.error) is not ValueError:
        yield from _change(call, span)
        return
    end = call.asked["expires_at"]
    events = [sight.event for sight in span.event(call.event_id) if sight.event is not None]
    if all(event.expires_at < end <= event.created_at + MAX_DURATION for event in events):
        yield f"raised {call.error!r}"


def _review(call: Call, span: Span) -> Iterator[str]:
    if not isinstance(call.error, ReviewRefusedError):
        yield from _change(call, span)
        return
    event = call.error.event
    is_own = call.asked["reviewed_by"].casefold() == event.invoker.casefold()
    is_active = any(map(event.is_active, call.nows))
    is_final = event.review_outcome in ("justified", "unjustified")
    if not (is_own or is_active or is_final) or not span.was(event):
        yield f"was said not to be reviewable as {told(event)}"


def _hold(call: Call, span: Span) -> Iterator[str]:
    if not isinstance(call.error, EventHeldError):
        yield from _change(call, span)
    elif call.error.event.held_by is None or not span.was(call.error.event):
        yield f"was said to be held as {told(call.error.event)}"


def _release(call: Call, span: Span) -> Iterator[str]:
    if not isinstance(call.error, InvalidStateTransitionError):
        yield from _change(call, span)
        return
    events = [sight.event for sight in span.event(call.event_id) if sight.event is not None]
    if all(event.held_by is not None for event in events):
        yield "was said not to be held"


def _list_reviews(call: Call, span: Span) -> Iterator[str]:
    if call.error is not None:
        yield f"raised {call.error!r}"
        return
    events = list(call.value)
    if [event.created_at for event in events] != sorted(event.created_at for event in events):
        yield "was not oldest first"
    for event in events:
        has_ended = event.status.is_terminal or any(map(event.is_lapsed, call.nows))
        if event.review_outcome != call.asked["outcome"] or not has_ended:
            yield f"had {told(event)}, which does not wait for that"
        if not span.existed(event):
            yield f"had {told(event)}"


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
    "prolong": _prolong,
    "review": _review,
    "hold": _hold,
    "release": _release,
    "list reviews": _list_reviews,
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
