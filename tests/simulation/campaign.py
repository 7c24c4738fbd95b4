"""Many histories, on as many cores as are asked for, and what came of them all."""

from __future__ import annotations

import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.simulation.living import live
from tests.simulation.plan import History, history, searchable
from tests.simulation.record import Apart, Finding, Kind
from tests.simulation.searched import verdicts
from tests.simulation.world import Outcome

_MOST: Final = 1_000_000
"""How many histories a campaign can have before it comes to those of the next seed."""
_BATCH: Final = 5
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
    took: float = 0.0
    """Seconds of real time."""
    faults: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    apart: Counter[Apart] = field(default_factory=Counter)
    failures: list[tuple[int, list[Finding]]] = field(default_factory=list)
    """The seed of each history with which something is wrong, and all that is."""

    @property
    def wrong(self) -> Counter[Kind]:
        """How often each kind of finding was met."""
        return Counter(finding.kind for _, findings in self.failures for finding in findings)

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
        self.searched += outcome.is_searched
        self.undecided += outcome.undecided
        if outcome.findings:
            self.failures.append((outcome.history.seed, outcome.findings))

    def add(self, other: Figures) -> None:
        """Add what another process has lived."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def judge_again(self) -> None:
        """Live again what went wrong: the library, or a check of it, may have been mended."""
        again = [(seed, judged(history_of(seed)).findings) for seed, _ in self.failures]
        self.failures = [(seed, findings) for seed, findings in again if findings]


def history_of(seed: int) -> History:
    """Return the history of a seed: one in so many is made to be searched."""
    return searchable(seed) if seed % _SEARCHED == 0 else history(seed)


def judged(lived: History, *, traced: bool = False) -> Outcome:
    """Live a history, and have it searched for one order of its calls, if it is made for that."""
    outcome = live(lived, traced=traced)
    # What no client can prevent fits no order, either.
    if not lived.conditions.is_searched or outcome.apart:
        return outcome
    outcome.is_searched = True
    for verdict in verdicts(outcome.calls, outcome.timeline):
        if verdict.undecided:
            outcome.undecided += 1
        elif verdict.problem:
            outcome.findings.append(Finding(Kind.UNTRUE, verdict.problem))
    return outcome


def live_some(seeds: Sequence[int]) -> Figures:
    """Live histories in this process."""
    figures = Figures()
    for seed in seeds:
        figures.note(judged(history_of(seed)))
    return figures


def campaign(
    seed: int,
    operations: int,
    processes: int,
    on_progress: Callable[[Figures], None] = lambda _: None,
    figures: Figures | None = None,
) -> Figures:
    """Live histories until they have so many operations.

    A seed gives the same histories again, whatever the number of processes.

    Args:
        on_progress: Called with the figures so far, after every few histories.
        figures: Those of an earlier run that was cut short, which goes on with its next history.
    """
    figures = figures or Figures()
    if figures.operations >= operations:
        return figures
    start = time.monotonic() - figures.took
    under_way: deque[Future[Figures]] = deque()
    # `quiet` collects garbage between histories.
    with ProcessPoolExecutor(processes, initializer=gc.disable) as pool:
        for first in count(seed * _MOST + figures.histories, _BATCH):
            under_way.append(pool.submit(live_some, range(first, first + _BATCH)))
            if len(under_way) < 2 * processes:
                continue
            figures.add(under_way.popleft().result())
            figures.took = time.monotonic() - start
            on_progress(figures)
            if figures.operations >= operations:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    return figures
