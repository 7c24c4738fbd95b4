"""The fixtures of tests/dynamodb, for the tests that need a table of DynamoDB's."""

from __future__ import annotations

from tests.dynamodb.conftest import client, session
from tests.dynamodb.table.conftest import name

__all__ = ["client", "name", "session"]
