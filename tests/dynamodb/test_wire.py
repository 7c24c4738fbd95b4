"""One exchange on a connection of aiohttp's pool: each request gets only its own response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientConnectionError, ClientSession, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from aiobreakglass import _shielding
from aiobreakglass._aws.fast.wire import Route

HEADERS = CIMultiDict({"X-Amz-Target": "DynamoDB_20120810.GetItem"})

Reply = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""Replies to a request's body in any way that a server might."""


def response(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def echo(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(response(body))


class Server:
    """Speaks HTTP as correctly as a test wants."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.reply: Reply = echo
        self.early = False
        """Whether to answer before the body has arrived."""
        self.arrived = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                if self.early:
                    writer.write(response(b"no", "400 Bad Request"))
                    await writer.drain()
                    # The server then reads the rest of the body as if it were requests.
                    await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.arrived.set()
                await self.reply(writer, body)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[None]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield
        listener.close()
        # From Python 3.12.1 on, leaving waits for the connections, which the client may keep open.
        for writer in server.writers:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with listening(server):
        yield server


@pytest.fixture
async def session(server: Server) -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def route(server: Server, session: ClientSession) -> Route:
    return Route(session, URL(f"http://127.0.0.1:{server.port}/"), HEADERS)


def nothing() -> None:
    """Ignore that a request is sent."""


async def exchange(route: Route, body: bytes, deadline: float | None = None) -> bytes:
    return (await route.exchange(route.message("", body), nothing, deadline)).content


async def cancelled(task: asyncio.Task[bytes]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def over(task: asyncio.Task[bytes]) -> None:
    """Check that a cancelled task ends by itself."""
    done, _ = await asyncio.wait({task}, timeout=30)
    assert done
    assert task.cancelled()


class TestResponses:
    async def test_connection_serves_several_requests(self, server: Server, route: Route) -> None:
        """One connection serves several requests, one after the other."""
        assert [await exchange(route, body) for body in (b"1", b"2", b"3")] == [b"1", b"2", b"3"]
        assert server.connections == 1

    async def test_concurrent_requests_get_their_own_responses(self, route: Route) -> None:
        """Each of many concurrent requests gets its own response."""
        bodies = [str(number).encode() for number in range(50)]
        assert await asyncio.gather(*(exchange(route, body) for body in bodies)) == bodies

    @pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Hints", "199 OK"])
    @pytest.mark.parametrize("headers", [b"", b"Content-Length: 0\r\n", b"x-amz-crc32: 0\r\n"])
    @pytest.mark.parametrize("times", [1, 3])
    async def test_informational_response_is_not_the_response(
        self, server: Server, route: Route, status: str, headers: bytes, times: int
    ) -> None:
        """An informational head before the response does not count, even if it looks final."""

        async def information_first(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.write((f"HTTP/1.1 {status}\r\n".encode() + headers + b"\r\n") * times)
            await writer.drain()
            writer.write(response(body))

        server.reply = information_first
        answered = await route.exchange(route.message("", b"asked"), nothing)
        assert (answered.status, answered.content) == (200, b"asked")
        server.reply = echo
        assert await exchange(route, b"again") == b"again"

    async def test_unrequested_response_is_not_used(self, server: Server, route: Route) -> None:
        """Data that arrives before a request is sent is not its response."""

        async def twice(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.write(response(body))
            await was_read.wait()
            writer.write(response(b"unasked"))

        was_read = asyncio.Event()
        server.reply = twice
        assert await exchange(route, b"1") == b"1"
        was_read.set()
        server.reply = echo
        ((protocol, _),) = route._connector._conns[route._request.connection_key]
        while len(protocol) == 0:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(0)
        with pytest.raises(ClientConnectionError, match="closing transport"):
            await exchange(route, b"2")
        assert await exchange(route, b"3") == b"3"
        assert (server.connections, len(server.heads)) == (2, 2)

    async def test_server_that_sends_first_is_not_answering(self, session: ClientSession) -> None:
        """Data on a new connection is not the response to its first request."""

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b"welcome"))
            await reader.read()
            writer.close()

        class Slow(aiohttp.TCPConnector):
            """Returns a connection only after data has arrived on it."""

            async def connect(self, *arguments: Any, **options: Any) -> Any:
                connection = await super().connect(*arguments, **options)
                assert isinstance(connection.protocol, ResponseHandler)
                while not connection.protocol.should_close:  # noqa: ASYNC110 - aiohttp has no event for it
                    await asyncio.sleep(0)
                return connection

        async with (
            await asyncio.start_server(greet, "127.0.0.1", 0) as listener,
            ClientSession(connector=Slow()) as session,
        ):
            port = listener.sockets[0].getsockname()[1]
            route = Route(session, URL(f"http://127.0.0.1:{port}/"), HEADERS)
            with pytest.raises(ClientConnectionError, match="closing transport"):
                await exchange(route, b"1")

    async def test_early_response_leaves_no_rest_of_its_request(
        self, server: Server, session: ClientSession
    ) -> None:
        """After an early response the next request uses another connection."""
        length = 20_000_000
        server.early = True
        url = URL(f"http://127.0.0.1:{server.port}/")
        route = Route(session, url, HEADERS)
        early = await route.exchange(route.message("", b"x" * length), nothing)
        assert early.status == 400
        server.early = False
        assert await exchange(route, b"2") == b"2"
        assert server.connections == 2

    async def test_switching_protocols_is_a_final_response(
        self, server: Server, route: Route
    ) -> None:
        """101 is a final response, although it is informational."""

        async def switch(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")

        server.reply = switch
        async with asyncio.timeout(30):
            assert (await route.exchange(route.message("", b""), nothing)).status == 101
        server.reply = echo
        assert await exchange(route, b"2") == b"2"

    async def test_late_response_of_a_cancelled_request_is_not_used(
        self, server: Server, route: Route
    ) -> None:
        """A late response is not taken for that of the next request."""

        async def late(writer: asyncio.StreamWriter, body: bytes) -> None:
            await may_answer.wait()
            await echo(writer, body)

        may_answer = asyncio.Event()
        server.reply = late
        first = asyncio.create_task(exchange(route, b"1"))
        await server.arrived.wait()
        await cancelled(first)
        may_answer.set()
        assert await exchange(route, b"2") == b"2"
        assert server.connections == 2

    async def test_request_on_a_closed_connection_is_not_repeated(
        self, server: Server, route: Route
    ) -> None:
        """The request fails as in aiohttp, which does not repeat a POST."""

        async def end(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.close()

        server.reply = end
        with pytest.raises(ServerDisconnectedError):
            await exchange(route, b"1")
        server.reply = echo
        assert await exchange(route, b"2") == b"2"


class TestRequests:
    async def test_request_has_the_headers_of_aiohttp(
        self, server: Server, route: Route, session: ClientSession
    ) -> None:
        """The headers are those of aiohttp, in another order."""
        await exchange(route, b"body")
        async with session.post(route.url, data=b"body", headers=HEADERS):
            pass
        ours, theirs = (sorted(head.split(b"\r\n")) for head in server.heads)
        theirs.remove(b"Content-Type: application/octet-stream")
        assert ours == theirs

    @pytest.mark.parametrize("path", ["/", "/a/b", "/caf%C3%A9"])
    async def test_request_keeps_the_path_unchanged(
        self, server: Server, session: ClientSession, path: str
    ) -> None:
        """The request has the URL's path unchanged."""
        url = URL(f"http://127.0.0.1:{server.port}{path}", encoded=True)
        await exchange(Route(session, url, HEADERS), b"body")
        assert server.heads[0].startswith(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1".encode())

    async def test_caller_is_notified_only_if_connected(
        self, server: Server, route: Route
    ) -> None:
        """Without a connection the caller is not told that a request was sent."""
        gone: list[str] = []
        await route.exchange(route.message("", b""), lambda: gone.append("sent"))
        assert gone == ["sent"]
        elsewhere = Route(route._request._session, URL("http://127.0.0.1:1/"), HEADERS)
        with pytest.raises(aiohttp.ClientConnectorError):
            await elsewhere.exchange(b"", lambda: gone.append("again"))
        assert gone == ["sent"]

    async def test_closed_session_makes_no_connection(
        self, server: Server, route: Route, session: ClientSession
    ) -> None:
        """A request on a closed session fails."""
        await session.close()
        with pytest.raises(ClientConnectionError, match="closed"):
            await exchange(route, b"body")
        assert server.connections == 0


class TestCancellation:
    """With a deadline, a cancelled caller waits for the response for a bounded time."""

    @pytest.fixture
    def may_answer(self, server: Server) -> asyncio.Event:
        """Let the server answer only after this event is set."""
        event = asyncio.Event()

        async def late(writer: asyncio.StreamWriter, body: bytes) -> None:
            await event.wait()
            await echo(writer, body)

        server.reply = late
        return event

    @pytest.fixture
    def long_grace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a cancelled caller wait longer than any test takes."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))

    @staticmethod
    async def sent(server: Server, route: Route, seconds: float) -> asyncio.Task[bytes]:
        deadline = asyncio.get_running_loop().time() + seconds
        task = asyncio.create_task(exchange(route, b"1", deadline))
        await server.arrived.wait()
        task.cancel()
        await asyncio.sleep(0)
        return task

    async def test_cancelled_caller_waits_for_the_response(
        self, server: Server, route: Route, may_answer: asyncio.Event
    ) -> None:
        """A cancelled caller ends as soon as its response has arrived."""
        task = await self.sent(server, route, 3600)
        assert not task.done()
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_cancelled_caller_waits_until_the_deadline(
        self, server: Server, route: Route
    ) -> None:
        """The deadline may come before the grace of a cancelled caller ends."""
        await over(await self.sent(server, route, 0.05))

    @pytest.mark.usefixtures("may_answer")
    async def test_cancelled_caller_waits_for_a_bounded_time(
        self, server: Server, route: Route, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A missing response keeps a cancelled caller only until its grace ends."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(milliseconds=20))
        await over(await self.sent(server, route, 3600))

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_second_cancellation_ends_the_wait(self, server: Server, route: Route) -> None:
        """A caller that is cancelled again stops waiting."""
        task = await self.sent(server, route, 3600)
        task.cancel()
        await over(task)

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_time_limit_at_the_deadline_is_a_time_out(self, route: Route) -> None:
        """A time limit at the deadline raises `TimeoutError` at once."""

        async def limited() -> None:
            deadline = asyncio.get_running_loop().time() + 0.05
            async with asyncio.timeout_at(deadline):
                await exchange(route, b"1", deadline)

        (done,), _ = await asyncio.wait({asyncio.create_task(limited())}, timeout=30)
        with pytest.raises(TimeoutError):
            done.result()

    async def test_cancelled_request_frees_its_connection(
        self, server: Server, route: Route, may_answer: asyncio.Event
    ) -> None:
        """No connection stays taken, and the next request gets its own response."""
        task = await self.sent(server, route, 3600)
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert route._connector._acquired == set()
        assert await exchange(route, b"2") == b"2"
