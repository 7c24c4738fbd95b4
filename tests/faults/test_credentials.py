"""Credentials that rotate, fail to load, never arrive, or are refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
)

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError
from aiobreakglass._aws.loading import data_loader
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT_AND_SENDING_ONCE
from tests.faults import proxy as faults
from tests.faults.audit import audit
from tests.faults.proxy import Exchange, Fault, FaultProxy, fault_proxy

WRITE = "TransactWriteItems"
EVENT_ID = "0123456789abcdef"
SECRET = "not for anybody's log"  # noqa: S105 - nobody's
LIFETIME = timedelta(hours=1)

Call = Callable[[AsyncDynamoDBStore], Awaitable[object]]
Open = Callable[..., AbstractAsyncContextManager[AsyncDynamoDBStore]]

CALLS: dict[str, Call] = {
    "read": lambda store: store.get(EVENT_ID),
    "list": lambda store: store.list_by_invoker("alice"),
    "write": lambda store: store.create(make_event(created_at=FakeClock.START)),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


class Provider:
    """Credentials for an hour, with the key KEY1, then KEY2, ...; `instead` may replace them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.given = 0
        self.instead: Callable[[], Awaitable[None]] | None = None

    async def refresh(self) -> dict[str, str]:
        if self.instead is not None:
            await self.instead()
        self.given += 1
        return {
            "access_key": f"KEY{self.given}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": (self.clock() + LIFETIME).isoformat(),
        }

    def rotate(self) -> None:
        """Expire the credentials that were given so far."""
        self.clock.advance(LIFETIME)

    async def load_credentials(self) -> AioDeferredRefreshableCredentials:
        """Stand in for a session's chain of providers."""
        return AioDeferredRefreshableCredentials(self.refresh, "fake", self.clock)


class Chain:
    """A chain of providers that raises or hangs."""

    def __init__(self, instead: Callable[[], Awaitable[None]]) -> None:
        self._instead = instead

    async def load_credentials(self) -> None:
        await self._instead()


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


async def hang() -> None:
    await asyncio.Event().wait()


def key_of(exchange: Exchange) -> str:
    found = re.search(r"Credential=(\w+)/", exchange.headers["authorization"])
    assert found is not None
    return found[1]


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def own_session() -> AioSession:
    """A session with credentials that no other test uses, and the models of AWS of all."""
    session = get_session()
    session.register_component("data_loader", data_loader())
    return session


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


@pytest.fixture
def open_store(proxy: FaultProxy, own_session: AioSession, table_name: str) -> Open:
    """Open a store behind the proxy, with credentials from a provider or a chain."""

    def open_store(
        source: Provider | Chain, seconds: float = 60
    ) -> AbstractAsyncContextManager[AsyncDynamoDBStore]:
        own_session.register_component("credential_provider", source)
        return AsyncDynamoDBStore.open(
            table_name,
            region_name=REGION,
            endpoint_url=proxy.url,
            session=own_session,
            config=PATIENT_AND_SENDING_ONCE,
            clock=FakeClock(),
            operation_timeout=timedelta(seconds=seconds),
        )

    return open_store


class TestRotation:
    async def test_rotation_while_requests_run_goes_unnoticed(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, rows: Rows
    ) -> None:
        """No call notices a rotation, and every later request uses the new key."""
        workers, keys = 8, 5
        rotated_after: list[int] = []

        def rotate_now_and_then(exchange: Exchange) -> Fault:
            arrived = len(proxy.exchanges)
            if arrived % 20 == 0 and len(rotated_after) < keys - 1:
                provider.rotate()
                rotated_after.append(arrived)
            return faults.none

        proxy.plan = rotate_now_and_then
        async with open_store(provider) as store, asyncio.TaskGroup() as tasks:

            async def work(invoker: str) -> None:
                while provider.given < keys:
                    event = make_event(invoker=invoker, created_at=FakeClock.START)
                    assert await store.create(event) == event
                    found = await store.find_active_by_invoker_and_profile(invoker, "prod")
                    assert found == event
                    await store.close(event.id, closed_by=invoker, closed_reason="done")

            for number in range(workers):
                tasks.create_task(work(f"invoker-{number}"))
        carried = [key_of(exchange) for exchange in proxy.exchanges]
        assert set(carried) == {f"KEY{number}" for number in range(1, keys + 1)}
        for rotations, arrived in enumerate(rotated_after, start=1):
            # Requests that other workers sent before the rotation may arrive after it.
            assert f"KEY{rotations}" not in carried[arrived + workers - 1 :]
        assert audit(await rows.all()) == []

    async def test_retry_after_a_rotation_uses_the_new_key(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, rows: Rows
    ) -> None:
        """A write whose response was lost is retried with the new key, and happens once."""

        async def lose_and_rotate(exchange: Exchange) -> Any:
            provider.rotate()
            return await faults.lose_response(exchange)

        proxy.script(WRITE, lose_and_rotate)
        async with open_store(provider) as store:
            event = await store.create(make_event(created_at=FakeClock.START))
            assert await store.get(event.id) == event
        first, second = proxy.sent(WRITE)
        assert (key_of(first), key_of(second)) == ("KEY1", "KEY2")
        assert first.body == second.body
        assert audit(await rows.all()) == []


FAILURES = [
    pytest.param(error, id=type(error).__name__)
    for error in (
        RuntimeError(SECRET),
        ValueError(SECRET),
        KeyError(SECRET),
        OSError(SECRET),
        TimeoutError(SECRET),
        ConnectionResetError(SECRET),
        AssertionError(SECRET),
        ExceptionGroup(SECRET, [RuntimeError(SECRET)]),
        StopAsyncIteration(SECRET),
        type("Unknown", (Exception,), {"__str__": lambda self: SECRET})(),
        CredentialRetrievalError(provider="fake", error_msg=SECRET),
        NoCredentialsError(),
        ConnectTimeoutError(endpoint_url="https://sts.example", error=SECRET),
    )
]
FAILURES += [
    pytest.param(
        ClientError({"Error": {"Code": code, "Message": "no"}}, "AssumeRole"), id=f"STS's {code}"
    )
    for code in ("AccessDenied", "ExpiredToken", "ValidationException", "ThrottlingException")
]
failures = pytest.mark.parametrize("error", FAILURES)


class TestFailingCredentials:
    """No request is sent, so there need be no table."""

    @pytest.fixture
    def table_name(self) -> str:
        return "no-such-table"

    @failures
    @calls
    async def test_failed_refresh_sends_nothing_and_shows_no_secret(
        self,
        open_store: Open,
        provider: Provider,
        proxy: FaultProxy,
        few_attempts: None,
        error: Exception,
        call: Call,
    ) -> None:
        """Whatever a provider raises, nothing is sent, and its message is not repeated."""
        provider.instead = raising(error)
        async with open_store(provider) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await call(store)
        assert not caught.value.outcome_unknown
        assert SECRET not in f"{caught.value} {caught.value!r}"
        assert "DynamoDB refused" not in str(caught.value)
        assert proxy.exchanges == []

    @failures
    async def test_failed_search_opens_no_store_and_shows_no_secret(
        self, open_store: Open, error: Exception
    ) -> None:
        """Whatever the chain of providers raises, no store opens and no secret is shown."""
        with pytest.raises(StoreUnavailableError) as caught:
            async with open_store(Chain(raising(error))):
                pytest.fail("opened")
        assert not caught.value.outcome_unknown
        assert SECRET not in f"{caught.value} {caught.value!r}"


class TestCredentialsThatAreLost:
    async def test_lost_write_stays_unknown_without_credentials(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, rows: Rows
    ) -> None:
        """A write that may have happened stays unknown, even if it cannot be signed again."""

        async def lose_for_good(exchange: Exchange) -> Any:
            provider.instead = raising(RuntimeError(SECRET))
            provider.rotate()
            return await faults.lose_response(exchange)

        proxy.script(WRITE, lose_for_good)
        event = make_event(created_at=FakeClock.START)
        async with open_store(provider) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(event)
        assert caught.value.outcome_unknown
        assert await rows.event(event.id) is not None
        assert audit(await rows.all()) == []


class TestHangingCredentials:
    @calls
    async def test_hanging_refresh_ends_with_the_time_limit(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, call: Call
    ) -> None:
        """The operation's time limit bounds the wait for credentials, and nothing is sent."""
        provider.instead = hang
        async with asyncio.timeout(60), open_store(provider, seconds=0.2) as store:
            with pytest.raises(StoreUnavailableError, match="in time") as caught:
                await call(store)
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert not caught.value.outcome_unknown
        assert proxy.exchanges == []

    async def test_store_recovers_from_a_hanging_refresh(
        self, open_store: Open, provider: Provider, rows: Rows
    ) -> None:
        """Calls that wait for the refresh of another time out too, and the store recovers."""
        provider.instead = hang
        events = [
            make_event(invoker=f"invoker-{number}", created_at=FakeClock.START)
            for number in range(8)
        ]
        async with asyncio.timeout(60), open_store(provider, seconds=0.2) as store:
            outcomes = await asyncio.gather(*map(store.create, events), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
            assert await rows.all() == []
            provider.instead = None
            # The same store, now with a long time limit.
            store._calls._operation_timeout = 60
            assert await asyncio.gather(*map(store.create, events)) == events
        assert audit(await rows.all()) == []

    async def test_hanging_search_ends_with_the_time_limit(self, open_store: Open) -> None:
        """The same limit bounds the search for credentials when a store opens."""
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailableError) as caught:
                async with open_store(Chain(hang), seconds=0.2):
                    pytest.fail("opened")
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert not caught.value.outcome_unknown


class TestRefusedCredentials:
    @pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
    @calls
    async def test_refused_credentials_are_named_and_not_retried(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, code: str, call: Call
    ) -> None:
        """An answer about the credentials is final, and nothing has happened."""
        proxy.plan = lambda exchange: faults.answer(400, code, "the token is expired")
        async with open_store(provider) as store:
            with pytest.raises(StoreUnavailableError, match=code) as caught:
                await call(store)
        assert not caught.value.outcome_unknown
        assert len(proxy.exchanges) == 1

    async def test_store_recovers_from_refused_credentials(
        self, open_store: Open, provider: Provider, proxy: FaultProxy, rows: Rows
    ) -> None:
        """The next rotation mends a store whose credentials were refused."""
        proxy.script(WRITE, faults.answer(400, "ExpiredTokenException", "the token is expired"))
        event = make_event(created_at=FakeClock.START)
        async with open_store(provider) as store:
            with pytest.raises(StoreUnavailableError, match="ExpiredTokenException"):
                await store.create(event)
            provider.rotate()
            assert await store.create(event) == event
        assert audit(await rows.all()) == []
