"""Ways to ask whether somebody holds access, to list 100 events, and to create one."""

import json
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
from aiobotocore.session import get_session
from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.expressions import F, HashKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.operations import Put
from boto3.dynamodb.types import (  # type: ignore[import-untyped] # only to be measured
    TypeDeserializer,
    TypeSerializer,
)
from pydantic import TypeAdapter
from yarl import URL

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, TableLayout
from aiobreakglass._dynamodb.codec import encode_event, encode_guard
from aiobreakglass._timestamps import decode_time
from aiobreakglass.testing import make_event
from benchmarks.stub import PAGE, RETENTION

REGION = "eu-central-1"
TABLE = "breakglass"
LAYOUT = TableLayout()
GUARD_KEY = LAYOUT.guard_key("alice", "prod")
EVENTS = TypeAdapter(list[BreakGlassEvent])

NEW = make_event(invoker="carol")
"""What is created: this library is given the event, the others the rows, ready to be sent."""

ROWS: list[dict[str, Any]] = [
    {
        name: int(value["N"]) if "N" in value else next(iter(value.values()))
        for name, value in row.items()
    }
    for row in (
        encode_event(NEW, LAYOUT, write_id="0" * 32, retention=RETENTION),
        encode_guard(NEW, LAYOUT),
    )
]

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Contestant:
    """One way to make each kind of call."""

    calls: dict[str, Call]


def model(item: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event from an item's plain values, for pydantic to validate."""
    fields = {name: item.get(name) for name in BreakGlassEvent.model_fields}
    for name in ("created_at", "updated_at", "expires_at"):
        fields[name] = decode_time(item[name])
    fields["duration"] = BreakGlassEvent.model_fields["duration"].default
    return fields


async def contestants(stack: AsyncExitStack, url: str) -> dict[str, Contestant]:
    """Open all of them, until the stack ends."""
    return {
        "stock aiobotocore + models": await stock(stack, url),
        "aiodynamo": (aiodynamo := await aiodynamo_contestant(stack, url))[0],
        "aiodynamo + models": aiodynamo[1],
        "aiobreakglass, standard": await store(stack, url, "standard"),
        "aiobreakglass, fast": await store(stack, url, "fast"),
        "the floor": await floor(stack, url),
    }


async def stock(stack: AsyncExitStack, url: str) -> Contestant:
    """aiobotocore as it comes, boto3's deserializer, and the models."""
    client = await stack.enter_async_context(
        get_session().create_client("dynamodb", region_name=REGION, endpoint_url=url)
    )
    deserialize = TypeDeserializer().deserialize
    serialize = TypeSerializer().serialize

    def plain(item: dict[str, Any]) -> dict[str, Any]:
        return {name: deserialize(value) for name, value in item.items()}

    async def get(key: str) -> dict[str, Any]:
        answer = await client.get_item(
            TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True
        )
        return plain(answer["Item"])

    async def find_active() -> object:
        guard = await get(GUARD_KEY)
        item = await get(LAYOUT.event_key(guard["event_id"]))
        return BreakGlassEvent.model_validate(model(item)).is_active()

    async def list_by_invoker() -> object:
        answer = await client.query(
            TableName=TABLE,
            IndexName="invoker-index",
            KeyConditionExpression="invoker = :invoker",
            ExpressionAttributeValues={":invoker": {"S": "alice"}},
            ScanIndexForward=False,
            Limit=PAGE,
        )
        return EVENTS.validate_python([model(plain(item)) for item in answer["Items"]])

    async def create() -> object:
        puts: list[Any] = [
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": {name: serialize(value) for name, value in row.items()},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            for row in ROWS
        ]
        return await client.transact_write_items(TransactItems=puts)

    return Contestant(
        {"find_active": find_active, "list_by_invoker": list_by_invoker, "create": create}
    )


async def aiodynamo_contestant(stack: AsyncExitStack, url: str) -> tuple[Contestant, Contestant]:
    """aiodynamo, which returns dicts; and with the models."""
    session = await stack.enter_async_context(http_session())
    client = Client(
        AIOHTTP(session), StaticCredentials(Key("testing", "testing")), REGION, URL(url)
    )
    table = client.table(TABLE)

    async def find_active(*, with_models: bool = False) -> object:
        guard = await table.get_item({"pk": GUARD_KEY}, consistent_read=True)
        key = {"pk": LAYOUT.event_key(guard["event_id"])}
        item = await table.get_item(key, consistent_read=True)
        if with_models:
            return BreakGlassEvent.model_validate(model(item)).is_active()
        return item["status"] == "active"

    async def list_by_invoker(*, with_models: bool = False) -> object:
        page = await table.query_single_page(
            HashKey("invoker", "alice"), index="invoker-index", scan_forward=False, limit=PAGE
        )
        return EVENTS.validate_python(list(map(model, page.items))) if with_models else page.items

    async def create() -> object:
        condition = F("pk").does_not_exist()
        puts = [Put(TABLE, row, condition) for row in ROWS]
        await client.transact_write_items(puts, request_token=str(uuid4()))
        return puts

    return (
        Contestant(
            {"find_active": find_active, "list_by_invoker": list_by_invoker, "create": create}
        ),
        Contestant(
            {
                "find_active": lambda: find_active(with_models=True),
                "list_by_invoker": lambda: list_by_invoker(with_models=True),
            }
        ),
    )


async def store(stack: AsyncExitStack, url: str, transport: Any) -> Contestant:
    """This library."""
    opened = await stack.enter_async_context(
        AsyncDynamoDBStore.open(TABLE, region_name=REGION, endpoint_url=url, transport=transport)
    )

    async def find_active() -> object:
        found = await opened.find_active_by_invoker_and_profile("alice", "prod")
        assert found is not None
        return found

    return Contestant(
        {
            "find_active": find_active,
            "list_by_invoker": lambda: opened.list_by_invoker("alice"),
            "create": lambda: opened.create(NEW),
        }
    )


async def floor(stack: AsyncExitStack, url: str) -> Contestant:
    """aiohttp alone: bytes that were signed before, and the answer's JSON."""
    session = await stack.enter_async_context(http_session())
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "User-Agent": "floor",
        "X-Amz-Date": "20240101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 " + "x" * 180,
        "Accept-Encoding": "identity",
    }

    async def post(operation: str, body: bytes) -> Any:
        target = {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        async with session.post(url, data=body, headers=headers | target) as response:
            return json.loads(await response.read())

    guard = json.dumps(
        {"TableName": TABLE, "Key": {"pk": {"S": GUARD_KEY}}, "ConsistentRead": True}
    ).encode()
    event = guard.replace(GUARD_KEY.encode(), b"BREAKGLASS#0123456789abcdef")
    written = json.dumps({"TransactItems": ROWS}).encode() + b" " * 600

    async def find_active() -> object:
        return await post("GetItem", guard), await post("GetItem", event)

    return Contestant(
        {
            "find_active": find_active,
            "list_by_invoker": lambda: post("Query", guard),
            "create": lambda: post("TransactWriteItems", written),
        }
    )


def http_session() -> aiohttp.ClientSession:
    """Return a session that trusts the stub, as aiobotocore's does."""
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=64), auto_decompress=False
    )
