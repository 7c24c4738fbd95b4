"""Server-sent events, from an application that is served on a port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from httpx_sse import ServerSentEvent, aconnect_sse
from web_backend import stream
from web_backend.problems import NAMESPACE

from aiobreakglass import StoreUnavailableError
from aiobreakglass.testing import make_event

from .conftest import (
    OPENING,
    PATIENCE,
    SELDOM,
    SETTINGS,
    all_have_left,
    application,
    client_at,
    served,
    visited,
)
from .crowded import crowd
from .stores import FaultyStore


@pytest.fixture
async def app(store: FaultyStore) -> FastAPI:
    """The application, which `client` starts."""
    return application(store)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with visited(app) as client:
        yield client


class Messages:
    """What a stream has said, read on demand."""

    def __init__(self, events: AsyncIterator[ServerSentEvent]) -> None:
        self._events = events

    async def first(self) -> tuple[str, dict[str, Any]]:
        event = await anext(self._events)
        return event.event, json.loads(event.data)

    async def until(self, key: str) -> dict[str, Any]:
        """Return the next message in which `key` is not empty."""
        async for event in self._events:
            message: dict[str, Any] = json.loads(event.data)
            if message[key]:
                return message
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def messages(client: httpx.AsyncClient) -> AsyncIterator[Messages]:
    async with asyncio.timeout(PATIENCE), aconnect_sse(client, "GET", "/api/changes") as source:
        assert source.response.status_code == 200
        yield Messages(source.aiter_sse())


async def test_it_begins_with_what_there_is(client: httpx.AsyncClient) -> None:
    event = (await client.post("/api/events", json=OPENING)).json()
    async with messages(client) as said:
        kind, message = await said.first()
        assert (kind, message["held"], message["ended"]) == ("snapshot", [event], [])
        assert message["ids"] == [event["id"]]


async def test_a_table_that_has_not_been_read_yet(store: FaultyStore) -> None:
    """Nobody knows who holds access, so nobody is told that there is none."""
    event = await store.create(make_event())
    store.failure = StoreUnavailableError("throttled")
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as said:
        kind, message = await said.first()
        assert (kind, list(message)) == ("unread", ["now"])
        app.state.changes.publish(event)
        assert (await said.first())[0] == "unread"
        store.failure = None
        await app.state.changes.read()
        kind, message = await said.first()
        assert (kind, message["ids"]) == ("snapshot", [event.id])


async def test_each_message_names_all_that_are_held(store: FaultyStore) -> None:
    """Whoever knows of another learns that it is not among them."""
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as said:
        await said.first()
        first, second = [
            (await client.post("/api/events", json=OPENING | {"profile": profile})).json()["id"]
            for profile in ("production", "staging")
        ]
        named: set[str] = set()
        while named != {first, second}:
            named = set((await said.until("ids"))["ids"])
        await client.post(f"/api/events/{first}/close", json={"reason": "Done"})
        update = await said.until("ended")
        assert (update["held"], update["ids"]) == ([], [second])


async def test_a_change_in_this_process(store: FaultyStore) -> None:
    """It is told at once, long before the table is read again."""
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as said:
        await said.first()
        event = (await client.post("/api/events", json=OPENING)).json()
        assert (await said.until("held"))["held"] == [event]
        later = datetime.fromisoformat(event["expires_at"]) + timedelta(hours=1)
        changed = await client.patch(
            f"/api/events/{event['id']}",
            json={"expires_at": later.isoformat()},
            headers={"if-match": "*"},
        )
        assert (await said.until("held"))["held"] == [changed.json()]
        await client.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert (await said.until("ended"))["ended"] == [event["id"]]


async def test_a_change_by_somebody_else(client: httpx.AsyncClient, store: FaultyStore) -> None:
    async with messages(client) as said:
        await said.first()
        event = await store.create(make_event())
        (held,) = (await said.until("held"))["held"]
        assert held["id"] == event.id
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        assert (await said.until("ended"))["ended"] == [event.id]


async def test_a_store_that_cannot_be_reached(
    client: httpx.AsyncClient, store: FaultyStore
) -> None:
    async with messages(client) as said:
        await said.until("is_current")
        store.failure = StoreUnavailableError("throttled")
        stale = await said.until("now")
        while stale["is_current"]:
            stale = await said.until("now")
        store.failure = None
        current = await said.until("is_current")
        assert current["read_at"] > stale["read_at"]


async def test_each_message_has_an_id_and_the_first_says_when_to_come_back(
    client: httpx.AsyncClient,
) -> None:
    async with aconnect_sse(client, "GET", "/api/changes") as source:
        events = source.aiter_sse()
        first, second = await anext(events), await anext(events)
    assert first.retry == stream.RECONNECT_AFTER
    assert first.id
    assert second.id
    assert first.id != second.id


async def test_a_comment_is_sent_where_there_is_nothing_to_say(
    store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    app = application(store, SELDOM)
    async with (
        asyncio.timeout(PATIENCE),
        visited(app) as client,
        client.stream("GET", "/api/changes") as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith(":"):
                return
    raise AssertionError("the stream has ended")


async def test_who_disconnects_is_forgotten(client: httpx.AsyncClient, app: FastAPI) -> None:
    async with messages(client) as said:
        await said.first()
        assert app.state.changes.places_taken == 1
    await all_have_left(app)


async def test_who_does_not_read_holds_up_nobody(store: FaultyStore) -> None:
    """Others are told of each change; who reads on is told of most of them at once."""
    await crowd(store)
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as unread, messages(client) as said:
        await said.first()
        ids = []
        for number in range(50):
            event = await store.create(make_event(invoker=f"late-{number}"))
            app.state.changes.publish(event)
            assert [held["id"] for held in (await said.until("held"))["held"]] == [event.id]
            ids.append(event.id)
        # A few are on their way out, whatever may come; it is not a queue that grows.
        told = [await unread.first()]
        while not {*ids} <= {*told[-1][1]["ids"]}:
            told.append(await unread.first())
        assert len(told) < 10


async def test_more_streams_than_this_process_is_to_serve(store: FaultyStore) -> None:
    app = application(store, SETTINGS.model_copy(update={"max_streams": 1}))
    async with visited(app) as client, messages(client) as said:
        await said.first()
        refused = await client.get("/api/changes")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert (await client.get("/api/access?profile=production")).status_code == 200


async def test_more_streams_at_once_than_this_process_is_to_serve(store: FaultyStore) -> None:
    """Each has its place before the next is counted, and gives it back."""
    app = application(store, SETTINGS.model_copy(update={"max_streams": 3}))
    async with visited(app) as client:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as streams:
            responses = await asyncio.gather(
                *(
                    streams.enter_async_context(client.stream("GET", "/api/changes"))
                    for _ in range(12)
                )
            )
            assert sorted(response.status_code for response in responses) == [200] * 3 + [503] * 9
        await all_have_left(app)


async def test_one_person_does_not_take_the_places_of_others(store: FaultyStore) -> None:
    """Nor does one who opens them at once; who closes one may open another."""
    app = application(
        store, SETTINGS.model_copy(update={"max_streams": 4, "max_streams_per_person": 3})
    )
    async with served(app) as url, client_at(url) as alice, client_at(url, "bob") as bob:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as streams:
            responses = await asyncio.gather(
                *(
                    streams.enter_async_context(alice.stream("GET", "/api/changes"))
                    for _ in range(12)
                )
            )
            assert sorted(response.status_code for response in responses) == [200] * 3 + [429] * 9
            (refused, *_) = [response for response in responses if response.status_code == 429]
            await refused.aread()
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["type"] == NAMESPACE + "too-many-streams-of-yours"
            assert refused.headers["retry-after"]
            async with messages(bob) as said:
                await said.first()
        await all_have_left(app)
        async with messages(alice) as said:
            await said.first()


async def test_who_is_not_signed_in_takes_no_place(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    refused = await client.get("/api/changes", headers={"cookie": ""})
    assert refused.status_code == 401
    assert app.state.changes.places_taken == 0


async def test_it_ends_in_the_end_so_that_a_sign_out_is_noticed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LONGEST_STREAM", timedelta(seconds=0.2))
    async with asyncio.timeout(PATIENCE), aconnect_sse(client, "GET", "/api/changes") as source:
        assert [event async for event in source.aiter_sse()]
