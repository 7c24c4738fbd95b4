"""The release before histories existed, as far as other writers of its table notice.

It knows events, guards and tombstones. It writes the attributes that it knows, keeps all others in
a row that it updates, and drops them from a row that it replaces by a tombstone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from aiobreakglass import BreakGlassEvent
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb.codec import encode_event, encode_guard
from aiobreakglass._dynamodb.layout import TableLayout

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LAYOUT: Final = TableLayout()
FIELDS: Final = (
    "id",
    "invoker",
    "profile",
    "reason_code",
    "justification",
    "duration",
    "status",
    "created_at",
    "updated_at",
    "expires_at",
    "closed_by",
    "closed_reason",
    "request_id",
    "mfa_verified",
    "mfa_method",
    "mfa_challenge_id",
)
"""The fields of its model, which are also what its writes compare."""


_MICROSECOND: Final = timedelta(microseconds=1)


class PreviousRelease:
    """A store of that release."""

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        retention: timedelta | None = timedelta(days=365),
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._retention = retention

    async def create(self, event: BreakGlassEvent) -> None:
        """Put the row of an event and its guard, if neither is there."""
        item = encode_event(event, LAYOUT, write_id=uuid4().hex)
        item = {name: value for name, value in item.items() if name in (*FIELDS, "pk", "write_id")}
        await self._write(
            self._put(item | self._time_to_live(event.expires_at)),
            self._put(encode_guard(event, LAYOUT)),
        )

    async def read(self, event_id: str) -> Item:
        """Return the row of an event."""
        answer: Any = await self._client.get_item(
            TableName=self._table_name,
            Key={"pk": {"S": LAYOUT.event_key(event_id)}},
            ConsistentRead=True,
        )
        item: Item = answer["Item"]
        return item

    async def update(self, item: Item, at: datetime, **attributes: dict[str, Any]) -> None:
        """Set attributes of a row if it is as read; delete the guard of an event that ends."""
        changes = {
            **attributes,
            "updated_at": {"S": encode_time(max(at, _updated_at(item) + _MICROSECOND))},
            "write_id": {"S": uuid4().hex},
        }
        removal = ""
        if "expires_at" in changes:
            expires_at = datetime.fromisoformat(changes["expires_at"]["S"])
            changes |= self._time_to_live(expires_at)
            removal = "" if "ttl" in changes else " REMOVE #ttl"
        names = [*changes, *(["ttl"] if removal else [])]
        update = {
            "Update": {
                "TableName": self._table_name,
                "Key": {"pk": item["pk"]},
                "UpdateExpression": "SET "
                + ", ".join(f"#{name} = :new_{name}" for name in changes)
                + removal,
                **self._as_read(item, *names),
            }
        }
        values = update["Update"]["ExpressionAttributeValues"]
        values |= {f":new_{name}": value for name, value in changes.items()}
        ends = "status" in attributes
        await self._write(update, *([self._release(item)] if ends else []))

    async def close(self, item: Item, at: datetime) -> None:
        """Close an event that was read as this row."""
        await self.update(
            item,
            at,
            status={"S": "closed"},
            closed_by={"S": "bob"},
            closed_reason={"S": "Over"},
        )

    async def delete(self, item: Item, at: datetime) -> None:
        """Replace the row of an event by a tombstone if it is as read."""
        tombstone = {"pk": item["pk"], "deleted_at": {"S": encode_time(at)}}
        put = {
            "Put": {
                "TableName": self._table_name,
                "Item": tombstone | self._time_to_live(at),
                **self._as_read(item),
            }
        }
        is_active = item["status"] == {"S": "active"}
        await self._write(put, *([self._release(item)] if is_active else []))

    def _as_read(self, item: Item, *more_names: str) -> dict[str, Any]:
        return {
            "ConditionExpression": " AND ".join(
                f"#{name} = :{name}" if name in item else f"attribute_not_exists(#{name})"
                for name in FIELDS
            ),
            "ExpressionAttributeNames": {
                f"#{name}": name for name in dict.fromkeys([*FIELDS, *more_names])
            },
            "ExpressionAttributeValues": {
                f":{name}": item[name] for name in FIELDS if name in item
            },
        }

    def _put(self, item: Item) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }

    def _release(self, item: Item) -> dict[str, Any]:
        return {
            "Delete": {
                "TableName": self._table_name,
                "Key": {"pk": {"S": LAYOUT.guard_key(item["invoker"]["S"], item["profile"]["S"])}},
                "ConditionExpression": "attribute_not_exists(pk) OR event_id = :event_id",
                "ExpressionAttributeValues": {":event_id": item["id"]},
            }
        }

    def _time_to_live(self, since: datetime) -> Item:
        if self._retention is None:
            return {}
        return {"ttl": {"N": str(int((since + self._retention).timestamp()))}}

    async def _write(self, *parts: dict[str, Any]) -> None:
        await self._client.transact_write_items(TransactItems=list(parts))  # type: ignore[arg-type] # plain dicts


def _updated_at(item: Item) -> datetime:
    return datetime.fromisoformat(item["updated_at"]["S"])
