"""Page cursors as DynamoDB understands them."""

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
ROW = encode_event(EVENT, LAYOUT, write_id="w1", retention=None)
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
def test_where_a_page_starts(listing: Listing, layout: TableLayout, expected: Item) -> None:
    """A start key has exactly the keys of the table and of the index, or DynamoDB refuses it."""
    assert start_key(POSITION, listing, layout) == expected


@pytest.mark.parametrize("key", [None, b"k" * 16], ids=["not signed", "signed"])
@pytest.mark.parametrize(
    "created_at", ["2024-03-01T12:00:00.000000Z", "2024-03-01T14:00:00+02:00"]
)
@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.field)
def test_a_cursor_of_a_row(listing: Listing, created_at: str, key: bytes | None) -> None:
    """A cursor names its row in the row's own words, whoever wrote them."""
    row = {**ROW, "created_at": {"S": created_at}}
    cursor = cursor_after(row, listing, key)
    assert decode_cursor(cursor, listing, key) == Position(created_at, ID)


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.field)
async def test_the_key_that_dynamodb_gives(
    client: DynamoDBClient, table_name: str, listing: Listing
) -> None:
    """A start key is what DynamoDB itself names as the last key of a page that ends there."""
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


async def test_a_row_that_has_gone(client: DynamoDBClient, table_name: str) -> None:
    """A page starts after the place of a row, be the row there any more or not."""
    table = Table(table_name, LAYOUT)
    rows = Rows(client, table_name)
    older = make_event(created_at=CREATED_AT - timedelta(hours=1))
    await rows.put_event(older)
    await rows.put_event(make_event(created_at=CREATED_AT + timedelta(hours=1)))
    listing = check_listing("invoker", "alice")
    start = start_key(POSITION, listing, LAYOUT)
    page = await client.query(**requests.list_page(table, listing, 9, start))
    assert [row["id"]["S"] for row in page["Items"]] == [older.id]
