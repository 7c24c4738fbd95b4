"""The parts of the page, and what people do there."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from playwright.async_api import Locator, Page, expect

from aiobreakglass import BreakGlassEvent
from aiobreakglass.testing import make_event
from tests.web_backend.conftest import OPENING
from tests.web_backend.stores import FaultyStore

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


class Visit(Protocol):
    def __call__(self, name: str, *, width: int = 1000) -> Awaitable[Page]: ...


class NewPage(Protocol):
    def __call__(
        self, url: str, name: str, *, width: int = 1000, own_window: bool = False
    ) -> Awaitable[Page]:
        """Make an empty page, in a window that other tests use as well unless it is its own."""
        ...


def connection(page: Page) -> Locator:
    return page.locator("#connection-text")


def holders(page: Page) -> Locator:
    return page.locator("#held > li")


def log(page: Page) -> Locator:
    return page.get_by_role("log")


def queue(page: Page) -> Locator:
    return page.locator("#waiting > li")


def dossier(page: Page) -> Locator:
    return page.get_by_role("dialog", name="The record of this event")


def entries(page: Page) -> Locator:
    return page.locator("#entries > li")


def refusal(page: Page) -> Locator:
    return page.locator("#open").get_by_role("alert")


def nobody(page: Page) -> Locator:
    return page.locator("#nobody")


def unreadable(page: Page) -> Locator:
    return page.locator("#unreadable")


async def send_opening(page: Page, profile: str = "production") -> None:
    await page.get_by_label("Profile", exact=True).select_option(profile)
    await page.get_by_label("Justification").fill(OPENING["justification"])
    await page.get_by_role("button", name="Open emergency access").click()


async def open_access(page: Page) -> None:
    """Open access, and wait for the answer, which may arrive after the stream's message."""
    await send_opening(page)
    await answered(page)
    await expect(holders(page)).to_have_count(1)


async def answered(page: Page) -> None:
    """Wait until the form is empty again, which means that the request succeeded."""
    await expect(page.get_by_label("Justification")).to_be_empty()


async def stop_clock(page: Page) -> None:
    """Stop the page's clock, one day ahead, until the test moves it."""
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))


async def close_access(page: Page) -> None:
    await page.get_by_role("button", name="Close alice's access to production").click()
    await page.get_by_label("What was done").fill("The replica has taken over")
    await page.get_by_role("button", name="Close access", exact=True).click()


async def ended(store: FaultyStore, *, invoker: str = "alice", days: int = 2) -> BreakGlassEvent:
    """Store an event that ended some days ago."""
    begin = datetime.now(UTC) - timedelta(days=days)
    return await store.create(make_event(invoker=invoker, status="closed", created_at=begin))


async def show_record(page: Page, invoker: str = "alice") -> None:
    await page.get_by_role("button", name=f"Record of {invoker}'s access to prod").click()
