"""What limits read and write, on the simulation's model of DynamoDB."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    EventExistsError,
    LimitExceededError,
    Limits,
    Quota,
    StoreUnavailableError,
)
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.rules import decide_create
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.example import ID, parts_of
from tests.dynamodb.modelled import Modelled
from tests.simulation.dynamodb.database import TABLE_NAME

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
THREE = Limits(cooldown=HOUR, per_invoker=Quota(3, DAY), per_profile=Quota(4, DAY))
PUT, READ = "TransactWriteItems", "BatchGetItem"


@pytest.fixture
def table(clock: FakeClock) -> Modelled:
    return Modelled(clock)


async def closed(store: AsyncDynamoDBStore, clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    event = await store.create(make_event(created_at=clock(), **fields))
    return await store.close(event.id, closed_by="bob", closed_reason="Over")


def slots(table: Modelled) -> dict[str, Item]:
    """Return the slots in the table, by key."""
    return {key: row for key, row in table.database.rows.items() if key.startswith("SLOT#")}


class TestRequests:
    @pytest.mark.parametrize(
        "limits",
        [
            None,
            Limits(),
            lambda _: Limits(),
            Limits(max_duration=HOUR, max_extensions=0, reason_codes=["incident"]),
        ],
        ids=["none", "no rules", "a function", "rules that count nothing"],
    )
    async def test_create_sends_what_it_would_send_without_the_feature(
        self, table: Modelled, clock: FakeClock, limits: Any
    ) -> None:
        """Byte for byte, apart from the write's own name: nobody pays for limits who has none."""
        event = make_event(id=ID, created_at=clock())
        await table.store(limits=limits).create(event)
        ((operation, request),) = table.requests
        assert operation == PUT
        parts = parts_of(
            decide_create(event, clock()),
            None,
            Table(TABLE_NAME, table.layout),
            Retention(timedelta(days=365)),
        )
        write_id = request["TransactItems"][0]["Put"]["Item"]["write_id"]["S"]
        expected = json.dumps([part.action for part in parts]).replace('"w2"', f'"{write_id}"')
        assert json.dumps(request["TransactItems"]) == expected

    @pytest.mark.parametrize(
        ("limits", "requests", "rows"),
        [
            (Limits(cooldown=HOUR), [READ, PUT], 4),
            (THREE, [READ, PUT], 6),
            (Limits(max_unreviewed=2), [READ, READ, PUT], 4),
            (
                Limits(cooldown=HOUR, per_profile=Quota(9, DAY), max_unreviewed=2),
                [READ, READ, PUT],
                6,
            ),
            (
                Limits(
                    cooldown=HOUR,
                    per_invoker=Quota(2, DAY),
                    per_profile=Quota(9, DAY),
                    max_unreviewed=2,
                ),
                [READ, READ, PUT],
                7,
            ),
        ],
        ids=["one", "three", "a debt", "three with a debt", "four"],
    )
    async def test_create_with_limits_sends_three_requests_at_most(
        self, table: Modelled, clock: FakeClock, limits: Limits, requests: list[str], rows: int
    ) -> None:
        """One reads all slots, one the events that wait for a review, and one writes."""
        store = table.store(limits=limits)
        await closed(store, clock)
        clock.advance(2 * HOUR)
        table.requests.clear()
        await store.create(make_event(created_at=clock()))
        assert [operation for operation, _ in table.requests] == requests
        assert len(table.requests[-1][1]["TransactItems"]) == rows
        for operation, request in table.requests:
            if operation == READ:
                assert request["RequestItems"][TABLE_NAME]["ConsistentRead"] is True

    async def test_most_slots_fit_into_one_request(
        self, table: Modelled, clock: FakeClock
    ) -> None:
        """96 slots, the guard, the event and its history are fewer than 100 rows."""
        most = Limits(
            cooldown=HOUR, per_invoker=Quota(5, DAY), per_profile=Quota(70, DAY), max_unreviewed=20
        )
        await table.store(limits=most).create(make_event(created_at=clock()))
        assert [operation for operation, _ in table.requests] == [READ, PUT]
        keys = table.requests[0][1]["RequestItems"][TABLE_NAME]["Keys"]
        assert len(keys) == len({each["pk"]["S"] for each in keys}) == 99

    async def test_import_takes_no_slot_and_reads_none(
        self, table: Modelled, clock: FakeClock
    ) -> None:
        """Imports of ended events do not count."""
        store = table.store(limits=THREE)
        await store.create(make_event(created_at=clock() - DAY, status="expired"))
        assert [operation for operation, _ in table.requests] == [PUT]
        assert slots(table) == {}

    async def test_lists_and_counts_never_meet_a_slot(
        self, table: Modelled, clock: FakeClock
    ) -> None:
        """A slot has none of the indexes' keys."""
        store = table.store(limits=THREE)
        event = await store.create(make_event(created_at=clock()))
        assert list(await store.list_by_invoker("alice")) == [event]
        assert await store.count_by_profile_since("prod", clock() - DAY) == 1

    async def test_lapsed_holder_is_marked_and_the_opening_takes_one_slot(
        self, table: Modelled, clock: FakeClock
    ) -> None:
        """A holder that has lapsed is marked by the opening that the limits allow, once."""
        store = table.store(limits=Limits(per_profile=Quota(3, DAY)))
        first = await store.create(make_event(created_at=clock()))
        clock.set(first.expires_at)
        second = await store.create(make_event(created_at=clock()))
        assert (await store.get(first.id)).status == "expired"
        uses = [row["event_id"]["S"] for row in slots(table).values()]
        assert sorted(uses) == sorted([first.id, second.id])


async def test_create_that_is_repeated_after_a_lost_answer_counts_once(
    table: Modelled, clock: FakeClock
) -> None:
    """The same event is refused by its id, so it takes no second slot."""
    writes = 0

    async def send(operation: str, request: dict[str, Any]) -> Any:
        nonlocal writes
        if operation == PUT:
            writes += 1
            if writes > 1:
                code = {"Code": "AccessDeniedException", "Message": "no"}
                answer: Any = {"Error": code, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise ClientError(answer, operation)
            await table.send(operation, request)
            raise ConnectionClosedError(endpoint_url="dynamodb")
        return await table.send(operation, request)

    event = make_event(created_at=clock())
    with pytest.raises(StoreUnavailableError) as caught:
        await table.store(send, limits=THREE).create(event)
    assert caught.value.outcome_unknown
    for limits in (THREE, Limits(cooldown=MINUTE), None):
        with pytest.raises(EventExistsError):
            await table.store(limits=limits).create(event)
    assert [row["event_id"]["S"] for row in slots(table).values()] == [event.id] * 3


class TestDebt:
    @pytest.fixture
    def store(self, table: Modelled) -> AsyncDynamoDBStore:
        return table.store(limits=Limits(max_unreviewed=1))

    async def test_final_review_frees_the_slot(
        self, store: AsyncDynamoDBStore, table: Modelled, clock: FakeClock
    ) -> None:
        """A review touches no slot; the next opening takes over the slot of the reviewed event."""
        event = await closed(store, clock)
        for outcome in ("needs_follow_up", "justified"):
            with pytest.raises(LimitExceededError):
                await store.create(make_event(created_at=clock(), profile="staging"))
            before = slots(table)
            await store.review(event.id, reviewed_by="rev", outcome=outcome, comment="Looked at")
            assert slots(table) == before
        second = await store.create(make_event(created_at=clock(), profile="staging"))
        (slot,) = slots(table).values()
        assert slot["event_id"] == {"S": second.id}

    async def test_tombstone_frees_nothing_before_the_history_of_its_event_goes(
        self, store: AsyncDynamoDBStore, table: Modelled, clock: FakeClock
    ) -> None:
        """Otherwise deleting would evade the review."""
        event = await closed(store, clock)
        await store.delete(event.id)
        key = table.layout.event_key(event.id)
        # TTL may be late, so a tombstone can be there for longer.
        tombstone = {
            name: value for name, value in table.database.rows[key].items() if name != "ttl"
        }
        table.database.put(tombstone)
        kept = int(tombstone["history_ttl"]["N"])
        clock.advance(timedelta(seconds=kept - 1 - int(clock().timestamp())))
        with pytest.raises(LimitExceededError):
            await store.create(make_event(created_at=clock()))
        clock.advance(timedelta(seconds=1))
        await store.create(make_event(created_at=clock()))

    @pytest.mark.parametrize(
        ("outcome", "kept"),
        [("justified", True), ("unjustified", True), ("needs_follow_up", False)],
    )
    async def test_tombstone_keeps_that_its_event_was_finally_reviewed(
        self,
        store: AsyncDynamoDBStore,
        table: Modelled,
        clock: FakeClock,
        outcome: str,
        kept: bool,
    ) -> None:
        """Only a final review frees a debt, and no deletion brings it back."""
        event = await closed(store, clock)
        await store.review(event.id, reviewed_by="rev", outcome=outcome, comment="Looked at")
        await store.delete(event.id)
        tombstone = table.database.rows[table.layout.event_key(event.id)]
        assert tombstone.get("review_outcome") == ({"S": outcome} if kept else None)

    async def test_slot_of_an_event_that_is_gone_is_free(
        self, store: AsyncDynamoDBStore, table: Modelled, clock: FakeClock
    ) -> None:
        """TTL has deleted the event, and nobody can review it any more."""
        event = await closed(store, clock)
        table.database.remove(table.layout.event_key(event.id))
        await store.create(make_event(created_at=clock()))


async def test_slot_that_is_no_slot_is_named(table: Modelled, clock: FakeClock) -> None:
    """A row that cannot be understood lets nobody in, and the error says which one it is."""
    key = "SLOT#C#5#alice#prod"
    table.database.put({"pk": {"S": key}})
    with pytest.raises(CorruptItemError) as caught:
        await table.store(limits=THREE).create(make_event(created_at=clock()))
    assert caught.value.key == key
    assert list(table.database.rows) == [key]


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        (Limits(per_profile=Quota(3, DAY)), "SLOT#P#prod#01"),
        (Limits(per_invoker=Quota(3, DAY)), "SLOT#I#alice#02"),
        (Limits(max_unreviewed=3), "SLOT#U#alice#00"),
    ],
    ids=["per_profile", "per_invoker", "max_unreviewed"],
)
async def test_slot_that_is_no_slot_keeps_nobody_out_while_others_are_free(
    table: Modelled, clock: FakeClock, limits: Limits, key: str
) -> None:
    """It counts as taken, because it may have been; only then is it in the way."""
    broken = {"pk": {"S": key}, "used_at": {"S": "2001-01-01"}}
    table.database.put(broken)
    store = table.store(limits=limits)
    await closed(store, clock)
    await closed(store, clock)
    with pytest.raises(CorruptItemError) as caught:
        await store.create(make_event(created_at=clock()))
    assert caught.value.key == key
    assert table.database.rows[key] == broken
    table.database.remove(key)
    await closed(store, clock)
    with pytest.raises(LimitExceededError):
        await store.create(make_event(created_at=clock()))
