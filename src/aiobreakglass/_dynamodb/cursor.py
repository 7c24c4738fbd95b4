"""Convert between page cursors and DynamoDB's exclusive start keys."""

from __future__ import annotations

from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._contract.cursor import Position, encode_cursor
from aiobreakglass._dynamodb.layout import TableLayout


def start_key(position: Position, listing: Listing, layout: TableLayout) -> Item:
    """Return the exclusive start key of the page that follows a position.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
    """
    return {
        layout.partition_key: {"S": layout.event_key(position.event_id)},
        listing.field: {"S": listing.value},
        "created_at": {"S": position.created_at},
    }


def cursor_after(item: Item, listing: Listing, key: bytes | None) -> str:
    """Return the cursor for the page that follows an event's row."""
    # The row's own text, because DynamoDB compares the text and not the instant.
    return encode_cursor(listing, Position(item["created_at"]["S"], item["id"]["S"]), key)
