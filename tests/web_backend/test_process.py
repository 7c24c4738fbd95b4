"""The application as a process of its own, which signals end."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from .conftest import OPENING

EXAMPLES = Path(__file__).parents[2] / "examples"

if sys.platform == "win32":
    pytest.skip("the process is stopped by POSIX signals", allow_module_level=True)


@asynccontextmanager
async def demonstration(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `python -m web_backend`; yields it and its URL, and does not let it outlive us."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "web_backend", "--port", "0", *options),
        cwd=EXAMPLES,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if url := re.search(rb"running on (http://\S+)", line):
                yield process, url[1].decode()
                return
        raise AssertionError("it did not start")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_although_streams_are_open(number: signal.Signals) -> None:
    """Streams end properly, as responses that are complete, and the process with them."""
    async with (
        asyncio.timeout(60),
        demonstration() as (process, url),
        httpx.AsyncClient(base_url=url, cookies={"demo_person": "alice"}, timeout=30) as client,
        client.stream("GET", "/api/changes") as response,
    ):
        chunks = response.aiter_raw()
        assert (await anext(chunks)).startswith(b"event: snapshot")
        process.send_signal(number)
        async for _ in chunks:
            pass
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
        # uvicorn, when it has stopped in order, passes the signal on as it came.
        assert await process.wait() in (0, -number)
    assert "Application shutdown complete" in log
    assert "ERROR" not in log
    assert "Traceback" not in log


async def test_on_moto_it_does_the_same() -> None:
    """The whole way to a DynamoDB, with its expiry and its past."""
    async with (
        asyncio.timeout(60),
        demonstration("--backend", "moto") as (_, url),
        httpx.AsyncClient(base_url=url, cookies={"demo_person": "alice"}, timeout=30) as client,
    ):
        opened = await client.post("/api/events", json=OPENING)
        assert opened.status_code == 201
        access = await client.get("/api/access?profile=production")
        assert access.json()["allowed"] is True
        refused = await client.post("/api/events", json=OPENING)
        assert refused.status_code == 409
        closed = await client.post(
            f"/api/events/{opened.json()['id']}/close", json={"reason": "Done"}
        )
        assert closed.status_code == 200
        page = (await client.get("/api/events?status=closed&limit=2")).json()
        assert page["events"][0]["id"] == opened.json()["id"]
        assert page["next_cursor"]
