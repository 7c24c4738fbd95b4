"""Build a part's action, with a placeholder for every name and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._dynamodb.layout import Table, TableLayout


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
        names: The attributes in the expressions, each with the placeholder of its layout.
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
        "ExpressionAttributeNames": {f"#{table.layout.placeholder(name)}": name for name in names},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        action["ExpressionAttributeValues"] = dict(values)
    return Part(role, key, {kind: action})


def update_expression(
    layout: TableLayout, changes: Mapping[str, AttributeValue | None]
) -> tuple[str, Item]:
    """Return the expression that sets attributes, or removes those with None, and its values."""
    sets: list[str] = []
    removals: list[str] = []
    values: Item = {}
    for name, value in changes.items():
        placeholder = layout.placeholder(name)
        if value is None:
            removals.append(f"#{placeholder}")
        else:
            sets.append(f"#{placeholder} = :new_{placeholder}")
            values[f":new_{placeholder}"] = value
    clauses = {"SET": sets, "REMOVE": removals}
    expression = " ".join(f"{verb} {', '.join(each)}" for verb, each in clauses.items() if each)
    return expression, values
