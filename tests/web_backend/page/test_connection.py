"""The page while it is not up to date."""

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


async def test_page_shows_a_failing_store_and_recovers(visit: Visit, store: FaultyStore) -> None:
    """The page says that it may be out of date, keeps showing what it knows, and recovers."""
    page = await visit("alice")
    await open_access(page)
    store.failure = StoreUnavailableError("throttled")
    await expect(connection(page)).to_contain_text("The record cannot be read")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "stale")
    await expect(page.locator("#read-at")).to_contain_text("As of")
    await expect(holders(page)).to_have_count(1)
    await send_opening(page, "staging")
    await expect(refusal(page)).to_contain_text("The record cannot be reached")
    await expect(refusal(page)).not_to_contain_text("may have succeeded")
    store.failure = None
    await expect(connection(page)).to_have_text("Live.")


async def test_page_says_nobody_only_if_it_knows(visit: Visit, store: FaultyStore) -> None:
    page = await visit("alice")
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")
    store.failure = StoreUnavailableError("throttled")
    await expect(nobody(page)).to_have_text("Nobody is known to hold access.")
    store.failure = None
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")


async def test_corrupt_row_is_counted_and_hides_no_event(visit: Visit, store: FaultyStore) -> None:
    """The page shows all other events, stays live, and does not say that nobody holds access."""
    page = await visit("rita")
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")
    store.corrupt = (CorruptItemError("BREAKGLASS#0123456789abcdef", "no created_at"),)
    await expect(unreadable(page)).to_contain_text("1 row of the record cannot be read")
    await expect(nobody(page)).to_have_text("Nobody is known to hold access.")
    await store.create(make_event())
    await expect(holders(page)).to_have_count(1)
    await expect(connection(page)).to_have_text("Live.")
    await page.reload()
    await expect(holders(page)).to_have_count(1)
    await expect(page.locator("#month-problem")).to_contain_text("cannot be read: 3")
    store.corrupt = ()
    await expect(unreadable(page)).to_be_hidden()


async def test_event_whose_row_becomes_corrupt_disappears(
    visit: Visit, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page hides the event, does not say that its access has ended, and stays live."""
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


async def test_page_over_the_limit_waits_before_it_retries(
    new_page: NewPage, store: FaultyStore
) -> None:
    """The page says which limit it is, and does not ask again before `Retry-After`."""
    bounds = {"max_streams": 2, "max_streams_per_person": 1}
    app = application(store, SETTINGS.model_copy(update=bounds))
    async with (
        served(app) as url,
        client_at(url, "alice") as alice,
        client_at(url, "bob") as bob,
        client_at(url, "rita") as rita,
    ):
        page = await new_page(url, "alice", own_window=True)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(httpx.URL(request.url).path))
        await stop_clock(page)
        async with alice.stream("GET", "/api/changes") as response:
            assert response.status_code == 200
            await page.goto(url)
            await expect(connection(page)).to_contain_text("You have too many pages open")
        await all_have_left(app)

        async def wait_for_the_next_attempt() -> None:
            before = asked.count("/api/changes")
            await page.clock.run_for(29_000)
            # Once this later request is answered, the earlier ones have been answered too.
            await page.evaluate("fetch('/health').then((response) => response.text())")
            assert asked.count("/api/changes") == before
            await page.clock.run_for(1_000)

        async with (
            bob.stream("GET", "/api/changes") as first,
            rita.stream("GET", "/api/changes") as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            await wait_for_the_next_attempt()
            await expect(connection(page)).to_contain_text("Too many pages are open")
        await all_have_left(app)
        await wait_for_the_next_attempt()
        await expect(connection(page)).to_have_text("Live.")


async def test_page_says_that_the_person_is_signed_out(visit: Visit, app: FastAPI) -> None:
    page = await visit("alice")
    await page.context.clear_cookies()
    app.state.changes.end()
    await expect(connection(page)).to_contain_text("You are signed out")


async def test_page_reconnects_to_a_restarted_server(
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


async def test_restarted_server_that_cannot_read_ends_no_access(
    new_page: NewPage, store: FaultyStore, port: int
) -> None:
    """A server that has read nothing yet does not end any access on the page."""
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


async def test_page_retries_if_it_cannot_learn_who_signed_in(new_page: NewPage, url: str) -> None:
    """The page says so, and asks again by itself, after no answer and after a refusal."""
    page = await new_page(url, "alice", own_window=True)
    await stop_clock(page)

    async def refuse(route: Route) -> None:
        await route.fulfill(
            status=503, json={"detail": "There is no server."}, headers={"Retry-After": "3"}
        )

    await page.route("**/api/me", lambda route: route.abort())
    await page.goto(url)
    await expect(connection(page)).to_contain_text("The server cannot be reached")
    await expect(connection(page)).to_contain_text("Trying again.")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    await page.unroute("**/api/me")
    await page.route("**/api/me", refuse)
    await page.clock.run_for(5_000)
    await expect(connection(page)).to_have_text("There is no server. Trying again.")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    await page.unroute("**/api/me")
    await page.clock.run_for(3_000)
    await expect(connection(page)).to_have_text("Live.")
    await expect(page.locator("#my-name")).to_have_text("alice")
