"""Build a part's action, with a placeholder for every name and value."""

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
    """Return a part about one row; DynamoDB returns the row if the part's condition fails.

    Args:
        table: The table of the row.
        role: What the row is for.
        kind: The kind of action, such as `Put`.
        partition_key: The row's partition key.
        condition: The condition expression.
        names: The attributes in the expressions, each with the placeholder `#name`; `pk` stands
            for the partition key.
        values: The values in the expressions, by placeholder.
        parameters: The other parameters of the action.
    """
    key: Item = {table.layout.partition_key: {"S": partition_key}}
    action: dict[str, Any] = {
        "TableName": table.name,
        **({} if kind == "Put" else {"Key": key}),
        **parameters,
        "ConditionExpression": condition,
        # Several of our names are DynamoDB's reserved words.
        "ExpressionAttributeNames": {
            f"#{name}": table.layout.partition_key if name == "pk" else name for name in names
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        action["ExpressionAttributeValues"] = dict(values)
    return Part(role, key, {kind: action})
