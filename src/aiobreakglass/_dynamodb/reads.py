"""Read rows by their keys, strongly consistently."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

from aiobreakglass._aws.calls import Calls, Operation
from aiobreakglass._aws.outcomes import rows_of
from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import check_event_id
from aiobreakglass._domain.errors import CorruptItemError, StoreUnavailableError
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.codec import row_key
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.row import Row, event_row


class Reads:
    """Reads the rows of events and guards."""

    def __init__(self, calls: Calls, table: Table) -> None:
        self._calls = calls
        self._table = table

    async def event_row(self, operation: Operation, event_id: str) -> Row | None:
        """Return the row of an event; None if there is no row, or only a tombstone."""
        layout = self._table.layout
        return event_row(await self.row(operation, layout.event_key(event_id)), layout)

    async def guarded_event_id(
        self, operation: Operation, invoker: str, profile: str
    ) -> str | None:
        """Return the id of the event that a pair's guard points to; None if there is no guard."""
        guard = await self.row(operation, self._table.layout.guard_key(invoker, profile))
        return None if guard is None else self.event_id_of(guard)

    async def event_rows(self, operation: Operation, event_ids: Collection[str]) -> dict[str, Row]:
        """Return the existing rows of events, by id."""
        layout = self._table.layout
        items = await self.rows(operation, map(layout.event_key, event_ids))
        rows = {
            event_id: event_row(items.get(layout.event_key(event_id)), layout)
            for event_id in event_ids
        }
        return {event_id: row for event_id, row in rows.items() if row is not None}

    async def guarded_event_ids(
        self, operation: Operation, invoker: str, profiles: Iterable[str]
    ) -> dict[str, str]:
        """Return the ids of the events that an invoker's guards point to, by profile."""
        keys = {profile: self._table.layout.guard_key(invoker, profile) for profile in profiles}
        guards = await self.rows(operation, keys.values())
        return {
            profile: self.event_id_of(guards[key])
            for profile, key in keys.items()
            if key in guards
        }

    def event_id_of(self, guard: Item) -> str:
        """Return the id of the event that a guard points to, or raise `CorruptItemError`."""
        try:
            return check_event_id(guard.get("event_id", {}).get("S"))  # type: ignore[arg-type] # this call checks it
        except (TypeError, ValueError) as error:
            raise CorruptItemError(row_key(guard, self._table.layout), str(error)) from error

    async def rows(self, operation: Operation, keys: Iterable[str]) -> dict[str, Item]:
        """Return the existing rows of any kind, by partition key."""
        waiting = list(dict.fromkeys(keys))
        rows: dict[str, Item] = {}
        attempts = 0
        while waiting:
            batch, waiting = waiting[: requests.BATCH], waiting[requests.BATCH :]
            answer = await self._calls.read(
                operation,
                "BatchGetItem",
                requests.get_rows(self._table, batch),
                is_asked=partial(self._is_among, frozenset(batch)),
            )
            rows |= {self._key(row): row for row in rows_of(answer)}
            left = requests.unprocessed(self._table, answer)
            if left:
                if not await self._calls.pause(operation, attempts):
                    raise StoreUnavailableError(
                        "DynamoDB did not read all keys in time: it is throttled"
                    )
                attempts += 1
            waiting += left
        return rows

    def _is_among(self, keys: frozenset[str], row: Item) -> bool:
        return self._key(row) in keys

    def _key(self, row: Item) -> str:
        return str(row[self._table.layout.partition_key]["S"])

    async def row(self, operation: Operation, partition_key: str) -> Item | None:
        """Return a row of any kind; None if there is no row."""
        request = requests.get_row(self._table, partition_key)
        is_asked = requests.has(request["Key"])
        answer = await self._calls.read(operation, "GetItem", request, is_asked=is_asked)
        item: Item | None = answer.get("Item")
        return item
