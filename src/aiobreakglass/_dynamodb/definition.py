"""Define the table: its keys and its indexes; all pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiobreakglass._dynamodb.layout import TableLayout


def table_definition(
    table_name: str, layout: TableLayout, deletion_protection: bool
) -> dict[str, Any]:
    """Return the parameters of CreateTable."""
    attributes = (layout.partition_key, *layout.indexes.values(), "created_at")
    return {
        "TableName": table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": deletion_protection,
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes
        ],
        "KeySchema": [{"AttributeName": layout.partition_key, "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            index_definition(index, field) for index, field in layout.indexes.items()
        ],
    }


def index_definition(index: str, field: str) -> dict[str, Any]:
    """Return the parameters of CreateTable about the index over a field."""
    return {
        "IndexName": index,
        "KeySchema": [
            {"AttributeName": field, "KeyType": "HASH"},
            {"AttributeName": "created_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def table_differences(description: Mapping[str, Any], layout: TableLayout) -> list[str]:
    """Return how a table differs from this layout; additional indexes are allowed."""
    differences = []
    expected = table_definition("", layout, deletion_protection=False)
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in description["AttributeDefinitions"]
    }
    if _keys(description) != _keys(expected):
        differences.append(f"its only key must be {layout.partition_key}")
    indexes = {
        index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())
    }
    for index in expected["GlobalSecondaryIndexes"]:
        name = index["IndexName"]
        if name not in indexes:
            differences.append(f"index {name} is missing")
        elif _keys(indexes[name]) != _keys(index):
            differences.append(f"index {name} must have the keys {' and '.join(_keys(index))}")
        elif indexes[name]["Projection"]["ProjectionType"] != "ALL":
            differences.append(f"index {name} must project all attributes")
    differences += [
        f"{attribute['AttributeName']} must be of type S"
        for attribute in expected["AttributeDefinitions"]
        if types.get(attribute["AttributeName"], "S") != "S"
    ]
    return differences


def _keys(schema: Mapping[str, Any]) -> dict[str, str]:
    return {key["AttributeName"]: key["KeyType"] for key in schema["KeySchema"]}
