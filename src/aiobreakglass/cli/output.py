"""Print for people or for programs: answers on standard output, all else on standard error."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table
from rich.text import Text

from aiobreakglass import BreakGlassEvent, Finding
from aiobreakglass.cli.events import EVENT_COLUMNS, event_lines, event_object, event_row
from aiobreakglass.cli.statuses import Failure
from aiobreakglass.cli.tables import GAP, Column, fit, plain_lines
from aiobreakglass.cli.texts import json_line, shown

_UNLIMITED: Final = 1_000_000
"""The width of what is not a terminal, so that no line is folded there."""

_WIDTH_OF_FILES: Final = 100
"""The width of drawings in what is not a terminal."""

_NARROWEST_VALUE: Final = 20
"""The cells that a value needs beside its name: an id has 16."""

_PATIENCE: Final = 1.0
"""How many seconds of work need no sign of life."""

_STYLES: Final = {
    "active": "bold green",
    "lapsed": "yellow",
    "expired": "dim",
    "closed": "dim",
    "error": "bold red",
    "warning": "yellow",
    "info": "dim",
}


class Output:
    """Where one run of the command prints to."""

    def __init__(self, *, is_json: bool, is_utc: bool) -> None:
        self.is_json = is_json
        self.zone: tzinfo | None = UTC if is_utc else None
        self._out = _console(sys.stdout)
        self._err = _console(sys.stderr)

    @property
    def width(self) -> int:
        """The width that drawings must fit."""
        return self._out.width if sys.stdout.isatty() else _WIDTH_OF_FILES

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence for people; nothing for programs."""
        if not self.is_json:
            _print(self._out, Text(shown(text), style))

    def note(self, text: str, style: str = "dim") -> None:
        """Print what is not the answer, for people."""
        if not self.is_json:
            _print(self._err, Text(shown(text), style))

    def objects(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Print one object a line, for programs; nothing for people."""
        if self.is_json:
            for values in objects:
                _print(self._out, Text(json_line(values)), soft_wrap=True)

    def event(self, event: BreakGlassEvent, now: datetime) -> None:
        """Print everything that an event says."""
        self.objects([event_object(event, now)])
        if not self.is_json:
            self.fields(event_lines(event, now, self.zone))

    def events(self, events: Sequence[BreakGlassEvent], now: datetime) -> None:
        """Print a table of events."""
        self.objects(event_object(event, now) for event in events)
        self.rows(EVENT_COLUMNS, [event_row(event, now, self.zone) for event in events])

    def fields(self, fields: Sequence[tuple[str, str]]) -> None:
        """Print names and values, for people; a value has several lines only on a terminal."""
        if self.is_json or not fields:
            return
        widest = max(cell_len(name) for name, _ in fields) + GAP
        if not sys.stdout.isatty():
            for name, value in fields:
                self.verbatim(set_cell_size(name, widest) + shown(value))
            return
        if widest + _NARROWEST_VALUE > self._out.width:
            for name, value in fields:
                self.verbatim(name, "dim")
                self.verbatim(f"  {value}".replace("\n", "\n  "), _STYLES.get(value, ""))
            return
        table = Table.grid(padding=(0, GAP, 0, 0))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, value in fields:
            text = Text(shown(value, keep_lines=True), _STYLES.get(value, ""))
            table.add_row(Text(shown(name)), text)
        _print(self._out, table)

    def rows(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Print a table for people, as wide as it fits."""
        if self.is_json or not rows:
            return
        rows = [[shown(cell) for cell in row] for row in rows]
        if not sys.stdout.isatty():
            self.verbatim("\n".join(plain_lines(columns, rows)))
            return
        how = fit(columns, rows, self._out.width)
        if how.is_stacked:
            for number, row in enumerate(rows):
                if number:
                    self.say("")
                self.fields([(columns[place].title, row[place]) for place in how.columns])
            return
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        for place in how.columns:
            is_folded = columns[place].narrowest is not None
            table.add_column(columns[place].title, no_wrap=not is_folded, overflow="fold")
        for row in rows:
            table.add_row(
                *(Text(row[place], _STYLES.get(row[place], "")) for place in how.columns)
            )
        _print(self._out, table)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print what a verification found, one finding a line."""
        self.objects(map(asdict, findings))
        for finding in findings:
            self.say(str(finding), _STYLES[finding.severity])

    def differences(self, findings: Sequence[Finding], outcome: str | None = None) -> None:
        """Print how a table differs; each fix has a line of its own, so that it can be copied.

        Args:
            findings: What a comparison found.
            outcome: What becomes of them.
        """
        become = {} if outcome is None else {"outcome": outcome}
        self.objects(become | asdict(finding) for finding in findings)
        for finding in findings:
            text = f"{finding.severity}: {finding.subject}: {finding.kind}: found {finding.found}"
            prefix = "" if outcome is None else f"{outcome}: "
            style = _STYLES[finding.severity]
            self.say(f"{prefix}{text}; expected {finding.expected}", style)
            self.verbatim(f"  {shown(finding.fix)}")

    def verbatim(self, text: str, style: str = "") -> None:
        """Print lines for people, who may copy them: no line is folded in a narrow terminal."""
        if not self.is_json:
            _print(self._out, Text(shown(text, keep_lines=True), style), soft_wrap=True)

    def failure(self, failure: Failure) -> None:
        """Print why the command failed: an object for programs, two sentences for people."""
        if self.is_json:
            _print(self._err, Text(json_line(failure.values())), soft_wrap=True)
            return
        if failure.trace:
            _print(self._err, Text(shown(failure.trace, keep_lines=True)), soft_wrap=True)
        _print(self._err, Text.assemble(("aiobreakglass: ", "bold red"), shown(failure.message)))
        if failure.advice:
            _print(self._err, Text(failure.advice, "dim"))

    @asynccontextmanager
    async def working(self, what: str) -> AsyncIterator[Working]:
        """Show that work goes on, on a terminal and after a second, until the block ends."""
        working = Working(self._err, what)
        if not self.is_json and sys.stderr.isatty():
            working.start_soon()
        try:
            yield working
        finally:
            working.stop()


class Working:
    """A sign of life while something takes long."""

    def __init__(self, console: Console, what: str) -> None:
        self._what = what
        self._spinner = Spinner(Text(what), console=console)
        self._start: asyncio.TimerHandle | None = None

    def start_soon(self) -> None:
        """Appear if the work is not over soon."""
        self._start = asyncio.get_running_loop().call_later(_PATIENCE, self._spinner.start)

    def count(self, number: int, of_what: str) -> None:
        """Say how far the work has come."""
        self._spinner.update(Text(f"{self._what}: {number:,} {of_what}"))

    @contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """Disappear while the block prints, because both have the same terminal."""
        is_shown = self._start is not None
        self.stop()
        try:
            yield
        finally:
            if is_shown:
                self.start_soon()

    def stop(self) -> None:
        """Disappear."""
        if self._start is not None:
            self._start.cancel()
            self._spinner.stop()


class _Console(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> None:
        """Go on in silence: by default the process would end with status 1, which means "no"."""
        silence(self.file)


def _console(stream: TextIO) -> Console:
    return _Console(
        file=stream,
        width=None if stream.isatty() else _UNLIMITED,
        force_terminal=stream.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )


def _print(console: Console, what: Table | Text, *, soft_wrap: bool = False) -> None:
    try:
        console.print(what, soft_wrap=soft_wrap)
        console.file.flush()
    except BrokenPipeError:
        # The reader has enough. The work goes on, because it may be half done.
        silence(console.file)


def silence(stream: Any) -> None:
    """Let a stream whose reader is gone take whatever is still written to it."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
