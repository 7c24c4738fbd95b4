"""The data plane without detours: sign a request, post it, read the answer.

Built on aiobotocore, which spends most of a call on what comes out the same every time. So the
client shows once, on opening, what it would send; from then on only the happy path is taken here.
Whatever else comes back is handed to the client as the outcome of its own first attempt: parser,
retries, quotas and exceptions are its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import uuid4

from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ChecksumError
from botocore.parsers import ResponseParserError

from aiobreakglass._aws import answers
from aiobreakglass._aws.answers import loads
from aiobreakglass._aws.calls import TransportName, call_client
from aiobreakglass._aws.failures import TooLateError
from aiobreakglass._aws.fast.passage import Passage
from aiobreakglass._aws.fast.signing import Signer
from aiobreakglass._aws.fast.wire import Response, Route
from aiobreakglass._aws.transaction import Request

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from types_aiobotocore_dynamodb import DynamoDBClient

# As `json.dumps` writes, but for the search for cycles, of which a request has none.
_encode: Final = json.JSONEncoder(check_circular=False).encode

_PLAIN: Final = re.compile("[!-~]+")

# What is binary is the client's to decode. As a pattern: `in` takes three times as long.
_BINARY: Final = re.compile(rb'"BS?"')

_QUOTA: Final = 500
"""How many successes fill the SDK's retry quota again, from empty."""


class Connections(Protocol):
    """What aiobotocore uses of `aiohttp.ClientSession`."""

    async def request(self, method: str, /, **options: Any) -> Any: ...


class _StandIns(NamedTuple):
    """What takes the place of one HTTP session's connections, attempt by attempt."""

    session: Session
    connections: Iterator[Connections]


_stand_ins: ContextVar[_StandIns | None] = ContextVar("aiobreakglass_stand_ins", default=None)


class Session(AIOHTTPSession):
    """aiobotocore's own HTTP session, for whose connections something else can stand in.

    Before 3.9 that believes anybody with a certificate for any name to be DynamoDB; and through a
    proxy, anybody at all. This one does not.
    """

    def __init__(self, *, proxies: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(proxies=proxies, **options)
        self.has_proxies = bool(proxies)

    async def connections(self) -> Any:
        """Return the `aiohttp.ClientSession` that requests go through."""
        return await super()._get_session(None)  # type: ignore[misc] # not in its stubs

    async def _get_session(self, proxy_url: str | None) -> Any:
        stand_ins = _stand_ins.get()
        # A provider of credentials may ask another store meanwhile, in the same context.
        if stand_ins is not None and stand_ins.session is self:
            for stand_in in stand_ins.connections:
                return stand_in
        return await super()._get_session(proxy_url)  # type: ignore[misc] # not in its stubs

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc] # as above
        # botocore leaves it to urllib3 to compare the name; aiohttp leaves it to the context.
        context.check_hostname = True
        return context

    def _setup_proxy_ssl_context(self, proxy_url: str) -> ssl.SSLContext:
        context: ssl.SSLContext | None = super()._setup_proxy_ssl_context(proxy_url)  # type: ignore[misc] # as above
        # None, where nothing is set for the proxy itself, would stand for no check of DynamoDB.
        return self._get_ssl_context() if context is None else context


def session_class(made: list[Session]) -> type[Session]:
    """Return a class for a client to make its HTTP session of, which notes it in `made`."""

    class NotedSession(Session):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    return NotedSession


@contextmanager
def replaced_connections(session: Session, connections: Iterable[Connections]) -> Iterator[None]:
    """Have a session's next attempts in this context go to these, not to its connections."""
    token = _stand_ins.set(_StandIns(session, iter(connections)))
    try:
        yield
    finally:
        _stand_ins.reset(token)


class _Outcome(NamedTuple):
    """Takes the place of connections: what has come of the attempt already."""

    outcome: Response | Exception

    async def request(self, *_: Any, **__: Any) -> Response:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class RequestTemplate(NamedTuple):
    """What requests to one operation have in common."""

    route: Route
    signer: Signer


class FastTransport:
    """Carry a client's calls, on the connections of its own HTTP session."""

    def __init__(
        self,
        client: DynamoDBClient,
        session: Session,
        passage: Passage,
        credentials: AioCredentials,
        templates: Mapping[str, RequestTemplate],
        account_id: str | None,
        max_connections: int,
    ) -> None:
        self._client = client
        self._session = session
        self._passage = passage
        self._from_aws = answers.is_aws_endpoint(client.meta.endpoint_url)
        self._credentials = credentials
        self._templates = templates
        self._account_id = account_id
        self._keys: dict[str, tuple[object, bytes]] = {}
        self._unreported = 0
        # First come, first served: aiohttp would let whoever has just been served go first again.
        self._slots = asyncio.Semaphore(max_connections)
        self._invocations = map(f"{str(uuid4())[:24]}{{:012x}}".format, count())

    @property
    def in_use(self) -> TransportName:
        """The transport that the next call takes: the client's own while its calls are traced."""
        return "fast" if self._passage.is_unchanged() else "standard"

    async def call(
        self,
        name: str,
        request: Request,
        on_send: Callable[[], None],
        deadline: float | None = None,
    ) -> Any:
        """Return the answer to a request, or raise what the client raises.

        `on_send` is called when the request is about to go. With a `deadline`, by the event loop's
        clock, a cancellation lets what has gone come to its end: till then, and not for long.
        """
        message = await self._message(name, request)
        if message is None:
            return await self._client_call(name, request, deadline)
        try:
            async with self._slots:
                response = await self._templates[name].route.exchange(message, on_send, deadline)
        except TooLateError:
            raise
        except Exception as error:  # noqa: BLE001 - aiobotocore knows what becomes of it
            return await self._client_call(name, request, deadline, _Outcome(error))
        if response.is_redirect:
            # aiohttp would have followed it, and on behalf of the client does.
            return await self._client_call(name, request, deadline)
        answer = self._answer(name, request, response)
        if answer is None:
            return await self._client_call(name, request, deadline, _Outcome(response))
        if self._unreported:
            await self._report_success(name)
        return answer

    async def _message(self, name: str, request: Request) -> bytes | None:
        """Return the bytes of a signed request; None if only the client can make them."""
        template = self._templates.get(name)
        if template is None:
            return None
        if not self._passage.is_unchanged():
            return None
        try:
            body = _encode(request).encode()
        except TypeError:
            # Binary attributes, which other writers may have added, are the client's to encode.
            return None
        credentials: Any = await self._credentials.get_frozen_credentials()
        if getattr(credentials, "account_id", None) != self._account_id:
            # It is part of the endpoint where there is one.
            return None
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        key = self._key(name, credentials, timestamp)
        if key is None:
            return None
        token = credentials.token
        authorization = template.signer.authorization(
            key, credentials.access_key, token, timestamp, body
        )
        headers = (
            f"X-Amz-Date: {timestamp}\r\nAuthorization: {authorization}\r\n"
            f"amz-sdk-invocation-id: {next(self._invocations)}\r\n"
        )
        if token:
            headers += f"X-Amz-Security-Token: {token}\r\n"
        return template.route.message(headers, body)

    def _key(self, name: str, credentials: Any, timestamp: str) -> bytes | None:
        """Return what signs a day's requests; None where credentials are no text for a header."""
        made_of = (credentials, timestamp[:8])
        known = self._keys.get(name)
        if known is None or known[0] != made_of:
            # A line break would end the header, and begin another.
            if not all(map(_PLAIN.fullmatch, (credentials.access_key, credentials.token or "-"))):
                return None
            known = made_of, self._templates[name].signer.key(credentials.secret_key, timestamp)
            self._keys[name] = known
        return known[1]

    async def _client_call(
        self, name: str, request: Request, deadline: float | None, outcome: _Outcome | None = None
    ) -> Any:
        if outcome is not None:
            self._unreported = _QUOTA
        with replaced_connections(self._session, () if outcome is None else (outcome,)):
            return await call_client(self._client, name, request, deadline)

    def _answer(self, name: str, request: Request, response: Response) -> dict[str, Any] | None:
        """Return the answer of a plain success; None for anything that the client has to read."""
        content = response.content
        if response.status != 200 or _BINARY.search(content):
            return None
        try:
            return answers.read_answer(
                name, request, response.headers, content, from_aws=self._from_aws, loads=loads
            )
        except (ChecksumError, ResponseParserError):
            return None

    async def _report_success(self, name: str) -> None:
        """Tell the client of a success: each fills a little of what retries take of its quota."""
        self._unreported -= 1
        await self._client.meta.events.emit(
            f"after-call.dynamodb.{name}",
            http_response=SimpleNamespace(status_code=200),
            parsed={},
            model=self._client.meta.service_model.operation_model(name),
            context={},
        )
