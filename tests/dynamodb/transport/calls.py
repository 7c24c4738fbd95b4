"""Calls over the fast transport, their requests, and their outcomes for the caller."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aiobreakglass._aws.client import Opened, open_client
from aiobreakglass._aws.fast.transport import FastTransport
from tests.dynamodb.canned import CannedServer
from tests.dynamodb.conftest import REGION

REQUESTS: dict[str, dict[str, Any]] = {
    "GetItem": {"TableName": "breakglass", "Key": {"pk": {"S": "x"}}, "ConsistentRead": True},
    "Query": {"TableName": "breakglass", "KeyConditionExpression": "pk = :pk", "Limit": 3},
    "TransactWriteItems": {
        "TransactItems": [
            {"Put": {"TableName": "breakglass", "Item": {"pk": {"S": "caf\u00e9 \U0001f6aa"}}}}
        ],
        "ClientRequestToken": "t-1",
    },
}
BINARY: dict[str, Any] = {
    "TransactItems": [{"Put": {"TableName": "breakglass", "Item": {"pk": {"B": b"\xff"}}}}],
    "ClientRequestToken": "t-1",
}

FRESH = {"x-amz-date", "authorization", "amz-sdk-invocation-id"}


def unheard() -> None:
    """Ignore that a request is sent."""


def opened(
    server: CannedServer, session: AioSession, config: AioConfig | None = None
) -> AbstractAsyncContextManager[Opened]:
    return open_client(REGION, server.url, session, config)


async def carried(client: Opened) -> FastTransport:
    transport = await client.transport("breakglass")
    assert transport is not None
    return transport


async def outcome(call: Any) -> object:
    """Return all that the caller gets from a call: its answer or its exception."""
    try:
        answer = await call
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        response = getattr(error, "response", None) or {}
        return type(error), str(error), without_metadata(response), attempts(response)
    return without_metadata(answer)


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def attempts(response: dict[str, Any]) -> object:
    return response.get("ResponseMetadata", {}).get("RetryAttempts")


def sent(request: tuple[dict[str, str], bytes]) -> tuple[dict[str, str], bytes]:
    """Return a request without the parts that depend on time, chance or the order of a set."""
    headers, body = request
    kept = {name: value for name, value in headers.items() if name not in FRESH}
    kept["amz-sdk-request"] = re.sub("ttl=[^;]+; ", "", kept["amz-sdk-request"])
    agent = kept["user-agent"].split(" ")
    kept["user-agent"] = " ".join("".join(sorted(part)) for part in agent)
    return kept, body
