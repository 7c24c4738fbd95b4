"""A valid event to start from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent
from aiobreakglass.testing import make_event

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
EXPIRES_AT = CREATED_AT + HOUR
NAIVE = datetime(2024, 3, 1, 12)  # noqa: DTZ001
CLOSING: dict[str, Any] = {"status": "closed", "closed_by": "bob", "closed_reason": "Over"}
REVIEW: dict[str, Any] = {
    "reviewed_by": "carol",
    "reviewed_at": EXPIRES_AT,
    "review_outcome": "justified",
    "review_comment": "There was no other way",
}
HOLD: dict[str, Any] = {
    "held_by": "dave",
    "held_at": EXPIRES_AT,
    "held_reason": "The regulator asks",
}


def event(**overrides: Any) -> BreakGlassEvent:
    return make_event(**{"created_at": CREATED_AT, **overrides})
