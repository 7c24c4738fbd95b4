"""A server that answers as DynamoDB would, the same each time, in a process of its own.

`python -m benchmarks.stub CPU CERTIFICATE` prints its port, and speaks HTTPS; without a
certificate it speaks HTTP. Each answer waits as long as the path of its request says, in
milliseconds. A GET is answered with the latest requests, oldest first.
"""

import asyncio
import json
import os
import ssl
import sys
import zlib
from collections import deque
from datetime import UTC, datetime, timedelta

from aiobreakglass import TableLayout
from aiobreakglass._dynamodb.codec import encode_event, encode_guard
from aiobreakglass._dynamodb.transaction import Item
from aiobreakglass.testing import make_event

LAYOUT = TableLayout()
RETENTION = timedelta(days=365)
PAGE = 100

HELD = make_event(id="0123456789abcdef", created_at=datetime.now(UTC), request_id="r-1")
"""The event that holds access; it lasts longer than any benchmark."""


def _row(**overrides: object) -> Item:
    return encode_event(make_event(**overrides), LAYOUT, write_id="0" * 32, retention=RETENTION)


def _closed(number: int) -> Item:
    return _row(
        created_at=HELD.created_at - timedelta(hours=number + 1),
        status="closed",
        closed_by="bob",
        closed_reason="The primary answers again",
        request_id=f"r-{number}",
    )


def _response(answer: object) -> bytes:
    body = json.dumps(answer, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
        "x-amzn-RequestId: 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\nServer: Server\r\n"
        "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + body


GUARD = _response({"Item": encode_guard(HELD, LAYOUT)})
EVENT = _response({"Item": encode_event(HELD, LAYOUT, write_id="0" * 32, retention=RETENTION)})
QUERY = _response(
    {"Items": [_closed(number) for number in range(PAGE)], "Count": PAGE, "ScannedCount": PAGE}
)
DONE = _response({})

LATEST: deque[tuple[str, str]] = deque(maxlen=8)
"""The operations and bodies of requests, for comparing what contestants send."""


class Connection(asyncio.Protocol):
    """Answers each request when it is whole; requests never overlap on one connection."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._received = b""
        milliseconds = int(head.partition(b" /")[2].partition(b" ")[0].strip(b"/") or 0)
        loop = asyncio.get_running_loop()
        loop.call_later(milliseconds / 1000, self._transport.write, _answer(head, body))


def _answer(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET"):
        latest = _response(list(LATEST))
        LATEST.clear()
        return latest
    operation = head.partition(b"DynamoDB_20120810.")[2].partition(b"\r\n")[0]
    LATEST.append((operation.decode(), body.decode()))
    if operation == b"GetItem":
        return GUARD if b"ACTIVE#" in body else EVENT
    return QUERY if operation == b"Query" else DONE


async def main(cpu: int, certificate: str | None = None) -> None:
    os.sched_setaffinity(0, {cpu})
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, ssl=context, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
