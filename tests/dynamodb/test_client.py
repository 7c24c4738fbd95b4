"""Opening: what it reads, and what is found out of the settings that it is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aiobreakglass._aws.client import open_client
from tests.dynamodb.conftest import REGION

OPEN_TWICE = """
import asyncio, sys, threading
from aiobreakglass import AsyncDynamoDBStore

seen = []

def note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir"):
        if threading.current_thread() is threading.main_thread():
            seen.append(str(arguments[0]))

sys.addaudithook(note)

async def main():
    for _ in range(2):
        seen.clear()
        async with AsyncDynamoDBStore.open("breakglass"):
            pass

asyncio.run(main())
print(*seen, sep="\\n")
"""


def test_a_second_store_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads no file on the event loop: neither AWS's models nor the user's settings."""
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    result = subprocess.run(
        [sys.executable, "-c", OPEN_TWICE], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


async def test_a_connector_of_the_callers_own(session: AioSession) -> None:
    """What a configuration says of connections goes over the defaults, as the rest of it does."""
    config = AioConfig(connector_args={"keepalive_timeout": 77, "force_close": False})
    async with open_client(REGION, None, session, config) as opened:
        connections = await opened.sessions[0].connections()
        assert connections.connector._keepalive_timeout == 77
        assert connections.connector.limit == 64
