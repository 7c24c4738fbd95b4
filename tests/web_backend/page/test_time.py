"""Access lapses on the page, whatever the browser's clock says."""

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


async def test_lapsed_access_disappears(visit: Visit, store: FaultyStore) -> None:
    """The page removes access when it lapses, and says so."""
    event = await store.create(make_event())
    page = await visit("alice")
    await expect(holders(page)).to_have_count(1)
    end = datetime.now(UTC) + timedelta(seconds=3)
    await store.update(event.model_copy(update={"expires_at": end}))
    await expect(holders(page)).to_have_count(0)
    await expect(log(page)).to_contain_text("alice no longer holds access to prod.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


@pytest.mark.parametrize("poll_seconds", [3600])
async def test_access_lapses_while_the_server_is_silent(
    new_page: NewPage, url: str, app: FastAPI, store: FaultyStore
) -> None:
    """The page says that the server is silent, and still counts down and removes the access."""
    await store.create(make_event())
    await app.state.changes.read()
    page = await new_page(url, "alice", own_window=True)
    await stop_clock(page)
    await page.goto(url)
    countdown = holders(page).locator(".countdown")
    # An hour is left, minus the time that the test has taken so far.
    await expect(countdown).to_have_text(re.compile(r"^(1:00:00|\d\d:\d\d)$"))
    *hours, minutes, seconds = map(int, (await countdown.inner_text()).split(":"))
    left = sum(hours) * 3600 + minutes * 60 + seconds
    await page.clock.fast_forward((left - 5) * 1000)
    await expect(countdown).to_have_text("0:05")
    await expect(connection(page)).to_contain_text("The server has sent nothing")
    await page.clock.run_for(65_000)
    await expect(holders(page)).to_have_count(0)
    await expect(nobody(page)).to_have_text("Nobody is known to hold access.")
    await expect(page.locator("#timeline .bar.expired")).to_have_count(1)


async def test_countdown_uses_the_server_clock(new_page: NewPage, url: str) -> None:
    """Access lapses by the server's clock, so the countdown follows that clock."""
    page = await new_page(url, "alice", own_window=True)
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
    await page.goto(url)
    await expect(connection(page)).to_have_text("Live.")
    await open_access(page)
    await expect(holders(page).locator(".countdown")).to_contain_text("59:")
