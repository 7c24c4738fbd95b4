"""Stores that are opened, shared and left, on clients of their own or borrowed ones."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassStatus, TableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR, REGION
from tests.dynamodb.rows import Rows
from tests.faults.gate import Gate
from tests.faults.proxy import FaultProxy

from .conftest import Open

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


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

    async def test_another_event_loop(self, store: AsyncDynamoDBStore) -> None:
        """A store serves the loop that first used it, and tells any other so at once."""
        await store.delete("0123456789abcdef")
        caught: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(store.delete("0123456789abcdef"))
            except RuntimeError as error:
                caught.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "another event loop" in str(caught[0])

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
