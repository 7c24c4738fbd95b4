"""Instants as text: RFC 3339 in UTC, written so that string order is time order."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def encode_time(instant: datetime) -> str:
    """Write an aware instant as `YYYY-MM-DDTHH:MM:SS.ffffffZ`.

    Always six decimals and always UTC: an encoding that trims zeros sorts `.1Z` after `.12Z`.
    """
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def decode_time(text: str) -> datetime:
    """Read RFC 3339 with 0-9 decimals and any offset, as other writers put it.

    Decimals beyond the microsecond are cut off. Anything else is a `ValueError`.
    """
    if not _RFC_3339.fullmatch(text):
        raise ValueError("not an RFC 3339 timestamp")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        # In words of our own: the standard library's quote the value.
        raise ValueError("no instant of the years 1 to 9999") from None
