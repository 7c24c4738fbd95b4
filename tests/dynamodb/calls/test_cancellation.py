"""Writes that are no longer waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, _shielding
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.faults import proxy as faults
from tests.faults.gate import Gate
from tests.faults.proxy import FaultProxy

from .conftest import LONG_ENOUGH
from .failures import WRITE


def nothing() -> None:
    """Do nothing when a request hangs."""


class TestCancellation:
    @pytest.fixture(params=["fast", "standard"])
    def transport(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def test_a_write_under_way_is_let_finish(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A cancelled caller waits for the write that is under way, and is cancelled then."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", LONG_ENOUGH)
        gate = Gate(proxy)
        event = make_event(**PAIR, created_at=clock())
        call = asyncio.create_task(store.create(event))
        await gate.full.wait()
        call.cancel()
        gone, _ = await asyncio.wait({call}, timeout=0.1)
        assert not gone
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event

    async def test_a_write_that_does_not_come_back(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A cancelled caller waits for a bounded time only, and no task is left behind."""
        # It would wait for longer than this test does.
        proxy.on_hang = nothing
        proxy.script(WRITE, faults.hang)
        others = asyncio.all_tasks()
        call = asyncio.create_task(store.create(make_event(**PAIR, created_at=clock())))
        await proxy.arrival(WRITE)
        call.cancel()
        await asyncio.wait({call}, timeout=30)
        assert call.cancelled()
        left = {repr(task.get_coro()) for task in asyncio.all_tasks() - others}
        assert not [coroutine for coroutine in left if "RequestHandler." not in coroutine]
        created = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == created
