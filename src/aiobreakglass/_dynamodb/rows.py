"""The rows of events and their guards: read, put in place of another, or let go."""

from __future__ import annotations

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Final

from aiobreakglass._arguments import check_event_id
from aiobreakglass._dynamodb import codec, outcomes, requests
from aiobreakglass._dynamodb.calls import Calls, Operation
from aiobreakglass._dynamodb.codec import Item
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.outcomes import Refusal
from aiobreakglass._errors import CorruptItemError
from aiobreakglass._model import BreakGlassEvent

EVENT: Final = 0
"""The event's part of every transaction here, in a `Refusal`."""

GUARD: Final = 1
"""The guard's part, where there is one."""


class Rows:
    """Read and write one table's rows, strongly consistently and each write all or nothing."""

    def __init__(self, calls: Calls, table: Table, retention: timedelta | None) -> None:
        self._calls = calls
        self._table = table
        self._layout = table.layout
        self._retention = retention

    async def read(self, operation: Operation, event_id: str) -> Item | None:
        """Read an event's row; None where there is none, or a tombstone."""
        return outcomes.event_row(await self._read(operation, self._layout.event_key(event_id)))

    async def read_guard(self, operation: Operation, invoker: str, profile: str) -> str | None:
        """Read to which event a pair's guard points; None where there is no guard."""
        guard = await self._read(operation, self._layout.guard_key(invoker, profile))
        return None if guard is None else self.guarded_event_id(guard)

    async def put_new(
        self, operation: Operation, event: BreakGlassEvent, item: Item
    ) -> Refusal | None:
        """Put a new event, and its guard where it is active, unless one of them is there."""
        return await self._calls.write(operation, requests.create(self._table, event, item))

    async def replace(
        self, operation: Operation, event_id: str, stored: Item, item: Item
    ) -> Refusal | None:
        """Put a row in the place of the one that was read, and drop the guard of an ending event.

        A refusal that comes back is always the event's.
        """
        parts = [requests.replace(self._table, stored, item)]
        pair = codec.guarded_pair(stored)
        if pair is not None and codec.guarded_pair(item) is None:
            parts.append(requests.release_guard(self._table, *pair, event_id))
        refusal = await self._calls.write(operation, parts)
        if refusal is not None and EVENT not in refusal.rows:
            operation.outcome_unknown |= refusal.may_still_land
            # The guard is another event's by now, and stays; ours ends all the same.
            refusal = await self._calls.write(operation, parts[:1])
        return refusal

    async def bury(
        self, operation: Operation, event_id: str, stored: Item, deleted_at: datetime
    ) -> Refusal | None:
        """Put a tombstone in the place of the row that was read."""
        tombstone = codec.encode_tombstone(
            event_id, self._layout, deleted_at=deleted_at, retention=self._retention
        )
        return await self.replace(operation, event_id, stored, tombstone)

    async def reap_guard(
        self, operation: Operation, invoker: str, profile: str, event_id: str
    ) -> None:
        """Let a guard go that protects no active event, unless it has changed meanwhile."""
        parts = requests.reap_guard(self._table, invoker, profile, event_id)
        await self._calls.write(operation, parts)

    def guarded_event_id(self, guard: Item) -> str:
        """Return the id of the event to which a guard points."""
        event_id: Any = guard.get("event_id", {}).get("S")
        try:
            return check_event_id(event_id)
        except (TypeError, ValueError) as error:
            raise CorruptItemError(codec.row_key(guard, self._layout), str(error)) from error

    def encode(self, event: BreakGlassEvent, stored: Item | None = None) -> Item:
        """Return the row of an event: a write of its own, of which `stored` keeps what lasts."""
        item = codec.encode_event(
            event, self._layout, write_id=token_hex(16), retention=self._retention
        )
        return item if stored is None else item | codec.lasting_attributes(stored, self._layout)

    def is_same_write(self, row: Item | None, item: Item) -> bool:
        """Tell whether a row is what the write of `item` has left."""
        write_id = self._layout.write_id_attribute
        return row is not None and row.get(write_id) == item[write_id]

    async def _read(self, operation: Operation, partition_key: str) -> Item | None:
        request = requests.get_row(self._table, partition_key)
        answer = await self._calls.read(operation, "GetItem", request)
        item: Item | None = answer.get("Item")
        return item
