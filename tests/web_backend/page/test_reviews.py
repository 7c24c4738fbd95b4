"""Reviewers review on the page, and nobody reviews their own use."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
from playwright.async_api import Page, Route, expect

from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import (
    HOSTILE,
    Visit,
    ended,
    entries,
    log,
    queue,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def review(page: Page, outcome: str, invoker: str = "alice") -> None:
    await page.get_by_role("button", name=f"Review {invoker}'s access to prod").click()
    await page.get_by_label("Outcome").select_option(outcome)
    await page.get_by_label("Comment").fill("The log agrees")
    await page.get_by_role("button", name="Record the review").click()


async def test_reviewer_decides_about_events_in_the_queue(
    visit: Visit, store: FaultyStore
) -> None:
    """The keyboard is enough, and its focus stays in the queue."""
    old, new = await ended(store, days=3), await ended(store, invoker="bob", days=1)
    page = await visit("rita")
    await expect(queue(page).locator(".invoker")).to_have_text(["alice", "bob"])
    await expect(page.locator("#waiting-count")).to_have_text("2")
    await page.get_by_role("button", name="Review alice's access to prod").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Outcome")).to_be_focused()
    for keys in ("Justified", "The log agrees"):
        await page.keyboard.type(keys)
        await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(queue(page).locator(".invoker")).to_have_text(["bob"])
    await expect(page.get_by_label("Show", exact=True)).to_be_focused()
    await expect(log(page)).to_have_text("The review of alice's access to prod is recorded.")
    assert (await store.get(old.id)).review_outcome == "justified"

    await review(page, "needs_follow_up", "bob")
    await expect(queue(page)).to_have_count(0)
    await expect(page.get_by_text("No event waits for a review.")).to_be_visible()
    await page.get_by_label("Show", exact=True).select_option("Needs follow-up")
    await expect(queue(page)).to_contain_text("rita asked: The log agrees")
    await review(page, "unjustified", "bob")
    await expect(queue(page)).to_have_count(0)
    await expect(page.get_by_text("No event needs a follow-up.")).to_be_visible()
    assert (await store.get(new.id)).review_outcome == "unjustified"


async def test_review_after_a_mistake_and_a_lost_answer(visit: Visit, store: FaultyStore) -> None:
    """Each refusal keeps the form and the focus, and the review is recorded once."""
    event = await ended(store)
    page = await visit("rita")
    await review(page, "needs_follow_up")
    await page.get_by_label("Show", exact=True).select_option("Needs follow-up")
    await page.get_by_role("button", name="Review alice's access to prod").click()
    await page.get_by_label("Outcome").select_option("needs_follow_up")
    await page.get_by_label("Comment").fill("   ")
    send = page.get_by_role("button", name="Record the review")
    await send.click()
    alert = page.get_by_role("dialog", name="Review").get_by_role("alert")
    await expect(alert).to_contain_text("comment must have 1 to 1000 characters")
    await expect(send).to_be_focused()
    await page.get_by_label("Comment").fill("Asked the team")
    store.answers_get_lost = True
    await send.click()
    await expect(alert).to_contain_text("may have succeeded")
    await expect(send).to_be_focused()
    store.answers_get_lost = False
    await send.click()
    await expect(queue(page)).to_contain_text("rita asked: Asked the team")
    notes = [entry.note for entry in await store.history(event.id)]
    assert notes[1:] == ["The log agrees", "Asked the team"]


async def test_review_of_event_that_another_has_changed(visit: Visit, store: FaultyStore) -> None:
    """The page says what is in the way, and shows the event as it is now."""
    reviewed, deleted, asked = [
        await ended(store, invoker=invoker) for invoker in ("alice", "bob", "carol")
    ]
    page = await visit("rita")
    await expect(queue(page)).to_have_count(3)
    dialog = page.get_by_role("dialog", name="Review")
    await store.review(reviewed.id, reviewed_by="sam", outcome="unjustified", comment="No alarm")
    await review(page, "justified")
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "sam has decided that it was unjustified: No alarm"
    )
    await expect(queue(page)).to_have_count(2)
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Show", exact=True)).to_be_focused()
    assert (await store.get(reviewed.id)).reviewed_by == "sam"

    await store.review(
        asked.id, reviewed_by="sam", outcome="needs_follow_up", comment="Which invoices?"
    )
    await review(page, "justified", "carol")
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "sam has asked meanwhile: Which invoices?"
    )
    await expect(queue(page).locator(".invoker")).to_have_text(["bob"])
    await page.keyboard.press("Escape")

    await store.delete(deleted.id)
    await review(page, "justified", "bob")
    await expect(dialog.get_by_role("alert")).to_contain_text("No such event")
    await expect(queue(page)).to_have_count(0)


async def test_late_refusal_does_not_reach_the_next_review(
    visit: Visit, store: FaultyStore
) -> None:
    """A person may leave the dialog before the answer, and review another event."""
    event = await ended(store, days=3)
    await ended(store, invoker="bob")
    page = await visit("rita")
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def delay(route: Route) -> None:
        arrived.set()
        await answered.wait()
        await route.continue_()

    await page.route(f"**/{event.id}/review", delay)
    await store.review(event.id, reviewed_by="sam", outcome="justified", comment="Fine")
    await review(page, "unjustified")
    await arrived.wait()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Review bob's access to prod").click()
    answered.set()
    await expect(queue(page)).to_have_count(1)
    send = page.get_by_role("button", name="Record the review")
    await expect(send).to_be_enabled()
    await expect(page.locator("#reviewing .refusal")).to_be_empty()


async def test_page_offers_nobody_a_review_of_their_own_use(
    visit: Visit, store: FaultyStore
) -> None:
    """The comparison ignores case, as the server's does."""
    await ended(store, invoker="Rita", days=3)
    await ended(store)
    page = await visit("rita")
    await expect(queue(page).locator(".invoker")).to_have_text(["Rita", "alice"])
    own = page.get_by_text("This is your own use. Another reviewer decides.")
    await expect(own.first).to_be_visible()
    await expect(own.last).to_be_hidden()
    await expect(page.get_by_role("button", name="Review ")).to_have_accessible_name(
        "Review alice's access to prod"
    )


async def test_person_who_is_no_reviewer_has_no_queue_and_no_hold(
    visit: Visit, store: FaultyStore
) -> None:
    """They read the record; a review moves the version of an event there, but not its end."""
    event = await ended(store, days=20)
    page = await visit("alice")
    bar = page.locator("#timeline .bar")
    await expect(bar).to_have_count(1)
    width = await bar.get_attribute("width")
    await store.review(event.id, reviewed_by="rita", outcome="justified", comment="Fine")
    await page.reload()
    await expect(bar).to_have_attribute("aria-label", re.compile("Reviewed by rita: justified$"))
    assert await bar.get_attribute("width") == width
    await expect(page.locator("#reviews")).to_be_hidden()
    await bar.dispatch_event("click")
    await page.get_by_role("button", name="Show the record").click()
    await expect(entries(page).last).to_contain_text("reviewed: justified by rita")
    await expect(page.get_by_role("button", name="Hold")).to_have_count(0)


async def test_decided_event_does_not_come_back_with_a_late_list(
    visit: Visit, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is a list that lags; the answer to one's own review is newer.

    The page says that no event waits only if it has seen the whole list.
    """
    await ended(store)
    late = await store.list_awaiting_review()
    cursors = [None, "more"]
    page = await visit("rita")
    await expect(queue(page)).to_have_count(1)

    async def lagging(*_: object, **__: object) -> object:
        return replace(late, next_cursor=cursors.pop())

    monkeypatch.setattr(store, "list_awaiting_review", lagging)
    await review(page, "justified")
    await expect(queue(page)).to_have_count(0)
    await page.get_by_label("Show", exact=True).dispatch_event("change")
    await expect(page.get_by_role("button", name="Show more")).to_be_visible()
    await expect(page.locator("#none-waiting")).to_be_hidden()
    await page.get_by_label("Show", exact=True).dispatch_event("change")
    await expect(page.locator("#none-waiting")).to_be_visible()
    await expect(queue(page)).to_have_count(0)


async def test_hostile_and_long_text_is_text_and_fits_a_phone_screen(
    visit: Visit, store: FaultyStore
) -> None:
    """In the queue, the record and the review other people's text is text, and nothing is cut."""
    texts = [HOSTILE, "w" * 256]
    for text in texts:
        event = await store.create(
            make_event(
                invoker=text,
                profile=text,
                justification=text,
                labels={"ticket": text},
                status="closed",
                closed_reason=text,
            )
        )
        await store.hold(event.id, held_by=text, reason=text)
    page = await visit("rita", width=360)
    for part in (".profile", ".invoker", ".why"):
        await expect(queue(page).locator(part)).to_have_text(texts)
    await expect(queue(page).locator(".facts")).to_have_text([f"ticket: {text}" for text in texts])
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for text in texts:
        item = queue(page).filter(has_text=text)
        await item.get_by_role("button", name="Record of").click()
        await expect(entries(page).last.locator(".why")).to_have_text(text)
        await expect(page.locator("#dossier-hold")).to_contain_text(text)
        for part in ("#dossier", "#dossier p", "#entries li"):
            for block in await page.locator(part).all():
                assert await block.evaluate("block => block.scrollWidth <= block.clientWidth")
        await page.get_by_role("button", name="Done").click()
        await item.get_by_role("button", name="Review").click()
        await expect(page.locator("#reviewing-why")).to_have_text(text)
        await page.get_by_role("button", name="Decide later").click()
    await expect(page.locator("img")).to_have_count(0)
    await expect(page).to_have_title("Emergency access")


async def test_more_of_a_long_queue_is_shown_on_demand(visit: Visit, store: FaultyStore) -> None:
    for _ in range(51):
        await ended(store)
    page = await visit("rita")
    await expect(queue(page)).to_have_count(50)
    await expect(page.locator("#waiting-count")).to_have_text("50+")
    await page.get_by_role("button", name="Show more").click()
    await expect(queue(page)).to_have_count(51)
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()
