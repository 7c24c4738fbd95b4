"""The data plane without detours: sign a request, post it, read the answer.

Built on aiobotocore, which spends most of a call on what comes out the same every time. So the
client shows once, on opening, what it would send; from then on only the happy path is taken here.
Whatever else comes back is handed to the client as the outcome of its own first attempt: parser,
retries, quotas and exceptions are its own.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse
from botocore import xform_name

from aiobreakglass._dynamodb.requests import Request
from aiobreakglass._dynamodb.signing import Signer

loads: Callable[[bytes], Any]
try:
    from orjson import loads
except ImportError:
    from json import loads

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from types_aiobotocore_dynamodb import DynamoDBClient
    from yarl import URL

# As `json.dumps` writes, but for the search for cycles, of which a request has none.
_encode: Final = json.JSONEncoder(check_circular=False).encode

_QUOTA: Final = 500
"""How many successes fill the SDK's retry quota again, from empty."""


class Connections(Protocol):
    """What aiobotocore uses of `aiohttp.ClientSession`."""

    async def request(self, method: str, /, **options: Any) -> Any: ...


_stand_ins: ContextVar[list[Connections]] = ContextVar("aiobreakglass_stand_ins")


class Session(AIOHTTPSession):
    """aiobotocore's own HTTP session, for whose connections something else can stand in."""

    def __init__(self, *, proxies: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(proxies=proxies, **options)
        self.has_proxies = bool(proxies)

    async def connections(self) -> Any:
        """Return the `aiohttp.ClientSession` that requests go through."""
        return await super()._get_session(None)  # type: ignore[misc] # not in its stubs

    async def _get_session(self, proxy_url: str | None) -> Any:
        waiting = _stand_ins.get(None)
        if waiting:
            return waiting.pop()
        return await super()._get_session(proxy_url)  # type: ignore[misc] # not in its stubs


def session_class(made: list[Session]) -> type[Session]:
    """Return a class for a client to make its HTTP session of, which notes it in `made`."""

    class NotedSession(Session):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    return NotedSession


@contextmanager
def standing_in(connections: Connections) -> Iterator[None]:
    """Have the next attempt of this task's go to something else than the connections."""
    token = _stand_ins.set([connections])
    try:
        yield
    finally:
        _stand_ins.reset(token)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Takes the place of connections: what has come of the attempt already."""

    outcome: ClientResponse | Exception

    async def request(self, *_: Any, **__: Any) -> ClientResponse:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True, slots=True)
class Operation:
    """What requests to one operation have in common."""

    url: URL
    headers: Mapping[str, str]
    signer: Signer


class Transport:
    """Carry a client's calls, on the connections of its own HTTP session."""

    def __init__(
        self,
        client: DynamoDBClient,
        session: Session,
        credentials: AioCredentials,
        operations: Mapping[str, Operation],
        account_id: str | None,
        places: int,
    ) -> None:
        self._client = client
        self._session = session
        self._credentials = credentials
        self._operations = operations
        self._account_id = account_id
        self._keys: dict[str, tuple[tuple[str, str], bytes]] = {}
        self._owed = 0
        # First come, first served: aiohttp would let whoever has just been served go first again.
        self._places = asyncio.Semaphore(places)
        self._invocations = map(f"{str(uuid4())[:24]}{{:012x}}".format, count())

    async def call(self, name: str, request: Request, on_send: Callable[[], None]) -> Any:
        """Return the answer to a request, or raise what the client raises.

        `on_send` is called when the request is about to go.
        """
        operation = self._operations[name]
        try:
            body = _encode(request).encode()
        except TypeError:
            # Binary attributes, which other writers may have added, are the client's to encode.
            return await self._ordinary_call(name, request)
        credentials = await self._credentials.get_frozen_credentials()
        if getattr(credentials, "account_id", None) != self._account_id:
            # It is part of the endpoint where there is one.
            return await self._ordinary_call(name, request)
        headers = self._headers(name, operation, credentials, body)
        try:
            async with self._places:
                connections = await self._session.connections()
                on_send()
                # No `async with`: a response that was released cannot be handed on.
                response = await connections.post(operation.url, data=body, headers=headers)
                content = await response.read()
        except Exception as error:  # noqa: BLE001 - aiobotocore knows what becomes of it
            return await self._ordinary_call(name, request, _Outcome(error))
        answer = _answer(name, response, content)
        if answer is None:
            return await self._ordinary_call(name, request, _Outcome(response))
        if self._owed:
            await self._give_back(name)
        return answer

    def _headers(
        self, name: str, operation: Operation, credentials: Any, body: bytes
    ) -> dict[str, str]:
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        made_of = (credentials.secret_key, timestamp[:8])
        known = self._keys.get(name)
        if known is None or known[0] != made_of:
            known = made_of, operation.signer.key(credentials.secret_key, timestamp)
            self._keys[name] = known
        headers = {
            **operation.headers,
            "X-Amz-Date": timestamp,
            "Authorization": operation.signer.authorization(
                known[1], credentials.access_key, credentials.token, timestamp, body
            ),
            "amz-sdk-invocation-id": next(self._invocations),
        }
        if credentials.token is not None:
            headers["X-Amz-Security-Token"] = credentials.token
        return headers

    async def _ordinary_call(
        self, name: str, request: Request, outcome: _Outcome | None = None
    ) -> Any:
        method = getattr(self._client, xform_name(name))
        if outcome is None:
            return await method(**request)
        self._owed = _QUOTA
        with standing_in(outcome):
            return await method(**request)

    async def _give_back(self, name: str) -> None:
        """Tell the client of a success: each fills a little of what retries take of its quota."""
        self._owed -= 1
        await self._client.meta.events.emit(
            f"after-call.dynamodb.{name}",
            http_response=SimpleNamespace(status_code=200),
            parsed={},
            model=self._client.meta.service_model.operation_model(name),
            context={},
        )


def _answer(name: str, response: ClientResponse, content: bytes) -> dict[str, Any] | None:
    """Return the answer of a 200 that is what DynamoDB sent; None for anything else."""
    if response.status != 200 or response.headers.get("x-amz-crc32") != str(zlib.crc32(content)):
        return None
    # Binary attributes are the client's to decode.
    if b'"B"' in content or b'"BS"' in content:
        return None
    try:
        answer = loads(content)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    if name == "Query" and not isinstance(answer.get("Count"), int):
        return None
    return answer
