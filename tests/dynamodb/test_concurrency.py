"""Many tasks and several processes with one table: stacking is impossible, not just rare."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    InvalidStateTransitionError,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT

PAIRS = 5
RIVALS = 16

# What each process runs; its arguments are the endpoint, the table and the rivals for each pair.
RIVAL_PROCESS = f"""
import asyncio, json, sys
from datetime import timedelta
from aiobotocore.config import AioConfig
from aiobreakglass import ActiveEventExistsError, AsyncDynamoDBStore
from aiobreakglass.testing import make_event
from aiobreakglass._domain.event import utc_now

async def main(endpoint_url, table_name, rivals):
    async with AsyncDynamoDBStore.open(
        table_name,
        region_name={REGION!r},
        endpoint_url=endpoint_url,
        config=AioConfig(connect_timeout=3600, read_timeout=3600),
        operation_timeout=timedelta(minutes=5),
    ) as store:
        async def create(pair):
            event = make_event(invoker=f"invoker-{{pair}}", profile="prod", created_at=utc_now())
            try:
                return pair, "won", (await store.create(event)).id
            except ActiveEventExistsError as error:
                return pair, "refused", error.event.id

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        calls = [create(pair) for _ in range(int(rivals)) for pair in range({PAIRS})]
        print(json.dumps(await asyncio.gather(*calls)))

asyncio.run(main(*sys.argv[1:]))
"""


# On a busy machine the last requests of the queue wait for long.
OPTIONS: dict[str, Any] = {"operation_timeout": timedelta(minutes=5), "config": PATIENT}


@pytest.fixture
def endpoint_url(dynamodb_local_endpoint: str) -> str:
    """Use DynamoDB Local alone, because moto serves one request at a time."""
    return dynamodb_local_endpoint


@pytest.fixture
async def store(
    endpoint_url: str, table_name: str, clock: FakeClock
) -> AsyncIterator[AsyncDynamoDBStore]:
    async with AsyncDynamoDBStore.open(
        table_name, region_name=REGION, endpoint_url=endpoint_url, clock=clock, **OPTIONS
    ) as store:
        yield store


async def test_tasks_that_create_for_one_pair_at_once(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """Of 16 creates for each of 5 pairs one succeeds, and every other error names its event."""

    async def create(pair: int) -> tuple[int, BreakGlassEvent, bool]:
        event = make_event(invoker=f"invoker-{pair}", profile="prod", created_at=clock())
        try:
            return pair, await store.create(event), True
        except ActiveEventExistsError as error:
            return pair, error.event, False

    results = await asyncio.gather(*(create(pair) for _ in range(RIVALS) for pair in range(PAIRS)))
    winners = {pair: event for pair, event, won in results if won}
    assert sum(won for _, _, won in results) == len(winners) == PAIRS
    assert all(event == winners[pair] for pair, event, _ in results)
    assert len(await rows.active()) == len(await rows.guards()) == PAIRS


async def test_processes_that_create_for_one_pair_at_once(
    endpoint_url: str, table_name: str, rows: Rows
) -> None:
    """The rule holds for two processes, which share only the table."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RIVAL_PROCESS,
            endpoint_url,
            table_name,
            str(RIVALS // 2),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    results = [result for output, _ in outputs for result in json.loads(output)]

    assert len(results) == PAIRS * RIVALS
    assert Counter(outcome for _, outcome, _ in results) == {
        "won": PAIRS,
        "refused": PAIRS * (RIVALS - 1),
    }
    winners = {pair: event_id for pair, outcome, event_id in results if outcome == "won"}
    assert all(event_id == winners[pair] for pair, _, event_id in results)
    assert len(await rows.active()) == len(await rows.guards()) == PAIRS


async def test_creates_for_the_pair_of_a_lapsed_event(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """After the lapse exactly one of many creates succeeds."""
    lapsed = await store.create(make_event(invoker="alice", profile="prod", created_at=clock()))
    clock.advance(lapsed.duration)

    async def create() -> BreakGlassEvent | None:
        event = make_event(invoker="alice", profile="prod", created_at=clock())
        try:
            return await store.create(event)
        except ActiveEventExistsError:
            return None

    results = await asyncio.gather(*(create() for _ in range(RIVALS)))
    (winner,) = [event for event in results if event is not None]
    assert await rows.guards() == {"ACTIVE#5#alice#prod": winner.id}
    assert (await store.get(lapsed.id)).status == "expired"


async def test_creates_and_closes_of_one_pair_at_once(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """In whatever order events open and close, at the end only active events have guards."""

    async def open_and_close(turns: int) -> int:
        opened = 0
        for _ in range(turns):
            clock.advance(timedelta(microseconds=1))
            event = make_event(invoker="alice", profile="prod", created_at=clock())
            try:
                await store.create(event)
                opened += 1
                await store.close(event.id, closed_by="alice", closed_reason="done")
            except ActiveEventExistsError as error:
                try:
                    await store.close(error.event.id, closed_by="bob", closed_reason="hurry")
                except InvalidStateTransitionError:
                    continue
            except InvalidStateTransitionError:
                continue
        return opened

    opened = await asyncio.gather(*(open_and_close(5) for _ in range(6)))
    assert sum(opened) >= 1
    assert await rows.active() == []
    assert await rows.guards() == {}
    assert await store.count_by_invoker_since("alice", clock() - timedelta(days=1)) == sum(opened)
