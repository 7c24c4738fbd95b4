"""The page and two replicas; one replica lags behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, Route, expect

from aiobreakglass.testing import make_event
from tests.web_backend.conftest import application, visited
from tests.web_backend.stores import LaggingStore

from .conftest import on_one_loop
from .parts import Visit, close_access, connection, holders, log, nobody, open_access

pytestmark = pytest.mark.asyncio(loop_scope="package")


class TestAnotherReplica:
    """The page streams from one replica and sends its requests to another."""

    @pytest.fixture
    def poll_seconds(self) -> float:
        return 3600

    @pytest.fixture
    def store(self) -> LaggingStore:
        return LaggingStore()

    @on_one_loop
    async def other(self, store: LaggingStore) -> AsyncIterator[httpx.AsyncClient]:
        async with visited(application(store)) as client:
            yield client

    @on_one_loop
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
        """Have the page's replica read the table, and wait until the page has caught up.

        The page then shows the new message, and has the answers to its questions about events.
        """
        await app.state.changes.read()
        async with aclosing(app.state.changes.watch()) as states:
            read_at = (await anext(states)).read_at.isoformat()
        await expect(page.locator("#read-at")).to_have_attribute(
            "data-at", read_at.replace("+00:00", "Z")
        )
        await expect(page.locator("#held")).to_have_attribute("aria-busy", "false")

    async def test_open_and_close_that_this_replica_never_saw(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """No message says that the event has ended, so the page asks for it by its id."""
        await open_access(page)
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        (event,) = await store.list_by_invoker("alice")
        await store.close(event.id, closed_by="rita", closed_reason="Done")
        await self.read(app, page)
        await expect(holders(page)).to_have_count(0)
        await expect(log(page)).to_contain_text("alice no longer holds access to production.")
        await expect(page.locator("#timeline .bar.closed")).to_have_count(1)
        await expect(connection(page)).to_have_text("Live.")

    async def test_event_missing_from_a_list_stays_until_it_ends(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """A list may go back in time; the page says that access has ended only if it has."""
        event = await store.create(make_event(invoker="carol"))
        await store.catch_up()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        store._index = ()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        await expect(log(page)).not_to_contain_text("no longer holds")
        await store.close(event.id, closed_by="carol", closed_reason="Done")
        await self.read(app, page)
        await expect(holders(page)).to_have_count(0)
        await expect(log(page)).to_contain_text("carol no longer holds access to prod.")

    async def test_page_does_not_say_nobody_while_it_asks(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """The page says that nobody holds access only once it knows what became of the event."""
        event = await store.create(make_event(invoker="carol"))
        await store.catch_up()
        await self.read(app, page)
        await expect(holders(page)).to_have_count(1)
        answers = asyncio.Event()

        async def hold_up(route: Route) -> None:
            await answers.wait()
            await route.continue_()

        await page.route(re.compile("/api/events/[0-9a-f]+$"), hold_up)
        store._index = ()
        await app.state.changes.read()
        await expect(holders(page)).to_have_count(0)
        await expect(nobody(page)).to_have_text("Nobody is known to hold access.")
        await expect(connection(page)).to_have_text("Live.")
        await store.close(event.id, closed_by="carol", closed_reason="Done")
        answers.set()
        await expect(nobody(page)).to_have_text("Nobody holds emergency access.")

    async def test_page_is_stale_if_an_event_cannot_be_read(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """If the page cannot read an event, it is not live."""
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

    async def test_closed_event_that_is_still_listed_stays_hidden(
        self, page: Page, app: FastAPI, store: LaggingStore
    ) -> None:
        """A closed event never comes back, even if a list still has it."""
        await open_access(page)
        await store.catch_up()
        listed = store._index
        assert len(listed) == 1
        await close_access(page)
        await expect(holders(page)).to_have_count(0)
        # Once the page shows carol's event, it has taken the message that names both events.
        await store.create(make_event(invoker="carol"))
        await store.catch_up()
        store._index += listed
        await self.read(app, page)
        await expect(log(page)).to_contain_text("carol now holds")
        await expect(holders(page).locator(".invoker")).to_have_text("carol")
        await expect(page.locator("#timeline .bar.closed")).to_have_count(1)
