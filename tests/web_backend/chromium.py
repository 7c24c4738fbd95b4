"""Playwright drives the machine's own Chromium; it downloads nothing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    # Every page is ours, so pages that follow each other can share a process.
    "--disable-site-isolation-trials",
    "--disable-sync",
    "--no-first-run",
    "--renderer-process-limit=1",
]


def installed() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@asynccontextmanager
async def chromium(executable: str) -> AsyncIterator[Browser]:
    """Run Chromium without a window and without connections of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            # Root and many containers cannot set up the sandbox. Chromium opens only our page.
            args=["--no-sandbox", *FLAGS],
            # The machine may be busy.
            timeout=120_000,
        )
        try:
            yield browser
        finally:
            await browser.close()
