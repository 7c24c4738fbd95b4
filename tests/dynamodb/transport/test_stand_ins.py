"""The stand-in for a client's connections serves only the requests of that client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

import pytest
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession, get_session

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError
from aiobreakglass.testing import make_event
from tests.dynamodb import canned
from tests.dynamodb.canned import CannedServer, canned_server
from tests.dynamodb.conftest import REGION

from .calls import BINARY, REQUESTS, carried, opened, unheard

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

Kind = Literal["fast", "standard"]


class Asking(AioCredentials):
    """Credentials whose provider calls another store each time."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        super().__init__("KEY", "secret")
        self._ask = ask

    async def load_credentials(self) -> Asking:
        """Stand in for a session's chain of providers."""
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override] # aiobotocore awaits it
        await self._ask()
        return await super().get_frozen_credentials()


def session_that_asks(ask: Callable[[], Awaitable[object]]) -> AioSession:
    session = get_session()
    session.register_component("credential_provider", Asking(ask))
    return session


@pytest.fixture
async def other_server() -> AsyncIterator[CannedServer]:
    async with canned_server() as server:
        yield server


@pytest.fixture(params=["fast", "standard"])
async def other(
    request: pytest.FixtureRequest, other_server: CannedServer, session: AioSession
) -> AsyncIterator[AsyncDynamoDBStore]:
    """Open another store, which a credential provider writes to."""
    async with AsyncDynamoDBStore.open(
        "audit",
        region_name=REGION,
        endpoint_url=other_server.url,
        session=session,
        transport=request.param,
    ) as store:
        yield store


BINARY_ANSWER = canned.sent(200, b'{"Item": {"pk": {"B": "/w=="}}}')


class TestAnotherStore:
    async def test_other_store_that_is_called_while_one_opens(
        self, server: CannedServer, other_server: CannedServer, other: AsyncDynamoDBStore
    ) -> None:
        """The answer that a client learns from is no answer to another client."""
        created = []

        async def ask() -> None:
            created.append(await other.create(make_event()))

        async with opened(server, session_that_asks(ask)) as client:
            assert await client.transport("breakglass") is not None
        assert len(other_server.requests) == len(created) > 3
        assert server.requests == []

    async def test_other_store_that_is_called_during_a_handover(
        self, server: CannedServer, other_server: CannedServer, other: AsyncDynamoDBStore
    ) -> None:
        """A success that is handed to the client does not acknowledge another store's write."""
        created = []

        async def ask() -> None:
            created.append(await other.create(make_event()))

        async with opened(server, session_that_asks(ask)) as client:
            transport = await carried(client)
            server.script = [BINARY_ANSWER]
            answer = await transport.call("GetItem", REQUESTS["GetItem"], unheard)
        assert answer["Item"] == {"pk": {"B": b"\xff"}}
        assert len(other_server.requests) == len(created)
        assert len(server.requests) == 1


async def test_same_client_that_is_called_again_meanwhile(server: CannedServer) -> None:
    """The client's next request goes to the server, although the first is under way."""
    asking: list[Any] = []

    async def ask() -> None:
        if asking:
            await asking.pop()()

    async with opened(server, session_that_asks(ask)) as client:
        transport = await carried(client)

        async def first_nothing_then_a_write() -> None:
            asking.append(lambda: transport.call("TransactWriteItems", BINARY, unheard))

        asking.append(first_nothing_then_a_write)
        server.script = [BINARY_ANSWER]
        await transport.call("GetItem", REQUESTS["GetItem"], unheard)
    targets = [headers["x-amz-target"].partition(".")[2] for headers, _ in server.requests]
    assert targets == ["GetItem", "TransactWriteItems"]


@pytest.mark.parametrize("transport", ["fast", "standard"])
async def test_failure_of_another_client_is_not_counted(
    server: CannedServer, other_server: CannedServer, session: AioSession, transport: Kind
) -> None:
    """The outcome of another client's request says nothing about the store's own."""
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=other_server.url
    ) as borrowed:
        AsyncDynamoDBStore(borrowed, "audit")

        async def ask() -> None:
            with pytest.raises(borrowed.exceptions.ClientError, match="AccessDenied"):
                await borrowed.get_item(**REQUESTS["GetItem"])

        other_server.script = [
            canned.error(500, "InternalServerError"),
            canned.error(400, "AccessDeniedException"),
        ] * 9
        server.script = [canned.error(400, "AccessDeniedException")]
        async with AsyncDynamoDBStore.open(
            "breakglass",
            region_name=REGION,
            endpoint_url=server.url,
            session=session_that_asks(ask),
            transport=transport,
        ) as store:
            with pytest.raises(StoreUnavailableError, match="AccessDenied") as caught:
                await store.create(make_event())
    assert not caught.value.outcome_unknown
