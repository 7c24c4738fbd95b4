"""Clients and stores that were not opened as they have to be: told before anything is sent."""

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
        # Should it be used all the same, it blocks the loop that the server runs in.
        config=Config(read_timeout=1, retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


async def check_refused(client: Any, message: str) -> None:
    """Neither a store nor a table can be made with it."""
    expected = re.escape(f"client is {message}; use: {HOW_TO_MAKE_A_CLIENT}")
    with pytest.raises(TypeError, match=f"^{expected}$"):
        AsyncDynamoDBStore(client, "breakglass")
    with pytest.raises(TypeError, match=f"^{expected}$"):
        await create_table(client, "breakglass")


class TestClients:
    async def test_of_boto3(self, synchronous: Any, server: CannedServer) -> None:
        """A synchronous client would write, and then have nothing to await."""
        await check_refused(synchronous, "synchronous, as boto3's are")
        assert server.requests == []

    async def test_of_boto3_in_a_wrapper(self, synchronous: Any, server: CannedServer) -> None:
        """What somebody wraps around a client changes nothing of that."""

        async def nothing() -> None:
            pass

        wrapped = Interposing(synchronous, nothing)
        await check_refused(wrapped, "synchronous, as boto3's are")
        assert server.requests == []

    async def test_not_entered(self, session: AioSession) -> None:
        """What `create_client` returns is no client before `async with`."""
        creation = session.create_client("dynamodb", region_name=REGION)
        await check_refused(creation, "not entered")
        async with creation as client:
            AsyncDynamoDBStore(client, "breakglass")

    async def test_of_another_service(self, session: AioSession) -> None:
        """A client for another service is named."""
        async with session.create_client("sts", region_name=REGION) as client:
            await check_refused(client, "one for sts")

    @pytest.mark.parametrize("thing", [None, "breakglass", object()], ids=["None", "name", "else"])
    async def test_something_else(self, thing: object) -> None:
        """What is no client at all is told in the same way."""
        await check_refused(thing, "not aiobotocore's")

    async def test_a_session(self, session: AioSession) -> None:
        """A session makes clients, and is none."""
        await check_refused(session, "not aiobotocore's")

    async def test_a_resource_of_boto3(self) -> None:
        """boto3's resources are no clients either."""
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
    def test_called(self, method: str) -> None:
        """Using what `open` returns as a store says what to write instead."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN):
            getattr(opening, method)

    async def test_awaited(self) -> None:
        """So does awaiting it."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN):
            await opening

    def test_entered_by_with(self) -> None:
        """So does `with`."""
        opening: Any = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        with pytest.raises(TypeError, match=HOW_TO_OPEN), opening:
            pytest.fail("entered")

    async def test_taken_for_a_client(self) -> None:
        """It is no client, either."""
        await check_refused(AsyncDynamoDBStore.open("breakglass"), "not entered")

    def test_a_name_that_no_store_has(self) -> None:
        """Other names are missing as they are from any object, and so `hasattr` works."""
        opening = AsyncDynamoDBStore.open("breakglass", region_name=REGION)
        assert not hasattr(opening, "no_such_method")
        assert not hasattr(opening, "_calls")
