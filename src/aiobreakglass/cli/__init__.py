"""The command `aiobreakglass`, for people on call and for people who run the table.

It needs the extra `cli`. Its interface is the command line, and no Python name here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process."""
    try:
        from aiobreakglass.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(
            "aiobreakglass: the command needs typer and rich: pip install 'aiobreakglass[cli]'",
            file=sys.stderr,
        )
        return 2
    return run(arguments)
