"""Server-sent events from an application that is served on a port."""

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

pytestmark = pytest.mark.slow


@pytest.fixture
async def app(store: FaultyStore) -> FastAPI:
    """The application; `client` starts it."""
    return application(store)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with visited(app) as client:
        yield client


class Messages:
    """The messages of a stream, read on demand."""

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


async def test_stream_begins_with_a_snapshot(client: httpx.AsyncClient) -> None:
    event = (await client.post("/api/events", json=OPENING)).json()
    async with messages(client) as received:
        kind, message = await received.first()
        assert (kind, message["held"], message["ended"]) == ("snapshot", [event], [])
        assert message["ids"] == [event["id"]]


async def test_stream_is_unread_until_the_table_is_read(store: FaultyStore) -> None:
    """Until the table is read, the stream does not say who holds access."""
    event = await store.create(make_event())
    store.failure = StoreUnavailableError("throttled")
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as received:
        kind, message = await received.first()
        assert (kind, list(message)) == ("unread", ["now"])
        app.state.changes.publish(event)
        assert (await received.first())[0] == "unread"
        store.failure = None
        await app.state.changes.read()
        kind, message = await received.first()
        assert (kind, message["ids"]) == ("snapshot", [event.id])


async def test_each_message_lists_every_held_id(store: FaultyStore) -> None:
    """A client that shows another event learns that it no longer grants access."""
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as received:
        await received.first()
        first, second = [
            (await client.post("/api/events", json=OPENING | {"profile": profile})).json()["id"]
            for profile in ("production", "staging")
        ]
        named: set[str] = set()
        while named != {first, second}:
            named = set((await received.until("ids"))["ids"])
        await client.post(f"/api/events/{first}/close", json={"reason": "Done"})
        update = await received.until("ended")
        assert (update["held"], update["ids"]) == ([], [second])


async def test_change_by_this_process_is_sent_at_once(store: FaultyStore) -> None:
    """The stream has the change at once, long before the table is read again."""
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as received:
        await received.first()
        event = (await client.post("/api/events", json=OPENING)).json()
        assert (await received.until("held"))["held"] == [event]
        later = datetime.fromisoformat(event["expires_at"]) + timedelta(hours=1)
        changed = await client.patch(
            f"/api/events/{event['id']}",
            json={"expires_at": later.isoformat()},
            headers={"if-match": "*"},
        )
        assert (await received.until("held"))["held"] == [changed.json()]
        await client.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert (await received.until("ended"))["ended"] == [event["id"]]


async def test_change_by_another_process_is_sent(
    client: httpx.AsyncClient, store: FaultyStore
) -> None:
    async with messages(client) as received:
        await received.first()
        event = await store.create(make_event())
        (held,) = (await received.until("held"))["held"]
        assert held["id"] == event.id
        await store.close(event.id, closed_by="bob", closed_reason="Done")
        assert (await received.until("ended"))["ended"] == [event.id]


async def test_stream_is_not_current_while_the_store_fails(
    client: httpx.AsyncClient, store: FaultyStore
) -> None:
    async with messages(client) as received:
        await received.until("is_current")
        store.failure = StoreUnavailableError("throttled")
        stale = await received.until("now")
        while stale["is_current"]:
            stale = await received.until("now")
        store.failure = None
        current = await received.until("is_current")
        assert current["read_at"] > stale["read_at"]


async def test_messages_have_ids_and_the_first_sets_retry(
    client: httpx.AsyncClient,
) -> None:
    async with aconnect_sse(client, "GET", "/api/changes") as source:
        events = source.aiter_sse()
        first, second = await anext(events), await anext(events)
    assert first.retry == stream.RECONNECT_AFTER
    assert first.id
    assert second.id
    assert first.id != second.id


async def test_idle_stream_sends_comments(
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


async def test_disconnected_client_gives_its_place_back(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    async with messages(client) as received:
        await received.first()
        assert app.state.changes.places_taken == 1
    await all_have_left(app)


async def test_client_that_does_not_read_delays_nobody(store: FaultyStore) -> None:
    """Other clients get each change; a client that resumes gets most of them at once."""
    await crowd(store)
    app = application(store, SELDOM)
    async with visited(app) as client, messages(client) as unread, messages(client) as received:
        await received.first()
        ids = []
        for number in range(50):
            event = await store.create(make_event(invoker=f"late-{number}"))
            app.state.changes.publish(event)
            assert [held["id"] for held in (await received.until("held"))["held"]] == [event.id]
            ids.append(event.id)
        # A few messages are in the socket's buffers already, but no queue grows.
        told = [await unread.first()]
        while not {*ids} <= {*told[-1][1]["ids"]}:
            told.append(await unread.first())
        assert len(told) < 10


async def test_stream_over_the_limit_is_refused(store: FaultyStore) -> None:
    app = application(store, SETTINGS.model_copy(update={"max_streams": 1}))
    async with visited(app) as client, messages(client) as received:
        await received.first()
        refused = await client.get("/api/changes")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert (await client.get("/api/access?profile=production")).status_code == 200


async def test_concurrent_streams_over_the_limit_are_refused(store: FaultyStore) -> None:
    """Each stream takes its place before the next is counted, and gives it back."""
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


async def test_streams_over_one_persons_limit_are_refused(store: FaultyStore) -> None:
    """One person's streams, even opened at once, leave places for others."""
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
            async with messages(bob) as received:
                await received.first()
        await all_have_left(app)
        async with messages(alice) as received:
            await received.first()


async def test_request_without_sign_in_takes_no_place(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    refused = await client.get("/api/changes", headers={"cookie": ""})
    assert refused.status_code == 401
    assert app.state.changes.places_taken == 0


async def test_stream_ends_after_its_longest_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client must connect again after a while, so the server notices a sign-out."""
    monkeypatch.setattr(stream, "LONGEST_STREAM", timedelta(seconds=0.2))
    async with asyncio.timeout(PATIENCE), aconnect_sse(client, "GET", "/api/changes") as source:
        assert [event async for event in source.aiter_sse()]
