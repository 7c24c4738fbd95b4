"""The fixtures of tests/dynamodb, for the tests that need a table of DynamoDB's."""

from __future__ import annotations

from tests.dynamodb.conftest import client, clock, session, store, table_name

__all__ = ["client", "clock", "session", "store", "table_name"]
