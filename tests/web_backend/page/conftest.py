"""The served application, and its page in a real browser."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, ConsoleMessage, Error, Page, expect
from web_backend.policy import LimitsFor

from tests.backends import unavailable
from tests.web_backend.chromium import chromium, installed
from tests.web_backend.conftest import PATIENCE, SETTINGS, application, served
from tests.web_backend.stores import FaultyStore

from .parts import NewPage, Visit, connection

# The browser takes seconds to start, so all tests share it and its event loop. Each test module
# sets the same loop scope.
on_one_loop = pytest_asyncio.fixture(loop_scope="package")

# A clock that playwright has installed stays in its window.
HAS_REAL_CLOCK = "() => setTimeout.toString().includes('[native code]')"

# In milliseconds.
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture
def poll_seconds() -> float:
    """How often the server reads the table; a test may override it.

    The browser draws the page anew after each time.
    """
    return 0.2


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


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def windows(browser: Browser) -> list[Page]:
    """The windows that earlier tests have left.

    A window loads its second page in less than half the processor time of the first.
    """
    return []


@on_one_loop
async def new_page(browser: Browser, windows: list[Page]) -> AsyncIterator[NewPage]:
    """Return a function that makes an empty page; the test fails on any error in its console."""
    complaints: list[str] = []
    shared: list[Page] = []
    own: list[Page] = []

    def listen(message: ConsoleMessage) -> None:
        # The browser also logs each response that refuses a request.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def note_error(error: Error) -> None:
        complaints.append(str(error))

    async def new_page(
        url: str, name: str, *, width: int = 1000, own_window: bool = False
    ) -> Page:
        if windows and not own_window:
            page = windows.pop()
        else:
            context = await browser.new_context()
            context.set_default_timeout(PATIENCE * 1000)
            page = await context.new_page()
        (own if own_window else shared).append(page)
        await page.set_viewport_size({"width": width, "height": 900})
        await page.context.add_cookies([{"name": "demo_person", "value": name, "url": url}])
        page.on("console", listen)
        page.on("pageerror", note_error)
        return page

    yield new_page
    for page in own:
        await page.context.close()
    for page in shared:
        assert await page.evaluate(HAS_REAL_CLOCK), "a page with a clock needs its own window"
        await page.unroute_all(behavior="ignoreErrors")
        await page.goto("about:blank")
        await page.context.clear_cookies()
        page.remove_listener("console", listen)
        page.remove_listener("pageerror", note_error)
        windows.append(page)
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
