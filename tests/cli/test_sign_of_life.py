"""The sign of life beside what is printed."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from aiobreakglass.cli import output

SHOW_CURSOR = "\x1b[?25h"


async def appearance(terminal: io.StringIO, before: str) -> None:
    """Wait until the sign appears after what was there before."""
    while "Repairing" not in terminal.getvalue().removeprefix(before):  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)


async def test_sign_of_life_disappears_while_an_answer_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both have the same terminal: a spinner that turns would overwrite the answer."""
    monkeypatch.setattr(output, "_PATIENCE", 0.0)
    terminal = io.StringIO()
    working = output.Working(Console(file=terminal, force_terminal=True), "Repairing")
    working.start_soon()
    await appearance(terminal, "")
    with working.out_of_the_way():
        before = terminal.getvalue()
        assert SHOW_CURSOR in before
        terminal.write("repaired\n")
    await appearance(terminal, before)
    working.stop()
    assert terminal.getvalue().startswith(f"{before}repaired\n")
    assert terminal.getvalue().count(SHOW_CURSOR) == 2


async def test_sign_of_life_that_was_not_wanted_does_not_appear() -> None:
    """What a program reads has no spinner, also after a step was printed."""
    terminal = io.StringIO()
    working = output.Working(Console(file=terminal), "Repairing")
    with working.out_of_the_way():
        pass
    assert working._start is None
