"""Clients and stores that were not opened properly: the error comes before any request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import botocore.session
import pytest
from aiobotocore.session import AioSession
from botocore.config import Config

from aiobreakglass import AsyncDynamoDBStore, create_table
from tests.dynamodb.canned import CannedServer, canned_server
from tests.dynamodb.conftest import REGION
from tests.dynamodb.interposing import Interposing

HOW_TO_MAKE_A_CLIENT = (
    'async with aiobotocore.session.get_session().create_client("dynamodb") as client'
)


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with canned_server() as server:
        yield server


@pytest.fixture
def synchronous(server: CannedServer) -> Iterator[Any]:
    session = botocore.session.get_session()
    client = session.create_client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=server.url,
        # If it is used all the same, it blocks the loop that the server runs in.
        config=Config(read_timeout=1, retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


async def check_refused(client: Any, message: str) -> None:
    """Check that a store and `create_table` refuse this client."""
    expected = re.escape(f"client is {message}; use: {HOW_TO_MAKE_A_CLIENT}")
    with pytest.raises(TypeError, match=f"^{expected}$"):
        AsyncDynamoDBStore(client, "breakglass")
    with pytest.raises(TypeError, match=f"^{expected}$"):
        await create_table(client, "breakglass")


class TestClients:
    async def test_client_of_boto3_is_refused(
        self, synchronous: Any, server: CannedServer
    ) -> None:
        """A synchronous client would write, and then return nothing to await."""
        await check_refused(synchronous, "synchronous, as boto3's are")
        assert server.requests == []

    async def test_wrapped_client_of_boto3_is_refused(
        self, synchronous: Any, server: CannedServer
    ) -> None:
        """A wrapper does not make a client asynchronous."""

        async def nothing() -> None:
            pass

        wrapped = Interposing(synchronous, nothing)
        await check_refused(wrapped, "synchronous, as boto3's are")
        assert server.requests == []

    async def test_client_that_was_not_entered_is_refused(self, session: AioSession) -> None:
        """`create_client` returns a client only through `async with`."""
        creation = session.create_client("dynamodb", region_name=REGION)
        await check_refused(creation, "not entered")
        async with creation as client:
            AsyncDynamoDBStore(client, "breakglass")

    async def test_client_of_another_service_is_refused(self, session: AioSession) -> None:
        """The error names the other service."""
        async with session.create_client("sts", region_name=REGION) as client:
            await check_refused(client, "one for sts")

    @pytest.mark.parametrize("thing", [None, "breakglass", object()], ids=["None", "name", "else"])
    async def test_object_that_is_not_a_client_is_refused(self, thing: object) -> None:
        """The error says how to create a client."""
        await check_refused(thing, "not aiobotocore's")

    async def test_session_instead_of_a_client_is_refused(self, session: AioSession) -> None:
        """A session creates clients, but is not one."""
        await check_refused(session, "not aiobotocore's")

    async def test_resource_of_boto3_is_refused(self) -> None:
        """boto3's resources are not clients either."""
        resource = pytest.importorskip("boto3").resource("dynamodb", region_name=REGION)
        await check_refused(resource.Table("breakglass"), "not aiobotocore's")


HOW_TO_OPEN = re.escape(
    "AsyncDynamoDBStore.open(...) is not a store yet; "
    "use: async with AsyncDynamoDBStore.open(...) as store"
)


class TestOpenWithoutAsyncWith:
    @pytest.mark.parametrize(
        "method", ["create", "get", "close", "find_active_by_invoker_and_profile", "open"]
    )
    def test_open_without_async_with_cannot_be_called(self, method: str) -> None:
        """A store's method on the result of `open` raises an error that says what to write."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN):
            getattr(opening, method)

    async def test_open_without_async_with_cannot_be_awaited(self) -> None:
        """Awaiting the result of `open` raises the same error."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN):
            await opening

    def test_open_with_plain_with_is_refused(self) -> None:
        """A plain `with` raises the same error."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN), opening:
            pytest.fail("entered")

    async def test_open_instead_of_a_client_is_refused(self) -> None:
        """The result of `open` is not a client either."""
        await check_refused(AsyncDynamoDBStore.open("breakglass"), "not entered")

    def test_hasattr_works_on_the_result_of_open(self) -> None:
        """Other names raise `AttributeError`, so `hasattr` works."""
        opening = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        assert not hasattr(opening, "no_such_method")
        assert not hasattr(opening, "_calls")
