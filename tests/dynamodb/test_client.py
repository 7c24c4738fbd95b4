"""What opening a store reads, and which settings it uses."""

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


@pytest.mark.slow
def test_second_open_reads_no_file_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second `open` reads neither AWS's models nor the user's settings there."""
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    result = subprocess.run(
        [sys.executable, "-c", OPEN_TWICE], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


async def test_connector_arguments_override_the_defaults(session: AioSession) -> None:
    """A caller's `connector_args` override our defaults one by one."""
    config = AioConfig(connector_args={"keepalive_timeout": 77, "force_close": False})
    async with open_client(REGION, None, session, config) as opened:
        connections = await opened.sessions[0].connections()
        assert connections.connector._keepalive_timeout == 77
        assert connections.connector.limit == 64
