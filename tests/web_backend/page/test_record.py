"""People read the record of an event; reviewers hold and release it there."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from tests.web_backend.stores import FaultyStore

from .parts import Visit, dossier, ended, entries, log, queue, show_record

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_hold_and_release_in_the_record(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    page = await visit("rita")
    await show_record(page)
    await expect(dossier(page)).to_contain_text("The history is whole")
    await dossier(page).get_by_role("button", name="Hold").click()
    await page.get_by_label("Why", exact=True).fill("Counsel asked for it")
    store.answers_get_lost = True
    await page.locator("#holding-submit").click()
    alert = page.locator("#holding").get_by_role("alert")
    await expect(alert).to_contain_text("may have succeeded")
    store.answers_get_lost = False
    await page.locator("#holding-submit").click()
    await expect(dossier(page)).to_contain_text("Legal hold by rita: Counsel asked for it")
    await expect(entries(page).last).to_contain_text("put under a legal hold by rita")
    await expect(queue(page).get_by_text("legal hold", exact=True)).to_be_visible()
    await expect(log(page)).to_have_text("alice's access to prod is under a legal hold.")
    assert (await store.get(event.id)).held_by == "rita"

    await dossier(page).get_by_role("button", name="Release the hold").click()
    await page.get_by_label("Why", exact=True).fill("It is over")
    store.answers_get_lost = True
    await page.locator("#holding-submit").click()
    await expect(alert).to_contain_text("may have succeeded")
    store.answers_get_lost = False
    await page.locator("#holding-submit").click()
    await expect(page.locator("#holding")).to_be_hidden()
    await expect(entries(page).last).to_contain_text("released from the hold by rita")
    await expect(dossier(page)).not_to_contain_text("Legal hold by")
    await expect(log(page)).to_contain_text("alice's access to prod is released from its hold.")
    assert (await store.get(event.id)).held_by is None


async def test_hold_of_another_is_neither_repeated_nor_released_unseen(
    visit: Visit, store: FaultyStore
) -> None:
    """The page says who holds the event now, and shows the record as it is now."""
    event = await ended(store)
    page = await visit("rita")
    await show_record(page)
    alert = page.locator("#holding").get_by_role("alert")
    button = page.locator("#hold-or-release")
    # A page that reads the history only now would show the hold.
    await expect(entries(page).last).to_contain_text("imported")
    await store.hold(event.id, held_by="sam", reason="The first case")
    await button.click()
    await page.get_by_label("Why", exact=True).fill("Counsel asked for it")
    await page.locator("#holding-submit").click()
    await expect(alert).to_contain_text("sam holds it: The first case")
    await page.keyboard.press("Escape")
    await expect(dossier(page)).to_contain_text("Legal hold by sam: The first case")
    await expect(button).to_have_text("Release the hold")
    await expect(button).to_be_focused()
    await expect(entries(page).last).to_contain_text("The first case")

    await store.release_hold(event.id, released_by="sam", reason="It is over")
    await store.hold(event.id, held_by="sam", reason="The second case")
    await button.click()
    await page.get_by_label("Why", exact=True).fill("The first case is over")
    await page.locator("#holding-submit").click()
    await expect(alert).to_contain_text("sam holds it: The second case")
    assert (await store.get(event.id)).held_reason == "The second case"
    await store.release_hold(event.id, released_by="sam", reason="It is over as well")
    await page.locator("#holding-submit").click()
    await expect(alert).to_contain_text("There is no hold to release.")
    await page.keyboard.press("Escape")
    await expect(button).to_have_text("Hold")
    await expect(dossier(page)).not_to_contain_text("Legal hold by")


async def test_verdict_depends_on_what_verification_finds(
    visit: Visit, store: FaultyStore
) -> None:
    """Only an error means that the history is not as it was written."""
    event = await ended(store)
    store._events[event.id] = event.model_copy(update={"justification": "Nothing to see here"})
    page = await visit("rita")
    severities = ["info", "warning"]

    async def soften(route: Route) -> None:
        answer = await route.fetch()
        history = await answer.json()
        findings = [finding | {"severity": severities[-1]} for finding in history["findings"]]
        await route.fulfill(response=answer, json=history | {"findings": findings})

    await show_record(page)
    verdict, findings = page.locator("#dossier-verdict"), page.locator("#findings")
    await expect(verdict).to_have_text("This history is not as it was written:")
    await expect(findings).to_contain_text("altered")
    await page.route("**/history", soften)
    for words in (
        "Somebody should look into this history:",
        "The history is whole, as far as it is still kept:",
    ):
        await page.keyboard.press("Escape")
        await show_record(page)
        await expect(verdict).to_have_text(words)
        await expect(findings).to_contain_text(severities.pop())
    await page.keyboard.press("Escape")
    # The page does not put the recorded event in the place of the stored one.
    await expect(queue(page)).to_contain_text("Nothing to see here")
