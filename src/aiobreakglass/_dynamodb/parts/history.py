"""Write the history: each change's entry, in the transaction of the change itself."""

from __future__ import annotations

from typing import Final

from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.errors import CorruptItemError, EventExistsError
from aiobreakglass._domain.history import HistoryEntry
from aiobreakglass._dynamodb.codec import row_key
from aiobreakglass._dynamodb.layout import Table, TableLayout
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.expressions import part
from aiobreakglass._dynamodb.record import decode_entry, encode_entry
from aiobreakglass._dynamodb.row import Row

HISTORY: Final = "history"
ADOPTION: Final = "adoption"


class HistoryPart(Contributor):
    """Contributes the entry of the change itself."""

    role = HISTORY

    def __init__(self, table: Table) -> None:
        self._table = table

    def parts(self, attempt: Attempt) -> list[Part]:
        return [self._put(entry, attempt) for entry in self._entries(attempt)]

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:
        layout = self._table.layout
        if existing is not None and Row(existing, layout).is_written_by(attempt.write_id):
            # The event's row may have changed again since, so only this row can tell.
            return Verdict.OURS
        if attempt.change.is_new:
            raise EventExistsError(attempt.change.stored.id)
        return Verdict.BEHIND

    def _entries(self, attempt: Attempt) -> list[HistoryEntry]:
        return attempt.record.entries[-1:]

    def _put(self, entry: HistoryEntry, attempt: Attempt) -> Part:
        ttl = None if _is_held(attempt.change) else entry.history_ttl
        layout = self._table.layout
        return part(
            self._table,
            self.role,
            "Put",
            layout.history_key(entry.event_id, entry.revision),
            "attribute_not_exists(#pk)",
            names=(layout.partition_key,),
            Item=encode_entry(entry, layout, write_id=attempt.write_id, ttl=ttl),
        )


class AdoptionPart(HistoryPart):
    """Contributes the entry that adopts what the history does not know yet."""

    role = ADOPTION

    def _entries(self, attempt: Attempt) -> list[HistoryEntry]:
        return attempt.record.entries[:-1]


def written_entry(existing: Item, layout: TableLayout) -> HistoryEntry | None:
    """Return the entry of a change from the row that refused it; None if it is no such row."""
    try:
        entry = decode_entry(existing, row_key(existing, layout))
    except CorruptItemError:
        return None
    return None if entry.action is Action.ADOPTED else entry


def _is_held(change: Change) -> bool:
    return change.after is not None and change.after.held_by is not None
