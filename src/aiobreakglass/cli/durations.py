"""Read and write durations as people say them, such as 1h30m."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}

_NUMBER: Final = r"(\d{1,9}(?:\.\d{1,6})?)"
_DURATION: Final = re.compile(
    r"\s*".join(f"(?:{_NUMBER}{unit})?" for unit in _UNITS), re.ASCII | re.IGNORECASE
)

_NO_TIME: Final = timedelta(0)
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS: Final = 1_000_000
"""In a second."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text says, or raise `ValueError` with the rule that it breaks."""
    match = _DURATION.fullmatch(text.strip())
    numbers = [] if match is None else match.groups()
    if not any(numbers):
        raise ValueError("must be a duration with units, such as 90m, 1h30m or 2d")
    try:
        return sum(
            (
                unit * float(number)
                for number, unit in zip(numbers, _UNITS.values(), strict=True)
                if number
            ),
            _NO_TIME,
        )
    except OverflowError as error:
        raise ValueError("must be a shorter duration") from error


def spelled_duration(duration: timedelta) -> str:
    """Return a duration exactly, as `parse_duration` reads it."""
    if duration < _NO_TIME:
        return f"-{spelled_duration(-duration)}"
    parts = []
    for unit in "dhm":
        count, duration = divmod(duration, _UNITS[unit])
        parts.append(f"{count}{unit}" if count else "")
    whole, rest = divmod(duration // _MICROSECOND, _MICROSECONDS)
    seconds = f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)
    if whole or rest or not any(parts):
        parts.append(f"{seconds}s")
    return "".join(parts)


def rough_duration(duration: timedelta) -> str:
    """Return a duration for people, rounded down: never more time than there is.

    Days have hours and hours have minutes beside them; minutes and seconds stand alone.
    """
    day, hour, minute, second = _UNITS.values()
    exactness = hour if duration >= day else minute if duration >= minute else second
    return spelled_duration(max(duration, _NO_TIME) // exactness * exactness)
