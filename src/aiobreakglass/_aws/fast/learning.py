"""Learn from a client how it sends requests; nothing is hard-coded.

The real client runs each operation once, over an HTTP session that sends nothing. From what was
learned, the same request must result: the same headers, and the same body and signature to the
byte. A client that does anything unusual keeps sending its calls itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Self

from botocore import xform_name
from multidict import CIMultiDict

from aiobreakglass._aws.fast.passage import Passage
from aiobreakglass._aws.fast.signing import DATE_HEADER, TOKEN_HEADER, Signer
from aiobreakglass._aws.fast.transport import (
    FastTransport,
    RequestTemplate,
    Session,
    replaced_connections,
)
from aiobreakglass._aws.fast.wire import Route
from aiobreakglass._aws.transaction import Request

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from aiohttp import ClientSession
    from types_aiobotocore_dynamodb import DynamoDBClient
    from yarl import URL

_logger = logging.getLogger("aiobreakglass.transport")

_CONSTANT: Final = frozenset(
    {"accept-encoding", "amz-sdk-request", "content-type", "user-agent", "x-amz-target"}
)
_FRESH: Final = frozenset(
    {"amz-sdk-invocation-id", "authorization", "content-length", DATE_HEADER, TOKEN_HEADER}
)

_EVENTS: Final = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "before-parse",
    "needs-retry",
    "after-call",
    "after-call-error",
)
_KNOWN_MODULES: Final = ("aiobotocore.", "botocore.", "aiobreakglass.")


_ROUNDS: Final = 5
"""How often to try to learn if the credentials change meanwhile."""


class DeclinedError(Exception):
    """The fast transport cannot serve this client; the message says why."""


class _Observer:
    """Replaces connections: it notes what is sent and returns an empty answer."""

    status = 200
    raw_headers = ()

    def __init__(self) -> None:
        self.requests = 0
        self.url: Any = None
        self.sent: dict[str, Any] = {}

    async def request(self, method: str, /, **options: Any) -> Self:
        self.requests += 1
        self.url = options["url"]
        self.sent = {"method": method, **options}
        return self

    async def read(self) -> bytes:
        return b"{}"


async def learn(
    client: DynamoDBClient,
    sessions: list[Session],
    credentials: AioCredentials | None,
    table_name: str,
    time_limit: timedelta,
) -> FastTransport | None:
    """Return the fast transport for a client; log why and return None if it cannot serve it."""
    try:
        # Signing needs credentials, whose provider may hang.
        async with asyncio.timeout(time_limit.total_seconds()):
            return await _learn(client, sessions, credentials, table_name)
    except DeclinedError as declined:
        reason = str(declined)
    except Exception as error:  # noqa: BLE001 - the first call raises it for the caller
        reason = f"learning failed with {type(error).__name__}"
    about = {"reason": reason}
    _logger.info("the store uses aiobotocore's own transport: %s", reason, extra=about)
    return None


async def _learn(
    client: DynamoDBClient,
    sessions: list[Session],
    credentials: AioCredentials | None,
    table_name: str,
) -> FastTransport:
    if len(sessions) != 1:
        raise DeclinedError("the client has an HTTP session of another class")
    (session,) = sessions
    _check_client(client, session, table_name)
    if credentials is None:
        raise DeclinedError("there are no credentials")
    connections = await session.connections()
    samples = _samples(table_name)
    passage = Passage(client, session, connections, samples)
    if not passage.is_original():
        raise DeclinedError("aiobotocore's calls are traced")
    for _ in range(_ROUNDS):
        frozen = await credentials.get_frozen_credentials()
        try:
            templates = {
                name: await _learn_operation(client, session, connections, name, request, frozen)
                for name, request in samples.items()
            }
        except DeclinedError:
            # The client may have signed with newer credentials.
            if await credentials.get_frozen_credentials() == frozen:
                raise
        else:
            break
    else:
        raise DeclinedError("the credentials change with every request")
    account_id = getattr(frozen, "account_id", None)
    config: Any = client.meta.config
    # To aiohttp, None means no limit.
    max_connections: int = config.max_pool_connections or sys.maxsize
    return FastTransport(
        client, session, passage, credentials, templates, account_id, max_connections
    )


def _samples(table_name: str) -> dict[str, Request]:
    key = {"pk": {"S": "caf\u00e9"}}
    return {
        "GetItem": {"TableName": table_name, "Key": key, "ConsistentRead": True},
        "BatchGetItem": {
            "RequestItems": {table_name: {"Keys": [key], "ConsistentRead": True}},
        },
        "Query": {"TableName": table_name, "KeyConditionExpression": "pk = :pk"},
        "TransactWriteItems": {
            "TransactItems": [{"Put": {"TableName": table_name, "Item": key}}],
            "ClientRequestToken": "learning",
        },
    }


def _check_client(client: DynamoDBClient, session: Session, table_name: str) -> None:
    """Raise `DeclinedError` if a client does something that the fast transport does not do."""
    if session.has_proxies:
        raise DeclinedError("there is a proxy")
    if table_name.startswith("arn:"):
        raise DeclinedError("the table is named by its ARN")
    config: Any = client.meta.config
    if (config.retries or {}).get("mode") == "adaptive":
        raise DeclinedError("retries are adaptive")
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        raise DeclinedError("on AWS Lambda each request has a tracing header of its own")
    if foreign := sorted(_foreign_modules(client)):
        raise DeclinedError(f"the client has handlers of {', '.join(foreign)}")


def _foreign_modules(client: DynamoDBClient) -> set[str]:
    """Return the modules, other than the SDK's, whose handlers see a client's calls."""
    handlers = client.meta.events._emitter._handlers  # type: ignore[attr-defined]
    modules = {
        _module_of(handler)
        for event in _EVENTS
        for name in _samples("")
        for handler in handlers.prefix_search(f"{event}.dynamodb.{name}")
    }
    return {module for module in modules if not module.startswith(_KNOWN_MODULES)}


def _module_of(handler: Any) -> str:
    handler = getattr(handler, "func", handler)
    return str(getattr(handler, "__module__", None) or type(handler).__module__)


async def _learn_operation(
    client: DynamoDBClient,
    session: Session,
    connections: ClientSession,
    name: str,
    request: Request,
    credentials: Any,
) -> RequestTemplate:
    observer = _Observer()
    with replaced_connections(session, repeat(observer)):
        await getattr(client, xform_name(name))(**request)
    url, sent = observer.url, observer.sent
    if observer.requests != 1 or url.query_string:
        raise DeclinedError("the client sends requests in another way")
    headers = {key.lower(): value for key, value in sent["headers"].items()}
    if unknown := headers.keys() - _CONSTANT - _FRESH:
        raise DeclinedError(f"the client sends {', '.join(sorted(unknown))}")
    if sent["method"] != "POST" or sent["data"] != json.dumps(request).encode():
        raise DeclinedError("the client writes requests in another way")
    try:
        signer = Signer.of(headers["authorization"], url.raw_path, {**headers, "host": _host(url)})
    except (KeyError, ValueError) as error:
        raise DeclinedError("the client signs requests in another way") from error
    timestamp = headers[DATE_HEADER]
    signed = signer.authorization(
        signer.key(credentials.secret_key, timestamp),
        credentials.access_key,
        credentials.token,
        timestamp,
        sent["data"],
    )
    if signed != headers["authorization"] or headers.get(TOKEN_HEADER, "") != (
        credentials.token or ""
    ):
        raise DeclinedError("the client signs requests in another way")
    constant = CIMultiDict(
        (key, value) for key, value in sent["headers"].items() if key.lower() in _CONSTANT
    )
    try:
        route = Route(connections, url, constant)
    except ValueError as error:
        raise DeclinedError(str(error)) from error
    _check_route(route, headers, sent["data"])
    return RequestTemplate(route, signer)


def _check_route(route: Route, headers: Mapping[str, str], body: bytes) -> None:
    """Raise `DeclinedError` if a request would have other headers than aiohttp would send."""
    fresh = _FRESH - {"content-length"}
    given = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name in fresh)
    message = route.message(given, body)
    lines = message.removesuffix(b"\r\n\r\n" + body).decode().lower().split("\r\n")[1:]
    expected = {**headers, "host": _host(route.url), "accept": "*/*", "content-length": len(body)}
    sent = [f"{name}: {value}".lower() for name, value in expected.items()]
    if sorted(lines) != sorted(sent) or not "".join(lines).isprintable():
        raise DeclinedError("the client's headers are not what aiohttp sends")


def _host(url: URL) -> str:
    host = f"[{url.raw_host}]" if ":" in str(url.raw_host) else str(url.raw_host)
    return host if url.is_default_port() else f"{host}:{url.port}"
