"""Sign requests and send them directly, and leave everything unusual to the client.

aiobotocore spends most of a call on steps whose result is the same every time. So the client shows
once, on opening, what it would send, and from then on this module handles the plain successes.
Any other outcome goes to the client as the outcome of its own first attempt, so that its own
parser, retries, quotas and exceptions apply.
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
from uuid import UUID

from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ChecksumError
from botocore.parsers import ResponseParserError

from aiobreakglass import _randomness
from aiobreakglass._aws import answers
from aiobreakglass._aws.answers import loads
from aiobreakglass._aws.failures import TooLateError
from aiobreakglass._aws.fast.passage import Passage
from aiobreakglass._aws.fast.signing import Signer
from aiobreakglass._aws.fast.wire import Response, Route
from aiobreakglass._aws.transaction import Request
from aiobreakglass._aws.transport import TransportName, call_client

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from types_aiobotocore_dynamodb import DynamoDBClient

# Writes like `json.dumps`, without its search for cycles, because a request has none.
_encode: Final = json.JSONEncoder(check_circular=False).encode

_PLAIN: Final = re.compile("[!-~]+")

# The client decodes binary attributes. A pattern takes a third of the time of `in`.
_BINARY: Final = re.compile(rb'"BS?"')

_QUOTA: Final = 500
"""How many successes refill the SDK's retry quota from empty."""


class Connections(Protocol):
    """The part of `aiohttp.ClientSession` that aiobotocore uses."""

    async def request(self, method: str, /, **options: Any) -> Any: ...


class _StandIns(NamedTuple):
    """The replacements for one HTTP session's connections, one for each attempt."""

    session: Session
    connections: Iterator[Connections]


_stand_ins: ContextVar[_StandIns | None] = ContextVar("aiobreakglass_stand_ins", default=None)


class Session(AIOHTTPSession):
    """aiobotocore's HTTP session, with connections that can be replaced.

    It also checks certificates fully. Before 3.9, aiobotocore accepts a certificate for any name,
    and through a proxy it accepts any certificate.
    """

    def __init__(self, *, proxies: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(proxies=proxies, **options)
        self.has_proxies = bool(proxies)

    async def connections(self) -> Any:
        """Return the `aiohttp.ClientSession` that requests go through."""
        return await super()._get_session(None)  # type: ignore[misc] # not in its stubs

    async def _get_session(self, proxy_url: str | None) -> Any:
        stand_ins = _stand_ins.get()
        # A provider of credentials may use another session meanwhile, in the same context.
        if stand_ins is not None and stand_ins.session is self:
            for stand_in in stand_ins.connections:
                return stand_in
        return await super()._get_session(proxy_url)  # type: ignore[misc] # not in its stubs

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc] # as above
        # botocore relies on urllib3 to compare the name; aiohttp relies on the context.
        context.check_hostname = True
        return context

    def _setup_proxy_ssl_context(self, proxy_url: str) -> ssl.SSLContext:
        context: ssl.SSLContext | None = super()._setup_proxy_ssl_context(proxy_url)  # type: ignore[misc] # as above
        # It is None if nothing is set for the proxy itself. A None context would disable the check
        # of DynamoDB's certificate.
        return self._get_ssl_context() if context is None else context


def session_class(made: list[Session]) -> type[Session]:
    """Return a class of HTTP sessions whose instances add themselves to `made`."""

    class NotedSession(Session):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    return NotedSession


@contextmanager
def replaced_connections(session: Session, connections: Iterable[Connections]) -> Iterator[None]:
    """Send a session's next attempts in this context to these connections, not to its own."""
    token = _stand_ins.set(_StandIns(session, iter(connections)))
    try:
        yield
    finally:
        _stand_ins.reset(token)


class _Outcome(NamedTuple):
    """Replaces connections: it returns the outcome that an attempt already had."""

    outcome: Response | Exception

    async def request(self, *_: Any, **__: Any) -> Response:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class RequestTemplate(NamedTuple):
    """The parts that all requests to one operation share."""

    route: Route
    signer: Signer


class FastTransport:
    """Sends a client's requests directly over the connections of its own HTTP session."""

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
        # First come, first served. aiohttp would let the last caller go first again.
        self._slots = asyncio.Semaphore(max_connections)
        first = UUID(bytes=_randomness.source.get().randbytes(16), version=4)
        self._invocations = map(f"{str(first)[:24]}{{:012x}}".format, count())

    @property
    def in_use(self) -> TransportName:
        """The name of the next call's transport: "standard" while calls are traced."""
        return "fast" if self._passage.is_unchanged() else "standard"

    async def call(
        self,
        name: str,
        request: Request,
        on_send: Callable[[], None],
        deadline: float | None = None,
    ) -> Any:
        """Return the answer to a request, or raise what the client raises; see `Transport`."""
        message = await self._message(name, request)
        if message is None:
            return await self._client_call(name, request, deadline)
        try:
            async with self._slots:
                response = await self._templates[name].route.exchange(message, on_send, deadline)
        except TooLateError:
            raise
        except Exception as error:  # noqa: BLE001 - aiobotocore handles it
            return await self._client_call(name, request, deadline, _Outcome(error))
        if response.is_redirect:
            # aiohttp follows redirects if the client sends the request.
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
            # The client encodes binary attributes, which other writers may have added.
            return None
        credentials: Any = await self._credentials.get_frozen_credentials()
        if getattr(credentials, "account_id", None) != self._account_id:
            # The endpoint may contain the account's id.
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
        """Return the key for a day's signatures; None if the credentials do not fit a header."""
        made_of = (credentials, timestamp[:8])
        known = self._keys.get(name)
        if known is None or known[0] != made_of:
            # A line break would end the header and begin another.
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
        """Return the answer of a plain success; None if the client has to parse the response."""
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
        """Report a success to the client, which refills some of its quota of retries."""
        self._unreported -= 1
        await self._client.meta.events.emit(
            f"after-call.dynamodb.{name}",
            http_response=SimpleNamespace(status_code=200),
            parsed={},
            model=self._client.meta.service_model.operation_model(name),
            context={},
        )
