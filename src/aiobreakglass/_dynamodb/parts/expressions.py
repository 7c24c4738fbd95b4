"""How a part spells its action, with every name and value behind a placeholder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._dynamodb.layout import Table


def part(
    table: Table,
    role: str,
    kind: str,
    partition_key: str,
    condition: str,
    *,
    names: Iterable[str],
    values: Mapping[str, AttributeValue] | None = None,
    **parameters: Any,
) -> Part:
    """Return a part of this kind on one row, which returns the row if its condition fails.

    `names` are attributes, each behind its own name as `#name`; `pk` is the partition key.
    `values` are given with their placeholders.
    """
    key: Item = {table.layout.partition_key: {"S": partition_key}}
    action: dict[str, Any] = {
        "TableName": table.name,
        **({} if kind == "Put" else {"Key": key}),
        **parameters,
        "ConditionExpression": condition,
        # Several of our names are reserved words of DynamoDB's.
        "ExpressionAttributeNames": {
            f"#{name}": table.layout.partition_key if name == "pk" else name for name in names
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        action["ExpressionAttributeValues"] = dict(values)
    return Part(role, key, {kind: action})
