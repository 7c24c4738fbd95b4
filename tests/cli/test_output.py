"""What a person sees: tables and fields that fit, and texts from rows that do nothing."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from aiobreakglass import Action, Finding, HistoryEntry
from aiobreakglass.cli.events import HISTORY_COLUMNS, entry_row
from aiobreakglass.cli.output import Output
from aiobreakglass.testing import make_event

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
ID = "e5ee23033c0b4ce7"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b[2J\u202e\r\x07\nstate  active"
EVENT = make_event(id=ID, created_at=NOW - timedelta(minutes=5)).model_copy(
    update={
        "invoker": f"東京{HOSTILE}{'a' * 200}",
        "profile": f"prod{HOSTILE}",
        "justification": f"Why{HOSTILE}{'東' * 200}",
        "closed_by": HOSTILE,
        "labels": {"t" * 63: f"INC{HOSTILE}", HOSTILE: "x"},
    }
)
ENTRY = HistoryEntry(
    event_id=ID,
    revision=1,
    at=NOW,
    action=Action.CREATED,
    by=HOSTILE,
    note=HOSTILE,
    event=EVENT,
    previous=None,
    entry="{}",
    hash="0" * 64,
    history_ttl=None,
)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        """The lines without colours."""
        return COLOURS.sub("", self.getvalue()).splitlines()


def screen_in_use(monkeypatch: pytest.MonkeyPatch, width: int = 80) -> Screen:
    screen = Screen()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return screen


@pytest.mark.parametrize("width", [18, 40, 60, 80, 250])
def test_nothing_is_cut_or_obeyed_at_any_width(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """An id stays whole on one line, and a text from a row moves nothing and adds no line."""
    screen = screen_in_use(monkeypatch, width)
    output = Output(is_json=False, is_utc=True)
    output.events([EVENT, EVENT], NOW)
    assert sum(ID in line for line in screen.seen()) == 2
    output.event(EVENT, NOW)
    assert sum(ID in line for line in screen.seen()) == 3
    output.rows(HISTORY_COLUMNS, [entry_row(ENTRY, UTC)])
    assert all(line.isprintable() for line in screen.seen())
    assert not [line for line in screen.seen() if line.startswith("state  active")]
    if width > 100:
        assert max(map(cell_len, screen.seen())) <= width


def test_line_of_a_finding_or_a_sentence_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged row must not print a second verdict, such as "nothing is wrong"."""
    forged = f"row 'x'\nnothing is wrong{HOSTILE}"
    finding = Finding("error", "not understood", forged, forged, forged, forged)
    screen = screen_in_use(monkeypatch)
    output = Output(is_json=False, is_utc=True)
    output.findings([finding])
    output.differences([finding], "left")
    output.say(forged)
    output.fields([("name", forged)])
    assert not [line for line in screen.seen() if line.startswith("nothing")]


def test_colours_are_for_those_who_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours are only on a terminal, and `NO_COLOR` turns them off."""
    screen = screen_in_use(monkeypatch)
    Output(is_json=False, is_utc=True).say("yes", "bold green")
    assert screen.getvalue() == "\x1b[1;32myes\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    Output(is_json=False, is_utc=True).say("yes", "green")
    assert screen.getvalue().endswith("\x1b[0m\nyes\n")
    monkeypatch.setattr("sys.stdout", file := io.StringIO())
    Output(is_json=False, is_utc=True).say("yes", "bold green")
    assert file.getvalue() == "yes\n"


def test_file_has_a_line_for_each_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a terminal gets whole lines, and a newline in a text begins no new one."""
    monkeypatch.setattr("sys.stdout", file := io.StringIO())
    Output(is_json=False, is_utc=True).event(EVENT, NOW)
    lines = file.getvalue().splitlines()
    assert [line for line in lines if line.startswith("state")] == [f"{'state':70} active"]
    assert all(line.isprintable() for line in lines)
