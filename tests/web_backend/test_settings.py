"""A program that starts with missing or invalid settings prints their names and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from web_backend.__main__ import main
from web_backend.app import create_app

from .conftest import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples"
RIGHT = {
    "BREAKGLASS_TABLE_NAME": "break-glass",
    "BREAKGLASS_CURSOR_KEY": "0123456789abcdef",
}
OTHERS = {name: value for name, value in os.environ.items() if not name.startswith("BREAKGLASS_")}


def names(line: str) -> list[str]:
    """Return the variables that a message names, without their prefix."""
    words = line.replace("(", " ").split()
    return [word.partition("_")[2] for word in words if word.startswith("BREAKGLASS_")]


@pytest.mark.parametrize(
    ("start", "variables", "named"),
    [
        (create_app, {}, ["TABLE_NAME", "CURSOR_KEY"]),
        (create_app, RIGHT | {"BREAKGLASS_TABLE_NAME": ""}, ["TABLE_NAME"]),
        (create_app, RIGHT | {"BREAKGLASS_CURSOR_KEY": "hush"}, ["CURSOR_KEY"]),
        (create_app, RIGHT | {"BREAKGLASS_POLL_SECONDS": "hush"}, ["POLL_SECONDS"]),
        (main, {"BREAKGLASS_MAX_STREAMS": "hush"}, ["MAX_STREAMS"]),
    ],
)
def test_missing_or_invalid_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], object],
    variables: dict[str, str],
    named: list[str],
) -> None:
    """The message names the variable, and does not show its value."""
    monkeypatch.setattr(os, "environ", OTHERS | variables)
    monkeypatch.setattr(sys, "argv", ["web_backend", "--port", "0"])
    with pytest.raises(SystemExit) as ended:
        start()
    # Python prints a text, and ends with status 1.
    message = ended.value.code
    assert isinstance(message, str)
    assert names(message) == named
    assert "hush" not in message


@pytest.mark.slow
def test_program_with_wrong_settings_ends_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--factory", "web_backend.app:create_app"],
        cwd=EXAMPLES,
        env=OTHERS | {"BREAKGLASS_CURSOR_KEY": "hush"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert names(line) == ["TABLE_NAME", "CURSOR_KEY"]
    assert "hush" not in ended.stdout + ended.stderr
