"""Checks of what callers pass, made before anything is sent; every store makes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from inspect import iscoroutinefunction
from typing import TypeVar, get_args

from aiobreakglass._contract.store import DEFAULT_QUERY_LIMIT, MAX_QUERY_LIMIT, OnCorrupt
from aiobreakglass._domain.event import (
    BreakGlassEvent,
    BreakGlassStatus,
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
    """Return the event validated again, by the rules for reading.

    `model_copy(update=...)` has checked nothing. An event of another writer passes here; the rules
    for writing are for what a store is about to write.
    """
    return read_event(vars(_check_is_event(event)))


def check_new_event(event: BreakGlassEvent) -> BreakGlassEvent:
    """Return an event that is to be created, validated by the rules for writing."""
    return written_event(_check_is_event(event))


def check_event_id(event_id: str) -> str:
    """Return a well-formed event id."""
    return _check("event_id", event_id, str, valid_event_id)


def check_name(argument: str, name: str) -> str:
    """Return a name that an event could have."""
    return _check(argument, name, str, valid_name)


def check_profiles(profiles: Iterable[str]) -> list[str]:
    """Return profile names that events could have, each once, in their order."""
    if isinstance(profiles, str) or not isinstance(profiles, Iterable):
        raise TypeError(f"profiles must be names in a list or such, not {type(profiles).__name__}")
    return list(dict.fromkeys(check_name("profiles", profile) for profile in profiles))


def check_reason(argument: str, reason: str) -> str:
    """Return a reason for closing, stripped of surrounding white space."""
    return _check(argument, reason, str, valid_reason)


def check_instant(argument: str, instant: datetime) -> datetime:
    """Return an aware instant in UTC."""
    return _check(argument, instant, datetime, valid_instant)


def check_status(status: BreakGlassStatus | str) -> BreakGlassStatus:
    """Return the status that a status or its text names."""
    return _check("status", status, str, _valid_status)


def check_limit(limit: int | None) -> int:
    """Return how many events a page may hold."""
    limit = _check_number("limit", limit)
    return DEFAULT_QUERY_LIMIT if limit is None else min(limit, MAX_QUERY_LIMIT)


def check_at_most(at_most: int | None) -> int | None:
    """Return the number at which a count may stop, or None."""
    return _check_number("at_most", at_most)


def check_on_corrupt(on_corrupt: OnCorrupt) -> OnCorrupt:
    """Return what a list is to do when it meets a row that is not an event."""
    if on_corrupt not in get_args(OnCorrupt):
        raise ValueError('on_corrupt must be "raise" or "skip"')
    return on_corrupt


def check_async_callback(argument: str, callback: object) -> None:
    """Raise `TypeError` unless calling it gives a coroutine; None is no callback at all."""
    function = callback
    while isinstance(function, partial):
        function = function.func
    if callback is None or iscoroutinefunction(function):
        return
    if not iscoroutinefunction(getattr(type(function), "__call__", None)):  # noqa: B004 - asked of the class, where Python looks for it
        raise TypeError(f"{argument} must be an async function, or None")


def check_interval(argument: str, interval: timedelta, *, at_least: timedelta) -> timedelta:
    """Return an interval that is no shorter than allowed."""
    if not isinstance(interval, timedelta):
        raise TypeError(f"{argument} must be a timedelta, not {type(interval).__name__}")
    if interval < at_least:
        raise ValueError(f"{argument} must be at least {at_least}")
    return interval


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for: one value of one indexed field, within a range of `created_at`."""

    field: str
    value: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no instant lies in since <= created_at < until."""
        return self.since is not None and self.until is not None and self.since >= self.until

    @property
    def bounds(self) -> tuple[str | None, str | None]:
        """The range as text, to compare with a stored `created_at`: lower <= created_at < upper.

        Without the Z at the end, so that a time with nanoseconds lies where it belongs.
        """
        lower, upper = (
            None if instant is None else encode_time(instant).removesuffix("Z")
            for instant in (self.since, self.until)
        )
        return lower, upper

    def covers(self, created_at: str) -> bool:
        """Tell whether a stored `created_at` lies in the range, compared as an index does."""
        lower, upper = self.bounds
        return (lower is None or lower <= created_at) and (upper is None or created_at < upper)


def check_listing(
    field: str, value: str, since: datetime | None = None, until: datetime | None = None
) -> Listing:
    """Return a list query whose every part is well-formed."""
    return Listing(
        field,
        check_status(value).value if field == "status" else check_name(field, value),
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
