"""Build a part's action, with a placeholder for every name and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._dynamodb.layout import Table, TableLayout


def changing(
    layout: TableLayout, changes: Mapping[str, AttributeValue | None]
) -> tuple[str, Item]:
    """Return the update expression that sets or removes attributes, and its values.

    Args:
        layout: The layout of the table.
        changes: The attributes to set, with None for those to remove.
    """
    names = {name: layout.placeholder(name) for name in changes}
    sets = [f"#{names[name]} = :new_{names[name]}" for name in changes if changes[name]]
    removals = [f"#{names[name]}" for name in changes if not changes[name]]
    clauses = [("SET", sets), ("REMOVE", removals)]
    return (
        " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses if parts),
        {f":new_{names[name]}": value for name, value in changes.items() if value},
    )


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
        names: The attributes in the expressions; `pk` stands for the partition key. Each has the
            layout's placeholder for it, after a `#`.
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
            f"#{table.layout.placeholder(name)}": (
                table.layout.partition_key if name == "pk" else name
            )
            for name in names
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        action["ExpressionAttributeValues"] = dict(values)
    return Part(role, key, {kind: action})
