"""The command in an environment that has no settings but the test's."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.running import REGION, Command, by_hand


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Hide the settings of whoever runs the tests, and their zone."""
    for name in [name for name in os.environ if name.startswith("AIOBREAKGLASS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def command(no_settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, with nobody at a terminal."""
    return Command(capsys)


@pytest.fixture
def table(no_settings: pytest.MonkeyPatch, endpoint_url: str) -> str:
    """Name a table of its own, which is not made yet, in each emulator."""
    # The first request to moto takes seconds, and the command would not wait so long.
    by_hand(endpoint_url, lambda client: client.list_tables())
    name = f"breakglass-{uuid4().hex}"
    no_settings.setenv("AIOBREAKGLASS_TABLE", name)
    no_settings.setenv("AIOBREAKGLASS_REGION", REGION)
    no_settings.setenv("AIOBREAKGLASS_ENDPOINT_URL", endpoint_url)
    return name
