"""What the requests, and above all their conditions, mean to DynamoDB."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from aiobreakglass import BreakGlassEvent
from aiobreakglass._arguments import Listing, check_listing
from aiobreakglass._dynamodb import outcomes, requests
from aiobreakglass._dynamodb.codec import Item
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.requests import Part
from aiobreakglass.testing import make_event
from tests.dynamodb.rows import Rows

from .example import (
    ABSENT,
    BY_INVOKER,
    BY_INVOKER_SINCE,
    CLOSED,
    CLOSED_ROW,
    EVENT,
    GUARD,
    ID,
    LAYOUT,
    ROW,
    SINCE,
    TOMBSTONE,
    UNTIL,
    row,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

OTHER_ID = "fedcba9876543210"


class TestAgainstDynamoDB:
    """The conditions as DynamoDB reads them: done, or refused with the row that was met."""

    @pytest.fixture
    def table(self, table_name: str) -> Table:
        return Table(table_name, LAYOUT)

    @pytest.mark.parametrize(
        ("event", "before", "refused"),
        [
            pytest.param(EVENT, [], None, id="nothing there"),
            pytest.param(EVENT, [CLOSED_ROW], {0: CLOSED_ROW}, id="an event of this id"),
            pytest.param(EVENT, [TOMBSTONE], {0: TOMBSTONE}, id="a deleted event of this id"),
            pytest.param(EVENT, [GUARD], {1: GUARD}, id="a guard of this pair"),
            pytest.param(EVENT, [ROW, GUARD], {0: ROW, 1: GUARD}, id="both"),
            pytest.param(CLOSED, [GUARD], None, id="a closed event beside a guard of its pair"),
            pytest.param(
                CLOSED, [TOMBSTONE], {0: TOMBSTONE}, id="a closed event that was deleted"
            ),
        ],
    )
    async def test_create(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        event: BreakGlassEvent,
        before: list[Item],
        refused: dict[int, Item] | None,
    ) -> None:
        """An event is put only where its id was never used and, if active, its pair is free."""
        for item in before:
            await rows.put(item)
        assert await refusal(client, requests.create(table, event, row(event))) == refused

    @pytest.mark.parametrize(
        ("stored", "met", "done"),
        [
            pytest.param(ROW, ROW, True, id="as read"),
            pytest.param(
                ROW,
                row(EVENT, note={"S": "x"}, write_id=ABSENT),
                True,
                id="attributes changed that are no fields",
            ),
            *(
                pytest.param(
                    ROW, row(EVENT, **{name: {"S": "changed"}}), False, id=f"{name} changed"
                )
                for name in BreakGlassEvent.model_fields
            ),
            pytest.param(
                ROW,
                row(EVENT, updated_at={"S": "2024-03-01T12:00:00Z"}),
                False,
                id="the same instant in other words",
            ),
            pytest.param(ROW, row(EVENT, expires_at=ABSENT), False, id="an attribute has gone"),
            pytest.param(row(EVENT, status=ABSENT), ROW, False, id="an attribute has come"),
            pytest.param(
                row(EVENT, status=ABSENT), row(EVENT, status=ABSENT), True, id="absent as read"
            ),
            pytest.param(
                row(EVENT, updated_at={"SS": ["a", "b"]}),
                row(EVENT, updated_at={"SS": ["b", "a"]}),
                True,
                id="a set as read",
            ),
            pytest.param(ROW, TOMBSTONE, False, id="deleted meanwhile"),
            pytest.param(ROW, None, False, id="gone meanwhile"),
        ],
    )
    async def test_replace(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        stored: Item,
        met: Item | None,
        done: bool,
    ) -> None:
        """A row is replaced only while all that the change was decided by is as it was read."""
        if met is not None:
            await rows.put(met)
        parts = [requests.replace(table, stored, CLOSED_ROW)]
        assert await refusal(client, parts) == (None if done else {0: met})
        assert await rows.event(ID) == (CLOSED_ROW if done else met)

    @pytest.mark.parametrize(
        ("guard", "done"),
        [
            pytest.param(GUARD, True, id="its own"),
            pytest.param(None, True, id="none any more"),
            pytest.param({**GUARD, "event_id": {"S": OTHER_ID}}, False, id="another event's"),
            pytest.param({"pk": GUARD["pk"]}, False, id="one that points nowhere"),
        ],
    )
    async def test_release_guard(
        self, client: DynamoDBClient, table: Table, rows: Rows, guard: Item | None, done: bool
    ) -> None:
        """An ending event drops its own guard, or none, and never another event's."""
        if guard is not None:
            await rows.put(guard)
        parts = [requests.release_guard(table, "alice", "prod", ID)]
        assert await refusal(client, parts) == (None if done else {0: guard})
        assert await rows.guard("alice", "prod") == (None if done else guard)

    @pytest.mark.parametrize(
        ("event", "done"),
        [
            pytest.param(ROW, False, id="active, of this pair"),
            pytest.param(row(EVENT, expires_at={"S": "junk"}), False, id="active, but no event"),
            pytest.param(None, True, id="gone"),
            pytest.param(TOMBSTONE, True, id="deleted"),
            pytest.param(CLOSED_ROW, True, id="closed"),
            pytest.param(row(EVENT, status=ABSENT), True, id="without a status"),
            pytest.param(row(EVENT, invoker=ABSENT), True, id="without an invoker"),
            pytest.param(row(EVENT, profile=ABSENT), True, id="without a profile"),
            pytest.param(row(EVENT, invoker={"S": "bob"}), True, id="of another invoker"),
            pytest.param(row(EVENT, profile={"S": "dev"}), True, id="of another profile"),
        ],
    )
    async def test_reap_guard(
        self, client: DynamoDBClient, table: Table, rows: Rows, event: Item | None, done: bool
    ) -> None:
        """A guard is reaped only where its event, in one moment, holds nothing for the pair."""
        await rows.put(GUARD)
        if event is not None:
            await rows.put(event)
        parts = requests.reap_guard(table, "alice", "prod", ID)
        assert await refusal(client, parts) == (None if done else {0: event})
        assert await rows.guard("alice", "prod") == (None if done else GUARD)

    @pytest.mark.parametrize(
        "guard",
        [
            pytest.param(None, id="none any more"),
            pytest.param({**GUARD, "event_id": {"S": OTHER_ID}}, id="another event's"),
        ],
    )
    async def test_reap_a_guard_that_has_changed(
        self, client: DynamoDBClient, table: Table, rows: Rows, guard: Item | None
    ) -> None:
        """A guard that was taken meanwhile is not reaped for what its old event became."""
        if guard is not None:
            await rows.put(guard)
        parts = requests.reap_guard(table, "alice", "prod", ID)
        assert await refusal(client, parts) == {1: guard}
        assert await rows.guard("alice", "prod") == guard

    @pytest.mark.parametrize(
        ("listing", "expected"),
        [
            pytest.param(BY_INVOKER, [4, 3, 2, 1, 0], id="all, newest first"),
            pytest.param(BY_INVOKER_SINCE, [4, 3, 2, 1], id="since, that instant included"),
            pytest.param(
                check_listing("invoker", "alice", None, UNTIL),
                [2, 1, 0],
                id="until, that instant excluded",
            ),
            pytest.param(check_listing("invoker", "alice", SINCE, UNTIL), [2, 1], id="both"),
            pytest.param(
                check_listing("invoker", "alice", SINCE, SINCE + timedelta(microseconds=1)),
                [1],
                id="one instant",
            ),
            pytest.param(check_listing("invoker", "bob"), [], id="nobody's"),
        ],
    )
    async def test_ranges(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        listing: Listing,
        expected: list[int],
    ) -> None:
        """A range has its first instant and not its last, in lists and in counts."""
        instant = timedelta(microseconds=1)
        times = [SINCE - instant, SINCE, UNTIL - instant, UNTIL, UNTIL + instant]
        events = [make_event(created_at=time, status="expired") for time in times]
        for event in events:
            await rows.put(row(event))
        page = await client.query(**requests.list_page(table, listing, 9))
        listed = [item["id"]["S"] for item in page["Items"]]
        assert listed == [events[index].id for index in expected]
        counted = await client.query(**requests.count(table, listing))
        assert counted["Count"] == len(expected)

    async def test_the_newest_of_a_profile(
        self, client: DynamoDBClient, table: Table, rows: Rows
    ) -> None:
        """A filter passes over other profiles' events, however new."""
        wanted = make_event(created_at=SINCE, status="expired")
        await rows.put(row(wanted))
        for profile in ("dev", "staging"):
            newer = make_event(profile=profile, created_at=UNTIL, status="expired")
            await rows.put(row(newer))
        request = requests.newest_of_profile(table, BY_INVOKER, "prod", 3)
        page = await client.query(**request)
        assert [item["id"]["S"] for item in page["Items"]] == [wanted.id]


async def refusal(client: DynamoDBClient, parts: list[Part]) -> dict[int, Item | None] | None:
    """Send a transaction; None where it was done, else the row met by each part it refused."""
    try:
        await client.transact_write_items(**requests.transaction(parts, str(uuid4())))
    except client.exceptions.TransactionCanceledException as error:
        refused = outcomes.refusal(error)
        assert refused is not None
        return dict(refused.rows)
    return None
