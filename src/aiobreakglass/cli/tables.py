"""Lay out rows so that they fit a terminal, and never cut an id; all pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

GAP: Final = 2
"""The spaces between two columns."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    rank: int = 0
    """The columns with the highest rank are left out first; rank 0 is never left out."""
    narrowest: int | None = None
    """How narrow the column may become, by folding its cells; None means it is never folded."""


class Fit(NamedTuple):
    """How rows fit a width."""

    columns: list[int]
    """The positions of the columns that are shown."""
    is_stacked: bool
    """Whether each row needs a block of lines, because not even the essential columns fit."""


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Fit:
    """Return how rows fit a width."""
    places = list(range(len(columns)))
    needed = [
        _needed(column, [row[place] for row in rows]) for place, column in enumerate(columns)
    ]
    while sum(needed[place] + GAP for place in places) - GAP > width:
        last = max(places, key=lambda place: (columns[place].rank, place))
        if not columns[last].rank:
            return Fit(list(range(len(columns))), is_stacked=True)
        places.remove(last)
    return Fit(places, is_stacked=False)


def _needed(column: Column, cells: Sequence[str]) -> int:
    widest = _widest(column, cells)
    if column.narrowest is None:
        return widest
    return min(widest, max(column.narrowest, len(column.title)))


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines for another program or a file: whole, and without colours."""
    widths = [
        _widest(column, [row[place] for row in rows]) for place, column in enumerate(columns)
    ]
    titles = [column.title for column in columns]
    return [(" " * GAP).join(map(set_cell_size, row, widths)).rstrip() for row in (titles, *rows)]


def _widest(column: Column, cells: Sequence[str]) -> int:
    return max(map(cell_len, (column.title, *cells)))
