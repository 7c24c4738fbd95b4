"""Stores that are opened, shared and left, on clients of their own or borrowed ones."""

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
from tests.faults.gate import Gate
from tests.faults.proxy import FaultProxy

from .conftest import Open

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def elsewhere(call: Coroutine[Any, Any, Any]) -> Any:
    """Return what a call raises in an event loop of another thread."""

    async def outcome() -> Any:
        outcomes: Any = await asyncio.gather(call, return_exceptions=True)
        return outcomes[0]

    return await asyncio.to_thread(asyncio.run, outcome())


class TestLifetimes:
    async def test_a_closed_store_says_so_at_once(
        self, open_store: Open, proxy: FaultProxy
    ) -> None:
        """After `async with` nothing is sent any more."""
        async with open_store() as store:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await store.get("0123456789abcdef")
        assert proxy.exchanges == []

    async def test_leaving_waits_for_what_is_under_way(
        self, open_store: Open, proxy: FaultProxy, clock: FakeClock, rows: Rows
    ) -> None:
        """Leaving `open` drains the calls of other tasks, then closes the client."""
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

    async def test_a_call_that_has_ended_keeps_nothing(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """The event loop keeps cancelled timers for a while, but not what was written."""
        async with open_store() as store:
            created = await store.create(make_event(**PAIR, created_at=clock()))
            remains = weakref.ref(created)
            del created
            gc.collect()
            assert remains() is None

    async def test_first_used_in_another_event_loop(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A store serves the loop that opened it; any other is told so, and sends nothing."""
        error = await elsewhere(store.create(make_event(**PAIR, created_at=clock())))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        assert proxy.exchanges == []
        event = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.get(event.id) == event

    async def test_left_in_another_event_loop(self, open_store: Open) -> None:
        """Leaving is for the loop that entered; the store stays open for it."""
        opening = open_store()
        store = await opening.__aenter__()
        error = await elsewhere(opening.__aexit__(None, None, None))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        await store.delete("0123456789abcdef")
        await opening.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="closed"):
            await store.delete("0123456789abcdef")

    async def test_a_borrowed_client_in_another_event_loop(
        self, client: DynamoDBClient, table_name: str
    ) -> None:
        """A store on a borrowed client serves the loop that uses it first."""
        store = await asyncio.to_thread(AsyncDynamoDBStore, client, table_name)
        await store.delete("0123456789abcdef")
        error = await elsewhere(store.delete("0123456789abcdef"))
        assert isinstance(error, RuntimeError)
        assert "another event loop" in str(error)
        await store.delete("0123456789abcdef")

    async def test_a_borrowed_client_that_was_left(
        self, session: AioSession, endpoint_url: str, table_name: str
    ) -> None:
        """A client that is closed already is told at once, and nothing may have happened."""
        async with session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=endpoint_url
        ) as client:
            store = AsyncDynamoDBStore(client, table_name)
            await store.delete("0123456789abcdef")
        with pytest.raises(RuntimeError, match="the client is closed"):
            await store.create(make_event())

    async def test_a_borrowed_client_is_left_open(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """Two stores on one client work side by side, and the client outlives them."""
        one, other = (AsyncDynamoDBStore(client, table_name, clock=clock) for _ in range(2))
        event = await one.create(make_event(created_at=clock()))
        closed = await other.close(event.id, closed_by="alice", closed_reason="done")
        assert closed.status is BreakGlassStatus.CLOSED
        assert (await client.describe_table(TableName=table_name))["Table"][
            "TableName"
        ] == table_name

    async def test_no_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no region is given or configured, the error names the argument."""
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        with pytest.raises(ValueError, match="region_name"):
            async with AsyncDynamoDBStore.open("breakglass"):
                raise AssertionError("never entered")

    async def test_a_table_that_is_missing(self, endpoint_url: str) -> None:
        """A missing table is a `TableError` that names it and says how to make it."""
        async with AsyncDynamoDBStore.open(
            "no-such-table", region_name=REGION, endpoint_url=endpoint_url
        ) as store:
            with pytest.raises(TableError, match=r"'no-such-table'.*create_table"):
                await store.find_active_by_invoker_and_profile("alice", "prod")
            with pytest.raises(TableError, match="no-such-table"):
                await store.create(make_event())
            with pytest.raises(TableError, match="no-such-table"):
                await store.list_by_invoker("alice")
