"""People extend their access on the page, up to what is left of the longest time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from aiobreakglass import Limits
from tests.web_backend.stores import FaultyStore

from .parts import Visit, holders, log, open_access

pytestmark = pytest.mark.asyncio(loop_scope="package")

HOUR = timedelta(hours=1)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Extend access")


async def ask_to_extend(page: Page) -> None:
    await page.get_by_role("button", name="Extend alice's access to production").click()


async def test_extension_offers_what_is_left_of_four_hours(
    visit: Visit, store: FaultyStore
) -> None:
    page = await visit("alice")
    await open_access(page)
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text("At most 3 hours more, until")
    options = dialog(page).get_by_label("Extend by").locator("option")
    await expect(options).to_have_count(5)
    await expect(options.last).to_contain_text("3 hours, until")
    await dialog(page).get_by_label("Extend by").select_option(index=4)
    await dialog(page).get_by_label("Why it takes longer").fill("The restore is slow")
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page)).to_be_hidden()
    await expect(holders(page).locator(".countdown")).to_contain_text("3:59:")
    (event,) = await store.list_by_invoker("alice")
    assert event.expires_at - event.created_at == timedelta(hours=4)
    assert (await store.history(event.id))[-1].note == "The restore is slow"
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text("It lasts as long as the rules allow.")
    await expect(dialog(page).get_by_role("button", name="Extend access")).to_be_hidden()


@pytest.mark.parametrize("limits", [Limits(max_extensions=1, max_duration=2 * HOUR)])
async def test_extension_within_rules_is_sent_again_after_a_lost_answer(
    visit: Visit, store: FaultyStore, limits: Limits
) -> None:
    """The rules narrow the extension, and the repeat is recognised, or they would refuse it."""
    page = await visit("alice", width=360)
    await open_access(page)
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text("At most 1 hour more, until")
    await expect(dialog(page)).to_contain_text("You can extend it once more.")
    send = dialog(page).get_by_role("button", name="Extend access")
    how_long = dialog(page).get_by_label("Extend by")
    await how_long.select_option(index=1)
    chosen = await how_long.input_value()
    await dialog(page).get_by_label("Why it takes longer").fill("   ")
    async with page.expect_response("**/extension"):
        await send.click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("reason must have")
    await expect(send).to_be_focused()
    await expect(how_long).to_have_value(chosen)
    await dialog(page).get_by_label("Why it takes longer").fill("The restore is slow")
    store.answers_get_lost = True
    await send.click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("may have succeeded")
    await expect(send).to_be_focused()
    store.answers_get_lost = False
    await send.click()
    await expect(dialog(page)).to_be_hidden()
    (event,) = await store.list_by_invoker("alice")
    assert event.extensions == 1
    assert HOUR / 2 - timedelta(seconds=1) < event.expires_at - event.created_at - HOUR <= HOUR / 2
    await expect(log(page)).to_contain_text("alice's access to production now lasts until")
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text("It was extended as often as the rules allow.")


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_extension_of_access_that_another_page_has_changed(
    visit: Visit, store: FaultyStore
) -> None:
    """The page says so, shows the access no longer, and keeps the focus.

    If another page has extended it, this one offers what is left now.
    """
    page = await visit("alice")
    await open_access(page)
    await ask_to_extend(page)
    await dialog(page).get_by_label("Why it takes longer").fill("The restore is slow")
    (event,) = await store.list_by_invoker("alice")
    end = event.expires_at + 2 * HOUR
    await store.extend(event.id, expires_at=end, extended_by="alice", reason="Meanwhile")
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("expires_at must be later")
    await expect(dialog(page)).to_contain_text("At most 1 hour more, until")
    await expect(dialog(page).get_by_label("Why it takes longer")).to_have_value(
        "The restore is slow"
    )
    await store.close(event.id, closed_by="rita", closed_reason="Stop")
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("It is closed already.")
    await expect(holders(page)).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Who holds access now")).to_be_focused()
