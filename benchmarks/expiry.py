"""Compare an expiry pass with a pass that reads and marks one event after the other.

`python -m benchmarks.expiry` counts the requests and prints ratios of one run on DynamoDB Local.
Each request takes `--delay` milliseconds more, as if DynamoDB were further away.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiobotocore.session import get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    create_table,
    expire_due,
    iterate,
)
from aiobreakglass._aws.client import open_client
from aiobreakglass._aws.transport import Transport, TransportName
from aiobreakglass._dynamodb.codec import encode_guard
from aiobreakglass.testing import make_event
from benchmarks.rows import LAYOUT, stored_row
from tests.backends.dynamodb_local import dynamodb_local

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "us-east-1"
BATCH = 24
"""The rows of one BatchWriteItem: events with their guards. DynamoDB accepts 25 rows."""

Pass = Callable[[AsyncDynamoDBStore, datetime], Awaitable[list[BreakGlassEvent]]]


class Distant:
    """Delays a store's requests, and counts them."""

    def __init__(self, transport: Transport, delay: timedelta) -> None:
        self._transport = transport
        self._delay = delay.total_seconds()
        self.requests = 0

    @property
    def in_use(self) -> TransportName:
        return self._transport.in_use

    async def call(self, *arguments: Any) -> dict[str, Any]:
        self.requests += 1
        await asyncio.sleep(self._delay)
        return await self._transport.call(*arguments)


async def one_after_the_other(store: AsyncDynamoDBStore, now: datetime) -> list[BreakGlassEvent]:
    """Read and mark one lapsed event after the other, in pages of the usual size."""
    expired = []
    async for event in iterate(store.list_by_status, "active"):
        stored = await store.get(event.id)
        expired.append(await store.update(stored.expire(at=now)))
    return expired


async def ours(store: AsyncDynamoDBStore, now: datetime) -> list[BreakGlassEvent]:
    return await expire_due(store, now=now)


async def table_of_lapsed(client: "DynamoDBClient", number: int) -> str:
    """Make a table with this many lapsed events and their guards."""
    name = f"expiry-{uuid4().hex}"
    await create_table(client, name)
    opened = datetime.now(UTC) - timedelta(hours=8)
    rows = []
    for index in range(number):
        event = make_event(
            invoker=f"user-{index}", created_at=opened + timedelta(milliseconds=index)
        )
        rows.append(stored_row(event, uuid4().hex))
        rows.append(encode_guard(event, LAYOUT))
    for start in range(0, len(rows), BATCH):
        batch: list[Any] = [{"PutRequest": {"Item": row}} for row in rows[start : start + BATCH]]
        await client.batch_write_item(RequestItems={name: batch})
    return name


async def measure(
    client: "DynamoDBClient", go_through: Pass, number: int, delay: timedelta
) -> tuple[float, float]:
    """Run a pass over a new table, and return its requests for each event and its seconds."""
    name = await table_of_lapsed(client, number)
    async with open_client(REGION, client.meta.endpoint_url, None, None) as opened:
        transport = await opened.transport(name)
        if transport is None:
            raise SystemExit("the fast transport is not in use")
        distant = Distant(transport, delay)
        store = AsyncDynamoDBStore(opened.client, name, transport=distant)
        began = time.perf_counter()
        expired = await go_through(store, datetime.now(UTC))
        took = time.perf_counter() - began
    if len({event.id for event in expired}) != number:
        raise SystemExit(f"{len(expired)} of {number} events were marked")
    return distant.requests / number, took


async def main(number: int, delay: timedelta) -> None:
    with dynamodb_local() as url:
        # The emulator accepts any.
        os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        async with get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=url
        ) as client:
            serial, serial_took = await measure(client, one_after_the_other, number, delay)
            requests, took = await measure(client, ours, number, delay)
    print(f"{number:,} lapsed events, {delay / timedelta(milliseconds=1):g} ms more a request")
    print("| | one after the other | expire_due | ratio |")
    print("| --- | ---: | ---: | ---: |")
    print(f"| requests an event | {serial:.3f} | {requests:.3f} | {requests / serial:.2f} |")
    print(f"| time | 1 | {took / serial_took:.3f} | {took / serial_took:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--delay", type=float, default=10, help="in milliseconds")
    options = parser.parse_args()
    asyncio.run(main(options.events, timedelta(milliseconds=options.delay)))
