"""Play histories of one mutant until something finds it."""

from __future__ import annotations

from typing import Final

from tests.histories.plan import History
from tests.histories.run import Figures, ground, workers

PATIENCE: Final = 25
"""How many histories a mutant may survive before it counts as missed."""

NEED_FAULTS: Final = frozenset({"unknown-reported-as-refusal"})


async def caught_after(mutant: str, backend: str) -> tuple[int, str] | None:
    """Return how many histories it took to find a mutant, and the finding; None if missed."""
    figures = Figures(keeps_failures=False)
    async with ground(backend) as place, workers(1, mutant=mutant) as team:
        for seed in range(PATIENCE):
            history = History(
                seed, faults=mutant in NEED_FAULTS, processes=1, tasks=12, steps=12, pairs=2
            )
            if problems := await place.play(history, team, figures):
                return seed + 1, problems[0]
    return None
