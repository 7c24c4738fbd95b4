"""Build the parameters of read requests; all functions are pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiobreakglass._aws.transaction import Item, Request
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._dynamodb.layout import Table, TableLayout

BATCH: Final = 100
"""How many rows DynamoDB reads in one request."""

FIRST_PAGE: Final = 16
"""How many of an invoker's events the first page reads to find one of a profile: 1-2 units."""

# More events than one page of DynamoDB's can have, which is 1 MB.
_LARGEST_PAGE: Final = 4096

# `Limit` is a 32-bit integer.
_LARGEST_LIMIT: Final = 2**31 - 1


def get_row(table: Table, partition_key: str) -> Request:
    """Return the request that reads a row, strongly consistently."""
    return {"TableName": table.name, "Key": _key(table, partition_key), "ConsistentRead": True}


def get_rows(table: Table, partition_keys: Iterable[str]) -> Request:
    """Return the request that reads up to 100 rows, strongly consistently, but not at one instant.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
    """
    keys = [_key(table, partition_key) for partition_key in partition_keys]
    return {"RequestItems": {table.name: {"Keys": keys, "ConsistentRead": True}}}


def only_events(table: Table) -> Request:
    """Return the parameters that limit a scan to the rows of events and tombstones."""
    return {
        "FilterExpression": "begins_with(#pk, :prefix)",
        "ExpressionAttributeNames": _names(table, (table.layout.partition_key,)),
        "ExpressionAttributeValues": {":prefix": {"S": table.layout.event_prefix}},
    }


def unprocessed(table: Table, answer: Mapping[str, Any]) -> list[str]:
    """Return the partition keys that DynamoDB did not process."""
    return [
        key[table.layout.partition_key]["S"]
        for left in answer.get("UnprocessedKeys", {}).values()
        for key in left["Keys"]
    ]


def has(attributes: Item) -> Callable[[Item], bool]:
    """Return a predicate that is true for rows with these attributes."""
    pairs = list(attributes.items())

    def has_them(row: Item) -> bool:
        # Called for each row of a list, and twice as fast as a comparison of views.
        for name, value in pairs:  # noqa: SIM110 - a generator takes longer
            if row.get(name) != value:
                return False
        return True

    return has_them


def probe(table_name: str, layout: TableLayout) -> Request:
    """Return a transaction that shows whether the endpoint has transactions, and writes nothing.

    DynamoDB refuses its condition, because `status` is a reserved word.
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
    """Return the query for a page of events, newest first."""
    request = _query(table, listing) | _limit(limit)
    return request if start_key is None else request | {"ExclusiveStartKey": start_key}


def count(table: Table, listing: Listing, at_most: int | None = None) -> Request:
    """Return the query that counts the events of a page without returning them."""
    return _query(table, listing) | {"Select": "COUNT"} | _limit(at_most)


def newest_of_profile(table: Table, listing: Listing, profile: str, page_size: int) -> Request:
    """Return the query for an invoker's events of one profile, newest first.

    DynamoDB applies `Limit` before the filter, so a page without events is not the end
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html).

    Args:
        table: The table.
        listing: The list of the invoker's events.
        profile: The profile to filter by.
        page_size: How many events to read before the filter.
    """
    request = _query(table, listing) | _limit(page_size)
    request["FilterExpression"] = "#profile = :profile"
    request["ExpressionAttributeNames"] |= _names(table, ("profile",))
    request["ExpressionAttributeValues"] |= {":profile": {"S": profile}}
    return request


def next_page_size(page_size: int) -> int:
    """Return the size of the next page if a page of this size had no event of the profile."""
    return min(page_size * 16, _LARGEST_PAGE)


def following(
    request: Request, answer: Mapping[str, Any], limit: int | None = None
) -> Request | None:
    """Return the query for the page after an answer, or None after the last page.

    A given `limit` replaces the request's own.
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
    # The range must be in the key condition, because DynamoDB refuses a filter on an index's key.
    # A key condition allows only one comparison. BETWEEN includes its upper end, but no stored
    # time equals that.
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
        "ScanIndexForward": listing.is_oldest_first,
    }


def _key(table: Table, partition_key: str) -> Item:
    return {table.layout.partition_key: {"S": partition_key}}


def _names(table: Table, names: Iterable[str]) -> dict[str, str]:
    # Every name has a placeholder, because several of our names are DynamoDB's reserved words.
    return {f"#{table.layout.placeholder(name)}": name for name in names}
