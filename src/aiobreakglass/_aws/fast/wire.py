"""Exchange one HTTP request and response over a connection of aiohttp's pool.

For each call aiohttp's session merges headers and cookies into a new request object and makes a
response object, which takes longer than the rest of the call. This module uses only aiohttp's
pool, time limits, parser and exceptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from inspect import signature
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import (
    ClientConnectionError,
    ClientRequest,
    ClientResponseError,
    ClientSession,
    ServerTimeoutError,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.hdrs import CONTENT_LENGTH, LOCATION, URI
from aiohttp.http_exceptions import HttpProcessingError

from aiobreakglass._shielding import grace_deadline

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

# aiohttp documents its pool, but not how its session reads from a connection.
_READING: Final = ("force_close", "read", "set_response_params", "should_close", "start_timeout")
_SETTINGS: Final = ("read_until_eof", "auto_decompress", "read_timeout")

_TLS_BUFFER: Final = 65536
"""How many bytes of a request TLS may buffer, unseen by asyncio's transport."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Response(NamedTuple):
    """A whole response; aiobotocore can use it like one of aiohttp's."""

    url: URL
    status: int
    headers: CIMultiDictProxy[str]
    raw_headers: Iterable[tuple[bytes, bytes]]
    content: bytes

    @property
    def is_redirect(self) -> bool:
        """Whether it redirects to another URL."""
        elsewhere = self.headers.get(LOCATION) or self.headers.get(URI)
        return self.status in _REDIRECTS and bool(elsewhere)

    async def read(self) -> bytes:
        """Return the body."""
        return self.content


class Route:
    """The route to one URL, with the headers that all requests to it share.

    Raises `ValueError` if aiohttp would do more than send these headers and a body of known
    length.
    """

    def __init__(self, session: ClientSession, url: URL, headers: CIMultiDict[str]) -> None:
        if not _is_known(ResponseHandler):
            raise ValueError("aiohttp reads responses in another way")
        if session.trace_configs:
            raise ValueError("the client's HTTP session is traced")
        if (
            type(session) is not ClientSession
            or session.headers
            or session.connector is None
            or session.connector.force_close
        ):
            raise ValueError("the client's HTTP session is set up in another way")
        self.url = url
        self._connector = session.connector
        self._timeout = session.timeout
        # Never sent. The pool reads the address from it, and it shows the headers that aiohttp
        # adds.
        self._request = ClientRequest(
            "POST",
            url,
            headers=headers,
            skip_auto_headers=session.skip_auto_headers,
            loop=asyncio.get_running_loop(),
            session=session,
        )
        lines = [
            f"{name}: {value}\r\n"
            for name, value in self._request.headers.items()
            if name != CONTENT_LENGTH
        ]
        self._head = "".join([f"POST {url.raw_path_qs} HTTP/1.1\r\n", *lines])

    def message(self, headers: str, body: bytes) -> bytes:
        """Return the bytes of a request.

        Args:
            headers: The lines of the headers that this request does not share with others.
            body: The request's body.
        """
        return f"{self._head}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def exchange(
        self, message: bytes, on_send: Callable[[], None], deadline: float | None = None
    ) -> Response:
        """Send a request and return its response, or raise what aiohttp raises.

        Args:
            message: The bytes of the request.
            on_send: Called right before the request is sent.
            deadline: If given, a cancelled caller waits for the response: for
                `CANCELLATION_GRACE`, and until this time at most, by the event loop's clock.
        """
        connection, protocol, transport = await self._connect()
        try:
            protocol.set_response_params(
                read_until_eof=True, auto_decompress=False, read_timeout=self._timeout.sock_read
            )
            on_send()
            transport.write(message)
            protocol.start_timeout()
            try:
                head, body = await self._read_head(protocol)
            except asyncio.CancelledError:
                if deadline is not None:
                    # Resume reading, and discard the result.
                    with suppress(Exception):
                        async with asyncio.timeout_at(grace_deadline(deadline)):
                            await self._read_head(protocol)
                raise
            content = await body.read()
        except BaseException:
            # A response may still arrive, and the next request would take it for its own.
            connection.close()
            raise
        if not protocol.should_close and (
            transport.get_write_buffer_size() or (head.code != 200 and len(message) > _TLS_BUFFER)
        ):
            # The server may have answered early. The unsent rest of this request would then come
            # before the next request.
            protocol.force_close()
        connection.release()
        return Response(self.url, head.code, head.headers, head.raw_headers, content)

    async def _connect(self) -> tuple[Connection, ResponseHandler, asyncio.Transport]:
        if self._connector.closed:
            raise ClientConnectionError("Connector is closed.")
        try:
            connection = await self._connector.connect(self._request, [], self._timeout)
        except TimeoutError as error:
            raise ServerTimeoutError(f"Connection timeout to host {self.url}") from error
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or protocol.should_close:
            # The connection is lost already, or has received data that would be taken for the
            # response.
            connection.close()
            raise ClientConnectionError("Cannot write to closing transport")
        return connection, protocol, transport

    async def _read_head(
        self, protocol: ResponseHandler
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Return the response's head and body, and skip informational responses."""
        while True:
            try:
                head, body = await protocol.read()
            except HttpProcessingError as error:
                raise ClientResponseError(
                    self._request.request_info,
                    (),
                    status=error.code,
                    message=error.message,
                    headers=error.headers,
                ) from error
            if head.code == 101 or not 100 <= head.code < 200:
                return head, body


def _is_known(protocol: type[ResponseHandler]) -> bool:
    return None not in [getattr(protocol, name, None) for name in _READING] and all(
        name in signature(protocol.set_response_params).parameters for name in _SETTINGS
    )
