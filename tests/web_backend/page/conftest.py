"""The application served, and pages of it in a real browser."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from tests.backends import unavailable
from tests.web_backend.chromium import chromium, installed
from tests.web_backend.conftest import PATIENCE, SETTINGS, application, served
from tests.web_backend.stores import FaultyStore

from .parts import NewPage, Visit, connection

# All tests share one browser, because it takes seconds to start, and so they share its event loop.
# Each of their modules says so as well.
on_one_loop = pytest_asyncio.fixture(loop_scope="package")

# In milliseconds.
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture
def poll_seconds() -> float:
    """How often the table is read; a test may have it otherwise."""
    return SETTINGS.poll_seconds


@on_one_loop
async def app(store: FaultyStore, poll_seconds: float) -> FastAPI:
    """The application, which `url` starts."""
    return application(store, SETTINGS.model_copy(update={"poll_seconds": poll_seconds}))


@on_one_loop
async def url(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as url:
        yield url


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    executable = installed()
    if executable is None:
        unavailable("the page's tests need `chromium`: apt-get install chromium")
    async with chromium(executable) as browser:
        yield browser


@on_one_loop
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
    for context in browser.contexts:
        await context.close()
    assert complaints == []


@on_one_loop
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
