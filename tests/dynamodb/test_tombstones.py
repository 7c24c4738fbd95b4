"""What a delete leaves in the table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local


class TestTombstones:
    async def test_tombstone_says_only_when_and_where_the_history_ends(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A tombstone names the newest entry, has times, and says nothing of the event."""
        event = await store.create(make_event(created_at=clock()))
        await store.delete(event.id)
        row = await rows.event(event.id)
        assert row is not None
        assert set(row) == {
            *("pk", "deleted_at", "ttl"),
            *("revision", "head", "recorded_at", "history_ttl"),
        }
        created, deleted = await store.history(event.id)
        assert (row["revision"], row["head"]) == ({"N": "2"}, {"S": deleted.hash})
        assert row["recorded_at"] == {"S": "2001-02-03T04:05:06.000001Z"}
        assert int(row["history_ttl"]["N"]) == created.history_ttl == deleted.history_ttl
        assert int(row["ttl"]["N"]) == int((clock() + timedelta(days=365)).timestamp())

    async def test_id_of_a_deleted_event_cannot_be_reused(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """Neither the same event nor another one can have the id of a deleted event."""
        event = await store.create(make_event(created_at=clock()))
        await store.delete(event.id)
        for again in (event, make_event(id=event.id, invoker="bob", created_at=clock())):
            with pytest.raises(EventExistsError):
                await store.create(again)

    async def test_late_update_does_not_restore_a_deleted_event(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """An update does not find an event that was deleted after the update's read."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await store.create(make_event(created_at=clock()))

        async def delete() -> None:
            await store.delete(event.id)

        late: Any = Interposing(client, delete)
        with pytest.raises(EventNotFoundError):
            await AsyncDynamoDBStore(late, table_name, clock=clock).update(
                event.model_copy(update={"request_id": "r-1"})
            )
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)

    async def test_delete_of_a_row_that_changes_meanwhile(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """The delete reads the changed row again, and deletes it."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await store.create(make_event(created_at=clock()))

        async def close() -> None:
            await store.close(event.id, closed_by="alice", closed_reason="done")

        late: Any = Interposing(client, close)
        await AsyncDynamoDBStore(late, table_name, clock=clock).delete(event.id)
        row = await rows.event(event.id)
        assert row is not None
        assert "deleted_at" in row
        assert await rows.guards() == {}

    async def test_row_that_is_not_an_event_can_be_deleted(
        self, store: AsyncDynamoDBStore, rows: Rows
    ) -> None:
        """A delete does not decode the row, so corrupt rows can be removed."""
        event_id = "0123456789abcdef"
        await rows.put({"pk": {"S": f"BREAKGLASS#{event_id}"}, "status": {"S": "active"}})
        with pytest.raises(CorruptItemError):
            await store.get(event_id)
        await store.delete(event_id)
        with pytest.raises(EventNotFoundError):
            await store.get(event_id)
