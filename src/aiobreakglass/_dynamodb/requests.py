"""What to send to read: pure functions from values to request parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiobreakglass._aws.transaction import Item, Request
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._dynamodb.layout import Table, TableLayout

BATCH: Final = 100
"""How many rows DynamoDB reads at once."""

FIRST_PAGE: Final = 16
"""At how many of an invoker's events to look first for one of a profile: a unit or two."""

# More events than DynamoDB reads at a time, which is 1 MB.
_LARGEST_PAGE: Final = 4096

# `Limit` is a 32-bit integer.
_LARGEST_LIMIT: Final = 2**31 - 1


def get_row(table: Table, partition_key: str) -> Request:
    """Read a row, strongly consistently."""
    return {"TableName": table.name, "Key": _key(table, partition_key), "ConsistentRead": True}


def get_rows(table: Table, partition_keys: Iterable[str]) -> Request:
    """Read up to 100 rows at once, each strongly consistently, though not all at one instant.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
    """
    keys = [_key(table, partition_key) for partition_key in partition_keys]
    return {"RequestItems": {table.name: {"Keys": keys, "ConsistentRead": True}}}


def unprocessed(table: Table, answer: Mapping[str, Any]) -> list[str]:
    """Return the partition keys that DynamoDB left for another request."""
    return [
        key[table.layout.partition_key]["S"]
        for left in answer.get("UnprocessedKeys", {}).values()
        for key in left["Keys"]
    ]


def has(attributes: Item) -> Callable[[Item], bool]:
    """Return whether a row has these attributes, as a question."""
    pairs = list(attributes.items())

    def has_them(row: Item) -> bool:
        # Asked about each row of a list: half as long as a comparison of views.
        for name, value in pairs:  # noqa: SIM110 - a generator takes longer
            if row.get(name) != value:
                return False
        return True

    return has_them


def probe(table_name: str, layout: TableLayout) -> Request:
    """Ask whether there are transactions at all, with one that writes nothing and is refused.

    `status` is a reserved word, and so the condition breaks DynamoDB's grammar.
    """
    check = {
        "TableName": table_name,
        "Key": {layout.partition_key: {"S": "PROBE"}},
        "ConditionExpression": "attribute_exists(status)",
    }
    return {"TransactItems": [{"ConditionCheck": check}]}


def list_page(
    table: Table, listing: Listing, limit: int, start_key: Item | None = None
) -> Request:
    """Query a page of events, newest first."""
    request = _query(table, listing) | _limit(limit)
    return request if start_key is None else request | {"ExclusiveStartKey": start_key}


def count(table: Table, listing: Listing, at_most: int | None = None) -> Request:
    """Count the events of a query's page, without returning them."""
    return _query(table, listing) | {"Select": "COUNT"} | _limit(at_most)


def newest_of_profile(table: Table, listing: Listing, profile: str, page_size: int) -> Request:
    """Query an invoker's events of one profile, newest first, looking at so many events.

    DynamoDB applies `Limit` before the filter, so an answer without events ends nothing
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html).
    """
    request = _query(table, listing) | _limit(page_size)
    request["FilterExpression"] = "#profile = :profile"
    request["ExpressionAttributeNames"] |= _names(table, ("profile",))
    request["ExpressionAttributeValues"] |= {":profile": {"S": profile}}
    return request


def next_page_size(page_size: int) -> int:
    """Return at how many events to look when this many had none of the profile."""
    return min(page_size * 16, _LARGEST_PAGE)


def following(
    request: Request, answer: Mapping[str, Any], limit: int | None = None
) -> Request | None:
    """Return the query that goes on where an answer has stopped, or None at the end.

    `limit` takes the place of the request's own.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
    """
    start_key = answer.get("LastEvaluatedKey")
    if start_key is None:
        return None
    return request | _limit(limit) | {"ExclusiveStartKey": start_key}


def _limit(limit: int | None) -> Request:
    return {} if limit is None else {"Limit": min(limit, _LARGEST_LIMIT)}


def _query(table: Table, listing: Listing) -> Request:
    condition = f"#{listing.field} = :value"
    values: Item = {":value": {"S": listing.value}}
    names = [listing.field]
    if listing.since is not None or listing.until is not None:
        names.append("created_at")
    # The range belongs into the key condition: DynamoDB refuses a filter on an index's key. There
    # it may be one comparison only. BETWEEN includes its upper end, which no stored time equals.
    lower, upper = listing.bounds
    if lower is not None and upper is not None:
        condition += " AND #created_at BETWEEN :since AND :until"
    elif lower is not None:
        condition += " AND #created_at >= :since"
    elif upper is not None:
        condition += " AND #created_at < :until"
    bounds = {":since": lower, ":until": upper}
    values |= {name: {"S": bound} for name, bound in bounds.items() if bound is not None}
    return {
        "TableName": table.name,
        "IndexName": table.layout.index_of(listing.field),
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": _names(table, names),
        "ExpressionAttributeValues": values,
        "ScanIndexForward": False,
    }


def _key(table: Table, partition_key: str) -> Item:
    return {table.layout.partition_key: {"S": partition_key}}


def _names(table: Table, names: Iterable[str]) -> dict[str, str]:
    # Every name by a placeholder: several of ours are reserved words of DynamoDB's.
    return {f"#{name}": table.layout.partition_key if name == "pk" else name for name in names}
