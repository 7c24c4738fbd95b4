"""Implement the contract on DynamoDB."""

from aiobreakglass._dynamodb.adoption import Adoption, adopt_table
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.store import AsyncDynamoDBStore

__all__ = ["Adoption", "AsyncDynamoDBStore", "TableLayout", "adopt_table"]
