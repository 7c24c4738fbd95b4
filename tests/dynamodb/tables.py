"""Tables for tests, made with one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from aiobreakglass import TableLayout
from aiobreakglass._table.definition import Definition

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def new_table(client: DynamoDBClient) -> str:
    """Make an empty table and return its name.

    It has the keys and indexes of `create_table`, which sends six requests and is tested in
    `tests/dynamodb/table`. It has no TTL, because emulators delete nothing by TTL.
    """
    name = f"breakglass-{uuid4().hex}"
    definition = Definition(name, TableLayout(), False, False)
    answer = await client.create_table(**definition.creation)
    assert answer["TableDescription"]["TableStatus"] == "ACTIVE"
    return name


@asynccontextmanager
async def temporary_table(client: DynamoDBClient) -> AsyncIterator[str]:
    """Make an empty table, yield its name, and delete it at the end.

    Each table that stays makes DynamoDB Local slower: beside 1,000 others, making one takes ten
    times as long.
    """
    name = await new_table(client)
    yield name
    # The test may have deleted it.
    with suppress(client.exceptions.ResourceNotFoundException):
        await client.delete_table(TableName=name)
