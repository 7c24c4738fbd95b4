"""People ask who held access at an instant of the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import Visit, entries

pytestmark = pytest.mark.asyncio(loop_scope="package")

LOCAL_TIME = """
at => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
"""


async def test_look_back_shows_who_held_access(visit: Visit, store: FaultyStore) -> None:
    begin = datetime.now(UTC) - timedelta(days=2)
    event, *_ = [
        await store.create(
            make_event(invoker=invoker, profile=profile, status="expired", created_at=begin)
        )
        for invoker, profile in (("alice", "prod"), ("alice", "staging"), ("bob", "prod"))
    ]
    page = await visit("bob", width=360)
    # The field has the browser's local time.
    at = (event.created_at + timedelta(minutes=1)).timestamp() * 1000
    text = await page.evaluate(LOCAL_TIME, at)
    past = page.get_by_role("region", name="Who held access", exact=True)
    await past.get_by_label("At").fill(text)
    await past.get_by_role("button", name="Look back").click()
    await expect(past).to_contain_text("2 people held access")
    await expect(past.get_by_role("listitem")).to_have_count(3)
    await past.get_by_label("Who").fill("alice")
    await past.get_by_label("To which profile").fill("prod")
    await past.get_by_role("button", name="Look back").click()
    await expect(past).to_contain_text("alice held access to prod on")
    await expect(past.get_by_role("listitem")).to_contain_text("prod: alice")
    await past.get_by_role("button", name="Record of alice's access to prod").click()
    await expect(entries(page)).to_have_count(1)
    await page.get_by_role("button", name="Done").click()
    await past.get_by_label("Who").fill("carol")
    await past.get_by_role("button", name="Look back").click()
    await expect(past).to_contain_text("carol did not hold access to prod on")
    await expect(past.get_by_role("listitem")).to_have_count(0)
    await past.get_by_label("At").fill("2999-01-01T00:00:00")
    await past.get_by_role("button", name="Look back").click()
    await expect(past.get_by_role("alert")).to_contain_text("future")
    # The browser itself refuses a year that no time of the server has.
    await past.get_by_label("At").fill("12026-01-01T00:00:00")
    await past.get_by_role("button", name="Look back").click()
    await expect(past.get_by_label("At")).to_be_focused()
