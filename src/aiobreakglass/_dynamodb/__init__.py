"""Implement the contract on DynamoDB."""

from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.store import AsyncDynamoDBStore
from aiobreakglass._dynamodb.table import create_table

__all__ = ["AsyncDynamoDBStore", "TableLayout", "create_table"]
