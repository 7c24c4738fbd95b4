"""A server that answers each operation in the same way, with faults by a script."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from aiohttp import web

ANSWERS: dict[str, dict[str, Any]] = {
    "GetItem": {"Item": {"pk": {"S": "caf\u00e9"}, "n": {"N": "1"}, "l": {"L": [{"BOOL": True}]}}},
    "Query": {"Items": [{"pk": {"S": "x"}}], "Count": 1, "ScannedCount": 1},
    "TransactWriteItems": {},
}


def answer_to(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return an answer about the requested row."""
    answer = ANSWERS[operation]
    if "Key" in request:
        return {"Item": answer["Item"] | request["Key"]}
    if ":value" in request.get("ExpressionAttributeValues", {}):
        field = request["KeyConditionExpression"].partition(" = ")[0]
        name = request["ExpressionAttributeNames"][field]
        asked = {name: request["ExpressionAttributeValues"][":value"]}
        return answer | {"Items": [row | asked for row in answer["Items"]]}
    return answer


Spoil = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]
"""Sends the response to a request; its second argument is the correct body."""


async def right(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send the correct answer."""
    return response(200, body)


def response(status: int, body: bytes, **headers: str) -> web.Response:
    """Return a response as DynamoDB sends it, with the right checksum unless one is given."""
    return web.Response(
        status=status,
        body=body,
        content_type="application/x-amz-json-1.0",
        headers={"x-amzn-requestid": "r-1", "x-amz-crc32": str(zlib.crc32(body)), **headers},
    )


def error(status: int, code: str, **extra: object) -> Spoil:
    """Answer with an error of DynamoDB."""
    body = json.dumps(
        {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **extra}
    ).encode()

    async def refuse(request: web.Request, _: bytes) -> web.StreamResponse:
        return response(status, body)

    return refuse


def sent(status: int, body: bytes, **headers: str) -> Spoil:
    """Answer every request with this response."""

    async def answer(request: web.Request, _: bytes) -> web.StreamResponse:
        return response(status, body, **headers)

    return answer


async def without_checksum(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send no checksum, as servers other than DynamoDB do."""
    return web.Response(body=body, content_type="application/x-amz-json-1.0")


async def wrong_checksum(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send the checksum of another body."""
    return response(200, body, **{"x-amz-crc32": "1"})


async def dropped(request: web.Request, body: bytes) -> web.StreamResponse:
    """Break the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def raw(reply: bytes) -> Spoil:
    """Reply with these bytes, which need not be HTTP, and close the connection."""

    async def answer(request: web.Request, _: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(reply)
        request.transport.close()
        return web.Response()

    return answer


async def hanging(request: web.Request, body: bytes) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


def _in_pieces(pieces: int, *, of: float = 1.0) -> Spoil:
    async def stream(request: web.Request, body: bytes) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"x-amz-crc32": str(zlib.crc32(body))})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        end = int(len(body) * of)
        size = max(1, end // pieces)
        for start in range(0, end, size):
            await answer.write(body[start : min(start + size, end)])
            await asyncio.sleep(0)
        if of < 1:
            assert request.transport is not None
            request.transport.abort()
        return answer

    return stream


chunked = _in_pieces(2)
dribbled = _in_pieces(1000)
cut = _in_pieces(2, of=0.5)


@dataclass
class CannedServer:
    """A server that listens at `url`."""

    url: str = ""
    script: list[Spoil] = field(default_factory=list)
    """The next responses; all later ones are correct."""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """The headers, by lower-case name, and the body of each request so far."""
    on_hang: Callable[[], None] = lambda: None
    """Called when a request hangs, so that a test can time it out at once."""
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def have_come(self, number: int) -> None:
        """Wait until this many requests have arrived."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= number)

    async def note(self, headers: dict[str, str], body: bytes) -> None:
        """Record a request."""
        async with self._arrival:
            self.requests.append((headers, body))
            self._arrival.notify_all()


@asynccontextmanager
async def canned_server(
    tls: SSLContext | None = None, *, as_asked: bool = False
) -> AsyncIterator[CannedServer]:
    """Listen at a free port of 127.0.0.1; if `as_asked`, answer about the requested rows."""
    server = CannedServer()

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        await server.note(headers, body)
        operation = headers["x-amz-target"].rpartition(".")[2]
        spoil = server.script.pop(0) if server.script else right
        if spoil is hanging:
            server.on_hang()
        answer = answer_to(operation, json.loads(body)) if as_asked else ANSWERS[operation]
        return await spoil(request, json.dumps(answer).encode())

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        scheme = "http" if tls is None else "https"
        server.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
