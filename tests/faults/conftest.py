"""The fixtures of tests/dynamodb on DynamoDB Local only: moto ignores `ClientRequestToken`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dynamodb.conftest import client, clock, few_attempts, session, table_name
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

__all__ = ["client", "clock", "few_attempts", "session", "table_name"]


@pytest.fixture
def endpoint_url(dynamodb_local_endpoint: str) -> str:
    """The endpoint URL of the backend itself, without a proxy."""
    return dynamodb_local_endpoint


@pytest.fixture
def rows(client: DynamoDBClient, table_name: str) -> Rows:
    """The rows of the table, read without a store."""
    return Rows(client, table_name)
