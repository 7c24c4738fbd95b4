"""The form shows the rules before they refuse somebody, and asks for what they require."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import expect

from aiobreakglass import Limits, Quota
from tests.web_backend.conftest import OPENING
from tests.web_backend.stores import FaultyStore

from .parts import Visit, holders, open_access, refusal, send_opening

pytestmark = pytest.mark.asyncio(loop_scope="package")

HOUR = timedelta(hours=1)

NEXT_MINUTE = """
at => new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
}).format(Math.ceil(Date.parse(at) / 60_000) * 60_000)
"""


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
    # Seconds are not shown, so a minute that has begun is too early.
    whole_minute = await page.evaluate(NEXT_MINUTE, (event.created_at + HOUR).isoformat())
    await expect(page.locator("#rules .reached")).to_contain_text(
        f"Used up: 1 of 1. Try again at {whole_minute}."
    )
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


@pytest.mark.parametrize("limits", [Limits(require_labels=["ticket"], require_request_id=True)])
async def test_form_asks_for_what_the_rules_require(visit: Visit, store: FaultyStore) -> None:
    """The form has a field for each thing, and keeps what was typed when it asks again."""
    page = await visit("alice", width=360)
    ticket, request_id = page.get_by_label("ticket", exact=True), page.get_by_label("Request id")
    await page.get_by_label("Profile", exact=True).select_option("production")
    await expect(ticket).to_be_visible()
    await expect(page.locator("#rules")).to_be_hidden()
    await page.get_by_label("Justification").fill(OPENING["justification"])
    await page.get_by_role("button", name="Open emergency access").click()
    await expect(request_id).to_be_focused()
    # Without the rules, the field requires nothing.
    await page.route("**/api/limits*", lambda route: route.abort())
    await page.get_by_label("For", exact=True).select_option("PT2H")
    await expect(page.locator("#rules-problem")).to_contain_text("The rules cannot be read")
    await expect(ticket).not_to_have_attribute("required", "")
    await page.unroute("**/api/limits*")
    await request_id.fill("R-1")
    await ticket.fill(" INC-7")
    await page.keyboard.press("Enter")
    await expect(refusal(page)).to_contain_text("labels must have values")
    await ticket.fill("INC-7")
    await page.get_by_label("Reason", exact=True).select_option("recovery")
    await page.get_by_role("button", name="Open emergency access").click()
    await expect(holders(page)).to_contain_text("ticket: INC-7 · request: R-1")
    await expect(ticket).to_have_count(0)
    (event,) = await store.list_by_invoker("alice")
    assert (event.labels, event.request_id) == ({"ticket": "INC-7"}, "R-1")
    assert event.justification == OPENING["justification"]
