"""The demonstration, and the screens in the documentation, which are from it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aiobreakglass import Limits
from aiobreakglass.cli.settings import choose_settings, read_file
from tests.cli.terminal import PATIENCE
from tests.documents.command import PAGE, reference
from tests.documents.pages import ROOT, Page, without_particulars

CLI = Page(ROOT / "docs" / "cli.md")
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?Z")
LEFT = re.compile(r"\b(?:\d+h)?\d\dm\b")


def without_times(screen: str) -> str:
    return without_particulars(LEFT.sub("LEFT", INSTANT.sub("INSTANT", screen.strip())))


@pytest.mark.slow
def test_screens_of_the_documentation_are_what_the_command_prints(tmp_path: Path) -> None:
    """Each screen is printed by the demonstration, but for times and ids."""
    ran = subprocess.run(
        # It touches nothing outside, whatever the options name.
        [sys.executable, "-m", "aiobreakglass", "demo", "--endpoint-url", "http://127.0.0.1:1"],
        env={**os.environ, "TZ": "UTC", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    printed = {without_times(screen) for screen in ran.stdout.split("\n\n")}
    screens = CLI.texts("text")
    assert len(screens) > 8
    for screen in screens:
        assert without_times(screen) in printed


def test_reference_is_generated_from_the_command() -> None:
    """`python -m tests.documents.command` writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_settings_file_of_the_documentation_is_read(tmp_path: Path) -> None:
    (block,) = CLI.texts("toml")
    path = tmp_path / "settings.toml"
    path.write_text(block, encoding="utf-8")
    settings = choose_settings({}, {}, read_file(path), "settings.toml")
    assert settings.table.value == "break-glass"
    assert isinstance(settings.limits.value, Limits)
    assert settings.limits.value.require_labels == ("ticket",)
