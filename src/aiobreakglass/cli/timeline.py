"""Draw who held what, and when: as text for a terminal, and as SVG for a report; all pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from rich.cells import cell_len, set_cell_size

from aiobreakglass import BreakGlassEvent
from aiobreakglass.cli.events import state_of
from aiobreakglass.cli.texts import shown
from aiobreakglass.cli.times import spelled_time

_WIDEST_LABEL: Final = 30
_NARROWEST_BAR: Final = 20
_HELD, _NOT_HELD = "█", "·"

_SVG_WIDTH: Final = 960
_SVG_LABEL: Final = 280
_SVG_LINE: Final = 28
_SVG_TOP: Final = 48
_TICKS: Final = 4
"""Into how many parts the marks divide the time."""

_FILLS: Final = {
    "active": "#1a7f37",
    "lapsed": "#9a6700",
    "expired": "#57606a",
    "closed": "#0969da",
}


class Held(NamedTuple):
    """For how long one event granted access, within the time that is drawn."""

    event_id: str
    state: str
    begin: datetime
    end: datetime


class Line(NamedTuple):
    """What one person held of one profile."""

    invoker: str
    profile: str
    held: tuple[Held, ...]

    @property
    def label(self) -> str:
        """What the line is called."""
        return shown(f"{self.invoker} {self.profile}")


def timeline_of(events: Iterable[BreakGlassEvent], begin: datetime, end: datetime) -> list[Line]:
    """Return a line for each person and profile with access between two instants.

    The lines are in the order in which access began.
    """
    lines: dict[tuple[str, str], list[Held]] = {}
    for event in sorted(events, key=lambda event: (event.created_at, event.id)):
        ended_at = event.expires_at if event.ended_at is None else event.ended_at
        first, last = max(event.created_at, begin), min(ended_at, end)
        if first < last:
            held = Held(event.id, state_of(event, end), first, last)
            lines.setdefault((event.invoker, event.profile), []).append(held)
    return [Line(*pair, tuple(held)) for pair, held in lines.items()]


def drawn(
    lines: Sequence[Line], begin: datetime, end: datetime, zone: tzinfo | None, width: int
) -> str:
    """Return a drawing for a terminal of this width; a use of a minute is a cell at least."""
    widest = max((cell_len(line.label) for line in lines), default=0)
    label = min(widest, _WIDEST_LABEL, max(width - _NARROWEST_BAR - 2, 8))
    cells = max(width - label - 2, _NARROWEST_BAR)
    first, last = spelled_time(begin, zone), spelled_time(end, zone)
    indent = " " * (label + 2)
    heading = (
        f"{indent}{first}{last:>{cells - len(first)}}"
        if len(first) + len(last) < cells
        else f"{first} to {last}"
    )
    return "\n".join(
        [
            heading,
            *(
                f"{_shortened(line.label, label)}  {_bar(line, begin, end, cells)}"
                for line in lines
            ),
        ]
    )


def svg(lines: Sequence[Line], begin: datetime, end: datetime, zone: tzinfo | None) -> str:
    """Return a drawing that stands alone: it describes itself in text and loads nothing."""
    height = _SVG_TOP + _SVG_LINE * max(len(lines), 1) + 12
    title = f"Emergency access from {spelled_time(begin, zone)} to {spelled_time(end, zone)}"
    uses = sum(len(line.held) for line in lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SVG_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_SVG_WIDTH} {height}" role="img" aria-labelledby="title description" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{uses} uses of {len(lines)} pairs of person and profile. '
        "Each bar is one event.</desc>",
        f'<rect width="{_SVG_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for tick in range(_TICKS + 1):
        instant = begin + (end - begin) * tick / _TICKS
        place = _place(instant, begin, end)
        anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
        parts += [
            f'<line x1="{place}" y1="30" x2="{place}" y2="{height - 8}" stroke="#d0d7de"/>',
            f'<text x="{place}" y="20" font-size="11" text-anchor="{anchor}" fill="#57606a">'
            f"{escape(spelled_time(instant, zone))}</text>",
        ]
    for number, line in enumerate(lines):
        top = _SVG_TOP + _SVG_LINE * number
        parts.append(
            f'<text x="8" y="{top + 13}" fill="#1f2328">'
            f"{escape(_shortened(line.label, 40).rstrip())}</text>"
        )
        for held in line.held:
            left = _place(held.begin, begin, end)
            wide = max(_place(held.end, begin, end) - left, 2)
            what = (
                f"{line.label}: event {held.event_id}, {held.state}, "
                f"{spelled_time(held.begin, zone)} to {spelled_time(held.end, zone)}"
            )
            parts.append(
                f'<rect x="{left}" y="{top}" width="{wide}" height="18" rx="3" '
                f"fill={quoteattr(_FILLS[held.state])}><title>{escape(what)}</title></rect>"
            )
    return "\n".join([*parts, "</svg>", ""])


def _bar(line: Line, begin: datetime, end: datetime, cells: int) -> str:
    bar = [_NOT_HELD] * cells
    for held in line.held:
        first = _cell(held.begin - begin, end - begin, cells)
        last = max(first + 1, _cell(held.end - begin, end - begin, cells))
        bar[first:last] = [_HELD] * (last - first)
    return "".join(bar)


def _cell(passed: timedelta, whole: timedelta, cells: int) -> int:
    return min(int(passed / whole * cells), cells - 1) if passed < whole else cells


def _place(instant: datetime, begin: datetime, end: datetime) -> int:
    part = (instant - begin) / (end - begin)
    return round(_SVG_LABEL + part * (_SVG_WIDTH - _SVG_LABEL - 12))


def _shortened(label: str, width: int) -> str:
    if cell_len(label) <= width:
        return set_cell_size(label, width)
    return f"{set_cell_size(label, width - 1)}…"
