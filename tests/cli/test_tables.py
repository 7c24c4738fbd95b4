"""Rows that fit the terminal."""

from __future__ import annotations

import pytest

from aiobreakglass.cli.tables import Column, Fit, fit, plain_lines

COLUMNS = [
    Column("event"),
    Column("invoker", narrowest=8),
    Column("reason", rank=1),
    Column("note", rank=2, narrowest=10),
]
ROWS = [
    ("e5ee23033c0b4ce7", "alice", "incident", "The primary database does not answer"),
    ("0123456789abcdef", "a.very.long.name@example.com", "other", ""),
]


@pytest.mark.parametrize(
    ("width", "columns", "is_stacked"),
    [
        (200, [0, 1, 2, 3], False),
        (16 + 2 + 8 + 2 + 8 + 2 + 10, [0, 1, 2, 3], False),
        (16 + 2 + 8 + 2 + 8 + 2 + 9, [0, 1, 2], False),
        (16 + 2 + 8 + 2 + 7, [0, 1], False),
        (16 + 2 + 8, [0, 1], False),
        (16 + 2 + 7, [0, 1, 2, 3], True),
        (1, [0, 1, 2, 3], True),
    ],
)
def test_columns_of_the_highest_rank_go_first(
    width: int, columns: list[int], is_stacked: bool
) -> None:
    """A narrow terminal loses columns, then the table, but never a part of an id."""
    assert fit(COLUMNS, ROWS, width) == Fit(columns, is_stacked)


def test_table_for_a_file_is_whole() -> None:
    """Another program gets every column, each cell on one line, and no trailing spaces."""
    assert plain_lines(COLUMNS, ROWS) == [
        "event             invoker                       reason    note",
        "e5ee23033c0b4ce7  alice                         incident  The primary database does not "
        "answer",
        "0123456789abcdef  a.very.long.name@example.com  other",
    ]


def test_wide_characters_count_twice() -> None:
    """Columns stay aligned beside names whose characters are two cells wide."""
    assert plain_lines([Column("who"), Column("what")], [("東京", "x"), ("alice", "y")]) == [
        "who    what",
        "東京   x",
        "alice  y",
    ]
