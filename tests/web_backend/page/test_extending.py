"""People extend their access on the page, and see the rules before they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from aiobreakglass import Limits, Quota
from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import Visit, holders, open_access, refusal, send_opening

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
    await expect(dialog(page)).to_contain_text("3 hours of the longest time are left.")
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
async def test_rules_narrow_the_extension(visit: Visit, limits: Limits) -> None:
    page = await visit("alice", width=360)
    await open_access(page)
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text(
        "1 hour of the longest time are left. It can be extended once."
    )
    await dialog(page).get_by_label("Why it takes longer").fill("The restore is slow")
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page)).to_be_hidden()
    await ask_to_extend(page)
    await expect(dialog(page)).to_contain_text("It was extended as often as the rules allow.")


async def test_extension_is_sent_again_after_a_lost_answer(
    visit: Visit, store: FaultyStore
) -> None:
    page = await visit("alice")
    await open_access(page)
    await ask_to_extend(page)
    await dialog(page).get_by_label("Why it takes longer").fill("The restore is slow")
    store.answers_get_lost = True
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("may have succeeded")
    store.answers_get_lost = False
    await dialog(page).get_by_role("button", name="Extend access").click()
    await expect(dialog(page)).to_be_hidden()
    (event,) = await store.list_by_invoker("alice")
    assert event.extensions == 1


async def test_nobody_extends_another_persons_access(visit: Visit, store: FaultyStore) -> None:
    await store.create(make_event(invoker="bob", profile="production"))
    page = await visit("rita")
    await expect(holders(page)).to_have_count(1)
    await expect(page.get_by_role("button", name="Extend")).to_have_count(0)


@pytest.mark.parametrize(
    "limits", [Limits(cooldown=HOUR, per_invoker=Quota(2, 24 * HOUR), max_duration=2 * HOUR)]
)
async def test_rules_are_shown_before_they_refuse(
    visit: Visit, store: FaultyStore, limits: Limits
) -> None:
    """The form says which rule would refuse and until when; the refusal says the same."""
    page = await visit("alice")
    rules = page.get_by_role("list", name="Rules for opening access").get_by_role("listitem")
    await page.get_by_label("Profile", exact=True).select_option("production")
    await expect(rules).to_have_text(
        [
            "Access may last at most 2 hours, extensions included.",
            "You may open this profile once within 1 hour. Used: 0 of 1.",
            "You may open access 2 times within 24 hours. Used: 0 of 2.",
        ]
    )
    await page.get_by_label("For", exact=True).select_option("PT4H")
    await expect(rules.first).to_contain_text("This request breaks it.")
    await page.get_by_label("For", exact=True).select_option("PT1H")
    await expect(page.locator("#rules .reached")).to_have_count(0)

    await open_access(page)
    await expect(rules).to_have_count(0)
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="alice", closed_reason="Done")
    await expect(holders(page)).to_have_count(0)
    await page.get_by_label("Profile", exact=True).select_option("production")
    await expect(page.locator("#rules .reached")).to_contain_text("Used up: 1 of 1. Try again at")
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("A rule refuses this")
    await expect(refusal(page)).to_contain_text(
        "You may open this profile once within 1 hour. Try again at"
    )
    assert len(await store.list_by_invoker("alice")) == 1


@pytest.mark.parametrize("limits", [Limits(cooldown=HOUR)])
async def test_rules_that_cannot_be_read_do_not_prevent_opening(
    visit: Visit, limits: Limits
) -> None:
    """A forecast is a help, and its failure locks nobody out."""
    page = await visit("alice")
    await page.route("**/api/limits*", lambda route: route.abort())
    await page.get_by_label("Profile", exact=True).select_option("production")
    await expect(page.locator("#rules-problem")).to_contain_text("The rules cannot be read")
    await open_access(page)
