"""Read the history of an event by its keys, strongly consistently."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.errors import EventNotFoundError
from aiobreakglass._domain.history import MAX_REVISION, HistoryEntry, Tip
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import decode_entry, decode_record, decode_tip
from aiobreakglass._dynamodb.requests import BATCH


class Histories:
    """Reads the entries of histories."""

    def __init__(self, reads: Reads, table: Table) -> None:
        self._reads = reads
        self._layout = table.layout

    async def entries(self, operation: Operation, event_id: str) -> list[HistoryEntry]:
        """Return the entries of an event, oldest first; raise if nothing is known of the event.

        Entries that TTL or another writer removed are missing, which is for `verify_history` to
        find.
        """
        row = await self._reads.row(operation, self._layout.event_key(event_id))
        tip = None if row is None else decode_record(row)
        named = 0 if tip is None else tip.revision
        last = min(named + 1, BATCH)
        rows = await self._rows(operation, event_id, range(1, last + 1))
        if tip is None and not rows:
            # TTL deletes rows in no order, so the first entry may go before others.
            last = BATCH
            rows = await self._rows(operation, event_id, range(2, last + 1))
        # The row may be reverted, and others may write meanwhile, so read to the end.
        found = bool(rows)
        while last in rows or (found and last <= named):
            first, last = last + 1, last + BATCH
            batch = await self._rows(operation, event_id, range(first, last + 1))
            found = bool(batch)
            rows |= batch
        if last <= named:
            # The revision may be another writer's, and there may be a million rows to look for.
            rows |= await self._rows(operation, event_id, range(named - BATCH + 2, named + 2))
        # A batch is not read at one instant, so entries that it lacks may have been written
        # while it was read: before a later entry that it has.
        rows |= await self._rows(operation, event_id, _gaps(rows)[-BATCH:])
        if row is None and not rows:
            raise EventNotFoundError(event_id)
        return [
            decode_entry(rows[revision], self._layout.history_key(event_id, revision))
            for revision in sorted(rows)
        ]

    async def tip(self, operation: Operation, event_id: str, taken: int) -> Tip | None:
        """Return the newest entry of a history, given that the key of one revision is taken.

        The entry does not vouch for the event's row, so its tip has no digest. None means that TTL
        or another writer has just removed the entry, so its key is free again.
        """
        known, step = taken, 1
        while known < MAX_REVISION and await self._exists(operation, event_id, known + step):
            known, step = known + step, step * 2
        while step > 1:
            step //= 2
            if await self._exists(operation, event_id, known + step):
                known += step
        rows = await self._rows(operation, event_id, [known])
        return decode_tip(known, rows[known]) if known in rows else None

    async def _exists(self, operation: Operation, event_id: str, revision: int) -> bool:
        key = self._layout.history_key(event_id, revision)
        return await self._reads.row(operation, key) is not None

    async def _rows(
        self, operation: Operation, event_id: str, revisions: Iterable[int]
    ) -> dict[int, Item]:
        """Return the existing rows of entries, by revision."""
        keys = {self._layout.history_key(event_id, revision): revision for revision in revisions}
        rows = await self._reads.rows(operation, keys)
        return {keys[key]: row for key, row in rows.items()}


def _gaps(rows: Collection[int]) -> list[int]:
    """Return the revisions that are missing before the last one."""
    return [revision for revision in range(1, max(rows, default=0)) if revision not in rows]
