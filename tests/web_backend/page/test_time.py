"""Access that runs out, whatever a browser's clock says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import NewPage, Visit, connection, holders, log, nobody, open_access, stop_clock

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_access_that_runs_out(visit: Visit, store: FaultyStore) -> None:
    """At its end it is gone, and the page says so."""
    event = await store.create(make_event())
    page = await visit("alice")
    await expect(holders(page)).to_have_count(1)
    end = datetime.now(UTC) + timedelta(seconds=3)
    await store.update(event.model_copy(update={"expires_at": end}))
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).to_contain_text("Access of alice to prod has ended.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_access_that_runs_out_while_nothing_is_heard(
    new_page: NewPage, url: str, app: FastAPI, store: FaultyStore
) -> None:
    """It is counted down all the same, and then gone; that nothing is heard is said."""
    await store.create(make_event())
    await app.state.changes.read()
    page = await new_page(url, "alice")
    await stop_clock(page)
    await page.goto(url)
    countdown = holders(page).locator(".countdown")
    # As long as it took until here, there is the rest of an hour left.
    await expect(countdown).to_have_text(re.compile(r"^(1:00:00|\d\d:\d\d)$"))
    *hours, minutes, seconds = map(int, (await countdown.inner_text()).split(":"))
    left = sum(hours) * 3600 + minutes * 60 + seconds
    await page.clock.fast_forward((left - 5) * 1000)
    await expect(countdown).to_have_text("0:05")
    await expect(connection(page)).to_contain_text("Nothing has been heard")
    await page.clock.run_for(65_000)
    await expect(holders(page)).to_have_count(0)
    await expect(nobody(page)).to_have_text("Nobody that is known of.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


async def test_a_browser_whose_clock_is_wrong(new_page: NewPage, url: str) -> None:
    """Access runs out by the server's clock, and that is what is counted down."""
    page = await new_page(url, "alice")
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
    await page.goto(url)
    await expect(connection(page)).to_have_text("Live.")
    await open_access(page)
    await expect(holders(page).locator(".countdown")).to_contain_text("59:")
