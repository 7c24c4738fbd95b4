"""Stores on either transport, and checks that a call leaves nothing behind."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from aiobotocore.session import AioSession, get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    GovernedStore,
    InMemoryStore,
    _shielding,
)
from aiobreakglass._aws.client import Opened, open_client
from aiobreakglass.testing import FakeClock
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import temporary_table
from tests.dynamodb.waiting import PATIENT, connections_in_use
from tests.faults.audit import audit
from tests.faults.proxy import FaultProxy, fault_proxy

from .cases import Case

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-central-1"
LONG_ENOUGH = timedelta(hours=1)
"""Longer than anything that a test waits for."""

_Result = TypeVar("_Result")


async def nothing_to_audit() -> list[str]:
    """Return no violations: only a table can have any."""
    return []


@dataclass
class Subject:
    """A store, and checks that nothing is left behind around it."""

    store: GovernedStore
    client: DynamoDBClient | None = None
    violations: Callable[[], Awaitable[list[str]]] = nothing_to_audit
    """Reads the whole table, and returns what is wrong with it."""

    def assert_quiet(self) -> None:
        """Assert that no connection is in use."""
        assert self.client is None or connections_in_use(self.client) == 0

    async def assert_sound(self) -> None:
        """Assert that nothing is wrong with the table."""
        assert await self.violations() == []


async def outcome(call: Awaitable[_Result]) -> _Result | BreakGlassError | ValueError:
    try:
        return await call
    except (BreakGlassError, ValueError) as error:
        return error


def assert_told(told: object, refusal: type[Exception] | None) -> None:
    """Assert that a call succeeded, or was refused with the given error."""
    if refusal is None:
        assert not isinstance(told, Exception)
    else:
        assert type(told) is refusal


async def assert_repeatable(case: Case, store: GovernedStore, event: BreakGlassEvent) -> None:
    """Assert that repeating a call succeeds, or says that the call has already happened.

    Its history then has exactly one entry for it.
    """
    refusal = case.refused_again if await case.has_happened(store, event) else None
    told = await outcome(case.call(store, event))
    assert_told(told, refusal or case.refused_at_first)
    assert await case.has_happened(store, event)
    recorded = [entry.action for entry in await store.history(event.id)]
    assert recorded == list(case.recorded)


@pytest.fixture(autouse=True)
def nothing_is_left_or_said(caplog: pytest.LogCaptureFixture) -> Any:
    """Everything that a call has begun is awaited and closed; if not, Python logs it."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    said = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record for record in said if record.name.startswith("asyncio")] == []


@pytest.fixture(autouse=True)
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut nothing off on a slow machine: a request that is cut off may still be carried out."""
    monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", LONG_ENOUGH)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def session() -> AioSession:
    """One session for all tests, because each session loads botocore's models again."""
    return get_session()


@pytest.fixture
async def backend(dynamodb_local_endpoint: str, session: AioSession) -> AsyncIterator[Opened]:
    async with open_client(REGION, dynamodb_local_endpoint, session, PATIENT) as opened:
        yield opened


@pytest.fixture
def client(backend: Opened) -> DynamoDBClient:
    return backend.client


@pytest.fixture
async def table_name(client: DynamoDBClient) -> AsyncIterator[str]:
    async with temporary_table(client) as name:
        yield name


@pytest.fixture
async def rows(client: DynamoDBClient, table_name: str) -> Rows:
    return Rows(client, table_name)


@pytest.fixture
def store(client: DynamoDBClient, table_name: str, clock: FakeClock) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, table_name, clock=clock)


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


async def on_transport(
    transport: str, opened: Opened, table_name: str, clock: FakeClock
) -> AsyncDynamoDBStore:
    store = AsyncDynamoDBStore(
        opened.client,
        table_name,
        clock=clock,
        operation_timeout=LONG_ENOUGH,
        transport=await opened.transport(table_name) if transport == "fast" else None,
    )
    assert store.transport == transport
    return store


@pytest.fixture
async def proxied(proxy: FaultProxy, session: AioSession) -> AsyncIterator[Opened]:
    """A client whose requests can be held up."""
    async with open_client(REGION, proxy.url, session, PATIENT) as opened:
        yield opened


@pytest.fixture(params=["standard", "fast"])
async def proxied_store(
    request: pytest.FixtureRequest, proxied: Opened, table_name: str, clock: FakeClock
) -> AsyncDynamoDBStore:
    return await on_transport(request.param, proxied, table_name, clock)


async def subject_on_dynamodb(
    transport: str, opened: Opened, table_name: str, rows: Rows, clock: FakeClock
) -> Subject:
    async def violations() -> list[str]:
        return audit(await rows.all())

    store = await on_transport(transport, opened, table_name, clock)
    return Subject(store, opened.client, violations)


@pytest.fixture
async def standard_subject(
    backend: Opened, table_name: str, rows: Rows, clock: FakeClock
) -> Subject:
    return await subject_on_dynamodb("standard", backend, table_name, rows, clock)


@pytest.fixture
async def fast_subject(backend: Opened, table_name: str, rows: Rows, clock: FakeClock) -> Subject:
    return await subject_on_dynamodb("fast", backend, table_name, rows, clock)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("standard", marks=pytest.mark.emulator),
        pytest.param("fast", marks=pytest.mark.emulator),
    ]
)
def subject(request: pytest.FixtureRequest, clock: FakeClock) -> Subject:
    """A store of each kind; only those on DynamoDB need a client and a table."""
    if request.param == "memory":
        return Subject(InMemoryStore(clock=clock))
    subject: Subject = request.getfixturevalue(f"{request.param}_subject")
    return subject
