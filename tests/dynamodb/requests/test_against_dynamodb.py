"""What is sent: every request to the letter, and what its conditions mean to DynamoDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._arguments import Listing, check_listing
from aiobreakglass._dynamodb import outcomes, requests
from aiobreakglass._dynamodb.codec import (
    Item,
    encode_event,
    encode_guard,
    encode_tombstone,
)
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.requests import Part, Request
from aiobreakglass.testing import make_event
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LAYOUT = TableLayout()
TABLE = Table("breakglass", LAYOUT)
ID = "0123456789abcdef"
OTHER_ID = "fedcba9876543210"
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
SINCE, UNTIL = CREATED_AT, CREATED_AT + timedelta(days=1)
EVENT = make_event(id=ID, created_at=CREATED_AT)
CLOSED = make_event(id=ID, created_at=CREATED_AT, status="closed")
ABSENT: Any = None
"""What stands for an attribute that a row has not."""


def row(event: BreakGlassEvent, **attributes: Any) -> Item:
    item = encode_event(event, LAYOUT, write_id="w1", retention=None)
    changed = {**item, **attributes}
    return {name: value for name, value in changed.items() if value is not ABSENT}


ROW = row(EVENT)
CLOSED_ROW = row(CLOSED)
GUARD = encode_guard(EVENT, LAYOUT)
TOMBSTONE = encode_tombstone(ID, LAYOUT, deleted_at=UNTIL, retention=None)
START_KEY: Item = {
    "pk": {"S": f"BREAKGLASS#{ID}"},
    "invoker": {"S": "alice"},
    "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
}
# An answer that ends before the listing does.
UNFINISHED = {"Items": [{}, {}], "LastEvaluatedKey": START_KEY}
BY_INVOKER = check_listing("invoker", "alice")
BY_INVOKER_SINCE = check_listing("invoker", "alice", SINCE)

QUERY: Request = {
    "TableName": "breakglass",
    "IndexName": "invoker-index",
    "KeyConditionExpression": "#invoker = :value",
    "ExpressionAttributeNames": {"#invoker": "invoker"},
    "ExpressionAttributeValues": {":value": {"S": "alice"}},
    "ScanIndexForward": False,
}
QUERY_SINCE: Request = {
    **QUERY,
    "KeyConditionExpression": "#invoker = :value AND #created_at >= :since",
    "ExpressionAttributeNames": {"#invoker": "invoker", "#created_at": "created_at"},
    "ExpressionAttributeValues": {
        ":value": {"S": "alice"},
        ":since": {"S": "2024-03-01T12:00:00.000000"},
    },
}

READS = [
    pytest.param(
        requests.get_row(TABLE, "ACTIVE#5#alice#prod"),
        {
            "TableName": "breakglass",
            "Key": {"pk": {"S": "ACTIVE#5#alice#prod"}},
            "ConsistentRead": True,
        },
        id="a row",
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER, 7), {**QUERY, "Limit": 7}, id="a first page"
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER, 1, START_KEY),
        {**QUERY, "Limit": 1, "ExclusiveStartKey": START_KEY},
        id="a later page",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("status", "active"), 7),
        {
            **QUERY,
            "IndexName": "status-index",
            "KeyConditionExpression": "#status = :value",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":value": {"S": "active"}},
            "Limit": 7,
        },
        id="a page by status",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("profile", "prod", None, UNTIL), 7),
        {
            **QUERY,
            "IndexName": "profile-index",
            "KeyConditionExpression": "#profile = :value AND #created_at < :until",
            "ExpressionAttributeNames": {"#profile": "profile", "#created_at": "created_at"},
            "ExpressionAttributeValues": {
                ":value": {"S": "prod"},
                ":until": {"S": "2024-03-02T12:00:00.000000"},
            },
            "Limit": 7,
        },
        id="a page by profile until",
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER_SINCE, 7),
        {**QUERY_SINCE, "Limit": 7},
        id="a page since",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("invoker", "alice", SINCE, UNTIL), 7, START_KEY),
        {
            **QUERY,
            "KeyConditionExpression": (
                "#invoker = :value AND #created_at BETWEEN :since AND :until"
            ),
            "ExpressionAttributeNames": {"#invoker": "invoker", "#created_at": "created_at"},
            "ExpressionAttributeValues": {
                ":value": {"S": "alice"},
                ":since": {"S": "2024-03-01T12:00:00.000000"},
                ":until": {"S": "2024-03-02T12:00:00.000000"},
            },
            "ExclusiveStartKey": START_KEY,
            "Limit": 7,
        },
        id="a page since and until",
    ),
    pytest.param(
        requests.count(TABLE, BY_INVOKER_SINCE),
        {**QUERY_SINCE, "Select": "COUNT"},
        id="a count",
    ),
    pytest.param(
        requests.following(requests.count(TABLE, BY_INVOKER_SINCE), UNFINISHED),
        {**QUERY_SINCE, "Select": "COUNT", "ExclusiveStartKey": START_KEY},
        id="the rest of a count",
    ),
    pytest.param(
        requests.following(requests.list_page(TABLE, BY_INVOKER, 7), UNFINISHED),
        {**QUERY, "Limit": 5, "ExclusiveStartKey": START_KEY},
        id="the rest of a page, as much of it as is missing",
    ),
    pytest.param(
        requests.newest_of_profile(TABLE, BY_INVOKER, "prod"),
        {
            **QUERY,
            "FilterExpression": "#profile = :profile",
            "ExpressionAttributeNames": {"#invoker": "invoker", "#profile": "profile"},
            "ExpressionAttributeValues": {":value": {"S": "alice"}, ":profile": {"S": "prod"}},
        },
        id="the newest of a profile",
    ),
]

PUT_IF_NEW: Part = {
    "TableName": "breakglass",
    "ConditionExpression": "attribute_not_exists(#pk)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
PUT_IF_AS_READ: Part = {
    "TableName": "breakglass",
    "ConditionExpression": (
        "#id = :id AND #invoker = :invoker AND #profile = :profile "
        "AND #reason_code = :reason_code AND #justification = :justification "
        "AND #duration = :duration AND #status = :status AND #created_at = :created_at "
        "AND #updated_at = :updated_at AND #expires_at = :expires_at "
        "AND attribute_not_exists(#closed_by) AND attribute_not_exists(#closed_reason) "
        "AND attribute_not_exists(#request_id) AND #mfa_verified = :mfa_verified "
        "AND attribute_not_exists(#mfa_method) AND attribute_not_exists(#mfa_challenge_id)"
    ),
    "ExpressionAttributeNames": {f"#{name}": name for name in BreakGlassEvent.model_fields},
    "ExpressionAttributeValues": {
        ":id": {"S": ID},
        ":invoker": {"S": "alice"},
        ":profile": {"S": "prod"},
        ":reason_code": {"S": "incident"},
        ":justification": {"S": "The primary database does not answer"},
        ":duration": {"N": "3600000000000"},
        ":status": {"S": "active"},
        ":created_at": {"S": "2024-03-01T12:00:00.000000Z"},
        ":updated_at": {"S": "2024-03-01T12:00:00.000000Z"},
        ":expires_at": {"S": "2024-03-01T13:00:00.000000Z"},
        ":mfa_verified": {"BOOL": False},
    },
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
DELETE_GUARD: Part = {
    "TableName": "breakglass",
    "Key": {"pk": {"S": "ACTIVE#5#alice#prod"}},
    "ExpressionAttributeValues": {":event_id": {"S": ID}},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}

WRITES = [
    pytest.param(
        requests.create(TABLE, EVENT, ROW),
        [{"Put": {**PUT_IF_NEW, "Item": ROW}}, {"Put": {**PUT_IF_NEW, "Item": GUARD}}],
        id="create an active event",
    ),
    pytest.param(
        requests.create(TABLE, CLOSED, CLOSED_ROW),
        [{"Put": {**PUT_IF_NEW, "Item": CLOSED_ROW}}],
        id="create a closed event",
    ),
    pytest.param(
        [requests.replace(TABLE, ROW, CLOSED_ROW)],
        [{"Put": {**PUT_IF_AS_READ, "Item": CLOSED_ROW}}],
        id="replace",
    ),
    pytest.param(
        [
            requests.replace(
                TABLE,
                row(EVENT, updated_at={"S": "2024-03-01T12:00:00.1Z"}, status={"N": "1"}),
                TOMBSTONE,
            )
        ],
        [
            {
                "Put": {
                    **PUT_IF_AS_READ,
                    "Item": TOMBSTONE,
                    "ExpressionAttributeValues": {
                        **PUT_IF_AS_READ["ExpressionAttributeValues"],
                        ":updated_at": {"S": "2024-03-01T12:00:00.1Z"},
                        ":status": {"N": "1"},
                    },
                }
            }
        ],
        id="replace what another writer stored",
    ),
    pytest.param(
        [requests.replace(TABLE, row(EVENT, status=ABSENT, expires_at=ABSENT), TOMBSTONE)],
        [
            {
                "Put": {
                    **PUT_IF_AS_READ,
                    "Item": TOMBSTONE,
                    "ConditionExpression": (
                        PUT_IF_AS_READ["ConditionExpression"]
                        .replace("#status = :status", "attribute_not_exists(#status)")
                        .replace("#expires_at = :expires_at", "attribute_not_exists(#expires_at)")
                    ),
                    "ExpressionAttributeValues": {
                        name: value
                        for name, value in PUT_IF_AS_READ["ExpressionAttributeValues"].items()
                        if name not in (":status", ":expires_at")
                    },
                }
            }
        ],
        id="replace a row without some attributes",
    ),
    pytest.param(
        [requests.replace(TABLE, {"pk": {"S": f"BREAKGLASS#{ID}"}}, TOMBSTONE)],
        [
            {
                "Put": {
                    **{
                        k: v for k, v in PUT_IF_AS_READ.items() if k != "ExpressionAttributeValues"
                    },
                    "Item": TOMBSTONE,
                    "ConditionExpression": " AND ".join(
                        f"attribute_not_exists(#{name})" for name in BreakGlassEvent.model_fields
                    ),
                }
            }
        ],
        id="replace a row without any attribute",
    ),
    pytest.param(
        [requests.release_guard(TABLE, "alice", "prod", ID)],
        [
            {
                "Delete": {
                    **DELETE_GUARD,
                    "ConditionExpression": "attribute_not_exists(#pk) OR #event_id = :event_id",
                    "ExpressionAttributeNames": {"#pk": "pk", "#event_id": "event_id"},
                }
            }
        ],
        id="release a guard",
    ),
    pytest.param(
        requests.reap_guard(TABLE, "alice", "prod", ID),
        [
            {
                "ConditionCheck": {
                    "TableName": "breakglass",
                    "Key": {"pk": {"S": f"BREAKGLASS#{ID}"}},
                    "ConditionExpression": (
                        "NOT (#status = :active AND #invoker = :invoker AND #profile = :profile)"
                    ),
                    "ExpressionAttributeNames": {
                        "#status": "status",
                        "#invoker": "invoker",
                        "#profile": "profile",
                    },
                    "ExpressionAttributeValues": {
                        ":active": {"S": "active"},
                        ":invoker": {"S": "alice"},
                        ":profile": {"S": "prod"},
                    },
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            {
                "Delete": {
                    **DELETE_GUARD,
                    "ConditionExpression": "#event_id = :event_id",
                    "ExpressionAttributeNames": {"#event_id": "event_id"},
                }
            },
        ],
        id="reap a guard",
    ),
]


class TestToTheLetter:
    @pytest.mark.parametrize(("request_", "expected"), READS)
    def test_reads(self, request_: Request, expected: Request) -> None:
        """Rows are read consistently; lists by index, newest first, in a range of the key."""
        assert request_ == expected

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_writes(self, parts: list[Part], expected: list[Part]) -> None:
        """Every part of a write says on what it depends, and wants to see what it met instead."""
        assert parts == expected

    def test_a_transaction(self) -> None:
        """Parts go together as one, under a token that makes a repetition the same write."""
        parts = requests.create(TABLE, EVENT, ROW)
        assert requests.transaction(parts, "t-1") == {
            "TransactItems": parts,
            "ClientRequestToken": "t-1",
        }

    def test_the_end_of_a_query(self) -> None:
        """Where an answer has not stopped, nothing follows."""
        request = requests.list_page(TABLE, BY_INVOKER, 7)
        assert requests.following(request, {"Items": [{}]}) is None

    @pytest.mark.parametrize(("request_", "expected"), READS)
    def test_limits(self, request_: Request, expected: Request) -> None:
        """No request limits what it filters, for DynamoDB would count before it filters."""
        assert not {"Limit", "FilterExpression"} <= request_.keys()

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_refusals(self, parts: list[Part], expected: list[Part]) -> None:
        """A refused part of whatever kind brings back the row that refused it."""
        for part in parts:
            (of_a_kind,) = part.values()
            assert of_a_kind["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_placeholders(self, parts: list[Part], expected: list[Part]) -> None:
        """A condition has every placeholder that is defined, for DynamoDB refuses leftovers."""
        for part in parts:
            (of_a_kind,) = part.values()
            defined = {
                *of_a_kind["ExpressionAttributeNames"],
                *of_a_kind.get("ExpressionAttributeValues", {}),
            }
            words = of_a_kind["ConditionExpression"].replace("(", " ").replace(")", " ").split()
            assert {word for word in words if word[0] in "#:"} == defined

    def test_another_layout(self) -> None:
        """Keys, indexes and prefixes are the layout's."""
        layout = TableLayout(
            partition_key="key", event_prefix="E/", guard_prefix="G/", status_index="by-status"
        )
        table = Table("breakglass", layout)
        check, delete = requests.reap_guard(table, "alice", "prod", ID)
        assert check["ConditionCheck"]["Key"] == {"key": {"S": f"E/{ID}"}}
        assert delete["Delete"]["Key"] == {"key": {"S": "G/5#alice#prod"}}
        release = requests.release_guard(table, "alice", "prod", ID)
        assert release["Delete"]["ExpressionAttributeNames"]["#pk"] == "key"
        assert requests.get_row(table, "k")["Key"] == {"key": {"S": "k"}}
        by_status = check_listing("status", "active")
        assert requests.count(table, by_status)["IndexName"] == "by-status"


class TestAgainstDynamoDB:
    """The conditions as DynamoDB reads them: done, or refused with the row that was met."""

    @pytest.fixture
    def rows(self, client: DynamoDBClient, table_name: str) -> Rows:
        return Rows(client, table_name)

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
        request = requests.newest_of_profile(table, BY_INVOKER, "prod")
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
