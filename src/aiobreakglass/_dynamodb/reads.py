"""Strongly consistent reads of single rows."""

from __future__ import annotations

from aiobreakglass._arguments import check_event_id
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.calls import Calls, Operation
from aiobreakglass._dynamodb.codec import row_key
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.row import Row, event_row
from aiobreakglass._dynamodb.transaction import Item
from aiobreakglass._errors import CorruptItemError


class Reads:
    """Read the rows of events and guards."""

    def __init__(self, calls: Calls, table: Table) -> None:
        self._calls = calls
        self._table = table

    async def event_row(self, operation: Operation, event_id: str) -> Row | None:
        """Return the row of an event; None if there is none, or a tombstone."""
        layout = self._table.layout
        return event_row(await self._row(operation, layout.event_key(event_id)), layout)

    async def guarded_event_id(
        self, operation: Operation, invoker: str, profile: str
    ) -> str | None:
        """Return the id of the event that a pair's guard points to; None if there is no guard."""
        guard = await self._row(operation, self._table.layout.guard_key(invoker, profile))
        return None if guard is None else self.event_id_of(guard)

    def event_id_of(self, guard: Item) -> str:
        """Return the id of the event that a guard points to, or raise `CorruptItemError`."""
        try:
            return check_event_id(guard.get("event_id", {}).get("S"))  # type: ignore[arg-type] # it is checked here
        except (TypeError, ValueError) as error:
            raise CorruptItemError(row_key(guard, self._table.layout), str(error)) from error

    async def _row(self, operation: Operation, partition_key: str) -> Item | None:
        request = requests.get_row(self._table, partition_key)
        answer = await self._calls.read(operation, "GetItem", request, expected=request["Key"])
        item: Item | None = answer.get("Item")
        return item
