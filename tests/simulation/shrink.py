"""The shortest history that still goes wrong in the same way: fewer steps, fewer faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from tests.simulation.plan import History
from tests.simulation.record import Kind
from tests.simulation.world import Outcome

_Part = TypeVar("_Part")

PATIENCE: Final = 600
"""How many histories are lived to shorten one."""

Live = Callable[[History], Outcome]


def shrunk(history: History, kind: Kind, live: Live, *, patience: int = PATIENCE) -> History:
    """Return the shortest history found in which something of this kind is still wrong."""
    lives = 0

    def fails(candidate: History) -> bool:
        nonlocal lives
        lives += 1
        return any(finding.kind is kind for finding in live(candidate).findings)

    def is_patient() -> bool:
        return lives < patience

    steps = reduced(
        history.steps, lambda steps: fails(replace(history, steps=tuple(steps))), is_patient
    )
    history = replace(history, steps=tuple(steps))
    met = live(history).met
    needed = reduced(
        met, lambda kept: fails(replace(history, spared=frozenset(met) - set(kept))), is_patient
    )
    return replace(history, spared=frozenset(met) - set(needed))


def reduced(
    parts: Sequence[_Part],
    fails: Callable[[Sequence[_Part]], bool],
    is_patient: Callable[[], bool] = lambda: True,
) -> Sequence[_Part]:
    """Leave out parts while the rest still fails, until patience ends.

    After Zeller and Hildebrandt ("Simplifying and isolating failure-inducing input", 2002).
    """
    size = len(parts)
    while size and is_patient():
        size = min(size, len(parts))
        start = 0
        while start < len(parts) and is_patient():
            fewer = [*parts[:start], *parts[start + size :]]
            if fails(fewer):
                parts = fewer
            else:
                start += size
        size //= 2
    return parts
