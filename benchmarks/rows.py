"""Rows as the store writes them, for benchmarks that fill a table or answer without one."""

from datetime import timedelta
from typing import Final

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.history import recorded
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass._dynamodb.record import encode_record
from aiobreakglass._dynamodb.retention import Retention

LAYOUT: Final = TableLayout()
RETENTION: Final = timedelta(days=365)


def stored_row(event: BreakGlassEvent, write_id: str) -> Item:
    """Return the row of an event with a history of one entry."""
    kept = Retention(RETENTION)
    action = Action.IMPORTED if event.status.is_terminal else Action.CREATED
    change = Change(action, None, event, event.updated_at, event.invoker)
    (entry,), tip = recorded(event.id, change, None, kept.of_history)
    row = encode_event(event, LAYOUT, write_id=write_id) | encode_record(tip)
    return row | {"ttl": {"N": str(kept.of_event(change, None, entry.history_ttl))}}
