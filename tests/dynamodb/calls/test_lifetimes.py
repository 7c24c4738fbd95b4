"""Opening, sharing and leaving stores, with their own or borrowed clients."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.session import AioSession

from aiobreakglass import AsyncDynamoDBStore, BreakGlassStatus, TableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR, REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.versions import needs_aiobotocore
from tests.faults.gate import Gate
from tests.faults.proxy import FaultProxy

from .conftest import Open

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def elsewhere(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a call in an event loop of another thread, and return its result or exception."""

    async def outcome() -> Any:
        outcomes: Any = await asyncio.gather(call, return_exceptions=True)
        return outcomes[0]

    return await asyncio.to_thread(asyncio.run, outcome())


class TestLifetimes:
    async def test_closed_store_refuses_calls(self, open_store: Open, proxy: FaultProxy) -> None:
        """After `async with` the store sends nothing."""
        async with open_store() as store:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await store.get("0123456789abcdef")
        assert proxy.exchanges == []

    async def test_leaving_waits_for_calls_under_way(
        self, open_store: Open, proxy: FaultProxy, clock: FakeClock, rows: Rows
    ) -> None:
        """Leaving `open` waits for the calls of other tasks, and then closes the client."""
        gate = Gate(proxy)
        event = make_event(**PAIR, created_at=clock())
        async with asyncio.TaskGroup() as tasks:
            async with open_store() as store:
                call = tasks.create_task(store.create(event))
                await gate.full.wait()
                asyncio.get_running_loop().call_later(0.05, gate.opened.set)
            assert call.done()
        assert call.result() == event
        assert await rows.guards() == {"ACTIVE#5#alice#prod": event.id}

    async def test_ended_call_keeps_no_reference_to_its_event(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """The event loop keeps cancelled timers for a while, but not the written event."""
        async with open_store() as store:
            created = await store.create(make_event(**PAIR, created_at=clock()))
            remains = weakref.ref(created)
            del created
            gc.collect()
            assert remains() is None

    async def test_opened_store_in_another_event_loop_is_refused(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A store serves only the loop that opened it; in another it sends nothing and raises."""
        error = await elsewhere(store.create(make_event(**PAIR, created_at=clock())))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        assert proxy.exchanges == []
        event = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.get(event.id) == event

    async def test_leaving_in_another_event_loop_is_refused(self, open_store: Open) -> None:
        """Only the loop that entered `open` can leave it; the store stays open."""
        opening = open_store()
        store = await opening.__aenter__()
        error = await elsewhere(opening.__aexit__(None, None, None))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        await store.delete("0123456789abcdef")
        await opening.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="closed"):
            await store.delete("0123456789abcdef")

    async def test_borrowed_client_in_another_event_loop_is_refused(
        self, client: DynamoDBClient, table_name: str
    ) -> None:
        """A store with a borrowed client serves the loop that uses it first."""
        store = await asyncio.to_thread(AsyncDynamoDBStore, client, table_name)
        await store.delete("0123456789abcdef")
        error = await elsewhere(store.delete("0123456789abcdef"))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        await store.delete("0123456789abcdef")

    @needs_aiobotocore("3.0", "an older client opens new connections after it was closed")
    async def test_closed_borrowed_client_is_refused(
        self, session: AioSession, endpoint_url: str, table_name: str
    ) -> None:
        """The store reports a closed client at once, and sends nothing."""
        async with session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=endpoint_url
        ) as client:
            store = AsyncDynamoDBStore(client, table_name)
            await store.delete("0123456789abcdef")
        with pytest.raises(RuntimeError, match="the client is closed"):
            await store.create(make_event())

    async def test_two_stores_share_a_borrowed_client(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """Two stores work with one client, and leave it open."""
        one, other = (AsyncDynamoDBStore(client, table_name, clock=clock) for _ in range(2))
        event = await one.create(make_event(created_at=clock()))
        closed = await other.close(event.id, closed_by="alice", closed_reason="done")
        assert closed.status is BreakGlassStatus.CLOSED
        assert (await client.describe_table(TableName=table_name))["Table"][
            "TableName"
        ] == table_name

    async def test_open_without_a_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If no region is given or configured, the error names the argument."""
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        with pytest.raises(ValueError, match="region_name"):
            async with AsyncDynamoDBStore.open("breakglass"):
                raise AssertionError("never entered")

    async def test_missing_table_is_a_table_error(self, endpoint_url: str) -> None:
        """The `TableError` names the missing table, and says how to create it."""
        async with AsyncDynamoDBStore.open(
            "no-such-table", region_name=REGION, endpoint_url=endpoint_url
        ) as store:
            with pytest.raises(TableError, match=r"'no-such-table'.*create_table"):
                await store.find_active_by_invoker_and_profile("alice", "prod")
            with pytest.raises(TableError, match="no-such-table"):
                await store.create(make_event())
            with pytest.raises(TableError, match="no-such-table"):
                await store.list_by_invoker("alice")
