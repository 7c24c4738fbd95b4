"""Calls that are cancelled or time out while their requests are under way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, _shielding
from aiobreakglass._aws.client import Opened
from aiobreakglass.testing import FakeClock
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import connections_in_use
from tests.faults import proxy as faults
from tests.faults.audit import audit
from tests.faults.gate import Gate
from tests.faults.proxy import Exchange, FaultProxy

from .cases import CASES, Case, every_kind, new, opened
from .conftest import assert_repeatable, outcome


def calls_under_way(others: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks that send requests, without those of the proxy in the same loop."""
    return {
        task
        for task in asyncio.all_tasks() - others
        if "RequestHandler." not in repr(task.get_coro())
    }


class TestCancelledTogether:
    async def test_64_calls_cancelled_at_once_leave_nothing(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
    ) -> None:
        """64 calls cancelled at once free all connections, and one of each kind is repeated."""
        kinds = [case for case in CASES.values() if case.given is opened or case.given is new]
        crowd = [
            (case, await case.given(store, clock, f"user-{number}"))
            for number, case in zip(range(64), kinds * 64, strict=False)
        ]
        gate = Gate(proxy, len(crowd))
        calls = [
            asyncio.create_task(outcome(case.call(proxied_store, event))) for case, event in crowd
        ]
        await gate.full.wait()
        for call in calls:
            call.cancel()
        gate.opened.set()
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
        assert connections_in_use(proxied.client) == 0
        assert audit(await rows.all()) == []
        for case, event in crowd[: len(kinds)]:
            await assert_repeatable(case, proxied_store, event)
        assert audit(await rows.all()) == []

    @every_kind
    async def test_failed_sibling_in_a_task_group_cancels_the_call(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
        case: Case,
    ) -> None:
        """A call is cancelled with its task group, which raises only the sibling's error."""
        event = await case.given(store, clock, "alice")
        gate = Gate(proxy)

        async def fail() -> None:
            await gate.full.wait()
            asyncio.get_running_loop().call_soon(gate.opened.set)
            raise KeyError("sibling")

        async def both() -> None:
            async with asyncio.TaskGroup() as tasks:
                calls.append(tasks.create_task(case.call(proxied_store, event)))
                tasks.create_task(fail())

        calls: list[asyncio.Task[object]] = []
        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [KeyError]
        assert [call.cancelled() for call in calls] == [True]
        assert connections_in_use(proxied.client) == 0
        assert audit(await rows.all()) == []
        await assert_repeatable(case, proxied_store, event)


class TestNotAnswered:
    """Calls that are given up because their first request hangs."""

    @every_kind
    async def test_timeout_around_a_hanging_call_ends_it(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
        case: Case,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """`asyncio.timeout` ends a call with `TimeoutError`, and ends what the call has begun."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(milliseconds=20))
        event = await case.given(store, clock, "alice")

        async def run_out(exchange: Exchange) -> Any:
            await exchange.forward()
            limit.reschedule(asyncio.get_running_loop().time())
            return await faults.hang(exchange)

        proxy.plan = lambda exchange: run_out
        others = asyncio.all_tasks()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await case.call(proxied_store, event)
        assert calls_under_way(others) == set()
        assert connections_in_use(proxied.client) == 0
        proxy.plan = lambda exchange: faults.none
        assert audit(await rows.all()) == []
        await assert_repeatable(case, proxied_store, event)

    @every_kind
    async def test_second_cancellation_does_not_wait_for_the_grace(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
        case: Case,
    ) -> None:
        """A second cancellation does not wait for the end of the grace."""
        event = await case.given(store, clock, "alice")
        gate = Gate(proxy)
        others = asyncio.all_tasks()
        call = asyncio.create_task(outcome(case.call(proxied_store, event)))
        await gate.full.wait()
        async with asyncio.timeout(60):
            call.cancel()
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait({call})
        assert call.cancelled()
        assert calls_under_way(others) == set()
        assert connections_in_use(proxied.client) == 0
        gate.opened.set()
        assert audit(await rows.all()) == []
        await assert_repeatable(case, proxied_store, event)
