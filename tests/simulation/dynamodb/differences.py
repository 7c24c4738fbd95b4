"""Where the model is known to answer otherwise than an emulator, and why."""

from __future__ import annotations

from typing import Final, NamedTuple


class Difference(NamedTuple):
    """One known difference; the model answers as AWS documents it."""

    backend: str
    label: str
    """What is special about the requests that show it."""
    model: str
    """The summary of the model's answer, and of the other one's."""
    other: str
    reason: str


DIFFERENCES: Final[tuple[Difference, ...]] = ()
