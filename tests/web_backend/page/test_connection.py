"""The page while it cannot be kept up to date."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Route, expect

from aiobreakglass import BreakGlassEvent, CorruptItemError, StoreUnavailableError
from aiobreakglass.testing import make_event
from tests.web_backend.conftest import SETTINGS, all_have_left, application, client_at, served
from tests.web_backend.stores import FaultyStore

from .parts import (
    NewPage,
    Visit,
    connection,
    holders,
    log,
    nobody,
    open_access,
    refusal,
    send_opening,
    stop_clock,
    unreadable,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_store_that_cannot_be_reached(visit: Visit, store: FaultyStore) -> None:
    """The page says that it may be out of date, goes on showing what it knew, and recovers."""
    page = await visit("alice")
    await open_access(page)
    store.failure = StoreUnavailableError("throttled")
    await expect(connection(page)).to_contain_text("The record cannot be read")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "stale")
    await expect(page.locator("#read-at")).to_contain_text("As of")
    await expect(holders(page)).to_have_count(1)
    await send_opening(page, "staging")
    await expect(refusal(page)).to_contain_text("The record cannot be reached")
    await expect(refusal(page)).not_to_contain_text("may have been done")
    store.failure = None
    await expect(connection(page)).to_have_text("Live.")


async def test_nobody_is_said_only_where_it_is_known(visit: Visit, store: FaultyStore) -> None:
    page = await visit("alice")
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")
    store.failure = StoreUnavailableError("throttled")
    await expect(nobody(page)).to_have_text("Nobody that is known of.")
    store.failure = None
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")


async def test_a_row_that_is_no_event(visit: Visit, store: FaultyStore) -> None:
    """The page shows all others and stays live; it never says that nobody holds access."""
    page = await visit("rita")
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")
    store.corrupt = (CorruptItemError("BREAKGLASS#0123456789abcdef", "no created_at"),)
    await expect(unreadable(page)).to_contain_text("1 row of the record cannot be read")
    await expect(nobody(page)).to_have_text("Nobody that is known of.")
    await store.create(make_event())
    await expect(holders(page)).to_have_count(1)
    await expect(connection(page)).to_have_text("Live.")
    await page.reload()
    await expect(holders(page)).to_have_count(1)
    await expect(page.locator("#month-problem")).to_contain_text("cannot be read: 3")
    store.corrupt = ()
    await expect(unreadable(page)).to_be_hidden()


async def test_a_row_that_becomes_no_event(
    visit: Visit, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown no more, nobody says that its access has ended, and the page stays live."""
    event = await store.create(make_event())
    page = await visit("rita")
    await expect(holders(page)).to_have_count(1)
    corrupt = CorruptItemError(f"BREAKGLASS#{event.id}", "no created_at")

    async def get(_: str) -> BreakGlassEvent:
        raise corrupt

    monkeypatch.setattr(store, "get", get)
    del store._events[event.id]
    store.corrupt = (corrupt,)
    await expect(holders(page)).to_have_count(0)
    await expect(unreadable(page)).to_be_visible()
    await expect(page.locator("#timeline .bar")).to_have_count(0)
    await expect(connection(page)).to_have_text("Live.")
    await expect(log(page)).to_be_empty()


@pytest.mark.parametrize(
    ("bounds", "who", "told"),
    [
        ({"max_streams": 1}, "bob", "Too many pages are open"),
        ({"max_streams_per_person": 1}, "alice", "You have too many pages open"),
    ],
)
async def test_too_many_pages(
    new_page: NewPage, store: FaultyStore, bounds: dict[str, int], who: str, told: str
) -> None:
    """It is said, and no page asks again before it is told to."""
    app = application(store, SETTINGS.model_copy(update=bounds))
    async with served(app) as url, client_at(url, who) as other:
        page = await new_page(url, "alice")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(httpx.URL(request.url).path))
        await stop_clock(page)
        async with other.stream("GET", "/api/changes") as response:
            assert response.status_code == 200
            await page.goto(url)
            await expect(connection(page)).to_contain_text(told)
        await all_have_left(app)
        before = asked.count("/api/changes")
        await page.clock.run_for(29_000)
        # What the page asked for first has come back by the time that something later has.
        await page.evaluate("fetch('/health').then((response) => response.text())")
        assert asked.count("/api/changes") == before
        await page.clock.run_for(2_000)
        await expect(connection(page)).to_have_text("Live.")


async def test_somebody_who_is_signed_out(visit: Visit, app: FastAPI) -> None:
    page = await visit("alice")
    await page.context.clear_cookies()
    app.state.changes.end()
    await expect(connection(page)).to_contain_text("You are signed out")


async def test_a_server_that_goes_away_and_comes_back(
    new_page: NewPage, store: FaultyStore, port: int
) -> None:
    async with served(application(store), port) as url:
        page = await new_page(url, "alice")
        await page.goto(url)
        await expect(connection(page)).to_have_text("Live.")
    await expect(connection(page)).to_contain_text("The connection is lost")
    await store.create(make_event())
    async with served(application(store), port):
        await expect(connection(page)).to_have_text("Live.")
        await expect(holders(page)).to_have_count(1)


async def test_a_server_that_comes_back_and_cannot_read_the_table(
    new_page: NewPage, store: FaultyStore, port: int
) -> None:
    """It knows nothing, so nothing has ended."""
    await store.create(make_event())
    async with served(application(store), port) as url:
        page = await new_page(url, "alice")
        await page.goto(url)
        await expect(holders(page)).to_have_count(1)
    await expect(connection(page)).to_contain_text("The connection is lost")
    store.failure = StoreUnavailableError("throttled")
    async with served(application(store), port):
        await expect(connection(page)).to_contain_text("The record cannot be read")
        await expect(page.locator("#connection")).to_have_attribute("data-state", "stale")
        await expect(holders(page)).to_have_count(1)
        await expect(log(page)).to_be_empty()
        store.failure = None
        await expect(connection(page)).to_have_text("Live.")
        await expect(holders(page)).to_have_count(1)
        await expect(log(page)).to_be_empty()


@pytest.mark.parametrize("failure", ["refused", "no answer"])
async def test_a_server_that_does_not_say_who_is_asking(
    new_page: NewPage, url: str, failure: str
) -> None:
    """It is said, and the page asks again by itself."""
    page = await new_page(url, "alice")
    await stop_clock(page)

    async def fail(route: Route) -> None:
        if failure == "refused":
            detail = "The server cannot be reached."
            await route.fulfill(status=503, json={"detail": detail}, headers={"Retry-After": "3"})
        else:
            await route.abort()

    await page.route("**/api/me", fail)
    await page.goto(url)
    await expect(connection(page)).to_contain_text("The server cannot be reached")
    await expect(connection(page)).to_contain_text("It is being tried again.")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    await page.unroute("**/api/me")
    await page.clock.run_for(3_000 if failure == "refused" else 5_000)
    await expect(connection(page)).to_have_text("Live.")
    await expect(page.locator("#my-name")).to_have_text("alice")
