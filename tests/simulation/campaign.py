"""Many histories, on as many cores as are asked for, and what came of them all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.simulation.living import live
from tests.simulation.plan import History, history, searchable
from tests.simulation.record import Apart, Finding, Kind
from tests.simulation.searched import verdicts
from tests.simulation.world import Outcome

_BATCH: Final = 20
"""How many histories a process lives before it reports."""
_SEARCHED: Final = 20
"""One in so many histories is one that can be searched."""


@dataclass
class Figures:
    """What was lived, and what was wrong with it."""

    histories: int = 0
    operations: int = 0
    requests: int = 0
    searched: int = 0
    undecided: int = 0
    seconds: float = 0.0
    """Of virtual time."""
    faults: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: Counter[Kind] = field(default_factory=Counter)
    apart: Counter[Apart] = field(default_factory=Counter)
    failures: list[tuple[int, Finding]] = field(default_factory=list)
    """The seed of each history with which something is wrong, and the first thing that is."""

    def note(self, outcome: Outcome) -> None:
        """Add a history."""
        self.histories += 1
        self.operations += len(outcome.calls)
        self.requests += outcome.requests
        self.seconds += outcome.seconds
        self.faults += outcome.faults
        self.kinds.update(call.kind for call in outcome.calls)
        self.answers += outcome.answers
        self.apart += outcome.apart
        self.wrong.update(finding.kind for finding in outcome.findings)
        if outcome.findings:
            self.failures.append((outcome.history.seed, outcome.findings[0]))

    def add(self, other: Figures) -> None:
        """Add what another process has lived."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def seeds_from(seed: int) -> Iterator[int]:
    """Yield the seeds of a campaign's histories, by its own."""
    return count(seed * 1_000_000)


def history_of(seed: int) -> History:
    """Return the history of a seed: one in so many is made to be searched."""
    return searchable(seed) if seed % _SEARCHED == 0 else history(seed)


def live_one(seed: int, figures: Figures) -> Outcome:
    """Live a history, judge it, and add it to the figures."""
    lived = history_of(seed)
    outcome = live(lived)
    if lived.conditions.is_searched:
        figures.searched += 1
        for verdict in verdicts(outcome.calls, outcome.timeline):
            if verdict.undecided:
                figures.undecided += 1
            elif verdict.problem:
                outcome.findings.append(Finding(Kind.UNTRUE, verdict.problem))
    figures.note(outcome)
    return outcome


def live_some(seeds: list[int]) -> Figures:
    """Live histories in this process."""
    figures = Figures()
    for seed in seeds:
        live_one(seed, figures)
    return figures


def campaign(seed: int, operations: int, processes: int) -> tuple[Figures, float]:
    """Live histories until there were so many operations; return how long it took, too."""
    figures = Figures()
    start = time.monotonic()
    seeds = seeds_from(seed)
    with ProcessPoolExecutor(processes) as pool:
        running: set[Future[Figures]] = set()
        while figures.operations < operations or running:
            while len(running) < 2 * processes and figures.operations < operations:
                running.add(pool.submit(live_some, [next(seeds) for _ in range(_BATCH)]))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                figures.add(future.result())
    return figures, time.monotonic() - start
