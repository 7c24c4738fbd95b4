"""How DynamoDB evaluates the conditions of a write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio
from aiobotocore.session import AioSession

from aiobreakglass import BreakGlassEvent
from aiobreakglass._aws import outcomes
from aiobreakglass._aws.transaction import Item, Part, transaction
from aiobreakglass._domain.rules import decide_close, decide_create, decide_delete
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart, stale_guard_parts
from aiobreakglass._dynamodb.record import encode_record
from tests.dynamodb.conftest import REGION
from tests.dynamodb.example import (
    ABSENT,
    CLOSED,
    CLOSED_ROW,
    CREATED_AT,
    ENTRY_ROW,
    EVENT,
    FOR_EVER,
    GUARD,
    ID,
    LAYOUT,
    ROW,
    TOMBSTONE,
    UNRECORDED,
    UNTIL,
    attempt_of,
    parts_of,
    row,
)
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import temporary_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

OTHER_ID = "fedcba9876543210"


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def client(endpoint_url: str, session: AioSession) -> AsyncIterator[DynamoDBClient]:
    """Share a client among the tests, because making one takes as long as most of them."""
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=endpoint_url
    ) as client:
        yield client


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def table(client: DynamoDBClient) -> AsyncIterator[Table]:
    async with temporary_table(client) as name:
        yield Table(name, LAYOUT)


@pytest_asyncio.fixture(loop_scope="class")
async def rows(client: DynamoDBClient, table: Table) -> AsyncIterator[Rows]:
    """The rows of the table, which is empty before each test."""
    rows = Rows(client, table.name)
    yield rows
    for left in await rows.all():
        await rows.remove(left["pk"]["S"])


@pytest.mark.asyncio(loop_scope="class")
class TestAgainstDynamoDB:
    @pytest.mark.parametrize(
        ("event", "before", "refused"),
        [
            pytest.param(EVENT, [], None, id="nothing there"),
            pytest.param(EVENT, [CLOSED_ROW], {"event": CLOSED_ROW}, id="an event of this id"),
            pytest.param(
                EVENT, [TOMBSTONE], {"event": TOMBSTONE}, id="a deleted event of this id"
            ),
            pytest.param(
                EVENT,
                [ENTRY_ROW],
                {"history": ENTRY_ROW},
                id="a history of this id whose event is gone",
            ),
            pytest.param(EVENT, [GUARD], {"guard": GUARD}, id="a guard of this pair"),
            pytest.param(EVENT, [ROW, GUARD], {"event": ROW, "guard": GUARD}, id="both"),
            pytest.param(CLOSED, [GUARD], None, id="a closed event beside a guard of its pair"),
            pytest.param(
                CLOSED, [TOMBSTONE], {"event": TOMBSTONE}, id="a closed event that was deleted"
            ),
        ],
    )
    async def test_create_needs_a_new_id_and_a_free_pair(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        event: BreakGlassEvent,
        before: list[Item],
        refused: dict[str, Item] | None,
    ) -> None:
        """DynamoDB puts an event only if its id is new and, if it is active, its pair is free."""
        for item in before:
            await rows.put(item)
        assert (
            await refusal(client, parts_of(decide_create(event, CREATED_AT), None, table))
            == refused
        )

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
                for name in (*BreakGlassEvent.model_fields, "revision", "head", "digest")
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
    async def test_row_is_replaced_only_if_it_is_as_read(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        stored: Item,
        met: Item | None,
        done: bool,
    ) -> None:
        """A row is replaced only if all that the change relied on is as it was read."""
        if met is not None:
            await rows.put(met)
        attempt = attempt_of(decide_delete(None, UNTIL), stored)
        parts = EventPart(table, FOR_EVER).parts(attempt)
        assert await refusal(client, parts) == (None if done else {"event": met})
        assert await rows.event(ID) == (TOMBSTONE if done else met)

    async def test_change_leaves_attributes_of_other_writers(
        self, client: DynamoDBClient, table: Table, rows: Rows
    ) -> None:
        """An attribute that another writer adds after our read is still there after our write."""
        await rows.put({**ROW, "ticket": {"S": "INC-7"}})
        close = decide_close(EVENT, "bob", "Over", CREATED_AT)
        assert await refusal(client, parts_of(close, ROW, table)) is None
        record = encode_record(attempt_of(close, ROW).record.tip)
        expected = row(close.stored, write_id={"S": "w2"}, ticket={"S": "INC-7"}, **record)
        assert await rows.event(ID) == expected

    @pytest.mark.parametrize(
        ("taken", "refused"),
        [
            pytest.param([], [], id="free"),
            pytest.param([1], ["adoption"], id="the entry that adopts"),
            pytest.param([2], ["history"], id="the entry of the change"),
            pytest.param([1, 2], ["history", "adoption"], id="both"),
        ],
    )
    async def test_change_needs_free_keys_in_the_history(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        taken: list[int],
        refused: list[str],
    ) -> None:
        """An entry is never overwritten, and no part of a change is written without it."""
        old = row(EVENT, **UNRECORDED)
        entries: dict[str, Item] = {
            key: {**ENTRY_ROW, "pk": {"S": key}}
            for key in (LAYOUT.history_key(ID, revision) for revision in taken)
        }
        for item in [old, GUARD, *entries.values()]:
            await rows.put(item)
        close = decide_close(EVENT, "bob", "Over", CREATED_AT)
        refused_rows = await refusal(client, parts_of(close, old, table))
        assert sorted(refused_rows or {}) == sorted(refused)
        if refused:
            assert await rows.event(ID) == old
            assert await rows.guard("alice", "prod") == GUARD
            assert {item["pk"]["S"]: item for item in await rows.history(ID)} == entries
        else:
            assert [item["revision"]["N"] for item in await rows.history(ID)] == ["1", "2"]

    @pytest.mark.parametrize(
        ("guard", "done"),
        [
            pytest.param(GUARD, True, id="its own"),
            pytest.param(None, True, id="none any more"),
            pytest.param({**GUARD, "event_id": {"S": OTHER_ID}}, False, id="another event's"),
            pytest.param({"pk": GUARD["pk"]}, False, id="one that points nowhere"),
        ],
    )
    async def test_ending_an_event_releases_only_its_own_guard(
        self, client: DynamoDBClient, table: Table, rows: Rows, guard: Item | None, done: bool
    ) -> None:
        """The end of an event deletes its own guard, if any, and never another event's."""
        if guard is not None:
            await rows.put(guard)
        attempt = attempt_of(decide_delete(EVENT, UNTIL), ROW)
        parts = GuardPart(table).parts(attempt)
        assert await refusal(client, parts) == (None if done else {"guard": guard})
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
    async def test_guard_is_cleared_only_if_its_event_holds_nothing(
        self, client: DynamoDBClient, table: Table, rows: Rows, event: Item | None, done: bool
    ) -> None:
        """A guard is cleared only if, at that moment, its event holds no access for the pair."""
        await rows.put(GUARD)
        if event is not None:
            await rows.put(event)
        parts = stale_guard_parts(table, "alice", "prod", ID)
        assert await refusal(client, parts) == (None if done else {"event": event})
        assert await rows.guard("alice", "prod") == (None if done else GUARD)

    @pytest.mark.parametrize(
        "guard",
        [
            pytest.param(None, id="none any more"),
            pytest.param({**GUARD, "event_id": {"S": OTHER_ID}}, id="another event's"),
        ],
    )
    async def test_guard_that_has_changed_is_not_cleared(
        self, client: DynamoDBClient, table: Table, rows: Rows, guard: Item | None
    ) -> None:
        """A guard that now points to another event stays."""
        if guard is not None:
            await rows.put(guard)
        parts = stale_guard_parts(table, "alice", "prod", ID)
        assert await refusal(client, parts) == {"guard": guard}
        assert await rows.guard("alice", "prod") == guard


async def refusal(client: DynamoDBClient, parts: list[Part]) -> dict[str, Item | None] | None:
    """Send a transaction; return the row for each refused role, or None after a success."""
    try:
        await client.transact_write_items(**transaction(parts, str(uuid4())))
    except client.exceptions.TransactionCanceledException as error:
        refused = outcomes.refusal(error, parts)
        assert refused is not None
        return dict(refused.rows)
    return None
