"""A store never believes a damaged success, on either transport."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp.abc import AbstractResolver

from aiobreakglass import AsyncDynamoDBStore, CorruptItemError, StoreUnavailableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb import canned
from tests.dynamodb.canned import CannedServer, Spoil, canned_server
from tests.dynamodb.conftest import REGION

pytestmark = pytest.mark.slow

EVENT = make_event(created_at=FakeClock.START)
AWS = f"dynamodb.{REGION}.amazonaws.com"

Open = Callable[..., AbstractAsyncContextManager[AsyncDynamoDBStore]]


class Resolver(AbstractResolver):
    """Resolves every host to this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        here = {"host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}
        return [{"hostname": host, **here}]

    async def close(self) -> None:
        """Close nothing."""


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with canned_server(as_asked=True) as server:
        yield server


@pytest.fixture(params=["fast", "standard"])
def open_store(request: pytest.FixtureRequest, server: CannedServer, session: AioSession) -> Open:
    """Open a store at the server under any host name, on each transport in turn."""

    def open_store(
        host: str = "127.0.0.1", **options: Any
    ) -> AbstractAsyncContextManager[AsyncDynamoDBStore]:
        return AsyncDynamoDBStore.open(
            "breakglass",
            region_name=REGION,
            endpoint_url=server.url.replace("127.0.0.1", host),
            session=session,
            config=AioConfig(connector_args={"resolver": Resolver()}),
            transport=request.param,
            clock=FakeClock(),
            **options,
        )

    return open_store


async def check(store: AsyncDynamoDBStore) -> None:
    # The row that the server always returns is not a guard.
    with pytest.raises(CorruptItemError):
        await store.find_active_by_invoker_and_profile("alice", "prod")


async def listed(store: AsyncDynamoDBStore) -> None:
    with pytest.raises(CorruptItemError):
        await store.list_by_invoker("alice")


async def counted(store: AsyncDynamoDBStore) -> None:
    assert await store.count_by_invoker_since("alice", FakeClock.START) == 1


async def created(store: AsyncDynamoDBStore) -> None:
    assert await store.create(EVENT) == EVENT


def body(answer: object) -> Spoil:
    return canned.sent(200, json.dumps(answer).encode())


EMPTY = {"Items": [], "Count": 0}
TEXT = json.dumps(EMPTY)
BROKEN: dict[str, Spoil] = {
    "byte-order mark": canned.sent(200, b"\xef\xbb\xbf" + TEXT.encode()),
    "UTF-16": canned.sent(200, TEXT.encode("utf-16")),
    "Latin-1": canned.sent(200, b'{"Items": [], "Count": 0, "x": "\xe9"}'),
    "nested without end": canned.sent(200, b"[" * 100_000),
    "empty": canned.sent(200, b""),
    "a list": body([EMPTY]),
}
ASKED: dict[str, Callable[[AsyncDynamoDBStore], Awaitable[None]]] = {
    "check": check,
    "list": listed,
    "count": counted,
    "create": created,
}
SHAPES = [
    ("check", {"Item": []}),
    ("check", {"Item": "x"}),
    ("check", {"Item": None}),
    ("check", {"Item": {"pk": 5}}),
    ("check", {"Item": {"pk": {"L": 5}}}),
    ("check", {"Item": {"pk": {"B": "a"}}}),
    ("list", {"Items": [], "Count": "0"}),
    ("list", {"Items": {}, "Count": 0}),
    ("list", {"Items": [5], "Count": 1}),
    ("list", {"Count": 0}),
    ("list", {"Items": []}),
    ("list", {"Items": [], "Count": 0, "LastEvaluatedKey": [1]}),
    ("count", {"Count": True}),
    ("count", {"Items": []}),
    ("count", {"Count": 0, "LastEvaluatedKey": {"pk": 5}}),
]


class TestOnce:
    @pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
    @pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN.keys())
    async def test_answer_with_a_broken_text_is_repeated(
        self,
        server: CannedServer,
        open_store: Open,
        spoil: Spoil,
        ask: Callable[[AsyncDynamoDBStore], Awaitable[None]],
    ) -> None:
        """The store sends the request again, and takes the next answer."""
        async with open_store() as store:
            server.script = [spoil]
            await ask(store)
        assert len(server.requests) == 2

    @pytest.mark.parametrize(("asked", "answer"), SHAPES)
    async def test_answer_of_another_shape_is_repeated(
        self, server: CannedServer, open_store: Open, asked: str, answer: object
    ) -> None:
        """The store sends the request again, and takes the next answer."""
        async with open_store() as store:
            server.script = [body(answer)]
            await ASKED[asked](store)
        assert len(server.requests) == 2

    @pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
    async def test_answer_without_a_checksum_is_repeated_for_aws(
        self,
        server: CannedServer,
        open_store: Open,
        ask: Callable[[AsyncDynamoDBStore], Awaitable[None]],
    ) -> None:
        """AWS always sends a checksum; other servers may leave it out."""
        for host, requests in ((AWS, 2), ("dynamodb.example", 1)):
            server.requests.clear()
            async with open_store(host) as store:
                server.script = [canned.without_checksum]
                await ask(store)
            assert len(server.requests) == requests


async def test_answers_that_stay_broken_are_an_error(
    server: CannedServer, open_store: Open
) -> None:
    """The error says what is wrong with the answer, and that a write may have happened."""
    async with open_store(operation_timeout=timedelta(seconds=1)) as store:
        server.script = [body({"Item": []})] * 10_000
        with pytest.raises(StoreUnavailableError, match="has Item of another shape") as read:
            await store.find_active_by_invoker_and_profile("alice", "prod")
        server.script = [body([])] * 10_000
        with pytest.raises(StoreUnavailableError, match="is not a JSON object") as written:
            await store.create(EVENT)
    assert not read.value.outcome_unknown
    assert written.value.outcome_unknown
