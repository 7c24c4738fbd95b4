"""Chance by a seed: what is drawn depends on names and numbers alone, and on no draw before it."""

from __future__ import annotations

from random import Random
from typing import Final

SPAN: Final = 1 << 61


def seeded(*names: object) -> Random:
    """Return a generator of one purpose's own."""
    return Random("/".join(map(str, names)))  # noqa: S311 - a plan, no secret


def number(*numbers: int) -> int:
    """Return a number from 0 to `SPAN` for these, quicker than a generator is made.

    The hash of a tuple of integers is the same in every process, unlike that of a text.
    """
    return hash(numbers) % SPAN
