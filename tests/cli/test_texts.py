"""What a row says is printed without doing anything to the terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass.cli.texts import json_line, shown


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("alice", "alice"),
        ("Zoë 東京", "Zoë 東京"),
        ("[red]alice[/red]", "[red]alice[/red]"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b31m", r"\x9b31m"),
        ("\x07\x08\r", r"\x07\x08\r"),
        ("prod\u202edorp", r"prod\u202edorp"),
        ("two\nlines", r"two\nlines"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_character_that_moves_the_cursor_is_escaped(text: str, printed: str) -> None:
    assert shown(text) == printed


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_is_printable(text: str) -> None:
    """No text can move the cursor, set a colour, or reverse the line that it is in."""
    assert shown(text).isprintable()
    assert shown(text, keep_lines=True).replace("\n", "").isprintable()


@given(st.text(st.characters(exclude_categories=())))
def test_json_line_is_one_line_of_ascii(text: str) -> None:
    """A program reads back each text, and a terminal sees no control character."""
    line = json_line({"text": text})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"text": text}
