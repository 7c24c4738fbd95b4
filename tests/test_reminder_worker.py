"""The worker of examples/reminder_worker.py, run as a real process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiobotocore.session import get_session

from aiobreakglass import AsyncDynamoDBStore, create_table
from aiobreakglass.testing import FakeClock, make_event

WORKER = Path(__file__).parents[1] / "examples" / "reminder_worker.py"
REGION = "eu-central-1"
HOUR = timedelta(hours=1)

if sys.platform == "win32":
    pytest.skip("the worker is stopped by POSIX signals", allow_module_level=True)


@pytest.mark.slow
async def test_worker_announces_overdue_reviews_until_it_is_stopped(moto_endpoint: str) -> None:
    """The worker announces each overdue review once in its interval, and SIGTERM ends it."""
    table_name = f"breakglass-{uuid4().hex}"
    clock = FakeClock(datetime.now(UTC) - 100 * HOUR)
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        await create_table(client, table_name)
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        overdue = await store.create(make_event(invoker="alice", created_at=clock()))
        clock.advance(96 * HOUR)
        await store.create(make_event(invoker="bob", created_at=clock()))
    async with asyncio.timeout(300):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(WORKER),
            *("--table", table_name, "--region", REGION, "--endpoint-url", moto_endpoint),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            announced = json.loads(await process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            rest = await process.stdout.read()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    # The event ran out 99 hours ago: 27 hours beyond the 72, so this is its second interval.
    assert announced == {
        "key": f"{overdue.id}-1",
        "review": overdue.id,
        "invoker": "alice",
        "profile": "prod",
        "outcome": None,
    }
    assert rest == b""
