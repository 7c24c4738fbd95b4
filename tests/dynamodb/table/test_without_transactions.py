"""Emulators without transactions, which every write needs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import AioSession
from aiohttp import web

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError, create_table
from aiobreakglass._dynamodb.requests import probe
from aiobreakglass.testing import make_event
from tests.dynamodb.conftest import REGION

from .definition import LAYOUT
from .scripted import ScriptedClient, failure, make, not_found, table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MESSAGE = (
    "the endpoint does not know TransactWriteItems, which every write needs; "
    "DynamoDB, DynamoDB Local, moto and LocalStack have it"
)


class Dynalite:
    """A server that answers as dynalite does: it has tables but no transactions."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        self.asked.append(operation)
        code = {
            "TransactWriteItems": "com.amazon.coral.service#UnknownOperationException",
            "DescribeTable": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        }.get(operation)
        return web.Response(
            status=200 if code is None else 400,
            text=json.dumps({} if code is None else {"__type": code}),
            content_type="application/x-amz-json-1.0",
        )


@pytest.fixture
async def dynalite() -> AsyncIterator[Dynalite]:
    server = Dynalite()
    application = web.Application()
    application.router.add_post("/", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


class TestWithoutTransactions:
    async def test_no_table_is_created_without_transactions(
        self, dynalite: Dynalite, session: AioSession
    ) -> None:
        """The error says what is missing and who has it, and nothing is created."""
        async with session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=dynalite.url
        ) as client:
            with pytest.raises(StoreUnavailableError) as caught:
                await create_table(client, "breakglass", timeout=timedelta(seconds=30))
        assert caught.value.message == MESSAGE
        assert dynalite.asked == ["TransactWriteItems"]

    async def test_write_without_transactions_is_refused(
        self, dynalite: Dynalite, session: AioSession
    ) -> None:
        """If other tools created the table, the first write raises the same error."""
        async with AsyncDynamoDBStore.open(
            "breakglass", region_name=REGION, endpoint_url=dynalite.url, session=session
        ) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(make_event())
        assert caught.value.message == MESSAGE
        assert not caught.value.outcome_unknown


class TestTheProbe:
    async def test_probe_writes_nothing(self, client: DynamoDBClient, name: str) -> None:
        """DynamoDB refuses the probe, whether or not the table exists."""
        refused = []
        for _ in range(2):
            with pytest.raises(client.exceptions.ClientError) as caught:
                await client.transact_write_items(**probe(name, LAYOUT))
            refused.append(caught.value.response["Error"]["Code"])
            await create_table(client, name)
        assert refused[0] in ("ResourceNotFoundException", "ValidationException")
        assert refused[1] == "ValidationException"
        assert (await client.scan(TableName=name))["Count"] == 0

    @pytest.mark.parametrize(
        "code", ["ValidationException", "AccessDeniedException", "ThrottlingException"]
    )
    async def test_other_refusal_of_the_probe_is_ignored(self, code: str) -> None:
        """A caller who may create tables need not have the right to check rows."""
        client = ScriptedClient(
            transact_write_items=[failure(code, "TransactWriteItems")],
            describe_table=[not_found(), table("ACTIVE")],
        )
        await make(client)
        assert "create_table" in client.calls
