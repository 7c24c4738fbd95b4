"""Answers about another row than the one that was requested."""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, StoreUnavailableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.faults.proxy import Exchange, Fault, FaultProxy, none

from .conftest import Transport
from .failures import WRITE

Read = Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[object]]


@pytest.fixture(params=["fast", "standard"])
def transport(request: pytest.FixtureRequest) -> Transport:
    transport: Transport = request.param
    return transport


async def get(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.get(event.id)


async def check(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.find_active_by_invoker_and_profile(event.invoker, event.profile)


async def list_by_invoker(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    (listed,) = await store.list_by_invoker(event.invoker)
    return listed


async def list_by_profile(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    (listed,) = await store.list_by_profile(event.profile)
    return listed


async def get_last(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.get_last_by_invoker_and_profile(event.invoker, event.profile)


READS = {
    "get": (get, "GetItem"),
    "check": (check, "GetItem"),
    "list_by_invoker": (list_by_invoker, "Query"),
    "list_by_profile": (list_by_profile, "Query"),
    "get_last": (get_last, "Query"),
}


def misled(mine: BreakGlassEvent, theirs: BreakGlassEvent) -> Fault:
    """Answer as if the request had asked for the other event."""

    async def answer(exchange: Exchange) -> Any:
        body = exchange.body
        for name in ("id", "invoker", "profile"):
            body = body.replace(getattr(mine, name).encode(), getattr(theirs, name).encode())
        return await Exchange(
            exchange.operation, body, exchange.headers, exchange.session, exchange.backend
        ).forward()

    return answer


@pytest.fixture
async def mine(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    return await store.create(make_event(**PAIR, created_at=clock()))


@pytest.fixture
async def theirs(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    return await store.create(make_event(invoker="bobby", profile="test", created_at=clock()))


@pytest.mark.parametrize(("read", "operation"), READS.values(), ids=READS)
class TestRead:
    async def test_read_that_is_once_answered_with_another_row(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        mine: BreakGlassEvent,
        theirs: BreakGlassEvent,
        read: Read,
        operation: str,
    ) -> None:
        """The store treats another event's row as a broken answer, and repeats the request."""
        proxy.script(operation, misled(mine, theirs))
        assert await read(store, mine) == mine
        assert len(proxy.sent(operation)) >= 2

    async def test_read_that_is_always_answered_with_another_row(
        self,
        store: AsyncDynamoDBStore,
        few_attempts: None,
        proxy: FaultProxy,
        mine: BreakGlassEvent,
        theirs: BreakGlassEvent,
        read: Read,
        operation: str,
    ) -> None:
        """The store never returns another event, however often it gets its row."""
        fault = misled(mine, theirs)
        proxy.plan = lambda exchange: fault if exchange.operation == operation else none
        with pytest.raises(StoreUnavailableError, match="another row") as caught:
            await read(store, mine)
        assert not caught.value.outcome_unknown


class TestRefusal:
    async def test_refusal_with_another_row_is_repeated(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        mine: BreakGlassEvent,
        theirs: BreakGlassEvent,
    ) -> None:
        """A refusal with another event's row does not count, and the store repeats the write."""
        body = json.dumps(
            {
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": "cancelled",
                "CancellationReasons": [
                    {"Code": "None"},
                    {
                        "Code": "ConditionalCheckFailed",
                        "Item": {"pk": {"S": f"BREAKGLASS#{theirs.id}"}},
                    },
                    {"Code": "None"},
                ],
            }
        ).encode()

        async def refuse(exchange: Exchange) -> Any:
            headers = {"x-amz-crc32": str(zlib.crc32(body))}
            return web.Response(
                status=400, body=body, content_type="application/x-amz-json-1.0", headers=headers
            )

        proxy.script(WRITE, refuse)
        closed = await store.close(mine.id, closed_by="alice", closed_reason="done")
        assert await store.get(mine.id) == closed
