"""The cost of operations: requests, read units and memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, BreakGlassStatus, expire_due
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.rows import LAYOUT, Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

UNITS_OF_WRITES = [24, 24, 28, 24]
"""Of `create`, `update`, `close` and `delete`, for a short event."""


class Bill:
    """Every request of a client, with the capacity units that DynamoDB reports."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.items: list[tuple[str, float]] = []
        events = client.meta.events
        events.register("before-parameter-build.dynamodb", self._ask)
        events.register("after-call.dynamodb", self._note)

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name != "DeleteTable":
            params["ReturnConsumedCapacity"] = "TOTAL"

    def _note(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "DeleteTable":
            return  # By the fixture, when the test has ended.
        consumed = parsed["ConsumedCapacity"]
        tables = consumed if isinstance(consumed, list) else [consumed]
        self.items.append((model.name, sum(table["CapacityUnits"] for table in tables)))


@pytest.fixture
def endpoint_url(dynamodb_local_endpoint: str) -> str:
    """Use DynamoDB Local, because it counts units as DynamoDB does."""
    return dynamodb_local_endpoint


async def put_all(
    client: DynamoDBClient, table_name: str, events: Iterable[BreakGlassEvent]
) -> None:
    """Put many events without a store, as a backfill does."""
    rows = (encode_event(event, LAYOUT, write_id="w") for event in events)
    await Rows(client, table_name).put_all(rows)


def past_events(clock: FakeClock, number: int, **fields: Any) -> Iterable[BreakGlassEvent]:
    """Return expired events of one pair, one second apart."""
    for age in range(1, number + 1):
        yield make_event(
            invoker="alice",
            profile="prod",
            status=BreakGlassStatus.EXPIRED,
            created_at=clock() - timedelta(days=1, seconds=age),
            **fields,
        )


@pytest.mark.parametrize("history", [1, 100, 10_000])
async def test_check_costs_the_same_after_any_history(
    client: DynamoDBClient, table_name: str, clock: FakeClock, history: int
) -> None:
    """A check is one GetItem of one read unit, whatever the answer; two for the first yes."""
    (event,) = past_events(clock, 1)
    row = encode_event(event, LAYOUT, write_id="w")
    ids = (f"{number:016x}" for number in range(history))
    rows = ({**row, "pk": {"S": LAYOUT.event_key(each)}, "id": {"S": each}} for each in ids)
    await Rows(client, table_name).put_all(rows)
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    bill = Bill(client)

    assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
    assert [operation for operation, _ in bill.items] == ["GetItem"]

    event = await store.create(make_event(invoker="alice", profile="prod", created_at=clock()))
    del bill.items[:]
    assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
    assert [operation for operation, _ in bill.items] == ["GetItem", "GetItem"]
    assert all(units <= 1 for _, units in bill.items)
    del bill.items[:]
    assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
    assert [operation for operation, _ in bill.items] == ["GetItem"]
    assert all(units <= 1 for _, units in bill.items)


async def test_list_and_count_beyond_a_megabyte(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """One list returns all 400 events of 4 KB, and the counts are exact."""
    events = list(past_events(clock, 400, justification="\N{FIRE ENGINE}" * 1000))
    await put_all(client, table_name, events)
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    bill = Bill(client)

    page = await store.list_by_invoker("alice", limit=1000)
    assert list(page) == events
    assert page.next_cursor is None
    assert len(bill.items) > 1
    assert await store.count_by_invoker_since("alice", clock() - timedelta(days=2)) == 400
    assert await store.count_by_profile_since("prod", events[9].created_at) == 10


async def test_last_event_of_a_profile_beyond_a_megabyte(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """DynamoDB filters after it cuts the page, so the answer may be on a later page."""
    oldest = make_event(
        invoker="alice",
        profile="seldom",
        status=BreakGlassStatus.EXPIRED,
        created_at=clock() - timedelta(days=9),
    )
    others = past_events(clock, 400, justification="\N{FIRE ENGINE}" * 1000)
    await put_all(client, table_name, [oldest, *others])
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    assert await store.get_last_by_invoker_and_profile("alice", "seldom") == oldest


async def test_memory_of_a_list_is_proportional_to_its_length(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """A thousand events take about ten times the memory of a hundred."""
    await put_all(client, table_name, past_events(clock, 1001))
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    await store.list_by_invoker("alice", 1)

    async def peak(limit: int) -> int:
        tracemalloc.start()
        try:
            assert len(await store.list_by_invoker("alice", limit)) == limit
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert await peak(1000) < 15 * await peak(100)


async def test_last_event_of_a_busy_profile_is_one_small_query(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """The store reads only as many events as it needs to find one, after any history."""
    await put_all(client, table_name, past_events(clock, 300))
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    bill = Bill(client)
    last = await store.get_last_by_invoker_and_profile("alice", "prod")
    assert last is not None
    ((operation, units),) = bill.items
    assert operation == "Query"
    assert units <= 1
    assert await store.get_last_by_invoker_and_profile("alice", "seldom") is None
    assert [operation for operation, _ in bill.items[1:]] == ["Query"] * 3


async def test_count_with_a_maximum_reads_no_further(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """A count reads only as far as its maximum."""
    await put_all(client, table_name, past_events(clock, 300))
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    bill = Bill(client)
    since = clock() - timedelta(days=2)
    assert await store.count_by_invoker_since("alice", since, at_most=10) == 10
    ((operation, units),) = bill.items
    assert operation == "Query"
    assert units <= 1


async def test_expiry_pass_writes_once_for_each_event(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """Each mark is one write against the row from the list, without another read."""
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    events = [
        await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        for index in range(40)
    ]
    clock.advance(events[0].duration)
    bill = Bill(client)
    assert len(await expire_due(store, now=clock())) == len(events)
    operations = [operation for operation, _ in bill.items]
    assert operations == ["Query", *["TransactWriteItems"] * len(events)]


async def test_each_write_is_one_transaction_with_its_entries(
    client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
) -> None:
    """A change and its history are one request; an event without a history costs one more row."""
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    recorder = Recorder(client)
    old = make_event(invoker="bob", created_at=clock())
    await rows.put_event(old)
    del recorder.requests[:]
    event = await store.create(make_event(created_at=clock()))
    await store.update(event.model_copy(update={"request_id": "r-1"}))
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    await store.history(event.id)
    await store.delete(event.id)
    await store.close(old.id, closed_by="bob", closed_reason="Over")
    assert recorder.requests == [
        "TransactWriteItems(Put, Put, Put)",
        *("GetItem", "TransactWriteItems(Put, Update)"),
        *("GetItem", "TransactWriteItems(Put, Update, Delete)"),
        *("GetItem", "BatchGetItem"),
        *("GetItem", "TransactWriteItems(Put, Put)"),
        *("GetItem", "TransactWriteItems(Put, Put, Update, Delete)"),
    ]


async def test_units_of_each_write(
    client: DynamoDBClient, table_name: str, clock: FakeClock
) -> None:
    """A change with its entry takes this many write units, indexes included."""
    store = AsyncDynamoDBStore(client, table_name, clock=clock)
    bill = Bill(client)
    event = await store.create(make_event(created_at=clock()))
    await store.update(event.model_copy(update={"request_id": "r-1"}))
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    await store.delete(event.id)
    writes = [units for operation, units in bill.items if operation == "TransactWriteItems"]
    assert writes == UNITS_OF_WRITES
