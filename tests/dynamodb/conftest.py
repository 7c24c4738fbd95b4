"""A fresh table in each emulator, and stores that use it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from random import SystemRandom
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import AioSession, get_session

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass.testing import FakeClock
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import temporary_table
from tests.dynamodb.waiting import LONG_ENOUGH, PATIENT

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-central-1"
PAIR = {"invoker": "alice", "profile": "prod"}


@pytest.fixture(scope="session")
def session() -> AioSession:
    """Share one session, because each reads botocore's models of AWS again."""
    return get_session()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Hold a port at which nothing listens, so that no other process gets it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port


@pytest.fixture
def clock() -> FakeClock:
    """The clock of all stores of a test."""
    return FakeClock()


@pytest.fixture
async def client(endpoint_url: str, session: AioSession) -> AsyncIterator[DynamoDBClient]:
    """An ordinary client, as other programs use."""
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=endpoint_url
    ) as client:
        yield client


@pytest.fixture
async def table_name(client: DynamoDBClient) -> AsyncIterator[str]:
    """Create a table for this test alone, and yield its name."""
    async with temporary_table(client) as name:
        yield name


@pytest.fixture
def rows(client: DynamoDBClient, table_name: str) -> Rows:
    """The rows of the table, read and written without a store."""
    return Rows(client, table_name)


@pytest.fixture
async def store(
    endpoint_url: str, session: AioSession, table_name: str, clock: FakeClock
) -> AsyncIterator[AsyncDynamoDBStore]:
    """Open a store as a user does, but with the patience that a busy machine needs."""
    async with AsyncDynamoDBStore.open(
        table_name,
        region_name=REGION,
        endpoint_url=endpoint_url,
        session=session,
        config=PATIENT,
        operation_timeout=LONG_ENOUGH,
        clock=clock,
    ) as store:
        yield store


@pytest.fixture
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store pause twice, for no time; make its next pause longer than any time limit.

    The call then gives up soon, and between two attempts. If the time limit cut off an attempt,
    less would be known about its outcome.
    """

    def uniform(_: SystemRandom, _least: float, most: float) -> float:
        return 0.0 if most < 0.1 else 3600

    monkeypatch.setattr(SystemRandom, "uniform", uniform)
