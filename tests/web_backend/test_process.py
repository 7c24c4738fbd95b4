"""The application runs as its own process, and signals end it."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import web_backend.__main__

from .conftest import OPENING, PATIENCE, client_at

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "web_backend" / "README.md").read_text(encoding="utf-8")

if sys.platform == "win32":
    pytest.skip("the process is stopped by POSIX signals", allow_module_level=True)


Running = AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, str]]


def demonstration(*options: str) -> Running:
    return running("web_backend", *options, folder=EXAMPLES)


@asynccontextmanager
async def running(
    *program: str, folder: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `python -m` with this program; yield the process and its URL, and end it at exit."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *program, "--port", "0"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if url := re.search(rb"running on (http://\S+)", line):
                yield process, url[1].decode()
                return
        raise AssertionError("the process did not start")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def assert_signal_completes_a_stream(
    process: asyncio.subprocess.Process, client: httpx.AsyncClient, number: signal.Signals
) -> None:
    """Assert that a signal completes the open streams, and then ends the process."""
    async with client.stream("GET", "/api/changes") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: snapshot"
        process.send_signal(number)
        async for _ in lines:
            pass
    assert process.stderr is not None
    log = (await process.stderr.read()).decode()
    # After an orderly stop uvicorn raises the signal again.
    assert await process.wait() in (0, -number)
    assert "Application shutdown complete" in log
    assert "ERROR" not in log
    assert "Traceback" not in log


async def test_demonstration_in_memory_ends_at_an_interrupt() -> None:
    async with (
        asyncio.timeout(PATIENCE),
        demonstration() as (process, url),
        client_at(url) as client,
    ):
        await assert_signal_completes_a_stream(process, client, signal.SIGINT)


def deployment() -> list[str]:
    """Return the command with which the README runs the application on a table."""
    (command,) = re.findall(r"^uvicorn .+", README, flags=re.MULTILINE)
    return shlex.split(command)


async def test_signal_ends_the_process_if_a_client_does_not_read() -> None:
    """The server gives up a stream that it cannot complete, after one second in this test."""
    program = deployment()
    program[program.index("web_backend.app:create_app")] = "tests.web_backend.crowded:create_app"
    program[program.index("--timeout-graceful-shutdown") + 1] = "1"
    async with (
        asyncio.timeout(PATIENCE),
        running(*program, folder=ROOT) as (process, url),
    ):
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", httpx.URL(url).port))
            await loop.sock_sendall(
                client,
                b"GET /api/changes HTTP/1.1\r\nHost: backend\r\nCookie: demo_person=alice\r\n\r\n",
            )
            received = b""
            # Once its first line has arrived, the server is sending the whole snapshot.
            while b"event: snapshot" not in received:
                chunk = await loop.sock_recv(client, 256)
                assert chunk, "the stream has ended"
                received += chunk
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            log = (await process.stderr.read()).decode()
            assert await process.wait() in (0, -signal.SIGTERM)
    assert "timeout graceful shutdown exceeded" in log
    assert "Application shutdown complete" in log


def test_demonstration_has_the_shutdown_timeout_of_the_readme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda _, **options: runs.append(options))
    monkeypatch.setattr(sys, "argv", ["web_backend"])
    web_backend.__main__.main()
    (options,) = runs
    program = deployment()
    seconds = program[program.index("--timeout-graceful-shutdown") + 1]
    assert str(options["timeout_graceful_shutdown"]) == seconds


async def test_demonstration_on_moto_ends_at_sigterm() -> None:
    """The demonstration on moto opens, checks, closes and lists events, until a signal."""
    async with (
        asyncio.timeout(PATIENCE),
        demonstration("--backend", "moto") as (process, url),
        client_at(url) as client,
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
        await assert_signal_completes_a_stream(process, client, signal.SIGTERM)
