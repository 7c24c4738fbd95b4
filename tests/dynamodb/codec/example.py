"""An event, its row, and changes of either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass.testing import make_event

LAYOUT = TableLayout()
ID = "0123456789abcdef"
KEY = f"BREAKGLASS#{ID}"
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)

LATER = CREATED_AT + timedelta(hours=2)
REVIEWED: dict[str, Any] = {
    "reviewed_by": "carol",
    "reviewed_at": LATER,
    "review_outcome": "needs_follow_up",
    "review_comment": "Which ticket?",
}
HELD: dict[str, Any] = {"held_by": "dave", "held_at": LATER, "held_reason": "Case 7"}

ROW: Item = {
    "pk": {"S": KEY},
    "id": {"S": ID},
    "invoker": {"S": "alice"},
    "profile": {"S": "prod"},
    "reason_code": {"S": "incident"},
    "justification": {"S": "The primary database does not answer"},
    "status": {"S": "active"},
    "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
    "updated_at": {"S": "2024-03-01T12:00:00.000000Z"},
    "expires_at": {"S": "2024-03-01T13:00:00.000000Z"},
    "duration": {"N": "3600000000000"},
    "mfa_verified": {"BOOL": False},
    "write_id": {"S": "w1"},
}
MISSING: Any = None
"""The value that removes an attribute from a row."""


def event(**overrides: Any) -> BreakGlassEvent:
    return make_event(**{"id": ID, "created_at": CREATED_AT, **overrides})


def changed(changes: dict[str, Any]) -> Item:
    return {name: value for name, value in {**ROW, **changes}.items() if value is not MISSING}


def encoded(event: BreakGlassEvent) -> Item:
    return encode_event(event, LAYOUT, write_id="w1")
