"""Calls that nobody waits for any more, and stores that are left while calls are under way."""

from __future__ import annotations

import asyncio
import gc
import logging
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import uuid4

import pytest
from aiobotocore.session import AioSession, get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    EventExistsError,
    EventNotFoundError,
    InMemoryStore,
    InvalidStateTransitionError,
    StoreUnavailableError,
    TableError,
    _shielding,
    create_table,
)
from aiobreakglass._dynamodb.client import Opened, open_client
from aiobreakglass._expiry import expire_due
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT, connections_in_use
from tests.faults import proxy as faults
from tests.faults.audit import audit
from tests.faults.proxy import Exchange, FaultProxy, fault_proxy

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-central-1"
LONG_ENOUGH = timedelta(hours=1)
"""For anything that a test waits for, and for longer than it may take."""

_Result = TypeVar("_Result")
Moment = Literal["before", "after"]
"""Whether a suspended call is cancelled while it waits, or just as it was to go on."""


@dataclass(frozen=True)
class Case:
    """One call, and how to tell whether it has happened."""

    given: Callable[[BreakGlassStore, FakeClock, str], Awaitable[BreakGlassEvent]]
    """What is there before the call, for an invoker of its own."""
    call: Callable[[BreakGlassStore, BreakGlassEvent], Coroutine[Any, Any, object]]
    has_happened: Callable[[BreakGlassStore, BreakGlassEvent], Awaitable[bool]]
    refused_at_first: type[BreakGlassError] | None = None
    refused_again: type[BreakGlassError] | None = None
    """What the same call is told when it has happened before."""


async def new(store: BreakGlassStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return make_event(invoker=invoker, created_at=clock())


async def opened(store: BreakGlassStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await store.create(await new(store, clock, invoker))


async def lapsed(store: BreakGlassStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    event = await opened(store, clock, invoker)
    clock.set(event.expires_at)
    return event


async def new_after_lapsed(
    store: BreakGlassStore, clock: FakeClock, invoker: str
) -> BreakGlassEvent:
    await lapsed(store, clock, invoker)
    return await new(store, clock, invoker)


async def over(store: BreakGlassStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await closing(store, await opened(store, clock, invoker))


def closing(
    store: BreakGlassStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.close(event.id, closed_by="bob", closed_reason="Over")


def amending(
    store: BreakGlassStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.update(event.model_copy(update={"request_id": "c0ffee"}))


def expiring(
    store: BreakGlassStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.update(event.expire(at=event.expires_at))


async def always(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    return True


async def is_there(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    try:
        return (await store.get(event.id)).id == event.id
    except EventNotFoundError:
        return False


async def is_gone(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    return not await is_there(store, event)


async def is_amended(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).request_id == "c0ffee"


async def is_closed(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.CLOSED


async def is_expired(store: BreakGlassStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.EXPIRED


WRITES = {
    "create": Case(new, lambda s, e: s.create(e), is_there, None, EventExistsError),
    "create after one that has lapsed": Case(
        new_after_lapsed, lambda s, e: s.create(e), is_there, None, EventExistsError
    ),
    "update": Case(opened, amending, is_amended, None, ConcurrentModificationError),
    "update of what has lapsed": Case(
        lapsed, amending, is_expired, InvalidStateTransitionError, InvalidStateTransitionError
    ),
    "expire": Case(lapsed, expiring, is_expired, None, InvalidStateTransitionError),
    "close": Case(opened, closing, is_closed, None, InvalidStateTransitionError),
    "close of what has lapsed": Case(
        lapsed, closing, is_expired, InvalidStateTransitionError, InvalidStateTransitionError
    ),
    "delete": Case(opened, lambda s, e: s.delete(e.id), is_gone),
    "delete of what is over": Case(over, lambda s, e: s.delete(e.id), is_gone),
}
READS = {
    "get": Case(opened, lambda s, e: s.get(e.id), always),
    "find_active": Case(
        opened, lambda s, e: s.find_active_by_invoker_and_profile(e.invoker, e.profile), always
    ),
    "list_by_invoker": Case(opened, lambda s, e: s.list_by_invoker(e.invoker), always),
    "list_by_status": Case(opened, lambda s, e: s.list_by_status(e.status), always),
    "list_by_profile": Case(opened, lambda s, e: s.list_by_profile(e.profile), always),
    "count_by_invoker": Case(
        opened, lambda s, e: s.count_by_invoker_since(e.invoker, e.created_at), always
    ),
    "count_by_profile": Case(
        opened, lambda s, e: s.count_by_profile_since(e.profile, e.created_at), always
    ),
    "get_last": Case(
        opened, lambda s, e: s.get_last_by_invoker_and_profile(e.invoker, e.profile), always
    ),
}
CASES = WRITES | READS

# A range in which nothing can lie needs no request, but a store that can be used.
SENDING_NOTHING = {
    "list of nothing": Case(
        opened,
        lambda s, e: s.list_by_invoker(e.invoker, since=e.created_at, until=e.created_at),
        always,
    )
}


def table(cases: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases.values(), ids=cases)


every_case = table(CASES)
every_kind = table(
    {name: CASES[name] for name in ("create", "update", "delete", "get", "get_last")}
)


@types.coroutine
def cancelled_at(
    suspension: int, moment: Moment, call: Coroutine[Any, Any, _Result]
) -> Generator[Any, Any, _Result]:
    """Await a call, and cancel the task that does so at the call's n-th suspension."""
    task = asyncio.current_task()
    assert task is not None
    go_on: Callable[[], Any] = partial(call.send, None)
    for number in count(1):
        try:
            awaited = go_on()
        except StopIteration as end:
            result: _Result = end.value
            return result
        if number == suspension:
            if moment == "before" or awaited is None:
                task.cancel()
            else:
                # Called before the task's own callback: it is cancelled with the result at hand.
                awaited.add_done_callback(lambda _: task.cancel())
        try:
            yield awaited
            go_on = partial(call.send, None)
        except BaseException as thrown:  # noqa: BLE001 - handed on to whom it is meant for
            go_on = partial(call.throw, thrown)
    raise AssertionError("counting does not end")


@dataclass
class Subject:
    """A store, and what else must be in order around it."""

    store: BreakGlassStore
    check: Callable[[], Awaitable[None]]


def calls_under_way(others: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks that send requests; the proxy, in the same loop, has tasks of its own."""
    return {
        task
        for task in asyncio.all_tasks() - others
        if "RequestHandler." not in repr(task.get_coro())
    }


@pytest.fixture(autouse=True)
def nothing_is_left_or_said(caplog: pytest.LogCaptureFixture) -> Any:
    """What a call has begun is awaited, closed and retrieved: Python says so when it is not."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    said = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record for record in said if record.name.startswith("asyncio")] == []


@pytest.fixture(autouse=True)
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut nothing off because the machine is slow: what is cut off may be carried out later."""
    monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", LONG_ENOUGH)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def session() -> AioSession:
    """One session for all, because each reads botocore's models of AWS anew."""
    return get_session()


@pytest.fixture
async def backend(dynamodb_local_endpoint: str, session: AioSession) -> AsyncIterator[Opened]:
    async with open_client(REGION, dynamodb_local_endpoint, session, PATIENT) as opened:
        yield opened


@pytest.fixture
def client(backend: Opened) -> DynamoDBClient:
    return backend.client


@pytest.fixture
async def table_name(client: DynamoDBClient) -> str:
    name = f"breakglass-{uuid4().hex}"
    await create_table(client, name)
    return name


@pytest.fixture
async def rows(client: DynamoDBClient, table_name: str) -> Rows:
    return Rows(client, table_name)


@pytest.fixture
def store(client: DynamoDBClient, table_name: str, clock: FakeClock) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, table_name, clock=clock)


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


async def on_transport(
    transport: str, opened: Opened, table_name: str, clock: FakeClock
) -> AsyncDynamoDBStore:
    store = AsyncDynamoDBStore(
        opened.client, table_name, clock=clock, operation_timeout=LONG_ENOUGH
    )
    if transport == "fast":
        fast = await opened.transport(table_name)
        assert fast is not None
        store._calls.carry = fast.call
    return store


@pytest.fixture
async def proxied(proxy: FaultProxy, session: AioSession) -> AsyncIterator[Opened]:
    """A client whose requests can be held up."""
    async with open_client(REGION, proxy.url, session, PATIENT) as opened:
        yield opened


@pytest.fixture(params=["standard", "fast"])
async def proxied_store(
    request: pytest.FixtureRequest, proxied: Opened, table_name: str, clock: FakeClock
) -> AsyncDynamoDBStore:
    return await on_transport(request.param, proxied, table_name, clock)


@pytest.fixture(params=["memory", "standard", "fast"])
async def subject(
    request: pytest.FixtureRequest,
    backend: Opened,
    table_name: str,
    rows: Rows,
    clock: FakeClock,
) -> Subject:
    if request.param == "memory":
        return Subject(InMemoryStore(clock=clock), partial(asyncio.sleep, 0))

    async def check() -> None:
        assert connections_in_use(backend.client) == 0
        assert audit(await rows.all()) == []

    return Subject(await on_transport(request.param, backend, table_name, clock), check)


class Gate:
    """Holds requests up in the proxy until it is opened."""

    def __init__(self, proxy: FaultProxy, requests: int = 1) -> None:
        self.missing = requests
        self.held = ""
        """What the last of them asks for."""
        self.full = asyncio.Event()
        self.opened = asyncio.Event()
        proxy.plan = lambda exchange: self.hold

    async def hold(self, exchange: Exchange) -> Any:
        self.held = exchange.operation
        self.missing -= 1
        if not self.missing:
            self.full.set()
        await self.opened.wait()
        return await exchange.forward()


@dataclass
class Visit:
    """Somebody who opens a store, begins a call, and leaves."""

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
            # Who waits for this goes on when leaving has begun: nothing is awaited in between.
            self.left.set()
            if failure is not None:
                raise failure


async def outcome(call: Awaitable[_Result]) -> _Result | BreakGlassError:
    try:
        return await call
    except BreakGlassError as error:
        return error


def assert_told(told: object, refusal: type[BreakGlassError] | None) -> None:
    """Assert that a call succeeded, or was refused as it had to be."""
    if refusal is None:
        assert not isinstance(told, BreakGlassError)
    else:
        assert type(told) is refusal


async def assert_repeatable(case: Case, store: BreakGlassStore, event: BreakGlassEvent) -> None:
    """Assert that a call, which may have happened before, succeeds or says that it has."""
    refusal = case.refused_again if await case.has_happened(store, event) else None
    told = await outcome(case.call(store, event))
    assert_told(told, refusal or case.refused_at_first)
    assert await case.has_happened(store, event)


class TestCancelledAtAnyPoint:
    @every_case
    @pytest.mark.parametrize("moment", ["before", "after"])
    async def test_a_call(
        self, subject: Subject, clock: FakeClock, case: Case, moment: Moment
    ) -> None:
        """Wherever a call is cancelled, it is, and leaves nothing behind but a truth to tell."""
        for suspension in count(1):
            event = await case.given(subject.store, clock, f"user-{suspension}")
            others = asyncio.all_tasks()
            call = cancelled_at(suspension, moment, case.call(subject.store, event))
            task = asyncio.create_task(outcome(call))
            await asyncio.wait({task})
            assert asyncio.all_tasks() == others
            await subject.check()
            await assert_repeatable(case, subject.store, event)
            await subject.check()
            if not task.cancelled():
                break
        assert suspension > 1


class TestCancelledTogether:
    async def test_64_calls_at_once(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
    ) -> None:
        """A crowd that goes away at once leaves the pool free and every truth to be told."""
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
        for case, event in crowd:
            await assert_repeatable(case, proxied_store, event)
        assert audit(await rows.all()) == []

    @every_kind
    async def test_a_sibling_in_a_task_group_fails(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
        case: Case,
    ) -> None:
        """A call whose task group breaks up ends with it, and the group raises what broke it."""
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
    """Calls whose first request hangs, so that they are given up one way or another."""

    @every_kind
    async def test_a_time_limit_around_the_call(
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
        """`asyncio.timeout` ends a call with `TimeoutError`, and what it had begun with it."""
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
    async def test_cancelled_again_during_the_grace(
        self,
        proxy: FaultProxy,
        proxied: Opened,
        proxied_store: AsyncDynamoDBStore,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        rows: Rows,
        case: Case,
    ) -> None:
        """Who cancels twice is not kept waiting for the grace to end."""
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
    async def test_a_call_under_way(
        self, visit: Visit, store: AsyncDynamoDBStore, rows: Rows, case: Case
    ) -> None:
        """Leaving `open` waits for the calls of other tasks, and takes no new ones meanwhile."""
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
    async def test_with_an_exception(self, visit: Visit, case: Case) -> None:
        """An exception of the body waits for the calls under way as well, and goes on then."""
        leaving = asyncio.create_task(visit(KeyError("body")))
        await visit.left.wait()
        assert not leaving.done()
        visit.gate.opened.set()
        with pytest.raises(KeyError, match="body"):
            await leaving
        assert visit.call.done()
        assert_told(await visit.call, case.refused_at_first)

    @every_kind
    async def test_by_who_is_cancelled_while_waiting(
        self, visit: Visit, store: AsyncDynamoDBStore, rows: Rows, case: Case
    ) -> None:
        """Cancelled while it waits, leaving goes on at once; the calls say that they were lost."""
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
    async def test_a_call_afterwards(
        self, proxy: FaultProxy, session: AioSession, clock: FakeClock, case: Case
    ) -> None:
        """A closed store says so at once, and sends nothing."""
        async with AsyncDynamoDBStore.open(
            "breakglass", region_name=REGION, endpoint_url=proxy.url, session=session, clock=clock
        ) as store:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await case.call(store, make_event(created_at=clock()))
        assert proxy.exchanges == []


class TestElsewhere:
    @table(CASES | SENDING_NOTHING)
    async def test_a_call_from_another_event_loop(
        self, proxy: FaultProxy, proxied: Opened, clock: FakeClock, case: Case
    ) -> None:
        """A store belongs to the loop that used it first, and says so at once in any other."""
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


class TestSweepers:
    async def test_several_over_the_same_events(self, subject: Subject, clock: FakeClock) -> None:
        """However many sweepers go over the same events, each event is marked just once."""
        events = [await opened(subject.store, clock, f"user-{number}") for number in range(24)]
        clock.advance(max(event.duration for event in events))
        sweeps = await asyncio.gather(*(expire_due(subject.store, now=clock()) for _ in range(6)))
        flipped = [event.id for sweep in sweeps for event in sweep]
        assert sorted(flipped) == sorted(event.id for event in events)
        for event in events:
            stored = await subject.store.get(event.id)
            assert stored == event.expire(at=clock()).model_copy(update={"updated_at": clock()})
        await subject.check()
