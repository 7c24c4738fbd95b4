"""What comes back to the page, late, lost, or as a refusal."""

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


async def test_a_second_opening_is_refused(visit: Visit) -> None:
    page = await visit("alice")
    await open_access(page)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("Access is held already")
    await expect(refusal(page)).to_contain_text("You hold access to production until")
    await expect(holders(page)).to_have_count(1)


async def test_an_answer_that_comes_after_the_end(visit: Visit, store: FaultyStore) -> None:
    """What the stream has told since is newer."""
    page = await visit("alice")

    async def delay(route: Route) -> None:
        answer = await route.fetch()
        await expect(log(page)).to_contain_text("alice now holds access to production.")
        (event,) = await store.list_by_status("active")
        await store.close(event.id, closed_by="rita", closed_reason="Done")
        await expect(log(page)).to_contain_text("Access of alice to production has ended.")
        await route.fulfill(response=answer)

    await page.route("**/api/events", delay)
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It was opened, and has ended since")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).not_to_contain_text("You now hold")


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost(visit: Visit, store: FaultyStore) -> None:
    """Nobody knows what became of it, so it is sent again, and recognised."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    await page.get_by_role("button", name="Open emergency access").click()
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)
    assert len(await store.list_by_invoker("alice")) == 1


async def test_an_answer_that_is_lost_and_comes_with_the_stream(
    visit: Visit, store: FaultyStore
) -> None:
    """The page sees by the event's id that it has been opened, and asks for nothing more."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await answered(page)
    await expect(refusal(page)).to_be_hidden()
    await expect(holders(page)).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost_to_an_opening_that_has_ended_since(
    visit: Visit, store: FaultyStore
) -> None:
    """It is no success: whoever asked holds no access. What they have written stays."""
    page = await visit("alice")
    store.answers_get_lost = True
    await send_opening(page)
    await expect(refusal(page)).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    button = page.get_by_role("button", name="Open emergency access")
    await button.click()
    await expect(refusal(page)).to_contain_text("It was opened, and has ended since")
    await expect(page.get_by_label("Justification")).to_have_value(OPENING["justification"])
    await expect(holders(page)).to_have_count(0)
    # Sent once more it is another request.
    await button.click()
    await answered(page)
    await expect(holders(page)).to_have_count(1)
    await expect(refusal(page)).to_be_hidden()


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_an_answer_that_is_lost_to_a_close(visit: Visit, store: FaultyStore) -> None:
    """A repetition that finds it closed is what was asked for."""
    page = await visit("alice")
    await open_access(page)
    store.answers_get_lost = True
    await close_access(page)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text("It may have been done all the same")
    store.answers_get_lost = False
    await dialog.get_by_role("button", name="Close access").click()
    await expect(dialog).to_be_hidden()
    await expect(holders(page)).to_have_count(0)
    await expect(page.locator("#timeline .bar.closed")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_a_close_of_what_somebody_else_has_closed(visit: Visit, store: FaultyStore) -> None:
    """That is a refusal: what was written is recorded nowhere."""
    page = await visit("alice")
    await open_access(page)
    (event,) = await store.list_by_invoker("alice")
    await store.close(event.id, closed_by="rita", closed_reason="Done")
    await close_access(page)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "The event has ended"
    )
    await expect(holders(page)).to_have_count(0)


async def test_a_sign_in(visit: Visit) -> None:
    """The page is somebody else's then; where the request fails it says so, and stays."""
    page = await visit("alice")
    header = page.get_by_role("banner")
    await header.get_by_label("Demonstration").select_option("rita")
    await page.route("**/demo/sign-in", lambda route: route.abort())
    await header.get_by_role("button", name="Go").click()
    await expect(header.get_by_role("alert")).to_contain_text("The server cannot be reached")
    await expect(page.locator("#my-name")).to_have_text("alice")
    await page.unroute_all()
    await header.get_by_role("button", name="Go").click()
    await expect(page.locator("#my-name")).to_have_text("rita")
    await expect(connection(page)).to_have_text("Live.")
