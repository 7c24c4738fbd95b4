"""The page handles answers that are late, lost, or refusals."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from tests.web_backend.conftest import OPENING
from tests.web_backend.stores import FaultyStore

from .parts import (
    Visit,
    answered,
    close_access,
    connection,
    holders,
    log,
    open_access,
    refusal,
    send_opening,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_second_open_shows_the_refusal(visit: Visit) -> None:
    page = await visit("alice")
    await open_access(page)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("Access is already held")
    await expect(refusal(page)).to_contain_text("You hold access to production until")
    await expect(holders(page)).to_have_count(1)


async def test_late_answer_after_the_end_shows_no_access(visit: Visit, store: FaultyStore) -> None:
    """The stream's later message overrides the answer; a second press sends nothing."""
    page = await visit("alice")
    sent = []

    async def delay(route: Route) -> None:
        sent.append(route)
        await page.keyboard.press("Enter")
        answer = await route.fetch()
        await expect(log(page)).to_contain_text("alice now holds access to production.")
        (event,) = await store.list_by_status("active")
        await store.close(event.id, closed_by="rita", closed_reason="Done")
        await expect(log(page)).to_contain_text("alice no longer holds access to production.")
        await route.fulfill(response=answer)

    await page.route("**/api/events", delay)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("Access was opened but has already ended")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).not_to_contain_text("You now hold")
    assert len(sent) == 1


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_open_is_sent_again_after_a_lost_answer(visit: Visit, store: FaultyStore) -> None:
    """The server recognises an opening that the user sends again after a lost answer."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("The request may have succeeded")
    store.answers_get_lost = False
    await page.get_by_role("button", name="Open emergency access").click()
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)
    assert len(await store.list_by_invoker("alice")) == 1


async def test_stream_confirms_an_open_with_a_lost_answer(
    visit: Visit, store: FaultyStore
) -> None:
    """The page finds the event's id in the stream, and needs no other answer."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_repeated_open_of_ended_event_is_a_refusal(visit: Visit, store: FaultyStore) -> None:
    """The person holds no access, so the page shows a refusal and keeps the form."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("The request may have succeeded")
    store.answers_get_lost = False
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    button = page.get_by_role("button", name="Open emergency access")
    await button.click()
    await expect(refusal(page)).to_contain_text("Access was opened but has already ended")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    # The next attempt is a new request.
    await button.click()
    await answered(page)
    await expect(holders(page)).to_have_count(1)
    await expect(refusal(page)).to_be_hidden()


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_close_is_sent_again_after_a_lost_answer(visit: Visit, store: FaultyStore) -> None:
    """A repeated close that finds the event closed counts as success."""
    page = await visit("alice")
    await open_access(page)
    store.answers_get_lost = True
    await close_access(page)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text("The request may have succeeded")
    store.answers_get_lost = False
    await dialog.get_by_role("button", name="Close access").click()
    await expect(dialog).to_be_hidden()
    await expect(holders(page)).to_have_count(0)
    await expect(page.locator("#timeline .bar.closed")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_close_after_another_persons_close_is_refused(
    visit: Visit, store: FaultyStore
) -> None:
    """The page shows a refusal, because the person's reason was not recorded."""
    page = await visit("alice")
    await open_access(page)
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    await close_access(page)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "The event has ended"
    )
    await expect(holders(page)).to_have_count(0)


async def test_sign_in_switches_the_person_or_shows_the_failure(visit: Visit) -> None:
    """A failed sign-in shows the failure; the next one switches to the new person.

    A page that comes to the front after a sign-in in another window switches as well.
    """
    page = await visit("alice")
    header = page.get_by_role("banner")
    await header.get_by_label("Sign in as").select_option("rita")
    await page.route("**/demo/sign-in", lambda route: route.abort())
    await header.get_by_role("button", name="Sign in").click()
    await expect(header.get_by_role("alert")).to_contain_text("The server cannot be reached")
    await expect(page.locator("#my-name")).to_have_text("alice")
    await page.unroute_all()
    await header.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#my-name")).to_have_text("rita")
    await expect(connection(page)).to_have_text("Live.")
    await page.context.add_cookies([{"name": "demo_person", "value": "bob", "url": page.url}])
    await page.evaluate("() => { window.dispatchEvent(new Event('focus')) }")
    await expect(page.locator("#my-name")).to_have_text("bob")
    await expect(page.locator("#my-role")).to_be_hidden()
    await expect(connection(page)).to_have_text("Live.")
