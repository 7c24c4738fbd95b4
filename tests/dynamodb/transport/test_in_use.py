"""What a store says of its transport, and what its constructor takes for one."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.session import AioSession

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass._aws.calls import TransportName
from aiobreakglass._aws.client import open_client
from aiobreakglass._dynamodb.store import StoreOptions
from tests.dynamodb.canned import CannedServer
from tests.dynamodb.conftest import REGION


async def in_use(server: CannedServer, session: AioSession, **options: Any) -> TransportName:
    async with AsyncDynamoDBStore.open(
        "breakglass", region_name=REGION, endpoint_url=server.url, session=session, **options
    ) as store:
        return store.transport


class TestWhatAStoreSays:
    @pytest.mark.parametrize("asked_for", ["fast", "standard"])
    async def test_of_the_transport_that_was_asked_for(
        self, server: CannedServer, session: AioSession, asked_for: str
    ) -> None:
        assert await in_use(server, session, transport=asked_for) == asked_for

    async def test_when_nothing_was_asked_for(
        self, server: CannedServer, session: AioSession
    ) -> None:
        assert await in_use(server, session) == "fast"

    async def test_when_the_fast_one_steps_aside(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """A store does not claim to be fast because somebody asked for it."""
        config = AioConfig(retries={"mode": "adaptive"})
        assert await in_use(server, session, transport="fast", config=config) == "standard"

    async def test_while_calls_are_traced(
        self, server: CannedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It says what the next call takes, for tracing may begin and end at any time."""
        original = AioEndpoint.make_request

        async def traced(*arguments: Any) -> Any:
            return await original(*arguments)

        async with AsyncDynamoDBStore.open(
            "breakglass", region_name=REGION, endpoint_url=server.url, session=session
        ) as store:
            said = [store.transport]
            with monkeypatch.context() as patch:
                patch.setattr(AioEndpoint, "make_request", traced)
                said.append(store.transport)
            said.append(store.transport)
        assert said == ["fast", "standard", "fast"]

    async def test_of_a_borrowed_client(self, server: CannedServer, session: AioSession) -> None:
        """Only a client that was set up for it can be passed by."""
        async with session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=server.url
        ) as client:
            assert AsyncDynamoDBStore(client, "breakglass").transport == "standard"


class NoAccess:
    """Answers every read with no row, and notes what it was asked."""

    in_use: TransportName = "fast"

    def __init__(self) -> None:
        self.operations: list[str] = []

    async def call(self, name: str, *_: Any) -> dict[str, Any]:
        self.operations.append(name)
        return {}


class TestWhatTheConstructorTakes:
    async def test_something_that_sends_requests(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """It sends them all, and nothing goes through the client."""
        transport = NoAccess()
        async with open_client(REGION, server.url, session, None) as opened:
            store = AsyncDynamoDBStore(opened.client, "breakglass", transport=transport)
            assert store.transport == "fast"
            assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        assert transport.operations == ["GetItem"]
        assert server.requests == []

    @pytest.mark.parametrize("name", ["fast", "standard"])
    async def test_no_name(self, server: CannedServer, session: AioSession, name: Any) -> None:
        """A borrowed client cannot be passed by at will, and a store does not pretend that."""
        async with open_client(REGION, server.url, session, None) as opened:
            with pytest.raises(TypeError, match="only `open` takes it by name"):
                AsyncDynamoDBStore(opened.client, "breakglass", transport=name)


def test_options_of_open() -> None:
    """`open` takes all that the constructor takes by keyword, and both have the same types."""
    parameters = signature(AsyncDynamoDBStore).parameters.values()
    by_keyword = {
        parameter.name: parameter.annotation
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "transport"
    }
    options = StoreOptions.__annotations__
    assert by_keyword == {name: option.__forward_arg__ for name, option in options.items()}


async def test_an_unknown_option(server: CannedServer, session: AioSession) -> None:
    """A type checker refuses an option that does not exist, or one of another type."""
    with pytest.raises(TypeError, match="retention_days"):
        async with AsyncDynamoDBStore.open(
            "breakglass",
            region_name=REGION,
            endpoint_url=server.url,
            session=session,
            retention_days=365,  # type: ignore[call-arg]
        ):
            pytest.fail("opened")
    with pytest.raises(TypeError, match="retention must be a timedelta"):
        async with AsyncDynamoDBStore.open(
            "breakglass",
            region_name=REGION,
            endpoint_url=server.url,
            session=session,
            retention=365,  # type: ignore[arg-type]
        ):
            pytest.fail("opened")
