"""People use the page in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from aiobreakglass.testing import make_event
from tests.web_backend.conftest import OPENING, client_at
from tests.web_backend.stores import FaultyStore

from .parts import HOSTILE, Visit, close_access, holders, nobody, open_access, queue

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_open_and_close_show_on_every_page_at_once(visit: Visit) -> None:
    """Access appears and disappears on both people's pages at once, without a reload."""
    page, other = await visit("alice"), await visit("rita")
    await expect(nobody(page)).to_be_visible()

    await open_access(page)
    for each in (page, other):
        await expect(holders(each)).to_have_count(1)
        await expect(holders(each).locator(".profile")).to_have_text("production")
        await expect(holders(each).locator(".invoker")).to_have_text("alice")
        await expect(each.locator("#timeline .bar.active")).to_have_count(1)
    await expect(other.get_by_role("log")).to_contain_text("alice now holds access to production.")
    # A reviewer can close other people's access, but never extend it.
    await expect(holders(other).get_by_role("button", name="Close")).to_be_visible()
    await expect(holders(other).get_by_role("button", name="Extend")).to_have_count(0)

    await expect(queue(other)).to_have_count(0)

    await close_access(page)
    # It waits for a review at once.
    await expect(queue(other)).to_contain_text("Closed: The replica has taken over")
    for each in (page, other):
        await expect(holders(each)).to_have_count(0)
        await expect(nobody(each)).to_be_visible()
        await expect(each.locator("#timeline .bar.closed")).to_have_count(1)
    await expect(other.get_by_role("log")).to_contain_text(
        "alice no longer holds access to production."
    )


async def test_changes_by_others_are_shown(visit: Visit, url: str, store: FaultyStore) -> None:
    """The page shows changes through this API and by another program on the table."""
    page = await visit("alice")
    async with client_at(url, "bob") as bob:
        event = (await bob.post("/api/events", json=OPENING)).json()
        await expect(holders(page).locator(".invoker")).to_have_text("bob")
        # Alice is not its invoker and no reviewer, so she has no button to close it.
        await expect(holders(page).get_by_role("button", name="Close")).to_have_count(0)
        await expect(holders(page).get_by_role("button", name="Extend")).to_have_count(0)
        await bob.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        await expect(holders(page)).to_have_count(0)
    event_of_another = await store.create(make_event(invoker="carol"))
    await expect(holders(page).locator(".invoker")).to_have_text("carol")
    await holders(page).get_by_role("button", name="Record of").focus()
    await store.close(event_of_another.id, closed_by="carol", closed_reason="Done")
    await expect(holders(page)).to_have_count(0)
    # The focus was on its card.
    await expect(page.get_by_role("heading", name="Who holds access now")).to_be_focused()


async def test_hostile_text_is_shown_as_text(visit: Visit, store: FaultyStore) -> None:
    for status in ("active", "closed"):
        await store.create(
            make_event(invoker=HOSTILE, profile=HOSTILE, justification=HOSTILE, status=status)
        )
    page = await visit("rita")
    for part in (".profile", ".invoker", ".why"):
        await expect(holders(page).locator(part)).to_have_text(HOSTILE)
    await page.locator("#timeline .bar.closed").dispatch_event("pointerenter")
    await expect(page.locator("#detail")).to_contain_text(HOSTILE)
    await holders(page).get_by_role("button", name="Close").click()
    await expect(page.locator("#closing-what")).to_contain_text(HOSTILE)
    await expect(page.locator("img")).to_have_count(0)
    await expect(page).to_have_title("Emergency access")


async def test_page_works_with_the_keyboard_alone(visit: Visit, store: FaultyStore) -> None:
    now = datetime.now(UTC)
    for days in (1, 2):
        await store.create(make_event(status="closed", created_at=now - timedelta(days=days)))
    page = await visit("alice")
    await open_access(page)

    # Bars that are still to be read would come before the first one.
    await expect(page.locator("#timeline .bar")).to_have_count(3)
    await page.locator("#timeline .bar[tabindex='0']").focus()
    await page.keyboard.press("Home")
    await expect(page.locator("#detail")).to_contain_text("closed by bob")
    await page.keyboard.press("End")
    await expect(page.locator("#detail")).to_contain_text("open now")

    await page.get_by_role("button", name="Close alice's access to production").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("The replica has taken over")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(holders(page)).to_have_count(0)
    await expect(page.get_by_role("heading", name="Who holds access now")).to_be_focused()


async def test_long_names_fit_a_phone_screen(visit: Visit, store: FaultyStore) -> None:
    """The longest names make nothing wider than the screen, and are not cut off."""
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
    for control in await page.locator(":is(button, select, textarea, input):visible").all():
        snapshot = await control.aria_snapshot()
        assert '"' in snapshot, snapshot
