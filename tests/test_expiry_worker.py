"""The worker of examples/expiry_worker.py, run as real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import pytest
from aiobotocore.session import get_session
from aiohttp import web

from aiobreakglass import AsyncDynamoDBStore, BreakGlassStatus, create_table, iterate
from aiobreakglass.testing import FakeClock, make_event
from tests.faults.proxy import Exchange, FaultProxy, fault_proxy, hang

WORKER = Path(__file__).parents[1] / "examples" / "expiry_worker.py"
REGION = "eu-central-1"
WRITE = "TransactWriteItems"
AT_ONCE = 16
LAPSED = 60

if sys.platform == "win32":
    pytest.skip("the worker is stopped by POSIX signals", allow_module_level=True)


@pytest.fixture
def table_name() -> str:
    return f"breakglass-{uuid4().hex}"


@pytest.fixture
def lapsed() -> int:
    """How many events have lapsed; a test may override it."""
    return LAPSED


@pytest.fixture
async def store(
    dynamodb_local_endpoint: str, table_name: str, lapsed: int
) -> AsyncIterator[AsyncDynamoDBStore]:
    """A store whose events opened two hours ago and have lapsed by the workers' clock."""
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=2))
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=dynamodb_local_endpoint
    ) as client:
        await create_table(client, table_name)
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        for index in range(lapsed):
            await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        yield store


@asynccontextmanager
async def worker(table_name: str, endpoint_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker that starts passes all the time, and kill it when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        *("--table", table_name, "--region", REGION),
        *("--endpoint-url", endpoint_url, "--interval", "0.05"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def announced(process: asyncio.subprocess.Process, number: int) -> list[str]:
    """Return the ids of the next events that a worker announces."""
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(number)]
    return [json.loads(line)["expired"] for line in lines]


async def all_announced(process: asyncio.subprocess.Process) -> list[str]:
    """Return the remaining ids that a stopped worker has announced."""
    assert process.stdout is not None
    return [json.loads(line)["expired"] for line in (await process.stdout.read()).splitlines()]


def token(exchange: Exchange) -> str:
    """Return the token that identifies one write across its attempts."""
    text: str = json.loads(exchange.body)["ClientRequestToken"]
    return text


async def ids(store: AsyncDynamoDBStore, status: BreakGlassStatus) -> set[str]:
    return {event.id async for event in iterate(store.list_by_status, status)}


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


@pytest.fixture
async def other_proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


async def test_events_expire_once_when_a_worker_is_killed(
    store: AsyncDynamoDBStore, table_name: str, proxy: FaultProxy, other_proxy: FaultProxy
) -> None:
    """Every event is expired exactly once, and announced at most once.

    It does not matter which worker is faster: both begin together, the worker to be killed marks
    the first event, and each leaves events for the other.
    """
    ahead, ending, dying, dead = (asyncio.Event() for _ in range(4))
    first: set[str] = set()
    marked: set[str] = set()
    under_way: set[asyncio.Task[web.Response]] = set()

    async def forward(exchange: Exchange) -> web.Response:
        answer = await exchange.forward()
        if answer.status == HTTPStatus.OK:
            marked.add(token(exchange))
            ahead.set()
        return answer

    async def of_the_killed(exchange: Exchange) -> web.StreamResponse:
        """After its first announcement, the next write is its last and gets no answer."""
        await other_proxy.arrival("Query")
        if exchange.operation != WRITE:
            return await exchange.forward()
        if len(first) < 20:
            first.add(token(exchange))
        if token(exchange) not in first:
            await ending.wait()
        is_the_end = ending.is_set() and not dying.is_set()
        if dying.is_set():
            return await hang(exchange)
        if is_the_end:
            dying.set()
        task = asyncio.create_task(forward(exchange))
        under_way.add(task)
        answer = await asyncio.shield(task)
        return await hang(exchange) if is_the_end else answer

    async def of_the_survivor(exchange: Exchange) -> web.StreamResponse:
        await proxy.arrival("Query")
        if exchange.operation == WRITE:
            await ahead.wait()
            if len(other_proxy.sent(WRITE)) > 30:
                await dead.wait()
        return await exchange.forward()

    proxy.plan = lambda exchange: of_the_killed
    other_proxy.plan = lambda exchange: of_the_survivor
    async with (
        asyncio.timeout(300),
        worker(table_name, proxy.url) as killed,
        worker(table_name, other_proxy.url) as survivor,
    ):
        said = await announced(killed, 1)
        ending.set()
        await dying.wait()
        # Writes under way are carried out, even if nobody gets the answer.
        await asyncio.gather(*under_way)
        killed.kill()
        await killed.wait()
        dead.set()
        said += await all_announced(killed)
        marked_in_silence = len(marked) - len(said)
        said += await announced(survivor, LAPSED - len(marked))
        survivor.terminate()
        assert await survivor.wait() == 0
        said += await all_announced(survivor)

    expired = await ids(store, BreakGlassStatus.EXPIRED)
    assert len(expired) == LAPSED
    assert len(said) == len(set(said))
    assert len(expired - set(said)) == marked_in_silence


@pytest.mark.parametrize("lapsed", [AT_ONCE + 4])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_lets_events_in_hand_finish(
    store: AsyncDynamoDBStore, table_name: str, proxy: FaultProxy, number: signal.Signals
) -> None:
    """A signalled worker finishes and announces the events in hand, and leaves the rest."""
    all_marked, signalled = asyncio.Event(), asyncio.Event()
    marked: set[str] = set()

    async def hold_what_is_in_hand(exchange: Exchange) -> web.StreamResponse:
        if exchange.operation != WRITE:
            return await exchange.forward()
        if all_marked.is_set() and token(exchange) not in marked:
            return await hang(exchange)
        answer = await exchange.forward()
        marked.add(token(exchange))
        if len(marked) == AT_ONCE:
            all_marked.set()
        await signalled.wait()
        return answer

    proxy.plan = lambda exchange: hold_what_is_in_hand
    async with asyncio.timeout(300), worker(table_name, proxy.url) as process:
        await all_marked.wait()
        process.send_signal(number)
        signalled.set()
        assert await process.wait() == 0
        said = await all_announced(process)
    assert set(said) == await ids(store, BreakGlassStatus.EXPIRED)
    assert len(said) == AT_ONCE
