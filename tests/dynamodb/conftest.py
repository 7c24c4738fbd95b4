"""A fresh table in each emulator, and stores that work on it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import AioSession, get_session

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass.testing import FakeClock
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import new_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-central-1"
PAIR = {"invoker": "alice", "profile": "prod"}


@pytest.fixture(scope="session")
def session() -> AioSession:
    """One session for all, because each reads botocore's models of AWS anew."""
    return get_session()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens: it is held, so that nobody else is given it meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port


@pytest.fixture
def clock() -> FakeClock:
    """The clock of every store of a test."""
    return FakeClock()


@pytest.fixture
async def client(endpoint_url: str, session: AioSession) -> AsyncIterator[DynamoDBClient]:
    """An ordinary client, as any other program would use."""
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=endpoint_url
    ) as client:
        yield client


@pytest.fixture
async def table_name(client: DynamoDBClient) -> str:
    """The name of a table of this test's own."""
    return await new_table(client)


@pytest.fixture
def rows(client: DynamoDBClient, table_name: str) -> Rows:
    """The table, past every store."""
    return Rows(client, table_name)


@pytest.fixture
async def store(
    endpoint_url: str, session: AioSession, table_name: str, clock: FakeClock
) -> AsyncIterator[AsyncDynamoDBStore]:
    """A store as a user opens it."""
    async with AsyncDynamoDBStore.open(
        table_name, region_name=REGION, endpoint_url=endpoint_url, session=session, clock=clock
    ) as store:
        yield store
