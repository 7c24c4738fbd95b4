"""The guards of active events: their rows, their end, and stale ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassStatus,
    CorruptItemError,
    EventNotFoundError,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local


HOUR = timedelta(hours=1)


class TestRowsOfAnActiveEvent:
    async def test_guard_has_only_its_key_and_the_event_id(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A guard copies nothing else of its event, never expires, and is in no index."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guard("alice", "prod") == {
            "pk": {"S": "ACTIVE#5#alice#prod"},
            "event_id": {"S": event.id},
        }

    async def test_ending_an_event_removes_its_guard(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Close, expiry and delete each remove the event's guard."""
        closed = await store.create(make_event(**PAIR, created_at=clock()))
        deleted = await store.create(make_event(invoker="bob", created_at=clock()))
        expired = await store.create(make_event(invoker="carol", created_at=clock()))
        await store.close(closed.id, closed_by="alice", closed_reason="done")
        await store.delete(deleted.id)
        clock.advance(HOUR)
        await store.update(expired.expire(at=clock()))
        assert await rows.guards() == {}

    async def test_each_write_has_its_own_write_id(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A writer recognises its own write by an id that no other write has."""
        event = await store.create(make_event(created_at=clock()))
        created = await rows.event(event.id)
        await store.update(event.model_copy(update={"request_id": "r-1"}))
        updated = await rows.event(event.id)
        assert created is not None
        assert updated is not None
        assert created["write_id"] != updated["write_id"]


class TestAnOldEventAndANewGuard:
    """A pair has two active rows only if another program put one without a guard."""

    @pytest.fixture
    async def old(self, rows: Rows, clock: FakeClock) -> str:
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event)
        return event.id

    @pytest.fixture
    async def new(self, old: str, store: AsyncDynamoDBStore, clock: FakeClock) -> str:
        clock.advance(timedelta(minutes=1))
        return (await store.create(make_event(**PAIR, created_at=clock()))).id

    async def test_late_close_of_old_event_keeps_the_new_guard(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str
    ) -> None:
        """A late close of an old event never removes the guard of a newer event."""
        closed = await store.close(old, closed_by="alice", closed_reason="late")
        assert closed.status is BreakGlassStatus.CLOSED
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}

    async def test_late_expiry_of_old_event_keeps_the_new_guard(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str, clock: FakeClock
    ) -> None:
        """A late expiry of an old event never removes the guard of a newer event."""
        clock.advance(HOUR - timedelta(minutes=1))
        expired = await store.update((await store.get(old)).expire(at=clock()))
        assert expired.status is BreakGlassStatus.EXPIRED
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}
        found = await store.find_active_by_invoker_and_profile("alice", "prod")
        assert found is not None
        assert found.id == new

    async def test_late_delete_of_old_event_keeps_the_new_guard(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str
    ) -> None:
        """A late delete of an old event never removes the guard of a newer event."""
        await store.delete(old)
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}
        with pytest.raises(EventNotFoundError):
            await store.get(old)


class TestGuardsWithoutRight:
    async def test_guard_whose_event_is_gone(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """If TTL has deleted the event, its guard grants nothing and blocks no create."""
        gone = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.remove_event(gone.id)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    @pytest.mark.parametrize("field", ["invoker", "profile"])
    async def test_guard_whose_event_is_of_another_pair(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, field: str
    ) -> None:
        """A guard that points to another pair's event grants nothing and blocks no create."""
        other = make_event(**{**PAIR, field: "somebody-else"}, created_at=clock())
        await rows.put_event(other)
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": other.id}})
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    async def test_guard_without_an_event_id_is_corrupt(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The check and `create` report such a row by its key."""
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"N": "7"}})
        with pytest.raises(CorruptItemError) as caught:
            await store.find_active_by_invoker_and_profile("alice", "prod")
        assert caught.value.key == "ACTIVE#5#alice#prod"
        with pytest.raises(CorruptItemError, match="event_id"):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_event_that_appears_while_its_guard_is_cleared(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """The same transaction removes the guard and proves that its event holds nothing."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": event.id}})
        happened = 0

        async def appear() -> None:
            nonlocal happened
            happened += 1
            await rows.put_event(event)

        class SecondTransaction(Interposing):
            async def transact_write_items(self, **request: Any) -> Any:
                if "ConditionCheck" in request["TransactItems"][0]:
                    return await super().transact_write_items(**request)
                return await client.transact_write_items(**request)

        late: Any = SecondTransaction(client, appear)
        from aiobreakglass import ActiveEventExistsError

        with pytest.raises(ActiveEventExistsError) as caught:
            await AsyncDynamoDBStore(late, table_name, clock=clock).create(
                make_event(**PAIR, created_at=clock())
            )
        assert caught.value.event == event
        assert happened == 1
