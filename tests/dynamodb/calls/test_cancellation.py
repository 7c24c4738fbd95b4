"""Cancelled callers whose write is still under way."""

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

    async def test_cancelled_caller_waits_for_its_write(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A caller that is cancelled during a write waits for its end, and then stops."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", LONG_ENOUGH)
        gate = Gate(proxy)
        event = make_event(**PAIR, created_at=clock())
        call = asyncio.create_task(store.create(event))
        await gate.full.wait()
        call.cancel()
        ended, _ = await asyncio.wait({call}, timeout=0.1)
        assert not ended
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event

    async def test_cancelled_caller_stops_waiting_for_lost_write(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A cancelled caller waits only for a bounded time, and no task remains."""
        # No time-out ends the write while this test runs.
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
