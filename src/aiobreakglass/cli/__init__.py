"""The command `aiobreakglass`, for people on call and for people who run the table.

It needs the extra `cli`. Its interface is the command line, and no Python name here.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process.

    Return its exit status. Nothing is raised: Python would end the process with status 1, which
    means "no".
    """
    try:
        _open_closed_streams()
        return _run(arguments)
    except KeyboardInterrupt:
        _say("aiobreakglass: interrupted")
        return 130
    except BaseException:  # noqa: BLE001 - as the docstring says
        _say(f"{traceback.format_exc()}aiobreakglass: the command itself failed")
        return 3


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from aiobreakglass.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        _say("aiobreakglass: the command needs typer and rich: pip install 'aiobreakglass[cli]'")
        return 2
    return run(arguments)


def _open_closed_streams() -> None:
    """Give the process the streams that it was started without, such as by `>&-`."""
    # The lowest number that is free is that of the stream, so that no connection takes it.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
