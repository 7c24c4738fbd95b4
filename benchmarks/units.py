"""Measure the capacity units of each call as the history grows, as DynamoDB Local reports them.

`python -m benchmarks.units` prints a table. Each list is one page of 100 events.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    LimitExceededError,
    Limits,
    Quota,
    create_table,
)
from aiobreakglass.testing import make_event
from benchmarks.rows import stored_row
from tests.backends.dynamodb_local import dynamodb_local

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "us-east-1"
HISTORIES = (1, 100, 10_000)
BATCH = 25
"""The rows of one BatchWriteItem."""

PAIR = {"invoker": "alice", "profile": "prod"}
LIMITS = Limits(
    cooldown=timedelta(hours=1),
    per_invoker=Quota(1, timedelta(days=1)),
    per_profile=Quota(10, timedelta(days=1)),
)
PROFILES = ["prod", *(f"prod-{number}" for number in range(1, 50))]


class Meter:
    """Adds up the capacity units of a client's requests."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._units: Counter[str] = Counter()
        for name in ("GetItem", "BatchGetItem", "Query", "TransactWriteItems"):
            client.meta.events.register(f"before-parameter-build.dynamodb.{name}", self._ask)
            client.meta.events.register(f"after-call.dynamodb.{name}", self._add)

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def _add(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        tables = consumed if isinstance(consumed, list) else [consumed]
        kind = "write" if model.name == "TransactWriteItems" else "read"
        self._units[kind] += sum(table["CapacityUnits"] for table in tables)

    async def measure(self, call: Callable[[], Awaitable[object]]) -> str:
        """Make a call, and return its read and write units."""
        self._units.clear()
        await call()
        return f"{self._units['read']:g} / {self._units['write']:g}"


async def refused(call: Awaitable[object]) -> None:
    """Make a call that is refused because access is held, or by a limit."""
    try:
        await call
    except (ActiveEventExistsError, LimitExceededError):
        return
    raise AssertionError("nobody refused it")


async def put_past_events(
    client: "DynamoDBClient", table_name: str, now: datetime, number: int
) -> None:
    """Put the rows of expired events without a store, because that is faster."""
    requests: list[Any] = []
    for age in range(number):
        then = now - timedelta(days=1, seconds=age)
        event = make_event(**PAIR, created_at=then, status="expired")
        requests.append({"PutRequest": {"Item": stored_row(event, uuid4().hex)}})
    for start in range(0, number, BATCH):
        batch = requests[start : start + BATCH]
        answer = await client.batch_write_item(RequestItems={table_name: batch})
        assert not answer["UnprocessedItems"]


async def measure(client: "DynamoDBClient", history: int) -> dict[str, str]:
    """Return the units of each call for a pair with this many earlier events."""
    table_name = f"units-{uuid4().hex}"
    await create_table(client, table_name)
    # Units do not depend on the time that a call takes, and the machine may be busy.
    store = AsyncDynamoDBStore(client, table_name, operation_timeout=timedelta(minutes=2))
    now = datetime.now(UTC)
    await put_past_events(client, table_name, now, history)
    meter = Meter(client)
    find = store.find_active_by_invoker_and_profile
    since = now - timedelta(days=7)
    event = make_event(**PAIR)
    units = {"find_active, no access": await meter.measure(lambda: find("alice", "prod"))}
    units["create"] = await meter.measure(lambda: store.create(event))
    units["create, refused"] = await meter.measure(
        lambda: refused(store.create(make_event(**PAIR)))
    )
    units["find_active, access, first"] = await meter.measure(lambda: find("alice", "prod"))
    units["find_active, access"] = await meter.measure(lambda: find("alice", "prod"))
    units["find_active of 50, 1 held"] = await meter.measure(
        lambda: store.find_active_by_invoker_and_profiles("alice", PROFILES)
    )
    units["get"] = await meter.measure(lambda: store.get(event.id))
    units["update"] = await meter.measure(
        lambda: store.update(event.model_copy(update={"request_id": "r-1"}))
    )
    later = event.expires_at + timedelta(minutes=5)
    units["extend"] = await meter.measure(
        lambda: store.extend(event.id, expires_at=later, extended_by="alice", reason="not done")
    )
    units["history, 3 entries"] = await meter.measure(lambda: store.history(event.id))
    units["close"] = await meter.measure(
        lambda: store.close(event.id, closed_by="bob", closed_reason="done")
    )
    units["review"] = await meter.measure(
        lambda: store.review(event.id, reviewed_by="carol", outcome="justified", comment="right")
    )
    units["hold, 5 entries"] = await meter.measure(
        lambda: store.hold(event.id, held_by="dave", reason="case 7")
    )
    units["release_hold, 6 entries"] = await meter.measure(
        lambda: store.release_hold(event.id, released_by="dave", reason="over")
    )
    units["delete, reviewed"] = await meter.measure(lambda: store.delete(event.id))
    limited = AsyncDynamoDBStore(
        client, table_name, limits=LIMITS, operation_timeout=timedelta(minutes=2)
    )
    units["create, three limits"] = await meter.measure(lambda: limited.create(make_event(**PAIR)))
    units["create, three limits, reached"] = await meter.measure(
        lambda: refused(limited.create(make_event(invoker="alice", profile="stage")))
    )
    units["list_awaiting_review"] = await meter.measure(store.list_awaiting_review)
    units["list_by_invoker"] = await meter.measure(lambda: store.list_by_invoker("alice"))
    units["get_last"] = await meter.measure(
        lambda: store.get_last_by_invoker_and_profile("alice", "prod")
    )
    units["count_by_invoker_since"] = await meter.measure(
        lambda: store.count_by_invoker_since("alice", since)
    )
    return units


async def main(histories: list[int]) -> None:
    with dynamodb_local() as url:
        async with get_session().create_client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=url,
            config=AioConfig(read_timeout=60),
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - the emulator takes any
        ) as client:
            tables = [await measure(client, history) for history in histories]
    print(f"| call | {' | '.join(f'{history:,} past events' for history in histories)} |")
    print(f"| --- |{' ---: |' * len(histories)}")
    for call in tables[0]:
        print(f"| {call} | {' | '.join(table[call] for table in tables)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, nargs="+", default=HISTORIES)
    asyncio.run(main(parser.parse_args().histories))
