"""One exchange on a connection of aiohttp's pool: each request gets its own response, or none."""

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
"""Does with a request's body what a server might."""


def response(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def echo(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(response(body))


class Server:
    """Speaks HTTP no better than it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.reply: Reply = echo
        self.early = False
        """Whether to answer before the body has come."""
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
                    # What is left of the body is read as though it were requests.
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
    """Do nothing when a request goes."""


async def exchange(route: Route, body: bytes, deadline: float | None = None) -> bytes:
    return (await route.exchange(route.message("", body), nothing, deadline)).content


async def cancelled(task: asyncio.Task[bytes]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def over(task: asyncio.Task[bytes]) -> None:
    """See a cancelled task end by itself."""
    done, _ = await asyncio.wait({task}, timeout=30)
    assert done
    assert task.cancelled()


class TestResponses:
    async def test_one_after_the_other(self, server: Server, route: Route) -> None:
        """A connection serves again and again."""
        assert [await exchange(route, body) for body in (b"1", b"2", b"3")] == [b"1", b"2", b"3"]
        assert server.connections == 1

    async def test_at_once(self, route: Route) -> None:
        """Each of many gets its own, whatever is under way beside it."""
        bodies = [str(number).encode() for number in range(50)]
        assert await asyncio.gather(*(exchange(route, body) for body in bodies)) == bodies

    @pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Hints", "199 OK"])
    @pytest.mark.parametrize("headers", [b"", b"Content-Length: 0\r\n", b"x-amz-crc32: 0\r\n"])
    @pytest.mark.parametrize("times", [1, 3])
    async def test_after_informational_ones(
        self, server: Server, route: Route, status: str, headers: bytes, times: int
    ) -> None:
        """A head that comes ahead of a response is none, however final it looks."""

        async def information_first(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.write((f"HTTP/1.1 {status}\r\n".encode() + headers + b"\r\n") * times)
            await writer.drain()
            writer.write(response(body))

        server.reply = information_first
        answered = await route.exchange(route.message("", b"asked"), nothing)
        assert (answered.status, answered.content) == (200, b"asked")
        server.reply = echo
        assert await exchange(route, b"again") == b"again"

    async def test_that_nobody_asked_for(self, server: Server, route: Route) -> None:
        """What has come on a connection before a request goes is not its response."""

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
        while len(protocol) == 0:  # noqa: ASYNC110 - aiohttp tells nobody when it has come
            await asyncio.sleep(0)
        with pytest.raises(ClientConnectionError, match="closing transport"):
            await exchange(route, b"2")
        assert await exchange(route, b"3") == b"3"
        assert (server.connections, len(server.heads)) == (2, 2)

    async def test_on_a_new_connection(self, session: ClientSession) -> None:
        """A server that speaks first is not answering."""

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b"welcome"))
            await reader.read()
            writer.close()

        class Slow(aiohttp.TCPConnector):
            """Hands out connections on which something has come."""

            async def connect(self, *arguments: Any, **options: Any) -> Any:
                connection = await super().connect(*arguments, **options)
                assert isinstance(connection.protocol, ResponseHandler)
                while not connection.protocol.should_close:  # noqa: ASYNC110 - nobody tells
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

    async def test_before_the_request_has_gone(
        self, server: Server, session: ClientSession
    ) -> None:
        """Who is answered early leaves nothing of its request for the next one to begin with."""
        length = 20_000_000
        server.early = True
        url = URL(f"http://127.0.0.1:{server.port}/")
        route = Route(session, url, HEADERS)
        early = await route.exchange(route.message("", b"x" * length), nothing)
        assert early.status == 400
        server.early = False
        assert await exchange(route, b"2") == b"2"
        assert server.connections == 2

    async def test_of_a_protocol_that_is_switched_to(self, server: Server, route: Route) -> None:
        """101 is the last word in HTTP, and no information ahead of another."""

        async def switch(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")

        server.reply = switch
        async with asyncio.timeout(30):
            assert (await route.exchange(route.message("", b""), nothing)).status == 101
        server.reply = echo
        assert await exchange(route, b"2") == b"2"

    async def test_to_a_caller_that_went_away(self, server: Server, route: Route) -> None:
        """A response that comes late is not taken for the next request's."""

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

    async def test_on_a_connection_that_the_server_has_ended(
        self, server: Server, route: Route
    ) -> None:
        """A request that got lost fails as with aiohttp, which does not send a POST again."""

        async def end(writer: asyncio.StreamWriter, body: bytes) -> None:
            writer.close()

        server.reply = end
        with pytest.raises(ServerDisconnectedError):
            await exchange(route, b"1")
        server.reply = echo
        assert await exchange(route, b"2") == b"2"


class TestRequests:
    async def test_as_aiohttp_sends_them(
        self, server: Server, route: Route, session: ClientSession
    ) -> None:
        """The headers are those that aiohttp would have sent, though in another order."""
        await exchange(route, b"body")
        async with session.post(route.url, data=b"body", headers=HEADERS):
            pass
        ours, theirs = (sorted(head.split(b"\r\n")) for head in server.heads)
        theirs.remove(b"Content-Type: application/octet-stream")
        assert ours == theirs

    @pytest.mark.parametrize("path", ["/", "/a/b", "/caf%C3%A9"])
    async def test_for_a_path(self, server: Server, session: ClientSession, path: str) -> None:
        """A URL's path is asked for as it is."""
        url = URL(f"http://127.0.0.1:{server.port}{path}", encoded=True)
        await exchange(Route(session, url, HEADERS), b"body")
        assert server.heads[0].startswith(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1".encode())

    async def test_tell_when_they_go(self, server: Server, route: Route) -> None:
        """Nothing is said to have gone where there is no connection."""
        gone: list[str] = []
        await route.exchange(route.message("", b""), lambda: gone.append("sent"))
        assert gone == ["sent"]
        elsewhere = Route(route._request._session, URL("http://127.0.0.1:1/"), HEADERS)
        with pytest.raises(aiohttp.ClientConnectorError):
            await elsewhere.exchange(b"", lambda: gone.append("again"))
        assert gone == ["sent"]

    async def test_on_a_session_that_is_closed(
        self, server: Server, route: Route, session: ClientSession
    ) -> None:
        """No connection is made any more."""
        await session.close()
        with pytest.raises(ClientConnectionError, match="closed"):
            await exchange(route, b"body")
        assert server.connections == 0


class TestCancellation:
    """With a deadline, a caller that is cancelled waits for the response, though not for long."""

    @pytest.fixture
    def may_answer(self, server: Server) -> asyncio.Event:
        """Have the server answer when it is told to."""
        event = asyncio.Event()

        async def late(writer: asyncio.StreamWriter, body: bytes) -> None:
            await event.wait()
            await echo(writer, body)

        server.reply = late
        return event

    @pytest.fixture
    def long_grace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be patient for longer than any test may take."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))

    @staticmethod
    async def sent(server: Server, route: Route, seconds: float) -> asyncio.Task[bytes]:
        deadline = asyncio.get_running_loop().time() + seconds
        task = asyncio.create_task(exchange(route, b"1", deadline))
        await server.arrived.wait()
        task.cancel()
        await asyncio.sleep(0)
        return task

    async def test_until_the_response(
        self, server: Server, route: Route, may_answer: asyncio.Event
    ) -> None:
        """The request is answered by the time that the caller goes."""
        task = await self.sent(server, route, 3600)
        assert not task.done()
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_until_the_deadline(self, server: Server, route: Route) -> None:
        """It may be nearer than the patience for a caller that was cancelled."""
        await over(await self.sent(server, route, 0.05))

    @pytest.mark.usefixtures("may_answer")
    async def test_for_a_bounded_time(
        self, server: Server, route: Route, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A response that does not come keeps nobody."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(milliseconds=20))
        await over(await self.sent(server, route, 3600))

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_twice(self, server: Server, route: Route) -> None:
        """Who is cancelled again waits no longer."""
        task = await self.sent(server, route, 3600)
        task.cancel()
        await over(task)

    @pytest.mark.usefixtures("may_answer", "long_grace")
    async def test_by_a_time_limit(self, route: Route) -> None:
        """A limit that is the deadline is told as a time-out, at once."""

        async def limited() -> None:
            deadline = asyncio.get_running_loop().time() + 0.05
            async with asyncio.timeout_at(deadline):
                await exchange(route, b"1", deadline)

        (done,), _ = await asyncio.wait({asyncio.create_task(limited())}, timeout=30)
        with pytest.raises(TimeoutError):
            done.result()

    async def test_leaves_nothing(
        self, server: Server, route: Route, may_answer: asyncio.Event
    ) -> None:
        """No connection stays taken, and the next request gets its own response."""
        task = await self.sent(server, route, 3600)
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert route._connector._acquired == set()
        assert await exchange(route, b"2") == b"2"
