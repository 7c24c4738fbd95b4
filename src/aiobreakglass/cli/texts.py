"""Make texts safe to print: any program may have written what a row says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def shown(text: str, *, keep_lines: bool = False) -> str:
    r"""Return a text in which no character moves the cursor, sets a colour or reverses a line.

    Such a character appears as its escape, such as `\x1b`.

    Args:
        text: A text from a row, or from the command line.
        keep_lines: Whether a newline stays one.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or (keep_lines and character == "\n")
        else character.encode("unicode_escape").decode()
        for character in text
    )


def json_line(values: Mapping[str, Any]) -> str:
    """Return one object on one line of ASCII, which is safe to print too."""
    return json.dumps(values, ensure_ascii=True, separators=(", ", ": "))
