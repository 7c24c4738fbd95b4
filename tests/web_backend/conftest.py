"""The application on an in-memory store, called in this process or served on a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretBytes
from web_backend.app import create_app
from web_backend.changes import Changes
from web_backend.policy import LimitsFor
from web_backend.settings import Settings

from aiobreakglass import BreakGlassEvent, GovernedStore, Limits
from aiobreakglass.testing import make_event

from .stores import FaultyStore

PATIENCE = 120
"""The most seconds that a test waits for something: the machine may be slow and busy."""

SETTINGS = Settings(
    table_name="break-glass",
    cursor_key=SecretBytes(b"0123456789abcdef"),
    poll_seconds=0.05,
    hosts=frozenset({"backend", "127.0.0.1"}),
    demo_sign_in=True,
)
SELDOM = SETTINGS.model_copy(update={"poll_seconds": 3600})
"""Settings that read the table at the start, and then only if a test asks for it."""
ID = "00112233aabbccdd"
OPENING = {
    "profile": "production",
    "reason_code": "incident",
    "justification": "The primary database does not answer",
}

SignIn = Callable[[str], httpx.AsyncClient]


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[None]:
    """Run the lifespan of an application in its own task, as servers do."""
    ready, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            ready.set()
            await stop.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        await ready.wait()
        try:
            yield
        finally:
            stop.set()


class Server(uvicorn.Server):
    """A server that leaves signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def served(app: FastAPI, port: int = 0) -> AsyncIterator[str]:
    """Serve an application on a port, by default any free one, and yield its URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", ws="none", lifespan="on"
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        while not server.started:
            assert not serving.done(), "the application did not start"
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        # A signal would do this, but there is none here.
        app.state.changes.end()
        server.should_exit = True
        await serving


@asynccontextmanager
async def client_at(url: str, name: str = "alice") -> AsyncIterator[httpx.AsyncClient]:
    """Sign somebody in at a local server, without any proxy of this machine."""
    async with httpx.AsyncClient(
        base_url=url, cookies={"demo_person": name}, timeout=PATIENCE, trust_env=False
    ) as client:
        yield client


@asynccontextmanager
async def visited(app: FastAPI, name: str = "alice") -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application with somebody signed in, and yield their client."""
    async with served(app) as url, client_at(url, name) as client:
        yield client


async def all_have_left(app: FastAPI) -> None:
    """Wait until the server notices that no client watches any more."""
    async with asyncio.timeout(PATIENCE):
        while app.state.changes.places_taken:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
def limits() -> LimitsFor:
    """The rules of the store, none; a test may override it."""
    return Limits()


@pytest.fixture
def store(limits: LimitsFor) -> FaultyStore:
    return FaultyStore(cursor_key=SETTINGS.cursor_key.get_secret_value(), limits=limits)


def application(
    store: GovernedStore, settings: Settings = SETTINGS, rules: LimitsFor | None = None
) -> FastAPI:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[GovernedStore]:
        yield store

    return create_app(settings, open_store=opened, rules=rules or Limits())


class Shared(NamedTuple):
    """An application that tests start one after the other, each on a store of its own."""

    app: FastAPI
    stores: list[GovernedStore]
    """The store that it opens next, alone."""


@pytest.fixture(scope="session")
def shared() -> Shared:
    """The application without rules: making one takes longer than most of these tests."""
    stores: list[GovernedStore] = []

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[GovernedStore]:
        (store,) = stores
        yield store

    return Shared(create_app(SETTINGS, open_store=opened, rules=Limits()), stores)


@pytest.fixture
async def app(store: FaultyStore, limits: LimitsFor, shared: Shared) -> AsyncIterator[FastAPI]:
    """The application, started."""
    shared.stores[:] = [store]
    app = shared.app if limits == Limits() else application(store, rules=limits)
    async with started(app):
        yield app


@pytest.fixture
def changes(app: FastAPI) -> Changes:
    changes: Changes = app.state.changes
    return changes


@pytest.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[SignIn]:
    """Return a function that signs somebody in and returns their client."""
    clients = []

    def signed_in(name: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            # As on a server, an unexpected exception becomes a response.
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://backend",
            cookies={"demo_person": name},
        )
        clients.append(client)
        return client

    yield signed_in
    for client in clients:
        await client.aclose()


@pytest.fixture
def alice(sign_in: SignIn) -> httpx.AsyncClient:
    return sign_in("alice")


@pytest.fixture
def bob(sign_in: SignIn) -> httpx.AsyncClient:
    return sign_in("bob")


@pytest.fixture
def reviewer(sign_in: SignIn) -> httpx.AsyncClient:
    return sign_in("rita")


@pytest.fixture
async def ended(store: FaultyStore) -> BreakGlassEvent:
    """An ended event of alice."""
    await store.create(make_event(id=ID, invoker="alice"))
    return await store.close(ID, closed_by="alice", closed_reason="Done")


@pytest.fixture
def other_reviewer(sign_in: SignIn) -> httpx.AsyncClient:
    return sign_in("sam")


@pytest.fixture
def stranger(sign_in: SignIn) -> httpx.AsyncClient:
    return sign_in("")
