"""The page in a real browser, as somebody uses it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Route, expect

from aiobreakglass import StoreUnavailableError
from aiobreakglass.testing import make_event
from tests.backends import unavailable

from .chromium import chromium, installed
from .conftest import (
    OPENING,
    PATIENCE,
    SETTINGS,
    all_have_left,
    application,
    client_at,
    served,
    visited,
)
from .stores import FaultyStore, LaggingStore

# In milliseconds.
expect.set_options(timeout=PATIENCE * 1000)

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


class Visit(Protocol):
    def __call__(self, name: str, *, width: int = 1000) -> Awaitable[Page]: ...


class NewPage(Protocol):
    def __call__(self, url: str, name: str, *, width: int = 1000) -> Awaitable[Page]: ...


@pytest.fixture
def poll_seconds() -> float:
    """How often the table is read; a test may have it otherwise."""
    return SETTINGS.poll_seconds


@pytest.fixture
async def app(store: FaultyStore, poll_seconds: float) -> FastAPI:
    """The application, which `url` starts."""
    return application(store, SETTINGS.model_copy(update={"poll_seconds": poll_seconds}))


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = installed()
    if executable is None:
        unavailable("the page's tests need `chromium`: apt-get install chromium")
    async with chromium(executable) as browser:
        yield browser


@pytest.fixture
async def new_page(browser: Browser) -> AsyncIterator[NewPage]:
    """Makes a page for somebody, still empty; its code must not fail, and no policy be broken."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # A refusal is noted by the browser as well.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    async def new_page(url: str, name: str, *, width: int = 1000) -> Page:
        context = await browser.new_context(viewport={"width": width, "height": 900})
        context.set_default_timeout(PATIENCE * 1000)
        await context.add_cookies([{"name": "demo_person", "value": name, "url": url}])
        page = await context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield new_page
    assert complaints == []


@pytest.fixture
async def visit(new_page: NewPage, url: str) -> Visit:
    """Opens the page as somebody."""

    async def visit(name: str, *, width: int = 1000) -> Page:
        page = await new_page(url, name, width=width)
        await page.goto(url)
        await expect(connection(page)).to_have_text("Live.")
        return page

    return visit


@pytest.fixture
def port() -> Iterator[int]:
    """One that servers of a test have after each other, and nobody else in between."""
    with socket.socket() as reservation:
        # With this option on both sides Linux lets it be shared with who listens.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]


def connection(page: Page) -> Locator:
    return page.locator("#connection-text")


def holders(page: Page) -> Locator:
    return page.locator("#held > li")


def log(page: Page) -> Locator:
    return page.get_by_role("log")


def refusal(page: Page) -> Locator:
    return page.locator("#open").get_by_role("alert")


def nobody(page: Page) -> Locator:
    return page.locator("#nobody")


async def send_opening(page: Page, profile: str = "production") -> None:
    await page.get_by_label("Profile", exact=True).select_option(profile)
    await page.get_by_label("Justification").fill(OPENING["justification"])
    await page.get_by_role("button", name="Open emergency access").click()


async def open_access(page: Page) -> None:
    """Open it, and wait until the page has its answer: it may come after what the stream says."""
    await send_opening(page)
    await answered(page)
    await expect(holders(page)).to_have_count(1)


async def answered(page: Page) -> None:
    """Wait until the form is empty again, as it is when an opening has succeeded."""
    await expect(page.get_by_label("Justification")).to_be_empty()


async def stop_clock(page: Page) -> None:
    """Have the page's time stand still, a day ahead, until the test moves it."""
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))


async def close_access(page: Page) -> None:
    await page.get_by_role("button", name="Close access of alice to production").click()
    await page.get_by_label("What was done").fill("The replica has taken over")
    await page.get_by_role("button", name="Close access", exact=True).click()


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_access_is_opened_and_closed(visit: Visit) -> None:
    """It appears, and goes, on this page and on somebody else's, at once and without a reload."""
    page, other = await visit("alice"), await visit("rita")
    await expect(nobody(page)).to_be_visible()

    await open_access(page)
    for each in (page, other):
        await expect(holders(each)).to_have_count(1)
        await expect(holders(each).locator(".profile")).to_have_text("production")
        await expect(holders(each).locator(".invoker")).to_have_text("alice")
        await expect(each.locator("#timeline .bar.active")).to_have_count(1)
    await expect(other.get_by_role("log")).to_contain_text("alice now holds access to production.")

    await close_access(page)
    for each in (page, other):
        await expect(holders(each)).to_have_count(0)
        await expect(nobody(each)).to_be_visible()
        await expect(each.locator("#timeline .bar.closed")).to_have_count(1)
    await expect(other.get_by_role("log")).to_contain_text(
        "Access of alice to production has ended."
    )


async def test_a_second_opening_is_refused(visit: Visit) -> None:
    page = await visit("alice")
    await open_access(page)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("Access is held already")
    await expect(refusal(page)).to_contain_text("You hold access to production until")
    await expect(holders(page)).to_have_count(1)


async def test_what_somebody_else_does_is_seen(visit: Visit, url: str, store: FaultyStore) -> None:
    """Through this process's API, and by another program on the same table."""
    page = await visit("alice")
    async with client_at(url, "bob") as bob:
        event = (await bob.post("/api/events", json=OPENING)).json()
        await expect(holders(page).locator(".invoker")).to_have_text("bob")
        # Whose it is not, and no reviewer: there is nothing to close it with.
        await expect(holders(page).get_by_role("button")).to_have_count(0)
        await bob.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        await expect(holders(page)).to_have_count(0)
    event_of_another = await store.create(make_event(invoker="carol"))
    await expect(holders(page).locator(".invoker")).to_have_text("carol")
    await store.close(event_of_another.id, closed_by="carol", closed_reason="Done")
    await expect(holders(page)).to_have_count(0)


async def test_hostile_text_is_text(visit: Visit, store: FaultyStore) -> None:
    for status in ("active", "closed"):
        await store.create(
            make_event(invoker=HOSTILE, profile=HOSTILE, justification=HOSTILE, status=status)
        )
    page = await visit("rita")
    for part in (".profile", ".invoker", ".why"):
        await expect(holders(page).locator(part)).to_have_text(HOSTILE)
    await page.locator("#timeline .bar.closed").dispatch_event("pointerenter")
    await expect(page.locator("#detail")).to_contain_text(HOSTILE)
    await holders(page).get_by_role("button").click()
    await expect(page.locator("#closing-what")).to_contain_text(HOSTILE)
    await expect(page.locator("img")).to_have_count(0)
    await expect(page).to_have_title("Emergency access")


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


async def test_an_answer_that_comes_after_the_end(visit: Visit, store: FaultyStore) -> None:
    """What the stream has told since is newer."""
    page = await visit("alice")

    async def delay(route: Route) -> None:
        answer = await route.fetch()
        await expect(log(page)).to_contain_text("alice now holds access to production.")
        (event,) = await store.list_by_status("active")
        await store.close(event.id, closed_by="rita", closed_reason="Done")
        await expect(log(page)).to_contain_text("Access of alice to production has ended.")
        await route.fulfill(response=answer)

    await page.route("**/api/events", delay)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It was opened, and has ended since")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).not_to_contain_text("You now hold")


class TestAnotherReplica:
    """The page streams from one, and what it sends goes to another."""

    @pytest.fixture
    def poll_seconds(self) -> float:
        return 3600

    @pytest.fixture
    def store(self) -> LaggingStore:
        return LaggingStore()

    @pytest.fixture
    async def other(self, store: LaggingStore) -> AsyncIterator[httpx.AsyncClient]:
        async with visited(application(store)) as client:
            yield client

    @pytest.fixture
    async def page(self, visit: Visit, other: httpx.AsyncClient) -> Page:
        async def send_to_other(route: Route) -> None:
            answer = await other.post(
                httpx.URL(route.request.url).path,
                content=route.request.post_data,
                headers={"content-type": "application/json"},
            )
            await route.fulfill(
                status=answer.status_code, body=answer.text, content_type="application/json"
            )

        page = await visit("alice")
        await page.route(
            lambda url: url.endswith(("/api/events", "/close")),
            lambda route: (
                send_to_other(route) if route.request.method == "POST" else route.continue_()
            ),
        )
        return page

    async def read(self, app: FastAPI, page: Page) -> None:
        """Have the page's replica read the table, and wait for what the page makes of it.

        That it has taken the message, and has the answers to what it was unsure of.
        """
        await app.state.changes.read()
        async with aclosing(app.state.changes.watch()) as states:
            read_at = (await anext(states)).read_at.isoformat()
        await expect(page.locator("#read-at")).to_have_attribute(
            "data-at", read_at.replace("+00:00", "Z")
        )
        await expect(page.locator("#held")).to_have_attribute("aria-busy", "false")

    async def test_opens_and_somebody_closes_what_this_one_has_never_seen(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """No message says that it has ended; what none names is asked for."""
        await open_access(page)
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        (event,) = await store.list_by_invoker("alice")
        await store.close(event.id, closed_by="rita", closed_reason="Done")
        await self.read(app, page)
        await expect(holders(page)).to_have_count(0)
        await expect(log(page)).to_contain_text("Access of alice to production has ended.")
        await expect(page.locator("#timeline .bar.closed")).to_have_count(1)
        await expect(connection(page)).to_have_text("Live.")

    async def test_opens_what_a_list_forgets(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """A list may go back in time; that access has ended is said only where it has."""
        event = await store.create(make_event(invoker="carol"))
        await store.catch_up()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        store._index = ()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        await expect(log(page)).not_to_contain_text("has ended")
        await store.close(event.id, closed_by="carol", closed_reason="Done")
        await self.read(app, page)
        await expect(holders(page)).to_have_count(0)
        await expect(log(page)).to_contain_text("Access of carol to prod has ended.")

    async def test_forgets_all_of_it(self, page: Page, app: FastAPI, store: LaggingStore) -> None:
        """Nobody is said to hold access before it is known what became of it."""
        event = await store.create(make_event(invoker="carol"))
        await store.catch_up()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        asked = asyncio.Event()

        async def hold_up(route: Route) -> None:
            await expect(holders(page)).to_have_count(0)
            await expect(nobody(page)).to_have_text("Nobody that is known of.")
            await expect(connection(page)).to_have_text("Live.")
            await store.close(event.id, closed_by="carol", closed_reason="Done")
            asked.set()
            await route.continue_()

        await page.route(re.compile("/api/events/[0-9a-f]+$"), hold_up)
        store._index = ()
        await self.read(app, page)
        assert asked.is_set()
        await expect(nobody(page)).to_have_text("Nobody holds emergency access.")

    async def test_opens_what_cannot_be_asked_for(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """What nobody can know is not shown as live."""
        await open_access(page)

        async def refuse(route: Route) -> None:
            await route.fulfill(status=503, json={"detail": "No answer"})

        questions = re.compile("/api/events/[0-9a-f]+$")
        await page.route(questions, refuse)
        await self.read(app, page)
        await expect(connection(page)).to_contain_text("The record cannot be read")
        await page.unroute(questions)
        await self.read(app, page)
        await expect(connection(page)).to_have_text("Live.")
        await expect(holders(page)).to_have_count(1)

    async def test_closes_what_this_one_still_lists(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """An end is for ever, whatever a list says."""
        await open_access(page)
        await store.catch_up()
        listed = store._index
        assert len(listed) == 1
        await close_access(page)
        await expect(holders(page)).to_have_count(0)
        # One that is seen tells that the page has taken the message which names both.
        await store.create(make_event(invoker="carol"))
        await store.catch_up()
        store._index += listed
        await self.read(app, page)
        await expect(log(page)).to_contain_text("carol now holds")
        await expect(holders(page).locator(".invoker")).to_have_text("carol")
        await expect(page.locator("#timeline .bar.closed")).to_have_count(1)


async def test_nobody_is_said_only_where_it_is_known(visit: Visit, store: FaultyStore) -> None:
    page = await visit("alice")
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")
    store.failure = StoreUnavailableError("throttled")
    await expect(nobody(page)).to_have_text("Nobody that is known of.")
    store.failure = None
    await expect(nobody(page)).to_have_text("Nobody holds emergency access.")


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost(visit: Visit, store: FaultyStore) -> None:
    """Nobody knows what became of it, so it is sent again, and recognised."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    await page.get_by_role("button", name="Open emergency access").click()
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)
    assert len(await store.list_by_invoker("alice")) == 1


async def test_an_answer_that_is_lost_and_comes_with_the_stream(
    visit: Visit, store: FaultyStore
) -> None:
    """The page sees by the event's id that it has been opened, and asks for nothing more."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost_to_an_opening_that_has_ended_since(
    visit: Visit, store: FaultyStore
) -> None:
    """It is no success: whoever asked holds no access. What they have written stays."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    button = page.get_by_role("button", name="Open emergency access")
    await button.click()
    await expect(refusal(page)).to_contain_text("It was opened, and has ended since")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    # Sent once more it is another request.
    await button.click()
    await answered(page)
    await expect(holders(page)).to_have_count(1)
    await expect(refusal(page)).to_be_hidden()


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost_to_a_close(visit: Visit, store: FaultyStore) -> None:
    """A repetition that finds it closed is what was asked for."""
    page = await visit("alice")
    await open_access(page)
    store.answers_get_lost = True
    await close_access(page)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    await dialog.get_by_role("button", name="Close access").click()
    await expect(dialog).to_be_hidden()
    await expect(holders(page)).to_have_count(0)
    await expect(page.locator("#timeline .bar.closed")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_a_close_of_what_somebody_else_has_closed(visit: Visit, store: FaultyStore) -> None:
    """That is a refusal: what was written is recorded nowhere."""
    page = await visit("alice")
    await open_access(page)
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    await close_access(page)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "The event has ended"
    )
    await expect(holders(page)).to_have_count(0)


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


async def test_access_that_runs_out(visit: Visit, store: FaultyStore) -> None:
    """The server says so."""
    event = await store.create(make_event())
    page = await visit("alice")
    await expect(holders(page)).to_have_count(1)
    end = datetime.now(UTC) + timedelta(seconds=3)
    await store.update(event.model_copy(update={"expires_at": end}))
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).to_contain_text("Access of alice to prod has ended.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_access_that_runs_out_while_nothing_is_heard(
    new_page: NewPage, url: str, app: FastAPI, store: FaultyStore
) -> None:
    """It is counted down all the same, and then gone; that nothing is heard is said."""
    await store.create(make_event())
    await app.state.changes.read()
    page = await new_page(url, "alice")
    await stop_clock(page)
    await page.goto(url)
    countdown = holders(page).locator(".countdown")
    # As long as it took until here, there is the rest of an hour left.
    await expect(countdown).to_have_text(re.compile(r"^(1:00:00|\d\d:\d\d)$"))
    *hours, minutes, seconds = map(int, (await countdown.inner_text()).split(":"))
    left = sum(hours) * 3600 + minutes * 60 + seconds
    await page.clock.fast_forward((left - 5) * 1000)
    await expect(countdown).to_have_text("0:05")
    await expect(connection(page)).to_contain_text("Nothing has been heard")
    await page.clock.run_for(65_000)
    await expect(holders(page)).to_have_count(0)
    await expect(nobody(page)).to_have_text("Nobody that is known of.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


async def test_a_browser_whose_clock_is_wrong(new_page: NewPage, url: str) -> None:
    """Access runs out by the server's clock, and that is what is counted down."""
    page = await new_page(url, "alice")
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
    await page.goto(url)
    await expect(connection(page)).to_have_text("Live.")
    await open_access(page)
    await expect(holders(page).locator(".countdown")).to_contain_text("59:")


async def test_with_the_keyboard_alone(visit: Visit, store: FaultyStore) -> None:
    now = datetime.now(UTC)
    for days in (1, 2):
        await store.create(make_event(status="closed", created_at=now - timedelta(days=days)))
    page = await visit("alice")
    await open_access(page)

    # What is yet to be read would lie before the first.
    await expect(page.locator("#timeline .bar")).to_have_count(3)
    await page.locator("#timeline .bar[tabindex='0']").focus()
    await page.keyboard.press("Home")
    await expect(page.locator("#detail")).to_contain_text("closed by bob")
    await page.keyboard.press("End")
    await expect(page.locator("#detail")).to_contain_text("open now")

    await page.get_by_role("button", name="Close access of alice to production").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("The replica has taken over")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(holders(page)).to_have_count(0)


async def test_on_a_phone(visit: Visit, store: FaultyStore) -> None:
    """Nothing is wider than the screen, whatever the names, and nothing of them is cut off."""
    await store.create(make_event(invoker="w" * 256, profile="p" * 256, justification="j" * 1000))
    page = await visit("rita", width=360)
    await expect(holders(page)).to_have_count(1)
    await expect(page.locator("#timeline .bar")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for block in await page.locator("#held :is(li, h3, p)").all():
        assert await block.evaluate("block => block.scrollWidth <= block.clientWidth")


async def test_every_control_has_a_name(visit: Visit) -> None:
    page = await visit("rita")
    await open_access(page)
    for control in await page.locator("button:visible, select:visible, textarea:visible").all():
        snapshot = await control.aria_snapshot()
        assert '"' in snapshot, snapshot
