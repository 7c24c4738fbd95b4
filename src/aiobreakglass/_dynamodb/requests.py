"""What to send for each operation: pure functions from values to request parameters.

Every write is one TransactWriteItems, all or nothing
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiobreakglass._arguments import Listing
from aiobreakglass._dynamodb.codec import AttributeValue, Item, encode_guard
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus

Request = dict[str, Any]
"""The parameters of one call."""

Part = dict[str, Any]
"""One item's part of a transaction."""

_ACTIVE: Final[AttributeValue] = {"S": BreakGlassStatus.ACTIVE.value}

FIRST_LOOK: Final = 16
"""At how many of an invoker's events to look first for one of a profile: a unit or two."""

# More events than DynamoDB reads at a time, which is 1 MB.
_LONGEST_LOOK: Final = 4096

# `Limit` is a 32-bit integer.
_LARGEST_LIMIT: Final = 2**31 - 1

# Compared as stored, each of them, so that a change replaces the very row that was read.
_PINNED: Final = tuple(BreakGlassEvent.model_fields)


def get_row(table: Table, partition_key: str) -> Request:
    """Read a row, strongly consistently."""
    return {"TableName": table.name, "Key": _key(table, partition_key), "ConsistentRead": True}


def create(table: Table, event: BreakGlassEvent, item: Item) -> list[Part]:
    """Put a new event and, where it is active, its guard; each only where nothing is yet."""
    rows = [item] if event.status.is_terminal else [item, encode_guard(event, table.layout)]
    return [_put(table, row, "attribute_not_exists(#pk)", names=("pk",)) for row in rows]


def replace(table: Table, stored: Item, item: Item) -> Part:
    """Put an event or a tombstone in the place of the very row that was read."""
    conditions, values = [], {}
    for name in _PINNED:
        if name in stored:
            conditions.append(f"#{name} = :{name}")
            values[f":{name}"] = stored[name]
        else:
            conditions.append(f"attribute_not_exists(#{name})")
    return _put(table, item, " AND ".join(conditions), names=_PINNED, values=values)


def release_guard(table: Table, invoker: str, profile: str, event_id: str) -> Part:
    """Delete a pair's guard unless it points to another event."""
    return _delete_guard(
        table,
        table.layout.guard_key(invoker, profile),
        "attribute_not_exists(#pk) OR #event_id = :event_id",
        names=("pk", "event_id"),
        event_id=event_id,
    )


def reap_guard(table: Table, invoker: str, profile: str, event_id: str) -> list[Part]:
    """Delete a guard whose event is missing, not active, or another pair's."""
    unguarded = {
        "TableName": table.name,
        "Key": _key(table, table.layout.event_key(event_id)),
        # A comparison with a missing attribute is false, hence this also covers a missing row.
        "ConditionExpression": (
            "NOT (#status = :active AND #invoker = :invoker AND #profile = :profile)"
        ),
        "ExpressionAttributeNames": _names(table, ("status", "invoker", "profile")),
        "ExpressionAttributeValues": {
            ":active": _ACTIVE,
            ":invoker": {"S": invoker},
            ":profile": {"S": profile},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    guard_key = table.layout.guard_key(invoker, profile)
    return [
        {"ConditionCheck": unguarded},
        _delete_guard(
            table, guard_key, "#event_id = :event_id", names=("event_id",), event_id=event_id
        ),
    ]


def transaction(parts: list[Part], token: str) -> Request:
    """Put parts together as one transaction.

    The token makes a repetition of the same bytes, within 10 minutes, the same write.
    """
    return {"TransactItems": parts, "ClientRequestToken": token}


def list_page(
    table: Table, listing: Listing, limit: int, start_key: Item | None = None
) -> Request:
    """Query a page of events, newest first."""
    request = _query(table, listing) | _limit(limit)
    return request if start_key is None else request | {"ExclusiveStartKey": start_key}


def count(table: Table, listing: Listing, at_most: int | None = None) -> Request:
    """Count the events of a query's page, without returning them."""
    return _query(table, listing) | {"Select": "COUNT"} | _limit(at_most)


def newest_of_profile(table: Table, listing: Listing, profile: str, looked_at: int) -> Request:
    """Query an invoker's events of one profile, newest first, looking at so many events.

    DynamoDB applies `Limit` before the filter, so an answer without events ends nothing
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html).
    """
    request = _query(table, listing) | _limit(looked_at)
    request["FilterExpression"] = "#profile = :profile"
    request["ExpressionAttributeNames"] |= _names(table, ("profile",))
    request["ExpressionAttributeValues"] |= {":profile": {"S": profile}}
    return request


def next_look(looked_at: int) -> int:
    """Return at how many events to look when this many had none of the profile."""
    return min(looked_at * 16, _LONGEST_LOOK)


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


def _put(
    table: Table,
    item: Item,
    condition: str,
    *,
    names: Iterable[str],
    values: Mapping[str, AttributeValue] | None = None,
) -> Part:
    put: Part = {
        "TableName": table.name,
        "Item": item,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _names(table, names),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return {"Put": put | {"ExpressionAttributeValues": dict(values)} if values else put}


def _delete_guard(
    table: Table, guard_key: str, condition: str, *, names: Iterable[str], event_id: str
) -> Part:
    return {
        "Delete": {
            "TableName": table.name,
            "Key": _key(table, guard_key),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": _names(table, names),
            "ExpressionAttributeValues": {":event_id": {"S": event_id}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _key(table: Table, partition_key: str) -> Item:
    return {table.layout.partition_key: {"S": partition_key}}


def _names(table: Table, names: Iterable[str]) -> dict[str, str]:
    # Every name by a placeholder: several of ours are reserved words of DynamoDB's.
    return {f"#{name}": table.layout.partition_key if name == "pk" else name for name in names}
