"""Reviewers review and hold on the page; everybody reads histories and looks back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from aiobreakglass import BreakGlassEvent
from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import Visit, close_access, open_access

pytestmark = pytest.mark.asyncio(loop_scope="package")

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"

LOCAL_TIME = """
at => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
"""


def queue(page: Page) -> Locator:
    return page.locator("#waiting > li")


def entries(page: Page) -> Locator:
    return page.locator("#entries > li")


async def ended(store: FaultyStore, *, invoker: str = "alice", days: int = 2) -> BreakGlassEvent:
    begin = datetime.now(UTC) - timedelta(days=days)
    return await store.create(make_event(invoker=invoker, status="closed", created_at=begin))


async def review(page: Page, outcome: str, invoker: str = "alice") -> None:
    await page.get_by_role("button", name=f"Review {invoker}'s access to prod").click()
    await page.get_by_label("Outcome").select_option(outcome)
    await page.get_by_label("Comment").fill("The log agrees")
    await page.get_by_role("button", name="Record the review").click()


async def test_reviewer_decides_about_events_in_the_queue(
    visit: Visit, store: FaultyStore
) -> None:
    old, new = await ended(store, days=3), await ended(store, invoker="bob", days=1)
    page = await visit("rita")
    await expect(queue(page).locator(".invoker")).to_have_text(["alice", "bob"])
    await expect(page.locator("#waiting-count")).to_have_text("2")
    await review(page, "justified")
    await expect(queue(page).locator(".invoker")).to_have_text(["bob"])
    assert (await store.get(old.id)).review_outcome == "justified"
    await review(page, "needs_follow_up", "bob")
    await expect(queue(page)).to_have_count(0)
    await expect(page.get_by_text("No event waits for a review.")).to_be_visible()
    await page.get_by_label("Show", exact=True).select_option("Needs follow-up")
    await expect(queue(page)).to_contain_text("rita asked: The log agrees")
    await review(page, "unjustified", "bob")
    await expect(queue(page)).to_have_count(0)
    assert (await store.get(new.id)).review_outcome == "unjustified"


async def test_page_offers_nobody_a_review_of_their_own_use(
    visit: Visit, store: FaultyStore
) -> None:
    """The comparison ignores case, as the server's does."""
    await ended(store, invoker="Rita")
    page = await visit("rita")
    await expect(queue(page)).to_contain_text("This is your own use. Another reviewer decides.")
    await expect(page.get_by_role("button", name="Review")).to_have_count(0)
    other = await visit("sam")
    await expect(other.get_by_role("button", name="Review Rita's access")).to_be_visible()


async def test_people_who_are_no_reviewers_have_no_queue(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    page = await visit("alice")
    await expect(page.locator("#timeline .bar")).to_have_count(1)
    await expect(page.locator("#reviews")).to_be_hidden()
    await page.locator("#timeline .bar").dispatch_event("click")
    await page.get_by_role("button", name="Show the record").click()
    await expect(entries(page)).to_have_count(1)
    await expect(page.get_by_role("button", name="Hold")).to_have_count(0)
    assert (await store.get(event.id)).held_by is None


async def test_ended_access_enters_the_queue(visit: Visit) -> None:
    page, reviewer = await visit("alice"), await visit("rita")
    await open_access(page)
    await expect(queue(reviewer)).to_have_count(0)
    await close_access(page)
    await expect(queue(reviewer)).to_contain_text("Closed: The replica has taken over")


async def test_decided_event_does_not_come_back_with_a_late_list(
    visit: Visit, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is a list that lags; the answer to one's own review is newer."""
    await ended(store)
    late = await store.list_awaiting_review()
    page = await visit("rita")
    await expect(queue(page)).to_have_count(1)

    async def lagging(*_: object, **__: object) -> object:
        return late

    monkeypatch.setattr(store, "list_awaiting_review", lagging)
    await review(page, "justified")
    await expect(queue(page)).to_have_count(0)
    async with page.expect_response("**/api/reviews*"):
        await page.get_by_label("Show", exact=True).dispatch_event("change")
    await expect(page.locator("#none-waiting")).to_be_visible()
    await expect(queue(page)).to_have_count(0)


async def test_review_that_another_made_first_is_refused(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    page = await visit("rita")
    await expect(queue(page)).to_have_count(1)
    await store.review(event.id, reviewed_by="sam", outcome="unjustified", comment="No")
    await review(page, "justified")
    dialog = page.get_by_role("dialog", name="Review")
    await expect(dialog.get_by_role("alert")).to_contain_text("It cannot be reviewed")
    assert (await store.get(event.id)).reviewed_by == "sam"


async def test_review_does_not_lengthen_the_bar(visit: Visit, store: FaultyStore) -> None:
    """A review moves the version of an event, but not its end."""
    event = await ended(store, days=20)
    page = await visit("alice")
    bar = page.locator("#timeline .bar")
    await expect(bar).to_have_count(1)
    width = await bar.get_attribute("width")
    await store.review(event.id, reviewed_by="rita", outcome="justified", comment="Fine")
    await page.reload()
    await expect(bar).to_have_attribute("aria-label", re.compile("Reviewed by rita: justified$"))
    assert await bar.get_attribute("width") == width


async def test_hold_and_release_in_the_record(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    page = await visit("rita")
    await page.get_by_role("button", name="Record of alice's access to prod").click()
    dossier = page.get_by_role("dialog", name="The record of this event")
    await expect(dossier).to_contain_text("The history is whole")
    await dossier.get_by_role("button", name="Hold").click()
    await page.get_by_label("Why", exact=True).fill("Counsel asked for it")
    await page.locator("#holding-submit").click()
    await expect(dossier).to_contain_text("Held by rita: Counsel asked for it")
    await expect(entries(page).last).to_contain_text("put under a legal hold by rita")
    await expect(queue(page).get_by_text("held", exact=True)).to_be_visible()
    assert (await store.get(event.id)).held_by == "rita"

    await dossier.get_by_role("button", name="Release the hold").click()
    await page.get_by_label("Why", exact=True).fill("It is over")
    store.answers_get_lost = True
    await page.locator("#holding-submit").click()
    holding = page.get_by_role("dialog", name="Release the hold")
    await expect(holding.get_by_role("alert")).to_contain_text("may have succeeded")
    store.answers_get_lost = False
    await page.locator("#holding-submit").click()
    await expect(holding).to_be_hidden()
    await expect(entries(page).last).to_contain_text("released from the hold by rita")
    await expect(dossier).not_to_contain_text("Held by")
    assert (await store.get(event.id)).held_by is None


async def test_altered_event_is_shown_as_altered(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    store._events[event.id] = event.model_copy(update={"justification": "Nothing to see here"})
    page = await visit("rita")
    await page.get_by_role("button", name="Record of alice's access to prod").click()
    await expect(page.locator("#dossier-verdict")).to_contain_text("not as it was written")
    await expect(page.locator("#findings")).to_contain_text("altered")


async def test_look_back_shows_who_held_access(visit: Visit, store: FaultyStore) -> None:
    begin = datetime.now(UTC) - timedelta(days=2)
    event = await store.create(make_event(status="expired", created_at=begin))
    page = await visit("bob", width=360)
    # The field has the browser's local time.
    at = (event.created_at + timedelta(minutes=1)).timestamp() * 1000
    text = await page.evaluate(LOCAL_TIME, at)
    past = page.get_by_role("region", name="Who held access", exact=True)
    await past.get_by_label("At").fill(text)
    await past.get_by_role("button", name="Look back").click()
    await expect(past).to_contain_text("1 person held access")
    await expect(past.get_by_role("listitem")).to_contain_text("prod: alice")
    await past.get_by_role("button", name="Record of alice's access to prod").click()
    await expect(entries(page)).to_have_count(1)
    await page.get_by_role("button", name="Done").click()
    await past.get_by_label("Who").fill("carol")
    await past.get_by_role("button", name="Look back").click()
    await expect(past).to_contain_text("Nobody held access")
    await expect(past.get_by_role("listitem")).to_have_count(0)
    await past.get_by_label("At").fill("2999-01-01T00:00:00")
    await past.get_by_role("button", name="Look back").click()
    await expect(past.get_by_role("alert")).to_contain_text("future")


async def test_review_works_with_the_keyboard_alone(visit: Visit, store: FaultyStore) -> None:
    event = await ended(store)
    page = await visit("rita")
    button = page.get_by_role("button", name="Review alice's access to prod")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Outcome")).to_be_focused()
    await page.keyboard.type("Justified")
    await page.keyboard.press("Tab")
    await page.keyboard.type("The log agrees")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(queue(page)).to_have_count(0)
    await expect(page.get_by_label("Show", exact=True)).to_be_focused()
    assert (await store.get(event.id)).review_outcome == "justified"


async def test_hostile_text_in_reviews_and_histories_is_shown_as_text(
    visit: Visit, store: FaultyStore
) -> None:
    event = await store.create(
        make_event(
            invoker=HOSTILE,
            profile=HOSTILE,
            justification=HOSTILE,
            status="closed",
            closed_reason=HOSTILE,
        )
    )
    await store.hold(event.id, held_by=HOSTILE, reason=HOSTILE)
    page = await visit("rita")
    for part in (".profile", ".invoker", ".why"):
        await expect(queue(page).locator(part)).to_have_text(HOSTILE)
    await queue(page).get_by_role("button", name="Record of").click()
    await expect(entries(page).last.locator(".why")).to_have_text(HOSTILE)
    await expect(page.locator("#dossier-hold")).to_contain_text(HOSTILE)
    await page.get_by_role("button", name="Done").click()
    await queue(page).get_by_role("button", name="Review").click()
    await expect(page.locator("#reviewing-why")).to_have_text(HOSTILE)
    await expect(page.locator("img")).to_have_count(0)
    await expect(page).to_have_title("Emergency access")


async def test_long_names_in_every_part_fit_a_phone_screen(
    visit: Visit, store: FaultyStore
) -> None:
    long = {"invoker": "w" * 256, "profile": "p" * 256, "justification": "j" * 1000}
    event = await store.create(make_event(**long, status="closed", closed_reason="r" * 1000))
    await store.hold(event.id, held_by="h" * 256, reason="r" * 1000)
    page = await visit("rita", width=360)
    await expect(queue(page)).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await queue(page).get_by_role("button", name="Record of").click()
    await expect(entries(page)).to_have_count(2)
    for part in ("#dossier", "#dossier p", "#entries li"):
        for block in await page.locator(part).all():
            assert await block.evaluate("block => block.scrollWidth <= block.clientWidth")


async def test_more_of_a_long_queue_is_shown_on_demand(visit: Visit, store: FaultyStore) -> None:
    for _ in range(51):
        await ended(store)
    page = await visit("rita")
    await expect(queue(page)).to_have_count(50)
    await expect(page.locator("#waiting-count")).to_have_text("50+")
    await page.get_by_role("button", name="Show more").click()
    await expect(queue(page)).to_have_count(51)
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()
