"""Stores that are closed while calls are under way, and calls on stores that cannot be used."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from aiobotocore.session import AioSession

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, StoreUnavailableError, TableError
from aiobreakglass._aws.client import Opened
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT
from tests.faults.audit import audit
from tests.faults.gate import Gate
from tests.faults.proxy import FaultProxy

from .cases import CASES, SENDING_NOTHING, Case, every_case, every_kind, table
from .conftest import LONG_ENOUGH, REGION, assert_repeatable, assert_told, outcome


@dataclass
class Visit:
    """A user who opens a store, begins a call, and leaves."""

    case: Case
    event: BreakGlassEvent
    gate: Gate
    open_store: AbstractAsyncContextManager[AsyncDynamoDBStore]
    store: AsyncDynamoDBStore = field(init=False)
    call: asyncio.Task[object] = field(init=False)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, failure: Exception | None = None) -> None:
        async with self.open_store as self.store:
            self.call = asyncio.create_task(outcome(self.case.call(self.store, self.event)))
            await self.gate.full.wait()
            # A waiter resumes after leaving has begun, because nothing is awaited in between.
            self.left.set()
            if failure is not None:
                raise failure


class TestLeaving:
    @pytest.fixture
    async def visit(
        self,
        proxy: FaultProxy,
        session: AioSession,
        table_name: str,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        case: Case,
    ) -> Visit:
        open_store = AsyncDynamoDBStore.open(
            table_name,
            region_name=REGION,
            endpoint_url=proxy.url,
            session=session,
            clock=clock,
            config=PATIENT,
            operation_timeout=LONG_ENOUGH,
        )
        return Visit(case, await case.given(store, clock, "alice"), Gate(proxy), open_store)

    @every_case
    async def test_leaving_waits_for_calls_under_way(
        self, visit: Visit, store: AsyncDynamoDBStore, rows: Rows, case: Case
    ) -> None:
        """Leaving `open` waits for the calls of other tasks, and refuses new ones meanwhile."""
        leaving = asyncio.create_task(visit())
        await visit.left.wait()
        assert not leaving.done()
        with pytest.raises(RuntimeError, match="closed"):
            await case.call(visit.store, visit.event)
        visit.gate.opened.set()
        await leaving
        assert visit.call.done()
        assert_told(await visit.call, case.refused_at_first)
        assert await case.has_happened(store, visit.event)
        assert audit(await rows.all()) == []

    @every_kind
    async def test_leaving_with_an_exception_waits_for_calls(
        self, visit: Visit, case: Case
    ) -> None:
        """If the body raises, leaving waits for the calls under way before it re-raises."""
        leaving = asyncio.create_task(visit(KeyError("body")))
        await visit.left.wait()
        assert not leaving.done()
        visit.gate.opened.set()
        with pytest.raises(KeyError, match="body"):
            await leaving
        assert visit.call.done()
        assert_told(await visit.call, case.refused_at_first)

    @every_kind
    async def test_cancelled_leaving_gives_up_the_calls(
        self, visit: Visit, store: AsyncDynamoDBStore, rows: Rows, case: Case
    ) -> None:
        """If leaving is cancelled, it ends at once, and its calls say that they were lost."""
        leaving = asyncio.create_task(visit())
        await visit.left.wait()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        told = await visit.call
        assert isinstance(told, StoreUnavailableError)
        assert told.outcome_unknown == (visit.gate.held == "TransactWriteItems")
        assert audit(await rows.all()) == []
        await assert_repeatable(case, store, visit.event)

    @table(CASES | SENDING_NOTHING)
    async def test_call_on_a_closed_store_is_refused(
        self, proxy: FaultProxy, session: AioSession, clock: FakeClock, case: Case
    ) -> None:
        """A closed store refuses a call at once, and sends nothing."""
        async with AsyncDynamoDBStore.open(
            "breakglass", region_name=REGION, endpoint_url=proxy.url, session=session, clock=clock
        ) as store:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await case.call(store, make_event(created_at=clock()))
        assert proxy.exchanges == []


class TestOtherEventLoop:
    @table(CASES | SENDING_NOTHING)
    async def test_call_from_another_event_loop_is_refused(
        self, proxy: FaultProxy, proxied: Opened, clock: FakeClock, case: Case
    ) -> None:
        """A store belongs to the event loop that used it first, and refuses any other at once."""
        event = make_event(created_at=clock())
        store = AsyncDynamoDBStore(proxied.client, "no-such-table", clock=clock)
        with pytest.raises(TableError):
            await store.delete(event.id)
        sent = len(proxy.exchanges)

        async def call_from_there() -> None:
            await case.call(store, event)

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, call_from_there())
        assert len(proxy.exchanges) == sent
