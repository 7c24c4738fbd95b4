"""Run the command in the process of the test, which spares an interpreter for each call."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from aiobreakglass.cli import main


class Ran(NamedTuple):
    """What a run of the command left."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What a program reads with `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def failure(self) -> dict[str, Any]:
        """What a program reads with `--json` on standard error."""
        values: dict[str, Any] = json.loads(self.err)
        return values


class Command:
    """The command, run without a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        """Run it with these arguments."""
        self._capsys.readouterr()
        status = main(arguments)
        return Ran(status, *self._capsys.readouterr())
