"""Check what callers pass, before a store sends anything; all stores share these checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from inspect import iscoroutinefunction
from typing import Final, TypeVar, get_args

from aiobreakglass._contract.store import DEFAULT_QUERY_LIMIT, MAX_QUERY_LIMIT, OnCorrupt
from aiobreakglass._domain.event import (
    UNREVIEWED,
    BreakGlassEvent,
    BreakGlassStatus,
    ReviewOutcome,
    read_event,
    written_event,
)
from aiobreakglass._domain.fields import (
    valid_event_id,
    valid_instant,
    valid_name,
    valid_reason,
)
from aiobreakglass._domain.timestamps import encode_time

_Value = TypeVar("_Value")
_Valid = TypeVar("_Valid")


def check_event(event: BreakGlassEvent) -> BreakGlassEvent:
    """Return the event for an update, validated again by the rules for reading.

    `model_copy(update=...)` checks nothing. Another writer's event passes here; a store applies
    the rules for writing to whatever it is about to write. The store also sets `ended_at`, so what
    a copy says about it does not count.
    """
    return read_event({**vars(_check_is_event(event)), "ended_at": None})


def check_new_event(event: BreakGlassEvent) -> BreakGlassEvent:
    """Return a new event, validated by the rules for writing."""
    return written_event(_check_is_event(event))


def check_event_id(event_id: str) -> str:
    """Return an event id, or raise if it is not well-formed."""
    return _check("event_id", event_id, str, valid_event_id)


def check_name(argument: str, name: str) -> str:
    """Return a name, or raise if no event can have it."""
    return _check(argument, name, str, valid_name)


def check_profiles(profiles: Iterable[str]) -> list[str]:
    """Return profile names in order, each once, or raise if no event can have one of them."""
    if isinstance(profiles, str) or not isinstance(profiles, Iterable):
        raise TypeError(f"profiles must be an iterable of names, not {type(profiles).__name__}")
    return list(dict.fromkeys(check_name("profiles", profile) for profile in profiles))


def check_reason(argument: str, reason: str) -> str:
    """Return a reason, stripped of surrounding white space."""
    return _check(argument, reason, str, valid_reason)


def check_closing(event_id: str, closed_by: str, closed_reason: str) -> tuple[str, str, str]:
    """Return the arguments of `close`, each checked."""
    return (
        check_event_id(event_id),
        check_name("closed_by", closed_by),
        check_reason("closed_reason", closed_reason),
    )


def check_by_and_note(by: str | None, note: str | None) -> tuple[str | None, str | None]:
    """Return who makes a change and why, each checked unless it is None."""
    return (
        None if by is None else check_name("by", by),
        None if note is None else check_reason("note", note),
    )


def check_extension(
    event_id: str, expires_at: datetime, extended_by: str, reason: str
) -> tuple[str, datetime, str, str]:
    """Return the arguments of `extend`, each checked."""
    return (
        check_event_id(event_id),
        check_instant("expires_at", expires_at),
        check_name("extended_by", extended_by),
        check_reason("reason", reason),
    )


def check_review(
    event_id: str, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
) -> tuple[str, str, ReviewOutcome, str]:
    """Return the arguments of `review`, each checked."""
    return (
        check_event_id(event_id),
        check_name("reviewed_by", reviewed_by),
        check_outcome(outcome),
        check_reason("comment", comment),
    )


def check_hold(event_id: str, argument: str, by: str, reason: str) -> tuple[str, str, str]:
    """Return the arguments of `hold` or `release_hold`, each checked."""
    return check_event_id(event_id), check_name(argument, by), check_reason("reason", reason)


def check_outcome(outcome: ReviewOutcome | str) -> ReviewOutcome:
    """Return the outcome of a review, given as itself or as its text."""
    return _check("outcome", outcome, str, _valid_outcome)


def check_awaited(outcome: ReviewOutcome | str | None) -> str:
    """Return what the events say about their review that wait for one after this outcome."""
    if outcome is None:
        return UNREVIEWED
    outcome = check_outcome(outcome)
    if outcome.is_final:
        raise ValueError(f"outcome must be None or needs_follow_up: {outcome} is final")
    return str(outcome)


def check_instant(argument: str, instant: datetime) -> datetime:
    """Return an instant in UTC, or raise if it is not aware."""
    return _check(argument, instant, datetime, valid_instant)


def check_status(status: BreakGlassStatus | str) -> BreakGlassStatus:
    """Return a status, given as itself or as its text."""
    return _check("status", status, str, _valid_status)


def check_limit(limit: int | None) -> int:
    """Return how many events a page may have."""
    limit = _check_number("limit", limit)
    return DEFAULT_QUERY_LIMIT if limit is None else min(limit, MAX_QUERY_LIMIT)


def check_at_most(at_most: int | None) -> int | None:
    """Return the number at which a count stops, or None."""
    return _check_number("at_most", at_most)


def check_on_corrupt(on_corrupt: OnCorrupt) -> OnCorrupt:
    """Return what a list does with a row that is not an event."""
    if on_corrupt not in get_args(OnCorrupt):
        raise ValueError('on_corrupt must be "raise" or "skip"')
    return on_corrupt


def check_async_callback(argument: str, callback: object, *, is_optional: bool = True) -> None:
    """Raise `TypeError` unless the callback is async, or is None and optional."""
    function = callback
    while isinstance(function, partial):
        function = function.func
    if (callback is None and is_optional) or iscoroutinefunction(function):
        return
    if not iscoroutinefunction(getattr(type(function), "__call__", None)):  # noqa: B004 - Python looks it up on the class
        raise TypeError(
            f"{argument} must be an async function{', or None' if is_optional else ''}"
        )


def check_interval(argument: str, interval: timedelta, *, at_least: timedelta) -> timedelta:
    """Return an interval, or raise if it is too short."""
    if not isinstance(interval, timedelta):
        raise TypeError(f"{argument} must be a timedelta, not {type(interval).__name__}")
    if interval < at_least:
        raise ValueError(f"{argument} must be at least {at_least}")
    return interval


AWAITING_REVIEW: Final = "awaiting_review"
"""What lists of events that wait for a review list by, as if it was a field."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list query: one value of one indexed field, within a range of `created_at`."""

    field: str
    value: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_oldest_first(self) -> bool:
        """Whether the list begins with the oldest event: reviews do, with what waited longest."""
        return self.field == AWAITING_REVIEW

    @property
    def is_empty(self) -> bool:
        """Whether the range since <= created_at < until is empty."""
        return self.since is not None and self.until is not None and self.since >= self.until

    @property
    def bounds(self) -> tuple[str | None, str | None]:
        """The range as text, to compare with a stored `created_at`: lower <= created_at < upper.

        The texts have no Z at the end, so that times with nanoseconds compare correctly.
        """
        lower, upper = (
            None if instant is None else encode_time(instant).removesuffix("Z")
            for instant in (self.since, self.until)
        )
        return lower, upper

    def covers(self, created_at: str) -> bool:
        """Return whether the range has a stored `created_at`, compared as an index compares."""
        lower, upper = self.bounds
        return (lower is None or lower <= created_at) and (upper is None or created_at < upper)


def check_listing(
    field: str, value: str, since: datetime | None = None, until: datetime | None = None
) -> Listing:
    """Return a list query, or raise if an argument is wrong."""
    if field == "status":
        value = check_status(value).value
    elif field != AWAITING_REVIEW:
        value = check_name(field, value)
    return Listing(
        field,
        value,
        None if since is None else check_instant("since", since),
        None if until is None else check_instant("until", until),
    )


def _check_is_event(event: BreakGlassEvent) -> BreakGlassEvent:
    if not isinstance(event, BreakGlassEvent):
        raise TypeError(f"event must be a BreakGlassEvent, not {type(event).__name__}")
    return event


def _check_number(argument: str, number: int | None) -> int | None:
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{argument} must be an integer or None, not {type(number).__name__}")
    if number < 1:
        raise ValueError(f"{argument} must be at least 1")
    return number


def _valid_outcome(outcome: str) -> ReviewOutcome:
    try:
        return ReviewOutcome(outcome)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(ReviewOutcome)}") from None


def _valid_status(status: str) -> BreakGlassStatus:
    try:
        return BreakGlassStatus(status)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(BreakGlassStatus)}") from None


def _check(
    argument: str, value: _Value, expected: type[_Value], rule: Callable[[_Value], _Valid]
) -> _Valid:
    if not isinstance(value, expected):
        raise TypeError(f"{argument} must be a {expected.__name__}, not {type(value).__name__}")
    try:
        return rule(value)
    except ValueError as error:
        raise ValueError(f"{argument} {error}") from None
