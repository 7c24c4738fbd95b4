"""The definition of the table, as `create_table` requests it."""

from __future__ import annotations

from typing import Any

from aiobreakglass import TableLayout

LAYOUT = TableLayout()
Definition = dict[str, Any]

DEFINITION: Definition = {
    "TableName": "breakglass",
    "BillingMode": "PAY_PER_REQUEST",
    "DeletionProtectionEnabled": False,
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "invoker", "AttributeType": "S"},
        {"AttributeName": "status", "AttributeType": "S"},
        {"AttributeName": "profile", "AttributeType": "S"},
        {"AttributeName": "awaiting_review", "AttributeType": "S"},
        {"AttributeName": "created_at", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": field, "KeyType": "HASH"},
                {"AttributeName": "created_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, field in (
            ("invoker-index", "invoker"),
            ("status-index", "status"),
            ("profile-index", "profile"),
            ("review-index", "awaiting_review"),
        )
    ],
}
