"""A client as aiobotocore's is, as far as a store can tell: handlers, standard retries, errors."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import orjson
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as TransportError

ENDPOINT: Final = "https://dynamodb.eu-central-1.amazonaws.com"
READ_TIMEOUT: Final = 3.0
"""The one that a store which is opened by itself sets."""
ATTEMPTS: Final = 3

# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html, as in botocore
_RETRIED_STATUS: Final = frozenset({500, 502, 503, 504})
_RETRIED_CODES: Final = frozenset(
    {
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)

OPERATIONS: Final = {
    "get_item": "GetItem",
    "batch_get_item": "BatchGetItem",
    "query": "Query",
    "transact_write_items": "TransactWriteItems",
}


class Reply(NamedTuple):
    """An answer as it arrives."""

    status: int
    parsed: Mapping[str, Any]
    """What botocore makes of it."""
    body: bytes = b""
    checksum: int = 0


def success(answer: Mapping[str, Any]) -> Reply:
    """Return the reply that brings an answer."""
    members = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    body = orjson.dumps(members)
    return Reply(200, answer, body, zlib.crc32(body))


Send = Callable[[str, dict[str, Any]], "asyncio.Future[Reply]"]
"""Sends one attempt: an operation, and its request."""

_Handler = Callable[..., None]


class Client:
    """What a store borrows; `send` takes it from there, attempt by attempt."""

    def __init__(self, send: Send, random: Random, *, attempts: int = ATTEMPTS) -> None:
        self._send = send
        self._random = random
        self._attempts = attempts
        self._handlers: dict[str, _Handler] = {}
        self.meta = SimpleNamespace(
            events=self,
            endpoint_url=ENDPOINT,
            service_model=SimpleNamespace(
                service_name="dynamodb", operation_names=list(OPERATIONS.values())
            ),
        )

    def register(self, event: str, handler: _Handler, unique_id: str) -> None:
        """Have something told of an event."""
        self._handlers[event.partition(".")[0]] = handler

    register_first = register

    async def get_item(self, **request: Any) -> Any:
        return await self._call("GetItem", request)

    async def batch_get_item(self, **request: Any) -> Any:
        return await self._call("BatchGetItem", request)

    async def query(self, **request: Any) -> Any:
        return await self._call("Query", request)

    async def transact_write_items(self, **request: Any) -> Any:
        return await self._call("TransactWriteItems", request)

    async def _call(self, operation: str, request: dict[str, Any]) -> Mapping[str, Any]:
        attempt = 1
        while True:
            reply, error = await self._attempt(operation, request)
            http = None if reply is None else SimpleNamespace(status_code=reply.status)
            response: tuple[SimpleNamespace, dict[str, Any]] | None
            response = None if http is None else (http, {})
            self._handlers["needs-retry"](
                f"needs-retry.dynamodb.{operation}", response=response, caught_exception=error
            )
            if attempt == self._attempts or not _is_retried(reply, error):
                break
            await asyncio.sleep(min(20.0, self._random.random() * 2 ** (attempt - 1)))
            attempt += 1
        if reply is None:
            assert error is not None
            raise error
        if reply.status >= 300:
            raise ClientError(dict(reply.parsed), operation)  # type: ignore[arg-type] # as botocore parses it
        return reply.parsed

    async def _attempt(
        self, operation: str, request: dict[str, Any]
    ) -> tuple[Reply | None, Exception | None]:
        try:
            self._handlers["before-send"](f"before-send.dynamodb.{operation}")
            reply = await self._send(operation, request)
        except Exception as error:  # noqa: BLE001 - botocore catches all as well
            return None, error
        if reply.status < 300:
            # Whatever this raises goes past the retries.
            self._handlers["before-parse"](
                f"before-parse.dynamodb.{operation}",
                operation_model=SimpleNamespace(name=operation),
                response_dict={
                    "status_code": reply.status,
                    "headers": {"x-amz-crc32": str(reply.checksum)},
                    "body": reply.body,
                },
            )
        return reply, None


def _is_retried(reply: Reply | None, error: Exception | None) -> bool:
    if reply is None:
        return isinstance(error, (TransportError, HTTPClientError))
    if reply.status < 300:
        return False
    return reply.status in _RETRIED_STATUS or reply.parsed["Error"]["Code"] in _RETRIED_CODES
