"""A program that starts with missing or invalid settings prints their names and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PATIENCE

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
DEPLOYMENT = ["uvicorn", "--factory", "web_backend.app:create_app", "--port", "0"]
DEMONSTRATION = ["web_backend", "--port", "0"]
RIGHT = {
    "BREAKGLASS_TABLE_NAME": "break-glass",
    "BREAKGLASS_CURSOR_KEY": "0123456789abcdef",
}


def started(program: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    others = {
        name: value for name, value in os.environ.items() if not name.startswith("BREAKGLASS_")
    }
    return subprocess.run(
        [sys.executable, "-m", *program],
        cwd=EXAMPLES,
        env=others | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "variables", "named"),
    [
        (DEPLOYMENT, {}, ["TABLE_NAME", "CURSOR_KEY"]),
        (DEPLOYMENT, RIGHT | {"BREAKGLASS_TABLE_NAME": ""}, ["TABLE_NAME"]),
        (DEPLOYMENT, RIGHT | {"BREAKGLASS_CURSOR_KEY": "hush"}, ["CURSOR_KEY"]),
        (DEPLOYMENT, RIGHT | {"BREAKGLASS_POLL_SECONDS": "hush"}, ["POLL_SECONDS"]),
        (DEMONSTRATION, {"BREAKGLASS_MAX_STREAMS": "hush"}, ["MAX_STREAMS"]),
    ],
)
def test_missing_or_invalid_variable_is_named(
    program: list[str], variables: dict[str, str], named: list[str]
) -> None:
    """The message names the variable, and does not show its value."""
    ended = started(program, variables)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    words = line.replace("(", " ").split()
    assert [word for word in words if word.startswith("BREAKGLASS_")] == [
        f"BREAKGLASS_{name}" for name in named
    ]
    assert "hush" not in ended.stdout + ended.stderr
