"""Read and write instants: in the local zone, in UTC, or as so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final

from aiobreakglass.cli.durations import parse_duration

_DATE: Final = r"(?P<date>\d{4}-\d\d-\d\d)"
_TIME: Final = r"(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
_OFFSET: Final = r" ?(?P<offset>Z|[+-]\d\d:?\d\d(?::\d\d)?)"
"""Long ago, zones had offsets with seconds."""
_INSTANT: Final = re.compile(
    rf"(?:{_DATE}(?:[T ]{_TIME}(?:{_OFFSET})?)?)", re.ASCII | re.IGNORECASE
)
_TIME_OF_DAY: Final = re.compile(_TIME, re.ASCII)

_RULE: Final = "must be a time such as 2026-11-26 15:30, 15:30 or 2026-11-26T14:30Z, or 2h for ago"


def parse_time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """Return the instant that a text says, in UTC.

    Args:
        text: A date, a date and a time, a time of today, a duration ago, or "now". A time with an
            offset is what it says; one without an offset is in `zone`.
        now: The present.
        zone: The zone to read times in; None means the machine's.

    Raises:
        ValueError: The text is not such a time, or the zone has no such time or has it twice.
    """
    text = text.strip()
    if text.casefold() == "now":
        return now
    if match := _INSTANT.fullmatch(text):
        return _read(match["date"], match["time"] or "00:00", match["offset"], zone)
    if match := _TIME_OF_DAY.fullmatch(text):
        today = now.astimezone(zone).date().isoformat()
        return _read(today, match["time"], None, zone)
    try:
        return now - parse_duration(text)
    except OverflowError as error:
        raise ValueError("must be within the years 1 to 9999") from error
    except ValueError:
        raise ValueError(_RULE) from None


def spelled_time(instant: datetime, zone: tzinfo | None, *, exactly: bool = False) -> str:
    """Return an instant as `parse_time` reads it, always with its offset.

    Args:
        instant: The instant.
        zone: The zone to write it in; None means the machine's.
        exactly: Whether to show microseconds too.
    """
    try:
        local = instant.astimezone(zone)
    except OverflowError:
        # The first or the last hours of the calendar, which the zone does not have.
        local = instant
    text = local.isoformat(" ", "microseconds" if exactly else "seconds")
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _read(date: str, time: str, offset: str | None, zone: tzinfo | None) -> datetime:
    try:
        instant = datetime.fromisoformat(f"{date}T{time}{(offset or '').upper()}")
    except ValueError as error:
        raise ValueError(f"{_RULE}; this one is in no calendar") from error
    try:
        if offset is not None:
            return instant.astimezone(UTC)
        first, second = (_in_zone(instant.replace(fold=fold), zone) for fold in (0, 1))
    except OverflowError as error:
        raise ValueError("must be within the years 1 to 9999") from error
    if first != second:
        # A clock was set back or forward then.
        raise ValueError(
            "must say its offset from UTC, as in 2026-10-25 02:30+02:00: the local clock was "
            "changed at that time"
        )
    return first


def _in_zone(naive: datetime, zone: tzinfo | None) -> datetime:
    # Without a zone, Python reads a naive time in the machine's.
    return (naive if zone is None else naive.replace(tzinfo=zone)).astimezone(UTC)
