"""What other programs do to the table: they read and write plain rows without a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from aiobreakglass import BreakGlassEvent
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass._dynamodb.layout import TableLayout

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LAYOUT = TableLayout()
BATCH = 25
"""How many rows DynamoDB takes in one request."""


class Rows:
    """The rows of one table, by their partition keys."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    async def event(self, event_id: str) -> Item | None:
        """Return the row at an event's key."""
        return await self._get(LAYOUT.event_key(event_id))

    async def guard(self, invoker: str, profile: str) -> Item | None:
        """Return a pair's guard."""
        return await self._get(LAYOUT.guard_key(invoker, profile))

    async def history(self, event_id: str) -> list[Item]:
        """Return the rows of an event's entries, oldest first."""
        beginning = f"{LAYOUT.history_prefix}{event_id}#"
        found = [item for item in await self.all() if item["pk"]["S"].startswith(beginning)]
        return sorted(found, key=lambda item: str(item["pk"]["S"]))

    async def put_event(self, event: BreakGlassEvent, **attributes: Item | Any) -> None:
        """Put an event's row without a guard, as a program that knows no guards does."""
        item = encode_event(event, LAYOUT, write_id="foreign")
        await self.put({**item, **attributes})

    async def put(self, item: Item) -> None:
        """Put a row unchanged."""
        await self._client.put_item(TableName=self._table_name, Item=item)

    async def put_all(self, items: Iterable[Item]) -> None:
        """Put many rows unchanged, as a backfill does."""
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        for start in range(0, len(requests), BATCH):
            answer = await self._client.batch_write_item(
                RequestItems={self._table_name: requests[start : start + BATCH]}
            )
            assert not answer["UnprocessedItems"]

    async def set(self, event_id: str, **attributes: dict[str, Any]) -> None:
        """Set attributes of an event's row, as a user of the AWS console does."""
        names = {f"#{name}": name for name in attributes}
        await self._client.update_item(
            TableName=self._table_name,
            Key={"pk": {"S": LAYOUT.event_key(event_id)}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={f":{name}": attributes[name] for name in attributes},
        )

    async def unset(self, event_id: str, *attributes: str) -> None:
        """Remove attributes of an event's row, as a writer does that does not know them."""
        await self._client.update_item(
            TableName=self._table_name,
            Key={"pk": {"S": LAYOUT.event_key(event_id)}},
            UpdateExpression="REMOVE " + ", ".join(f"#{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
        )

    async def remove_event(self, event_id: str) -> None:
        """Delete an event's row without a tombstone, as TTL does."""
        await self.remove(LAYOUT.event_key(event_id))

    async def remove_entry(self, event_id: str, revision: int) -> None:
        """Delete the row of an entry, as TTL does."""
        await self.remove(LAYOUT.history_key(event_id, revision))

    async def remove(self, key: str) -> None:
        """Delete a row."""
        await self._client.delete_item(TableName=self._table_name, Key={"pk": {"S": key}})

    async def all(self) -> list[Item]:
        """Return every row."""
        items: list[Item] = []
        async for page in self._client.get_paginator("scan").paginate(
            TableName=self._table_name, ConsistentRead=True
        ):
            items += cast(list[Item], page["Items"])
        return items

    async def active(self) -> list[Item]:
        """Return all rows with the status `active`."""
        return [item for item in await self.all() if item.get("status") == {"S": "active"}]

    async def guards(self) -> dict[str, str]:
        """Return the event that each guard points to, by the guard's key."""
        return {
            item["pk"]["S"]: item["event_id"]["S"]
            for item in await self.all()
            if item["pk"]["S"].startswith(LAYOUT.guard_prefix)
        }

    async def _get(self, key: str) -> Item | None:
        answer = await self._client.get_item(
            TableName=self._table_name, Key={"pk": {"S": key}}, ConsistentRead=True
        )
        return cast(Item | None, answer.get("Item"))
