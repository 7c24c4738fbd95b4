"""An event in each status, its rows, and listings that contain it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._contract.arguments import check_listing
from aiobreakglass._domain.change import Change
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart
from aiobreakglass._dynamodb.row import Row
from aiobreakglass.testing import make_event

LAYOUT = TableLayout()
TABLE = Table("breakglass", LAYOUT)
ID = "0123456789abcdef"
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
SINCE, UNTIL = CREATED_AT, CREATED_AT + timedelta(days=1)
EVENT = make_event(id=ID, created_at=CREATED_AT)
CLOSED = make_event(id=ID, created_at=CREATED_AT, status="closed")
ABSENT: Any = None
"""The value that removes an attribute from a row."""


def row(event: BreakGlassEvent, **attributes: Any) -> Item:
    item = encode_event(event, LAYOUT, write_id="w1", retention=None)
    changed = {**item, **attributes}
    return {name: value for name, value in changed.items() if value is not ABSENT}


ROW = row(EVENT)
CLOSED_ROW = row(CLOSED)
GUARD = encode_guard(EVENT, LAYOUT)
TOMBSTONE = encode_tombstone(ID, LAYOUT, deleted_at=UNTIL, retention=None)
BY_INVOKER = check_listing("invoker", "alice")
BY_INVOKER_SINCE = check_listing("invoker", "alice", SINCE)


def contributors(table: Table = TABLE) -> list[Contributor]:
    return [EventPart(table, retention=None), GuardPart(table)]


def parts_of(change: Change, stored: Item | None, table: Table = TABLE) -> list[Part]:
    """Return the parts that all contributors add to the transaction of a change."""
    row = None if stored is None else Row(stored, table.layout)
    attempt = Attempt(change, row, "w2")
    return [part for contributor in contributors(table) for part in contributor.parts(attempt)]
