"""The transport that a store reports, and those that its constructor accepts."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.session import AioSession

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass._aws.client import open_client
from aiobreakglass._aws.transport import TransportName
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
    async def test_store_reports_the_chosen_transport(
        self, server: CannedServer, session: AioSession, asked_for: str
    ) -> None:
        """`transport` names the transport that the caller chose."""
        assert await in_use(server, session, transport=asked_for) == asked_for

    async def test_store_reports_the_default_transport(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """`transport` is "fast" by default."""
        assert await in_use(server, session) == "fast"

    async def test_store_reports_that_it_declined_the_fast_transport(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """`transport` is "standard" if the client needs it, even if the caller chose "fast"."""
        config = AioConfig(retries={"mode": "adaptive"})
        assert await in_use(server, session, transport="fast", config=config) == "standard"

    async def test_store_reports_the_transport_of_the_next_call(
        self, server: CannedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`transport` is that of the next call, because tracing may begin and end any time."""
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

    async def test_store_reports_the_transport_of_a_borrowed_client(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """The fast transport needs a client that the library has set up."""
        async with session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=server.url
        ) as client:
            assert AsyncDynamoDBStore(client, "breakglass").transport == "standard"


class NoAccess:
    """Answers every read with no row, and records the operations."""

    in_use: TransportName = "fast"

    def __init__(self) -> None:
        self.operations: list[str] = []

    async def call(self, name: str, *_: Any) -> dict[str, Any]:
        self.operations.append(name)
        return {}


class TestWhatTheConstructorTakes:
    async def test_constructor_sends_all_through_its_transport(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """A given transport sends every request, and the client sends none."""
        transport = NoAccess()
        async with open_client(REGION, server.url, session, None) as opened:
            store = AsyncDynamoDBStore(opened.client, "breakglass", transport=transport)
            assert store.transport == "fast"
            assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        assert transport.operations == ["GetItem"]
        assert server.requests == []

    @pytest.mark.parametrize("name", ["fast", "standard"])
    async def test_constructor_refuses_the_name_of_a_transport(
        self, server: CannedServer, session: AioSession, name: Any
    ) -> None:
        """The constructor cannot choose a transport for a borrowed client."""
        async with open_client(REGION, server.url, session, None) as opened:
            with pytest.raises(TypeError, match="only `open` takes it by name"):
                AsyncDynamoDBStore(opened.client, "breakglass", transport=name)


def test_open_takes_the_constructors_options() -> None:
    """`open` and the constructor have the same keyword options, with the same types."""
    parameters = signature(AsyncDynamoDBStore).parameters.values()
    by_keyword = {
        parameter.name: parameter.annotation
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "transport"
    }
    options = StoreOptions.__annotations__
    assert by_keyword == {name: option.__forward_arg__ for name, option in options.items()}


async def test_unknown_or_wrong_option_is_refused(
    server: CannedServer, session: AioSession
) -> None:
    """Type checkers and `open` refuse an unknown option, or one of another type."""
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
