"""The served application, and its page in a real browser."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, ConsoleMessage, Page, expect
from web_backend.policy import LimitsFor

from tests.backends import unavailable
from tests.web_backend.chromium import chromium, installed
from tests.web_backend.conftest import PATIENCE, SETTINGS, application, served
from tests.web_backend.stores import FaultyStore

from .parts import NewPage, Visit, connection

# The browser takes seconds to start, so all tests share it and its event loop. Each test module
# sets the same loop scope.
on_one_loop = pytest_asyncio.fixture(loop_scope="package")

# In milliseconds.
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture
def poll_seconds() -> float:
    """How often the server reads the table; a test may override it."""
    return SETTINGS.poll_seconds


@on_one_loop
async def app(store: FaultyStore, limits: LimitsFor, poll_seconds: float) -> FastAPI:
    """The application; `url` starts it."""
    settings = SETTINGS.model_copy(update={"poll_seconds": poll_seconds})
    return application(store, settings, limits)


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
    """Return a function that makes an empty page; the test fails on any error in its console."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # The browser also logs each response that refuses a request.
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
    """Return a function that opens the page as somebody."""

    async def visit(name: str, *, width: int = 1000) -> Page:
        page = await new_page(url, name, width=width)
        await page.goto(url)
        await expect(connection(page)).to_have_text("Live.")
        return page

    return visit


@pytest.fixture
def port() -> Iterator[int]:
    """A port that stays reserved while the servers of a test start and stop on it."""
    with socket.socket() as reservation:
        # With this option on both sockets, Linux lets the server listen on the reserved port.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]
