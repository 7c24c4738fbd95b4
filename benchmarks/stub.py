"""A server in its own process that always gives the same answers, in DynamoDB's form.

`python -m benchmarks.stub CPU CERTIFICATE` prints its port, and speaks HTTPS; without a
certificate it speaks HTTP. The path of a request says how many milliseconds its answer waits. The
answer to a GET is the latest requests, oldest first.
"""

import asyncio
import json
import os
import ssl
import sys
import zlib
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass import BreakGlassEvent
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_guard
from aiobreakglass.testing import make_event
from benchmarks.limited import slots_in_use
from benchmarks.rows import LAYOUT, stored_row

PAGE = 100

HELD = make_event(id="0123456789abcdef", created_at=datetime.now(UTC), request_id="r-1")
"""The event that holds access to `prod`; it lasts longer than any benchmark."""

PROFILES = ["prod", *(f"prod-{number}" for number in range(1, 50))]
"""The profiles of one check of many."""

HELD_AT_ONCE = [
    HELD,
    *(
        make_event(id=f"{number:016x}", profile=PROFILES[number], created_at=HELD.created_at)
        for number in range(1, 5)
    ),
]
"""The events that grant access to the first of these profiles."""


def _row(event: BreakGlassEvent) -> Item:
    return stored_row(event, "0" * 32)


def _closed(number: int) -> Item:
    return _row(
        make_event(
            created_at=HELD.created_at - timedelta(hours=number + 1),
            status="closed",
            closed_by="bob",
            closed_reason="The primary answers again",
            request_id=f"r-{number}",
        )
    )


def _rows() -> dict[str, Item]:
    """Return the rows by their partition keys."""
    rows = [*(encode_guard(event, LAYOUT) for event in HELD_AT_ONCE), *map(_row, HELD_AT_ONCE)]
    rows += slots_in_use(HELD, HELD.created_at)
    return {row[LAYOUT.partition_key]["S"]: row for row in rows}


def _response(answer: object) -> bytes:
    body = json.dumps(answer, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
        "x-amzn-RequestId: 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\nServer: Server\r\n"
        "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + body


ROWS = _rows()
GETS = {key: _response({"Item": row}) for key, row in ROWS.items()}
QUERY = _response(
    {"Items": [_closed(number) for number in range(PAGE)], "Count": PAGE, "ScannedCount": PAGE}
)
DONE = _response({})

LATEST: deque[tuple[str, str]] = deque(maxlen=len(PROFILES) + len(HELD_AT_ONCE))
"""The operations and bodies of the latest requests, to compare what contestants send."""


class Connection(asyncio.Protocol):
    """Answers each request when it is complete; requests never overlap on one connection."""

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
    match operation:
        case b"GetItem":
            return GETS.get(json.loads(body)["Key"][LAYOUT.partition_key]["S"], DONE)
        case b"BatchGetItem":
            return _batch(json.loads(body)["RequestItems"])
        case b"Query":
            return QUERY
    return DONE


def _batch(tables: dict[str, Any]) -> bytes:
    """Return the rows that exist; all requests are about the same table."""
    ((name, asked),) = tables.items()
    keys = [key[LAYOUT.partition_key]["S"] for key in asked["Keys"]]
    rows = [ROWS[key] for key in keys if key in ROWS]
    return _response({"Responses": {name: rows}, "UnprocessedKeys": {}})


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
