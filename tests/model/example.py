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
CLOSING = {"status": "closed", "closed_by": "bob", "closed_reason": "Over"}


def event(**overrides: Any) -> BreakGlassEvent:
    return make_event(**{"created_at": CREATED_AT, **overrides})
