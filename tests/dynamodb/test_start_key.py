"""Page cursors as start keys for DynamoDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import Listing, check_listing
from aiobreakglass._contract.cursor import Position, decode_cursor
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass._dynamodb.cursor import cursor_after, start_key
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass.testing import make_event
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LAYOUT = TableLayout()
ID = "0123456789abcdef"
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
POSITION = Position("2024-03-01T12:00:00.000000Z", ID)
EVENT = make_event(id=ID, created_at=CREATED_AT)
ROW = encode_event(EVENT, LAYOUT, write_id="w1")
LISTINGS = [
    check_listing("invoker", "alice"),
    check_listing("status", "active", CREATED_AT - timedelta(days=1)),
    check_listing("profile", "prod", None, CREATED_AT + timedelta(days=1)),
]


@pytest.mark.parametrize(
    ("listing", "layout", "expected"),
    [
        pytest.param(
            check_listing("invoker", "alice"),
            LAYOUT,
            {
                "pk": {"S": f"BREAKGLASS#{ID}"},
                "invoker": {"S": "alice"},
                "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
            },
            id="by invoker",
        ),
        pytest.param(
            check_listing("status", "active", CREATED_AT, CREATED_AT + timedelta(days=1)),
            LAYOUT,
            {
                "pk": {"S": f"BREAKGLASS#{ID}"},
                "status": {"S": "active"},
                "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
            },
            id="by status, in a range",
        ),
        pytest.param(
            check_listing("profile", "prod"),
            TableLayout(partition_key="key", event_prefix="E/"),
            {
                "key": {"S": f"E/{ID}"},
                "profile": {"S": "prod"},
                "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
            },
            id="by profile, in another layout",
        ),
    ],
)
def test_start_key_has_the_keys_of_table_and_index(
    listing: Listing, layout: TableLayout, expected: Item
) -> None:
    """DynamoDB refuses a start key with more or fewer attributes."""
    assert start_key(POSITION, listing, layout) == expected


@pytest.mark.parametrize("key", [None, b"k" * 16], ids=["not signed", "signed"])
@pytest.mark.parametrize(
    "created_at", ["2024-03-01T12:00:00.000000Z", "2024-03-01T14:00:00+02:00"]
)
@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.field)
def test_cursor_keeps_the_rows_own_created_at(
    listing: Listing, created_at: str, key: bytes | None
) -> None:
    """The cursor has the stored text, also of a row that another program wrote."""
    row = {**ROW, "created_at": {"S": created_at}}
    cursor = cursor_after(row, listing, key)
    assert decode_cursor(cursor, listing, key) == Position(created_at, ID)


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.field)
async def test_start_key_is_dynamodbs_last_evaluated_key(
    client: DynamoDBClient, table_name: str, listing: Listing
) -> None:
    """Our start key equals the one that DynamoDB returns for a page that ends at this row."""
    table = Table(table_name, LAYOUT)
    rows = Rows(client, table_name)
    for hours in (-1, 1):
        await rows.put_event(make_event(created_at=CREATED_AT + timedelta(hours=hours)))
    await rows.put(ROW)
    request: dict[str, Any] = requests.list_page(table, listing, 1, None)
    newest = await client.query(**request)
    page: Any = await client.query(**request, ExclusiveStartKey=newest["LastEvaluatedKey"])
    (row,) = page["Items"]
    assert row == ROW
    position = decode_cursor(cursor_after(row, listing, None), listing, None)
    assert start_key(position, listing, LAYOUT) == page["LastEvaluatedKey"]


async def test_page_after_a_row_that_is_gone(client: DynamoDBClient, table_name: str) -> None:
    """A page starts after a row's position, even if the row is gone."""
    table = Table(table_name, LAYOUT)
    rows = Rows(client, table_name)
    older = make_event(created_at=CREATED_AT - timedelta(hours=1))
    await rows.put_event(older)
    await rows.put_event(make_event(created_at=CREATED_AT + timedelta(hours=1)))
    listing = check_listing("invoker", "alice")
    start = start_key(POSITION, listing, LAYOUT)
    page = await client.query(**requests.list_page(table, listing, 9, start))
    assert [row["id"]["S"] for row in page["Items"]] == [older.id]
