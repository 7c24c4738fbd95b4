"""An event in each status, its rows, and listings that contain it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._contract.arguments import check_listing
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.history import HistoryEntry, recorded, tip_of
from aiobreakglass._domain.rules import decide_delete
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart
from aiobreakglass._dynamodb.parts.history import AdoptionPart, HistoryPart
from aiobreakglass._dynamodb.record import RECORD, encode_entry, encode_record
from aiobreakglass._dynamodb.retention import Retention
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
UNRECORDED: dict[str, Any] = dict.fromkeys(RECORD)
"""The changes that make a row one from before histories, or one that lost its record."""
FOR_EVER = Retention(None)


def first_entry(event: BreakGlassEvent, kept: Retention = FOR_EVER) -> HistoryEntry:
    """Return the entry of the change that creates an event."""
    action = Action.IMPORTED if event.status.is_terminal else Action.CREATED
    change = Change(action, None, event, event.created_at, event.invoker)
    (entry,) = recorded(event.id, change, None, kept.of_history).entries
    return entry


def row(event: BreakGlassEvent, **attributes: Any) -> Item:
    """Return the row of an event as its creation leaves it, with some attributes changed."""
    item = encode_event(event, LAYOUT, write_id="w1") | encode_record(tip_of(first_entry(event)))
    changed = {**item, **attributes}
    return {name: value for name, value in changed.items() if value is not ABSENT}


def attempt_of(
    change: Change, stored: Item | None, table: Table = TABLE, kept: Retention = FOR_EVER
) -> Attempt:
    """Return the first round of a change."""
    row = None if stored is None else Row(stored, table.layout)
    tip = None if row is None else row.tip
    return Attempt(change, row, recorded(ID, change, tip, kept.of_history), "w2")


ROW = row(EVENT)
CLOSED_ROW = row(CLOSED)
GUARD = encode_guard(EVENT, LAYOUT)
ENTRY_ROW = encode_entry(first_entry(EVENT), LAYOUT, write_id="w1", ttl=None)
TOMBSTONE = encode_tombstone(ID, LAYOUT, deleted_at=UNTIL) | encode_record(
    attempt_of(decide_delete(EVENT, UNTIL), ROW).record.tip
)
BY_INVOKER = check_listing("invoker", "alice")
BY_INVOKER_SINCE = check_listing("invoker", "alice", SINCE)


def contributors(table: Table = TABLE, kept: Retention = FOR_EVER) -> list[Contributor]:
    return [HistoryPart(table), AdoptionPart(table), EventPart(table, kept), GuardPart(table)]


def parts_of(
    change: Change, stored: Item | None, table: Table = TABLE, kept: Retention = FOR_EVER
) -> list[Part]:
    """Return the parts that all contributors add to the transaction of a change."""
    attempt = attempt_of(change, stored, table, kept)
    return [
        part for contributor in contributors(table, kept) for part in contributor.parts(attempt)
    ]
