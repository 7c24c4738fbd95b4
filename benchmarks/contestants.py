"""Different ways to check access, to list 100 events, and to create an event, also under limits.

All run in one process, because their versions do not conflict.
"""

import json
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.errors import ItemNotFound
from aiodynamo.expressions import F, HashKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.operations import Put
from boto3.dynamodb.types import (  # type: ignore[import-untyped] # only to measure it
    TypeDeserializer,
    TypeSerializer,
)
from yarl import URL

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent
from aiobreakglass.testing import make_event
from benchmarks.limited import CONDITION, LIMITS, keys_to_read, slots_for, taken
from benchmarks.plain import EVENTS, fields, rows_of
from benchmarks.rows import LAYOUT
from benchmarks.stub import PAGE, PROFILES

REGION: Final = "eu-central-1"
TABLE: Final = "breakglass"

NEW: Final = make_event(invoker="carol", request_id="r-1")
"""The event to create; contestants with models make its rows themselves."""

ROWS: Final = rows_of(NEW)
"""The same event as finished plain rows, for contestants without models."""

SLOTS: Final = slots_for(NEW)
KEYS: Final = keys_to_read(NEW, SLOTS)
"""What decides whether the event may be opened under three limits."""

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Contestant:
    """One way to make each kind of call."""

    calls: dict[str, Call]
    has_models: bool
    """Whether it answers with this library's events."""
    remembers: bool = False
    """Whether its checks after the first read only the event, without the guard."""


async def stock(
    stack: AsyncExitStack, url: str, config: AioConfig | None = None
) -> tuple[Contestant, Contestant]:
    """aiobotocore with boto3's deserializer, with the models or with plain rows."""
    client = await stack.enter_async_context(
        get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=url, config=config
        )
    )
    deserialize = TypeDeserializer().deserialize
    serialize = TypeSerializer().serialize

    def plain(item: dict[str, Any]) -> dict[str, Any]:
        return {name: deserialize(value) for name, value in item.items()}

    async def get(key: str) -> dict[str, Any] | None:
        answer = await client.get_item(
            TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True
        )
        return plain(answer["Item"]) if "Item" in answer else None

    async def rows() -> list[dict[str, Any]]:
        answer = await client.query(
            TableName=TABLE,
            IndexName="invoker-index",
            KeyConditionExpression="invoker = :invoker",
            ExpressionAttributeValues={":invoker": {"S": "alice"}},
            ScanIndexForward=False,
            Limit=PAGE,
        )
        return list(map(plain, answer["Items"]))

    def puts_of(rows: list[dict[str, Any]]) -> list[Any]:
        return [
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": {name: serialize(value) for name, value in row.items()},
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
            for row in rows
        ]

    async def put(rows: list[dict[str, Any]]) -> object:
        return await client.transact_write_items(TransactItems=puts_of(rows))

    async def create_with_limits(rows: list[dict[str, Any]]) -> object:
        found = {row["pk"]: row for row in map(plain, await batch(client, KEYS))}
        assert not found.keys() & set(KEYS[:3])
        slots: list[Any] = [
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": {name: serialize(value) for name, value in row.items()},
                    "ConditionExpression": CONDITION,
                    "ExpressionAttributeNames": {"#ttl": "ttl"},
                    "ExpressionAttributeValues": {
                        ":latest": {"S": latest},
                        ":ttl": serialize(row["ttl"]),
                    },
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
            for row, latest in taken(SLOTS, found, NEW.id, rows[0]["write_id"])
        ]
        return await client.transact_write_items(TransactItems=[*puts_of(rows), *slots])

    with_models, without = with_and_without_models(get, rows, put)
    with_models.calls["create_with_limits"] = lambda: create_with_limits(rows_of(NEW))
    without.calls["create_with_limits"] = lambda: create_with_limits(ROWS)
    return with_models, without


async def batch(client: Any, keys: list[str]) -> list[dict[str, Any]]:
    """Return the existing rows of these keys as the client answers them."""
    answer = await client.batch_get_item(
        RequestItems={
            TABLE: {"Keys": [{"pk": {"S": key}} for key in keys], "ConsistentRead": True}
        }
    )
    assert not answer["UnprocessedKeys"]
    found: list[dict[str, Any]] = answer["Responses"][TABLE]
    return found


async def stock_in_batches(stack: AsyncExitStack, url: str) -> Contestant:
    """aiobotocore with boto3's deserializer and the models, for a check of many profiles."""
    client = await stack.enter_async_context(
        get_session().create_client("dynamodb", region_name=REGION, endpoint_url=url)
    )
    deserialize = TypeDeserializer().deserialize

    async def get(keys: list[str]) -> dict[str, dict[str, Any]]:
        return {row["pk"]: row for row in map(plain, await batch(client, keys))}

    def plain(item: dict[str, Any]) -> dict[str, Any]:
        return {name: deserialize(value) for name, value in item.items()}

    async def find_active_of_50() -> object:
        guards = await get([LAYOUT.guard_key("alice", profile) for profile in PROFILES])
        rows = await get([LAYOUT.event_key(guard["event_id"]) for guard in guards.values()])
        events = EVENTS.validate_python(list(map(fields, rows.values())))
        return {event.profile: event for event in events if event.is_active()}

    return Contestant({"find_active_of_50": find_active_of_50}, has_models=True)


async def aiodynamo(stack: AsyncExitStack, url: str) -> tuple[Contestant, Contestant]:
    """aiodynamo over aiohttp, which uses plain rows, with or without the models."""
    session = await stack.enter_async_context(http_session())
    client = Client(
        AIOHTTP(session), StaticCredentials(Key("testing", "testing")), REGION, URL(url)
    )
    table = client.table(TABLE)
    condition = F("pk").does_not_exist()

    async def get(key: str) -> dict[str, Any] | None:
        try:
            return await table.get_item({"pk": key}, consistent_read=True)
        except ItemNotFound:
            return None

    async def rows() -> list[dict[str, Any]]:
        page = await table.query_single_page(
            HashKey("invoker", "alice"), index="invoker-index", scan_forward=False, limit=PAGE
        )
        return page.items

    async def put(rows: list[dict[str, Any]]) -> None:
        puts = [Put(TABLE, row, condition) for row in rows]
        await client.transact_write_items(puts, request_token=str(uuid4()))

    return with_and_without_models(get, rows, put)


def with_and_without_models(
    get: Callable[[str], Awaitable[dict[str, Any] | None]],
    rows: Callable[[], Awaitable[list[dict[str, Any]]]],
    put: Callable[[list[dict[str, Any]]], Awaitable[object]],
) -> tuple[Contestant, Contestant]:
    """Return one contestant with models and one with plain rows, from functions on plain rows."""

    async def held(profile: str) -> dict[str, Any] | None:
        guard = await get(LAYOUT.guard_key("alice", profile))
        return None if guard is None else await get(LAYOUT.event_key(guard["event_id"]))

    async def active(profile: str) -> BreakGlassEvent | None:
        row = await held(profile)
        event = None if row is None else BreakGlassEvent.model_validate(fields(row))
        return event if event is not None and event.is_active() else None

    async def active_row(profile: str) -> dict[str, Any] | None:
        row = await held(profile)
        return row if row is not None and row["status"] == "active" else None

    def of_many(find: Callable[[str], Awaitable[object]]) -> Call:
        async def call() -> object:
            found = {profile: await find(profile) for profile in PROFILES}
            return {profile: event for profile, event in found.items() if event is not None}

        return call

    async def list_by_invoker() -> object:
        return EVENTS.validate_python(list(map(fields, await rows())))

    return (
        Contestant(
            {
                "find_active": lambda: active("prod"),
                "find_active_of_50": of_many(active),
                "list_by_invoker": list_by_invoker,
                "create": lambda: put(rows_of(NEW)),
            },
            has_models=True,
        ),
        Contestant(
            {
                "find_active": lambda: active_row("prod"),
                "find_active_of_50": of_many(active_row),
                "list_by_invoker": rows,
                "create": lambda: put(ROWS),
            },
            has_models=False,
        ),
    )


async def store(stack: AsyncExitStack, url: str, transport: Any) -> Contestant:
    """This library."""
    opened, limited = [
        await stack.enter_async_context(
            AsyncDynamoDBStore.open(
                TABLE,
                region_name=REGION,
                endpoint_url=url,
                transport=transport,
                limits=limits,
            )
        )
        for limits in (None, LIMITS)
    ]
    return Contestant(
        {
            "find_active": lambda: opened.find_active_by_invoker_and_profile("alice", "prod"),
            "find_active_of_50": lambda: opened.find_active_by_invoker_and_profiles(
                "alice", PROFILES
            ),
            "list_by_invoker": lambda: opened.list_by_invoker("alice"),
            "create": lambda: opened.create(NEW),
            "create_with_limits": lambda: limited.create(NEW),
        },
        has_models=True,
        remembers=True,
    )


async def floor(
    stack: AsyncExitStack, url: str, sent: dict[str, list[tuple[str, str]]]
) -> Contestant:
    """aiohttp alone: it sends another contestant's signed request, and parses the JSON."""
    session = await stack.enter_async_context(http_session())
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "User-Agent": "floor",
        "X-Amz-Date": "20240101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 " + "x" * 180,
        "Accept-Encoding": "identity",
    }

    def again(requests: list[tuple[str, str]]) -> Call:
        signed = [
            (headers | {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}, body.encode())
            for operation, body in requests
        ]

        async def call() -> object:
            answers = []
            for headers, body in signed:
                async with session.post(url, data=body, headers=headers) as response:
                    answers.append(json.loads(await response.read()))
            return answers

        return call

    return Contestant({kind: again(requests) for kind, requests in sent.items()}, has_models=False)


def http_session() -> aiohttp.ClientSession:
    """Return a session that trusts the stub, as aiobotocore's session does."""
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=64), auto_decompress=False
    )
