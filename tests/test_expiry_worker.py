"""The worker of examples/expiry_worker.py, run as the processes that it is."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiobotocore.session import get_session

from aiobreakglass import AsyncDynamoDBStore, BreakGlassStatus, create_table, iterate
from aiobreakglass.testing import FakeClock, make_event

WORKER = Path(__file__).parents[1] / "examples" / "expiry_worker.py"
REGION = "eu-central-1"
LAPSED = 200

if sys.platform == "win32":
    pytest.skip("the worker is stopped by POSIX signals", allow_module_level=True)


@pytest.fixture
def table_name() -> str:
    return f"breakglass-{uuid4().hex}"


@pytest.fixture
async def store(
    dynamodb_local_endpoint: str, table_name: str
) -> AsyncIterator[AsyncDynamoDBStore]:
    """A store whose events, opened two hours ago, have all lapsed by the workers' clock."""
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=2))
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=dynamodb_local_endpoint
    ) as client:
        await create_table(client, table_name)
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        for index in range(LAPSED):
            await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        yield store


@asynccontextmanager
async def worker(table_name: str, endpoint_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker that looks again all the time; whatever happens, it does not outlive us."""
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
    """Return the next events that a worker says it has expired."""
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(number)]
    return [json.loads(line)["expired"] for line in lines]


async def all_announced(process: asyncio.subprocess.Process) -> list[str]:
    """Return all that a worker that has ended has said."""
    assert process.stdout is not None
    return [json.loads(line)["expired"] for line in (await process.stdout.read()).splitlines()]


async def ids(store: AsyncDynamoDBStore, status: BreakGlassStatus) -> set[str]:
    return {event.id async for event in iterate(store.list_by_status, status)}


async def test_two_workers_one_of_which_is_killed(
    store: AsyncDynamoDBStore, table_name: str, dynamodb_local_endpoint: str
) -> None:
    """Every event is expired exactly once, and announced at most once."""
    async with (
        asyncio.timeout(120),
        worker(table_name, dynamodb_local_endpoint) as killed,
        worker(table_name, dynamodb_local_endpoint) as survivor,
    ):
        said = await announced(killed, 20)
        killed.kill()
        said += await all_announced(killed)
        assert len(said) < LAPSED
        while await ids(store, BreakGlassStatus.ACTIVE):  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.1)
        survivor.terminate()
        assert await survivor.wait() == 0
        said += await all_announced(survivor)

    expired = await ids(store, BreakGlassStatus.EXPIRED)
    assert len(expired) == LAPSED
    assert len(said) == len(set(said))
    # The killed one may have died between marking an event and saying so.
    assert len(expired - set(said)) <= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_between_two_events(
    store: AsyncDynamoDBStore,
    table_name: str,
    dynamodb_local_endpoint: str,
    number: signal.Signals,
) -> None:
    """What was begun is finished: all that was marked was announced, and the rest is left."""
    async with asyncio.timeout(60), worker(table_name, dynamodb_local_endpoint) as process:
        said = await announced(process, 3)
        process.send_signal(number)
        async with asyncio.timeout(5):
            assert await process.wait() == 0
        said += await all_announced(process)
    assert set(said) == await ids(store, BreakGlassStatus.EXPIRED)
    assert len(said) < LAPSED
