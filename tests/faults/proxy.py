"""An HTTP proxy between a store and a backend that treats each request by a plan."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import ClientSession, web

_FORWARDED = ("x-amz-target", "content-type", "authorization", "x-amz-date")


class AbortedError(Exception):
    """The connection breaks without an answer."""


@dataclass
class Exchange:
    """One request on its way to the backend."""

    operation: str
    """The operation: `GetItem`, `TransactWriteItems`, ..."""
    body: bytes
    headers: dict[str, str]
    session: ClientSession
    backend: str
    forwarded: bool = False
    """Whether the backend has received it."""
    late: set[asyncio.Task[web.Response]] = field(default_factory=set)
    """Tasks of the proxy that continue even if the sender stops waiting."""
    on_hang: Callable[[], None] = lambda: None
    """Called when the request hangs for good."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the call that sent the request has ended."""

    async def forward_after(self, seconds: float) -> web.Response:
        """Forward the request after a while, even if its sender has gone by then."""
        return await self._forward_after(partial(asyncio.sleep, seconds))

    async def forward_at_the_end(self) -> web.Response:
        """Forward the request when the call that sent it has ended without an answer to it."""
        self.on_hang()
        return await self._forward_after(self.ended.wait)

    async def _forward_after(self, wait: Callable[[], Awaitable[object]]) -> web.Response:
        async def held_up() -> web.Response:
            await wait()
            return await self.forward()

        task = asyncio.create_task(held_up())
        self.late.add(task)
        task.add_done_callback(self.late.discard)
        return await asyncio.shield(task)

    async def forward(self) -> web.Response:
        """Forward the request, and return the backend's answer."""
        self.forwarded = True
        async with self.session.post(self.backend, data=self.body, headers=self.headers) as answer:
            headers = {
                name: answer.headers[name]
                for name in ("x-amz-crc32", "x-amzn-requestid", "content-type")
                if name in answer.headers
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


Fault = Callable[[Exchange], Awaitable[web.StreamResponse]]
"""What happens to an exchange."""


async def none(exchange: Exchange) -> web.StreamResponse:
    """Forward the request and its response."""
    return await exchange.forward()


async def reset(exchange: Exchange) -> web.StreamResponse:
    """Break the connection before the backend has the request."""
    raise AbortedError


async def lose_response(exchange: Exchange) -> web.StreamResponse:
    """Break the connection after the backend has answered."""
    await exchange.forward()
    raise AbortedError


async def hang(exchange: Exchange) -> web.StreamResponse:
    """Never forward the request, and never answer."""
    exchange.on_hang()
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


async def hang_after(exchange: Exchange) -> web.StreamResponse:
    """Forward the request, and never answer."""
    await exchange.forward()
    return await hang(exchange)


async def come_late(exchange: Exchange) -> web.StreamResponse:
    """Forward the request when nobody waits for its answer any more."""
    return await exchange.forward_at_the_end()


async def cut_body(exchange: Exchange) -> web.StreamResponse:
    """Answer with half of the announced body."""
    whole = await exchange.forward()
    assert isinstance(whole.body, bytes)
    return web.Response(
        status=whole.status,
        body=whole.body[: len(whole.body) // 2],
        headers={**whole.headers, "x-cut": "1", "content-length": str(len(whole.body))},
    )


async def wrong_checksum(exchange: Exchange) -> web.StreamResponse:
    """Answer with the crc32 of another body."""
    whole = await exchange.forward()
    assert isinstance(whole.body, bytes)
    whole.headers["x-amz-crc32"] = str(zlib.crc32(whole.body) ^ 1)
    return whole


async def emptied(exchange: Exchange) -> web.StreamResponse:
    """Answer 200 with an empty object that does not match its crc32."""
    await exchange.forward()
    body = b"{}"
    return web.Response(body=body, headers={"x-amz-crc32": str(zlib.crc32(body) ^ 1)})


async def invalid_json(exchange: Exchange) -> web.StreamResponse:
    """Answer 200 with a body that is not JSON but has the right checksum."""
    await exchange.forward()
    body = b"<html>welcome to the hotel's network</html>"
    return web.Response(body=body, headers={"x-amz-crc32": str(zlib.crc32(body))})


def delay(seconds: float) -> Fault:
    """Hold the request before the backend has it, even if its sender stops waiting."""

    async def delayed(exchange: Exchange) -> web.StreamResponse:
        return await exchange.forward_after(seconds)

    return delayed


def answer(status: int, code: str, message: str = "", **extra: object) -> Fault:
    """Answer with an error of DynamoDB in place of the backend."""

    async def refused(exchange: Exchange) -> web.StreamResponse:
        body = json.dumps(
            {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **extra}
        ).encode()
        return web.Response(
            status=status,
            body=body,
            content_type="application/x-amz-json-1.0",
            headers={"x-amz-crc32": str(zlib.crc32(body))},
        )

    return refused


def cancelled(*codes: str) -> Fault:
    """Answer that the transaction was cancelled, with a reason for each part."""
    reasons = [{"Code": code, "Message": code} for code in codes]
    return answer(400, "TransactionCanceledException", "cancelled", CancellationReasons=reasons)


def after(fault: Fault) -> Fault:
    """Forward the request, then apply the fault."""

    async def late(exchange: Exchange) -> web.StreamResponse:
        await exchange.forward()
        return await fault(exchange)

    return late


@dataclass
class FaultProxy:
    """A proxy that listens at `url`."""

    backend: str
    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    """Every request so far, in order."""
    plan: Callable[[Exchange], Fault] = lambda exchange: none
    """Chooses the fault for each request."""
    late: set[asyncio.Task[web.Response]] = field(default_factory=set)
    """The delayed requests that the backend has not answered yet."""
    on_hang: Callable[[], None] = lambda: None
    """Called when a request hangs, so that its sender can time out without waiting."""
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self) -> None:
        """Say that the call has ended; wait until the backend has answered each late request."""
        self._ended.set()
        self._ended = asyncio.Event()
        while self.late:
            await asyncio.gather(*self.late)

    def script(self, operation: str, *faults: Fault) -> None:
        """Apply these faults to the next requests of an operation, and none to any others."""
        remaining = list(faults)

        def next_fault(exchange: Exchange) -> Fault:
            return remaining.pop(0) if exchange.operation == operation and remaining else none

        self.plan = next_fault

    def sent(self, operation: str) -> list[Exchange]:
        """Return the requests of an operation that have arrived so far."""
        return [exchange for exchange in self.exchanges if exchange.operation == operation]

    async def arrival(self, operation: str, number: int = 1) -> None:
        """Wait until this many requests of an operation have arrived."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.sent(operation)) >= number)

    async def note(self, exchange: Exchange) -> None:
        """Record that a request has arrived."""
        async with self._arrival:
            self.exchanges.append(exchange)
            self._arrival.notify_all()


@asynccontextmanager
async def fault_proxy(backend: str) -> AsyncIterator[FaultProxy]:
    """Listen in front of a backend, on 127.0.0.1 and a free port."""
    proxy = FaultProxy(backend)
    async with ClientSession() as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            exchange = Exchange(
                operation=request.headers.get("x-amz-target", "").rpartition(".")[2],
                body=await request.read(),
                headers={
                    name: request.headers[name] for name in _FORWARDED if name in request.headers
                },
                session=session,
                backend=backend,
                late=proxy.late,
                on_hang=proxy.on_hang,
                ended=proxy._ended,
            )
            await proxy.note(exchange)
            try:
                response = await proxy.plan(exchange)(exchange)
            except AbortedError:
                response = web.Response()
                assert request.transport is not None
                request.transport.abort()
            if "x-cut" in response.headers:
                response = await _send_cut(request, response)
            return response

        runner = web.AppRunner(_application(handle), handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()
            for task in proxy.late:
                task.cancel()
            await asyncio.gather(*proxy.late, return_exceptions=True)


def _application(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.Application:
    application = web.Application()
    application.router.add_post("/", handle)
    return application


async def _send_cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    cut = web.StreamResponse(status=response.status, headers=response.headers)
    await cut.prepare(request)
    await cut.write(response.body)
    assert request.transport is not None
    request.transport.close()
    return cut
