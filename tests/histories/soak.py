"""Histories for as long as you like: `python -m tests.histories.soak --minutes N`.

Needs Linux, because it reads /proc. Prints its figures at the end, and exits with status 1 if a
history had a violation or could not be decided.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Final

from tests.backends.dynamodb_local import dynamodb_local
from tests.histories.hunt import caught_after
from tests.histories.mutants import MUTANTS
from tests.histories.plan import History
from tests.histories.run import Figures, Ground, State, Worker, ground, workers

_SHAPE: Final = {"tasks": 8, "steps": 30, "pairs": 6}

_SAMPLES: Final = 10


class Soak:
    """Histories, half of them with faults, and the memory that the processes use over time."""

    def __init__(self, seed: int, processes: int) -> None:
        self._random = Random(seed)  # noqa: S311 - a plan, no secret
        self._processes = processes
        self.figures = Figures()
        self.states: list[list[State]] = []
        """Per process: before the first history, after each tenth of the time, and at the end."""

    async def run(self, seconds: float, backend: str) -> None:
        """Play histories until the time is over."""
        async with ground(backend) as place, workers(self._processes) as team:
            start = time.monotonic()
            while (passed := time.monotonic() - start) < seconds:
                if len(self.states) <= passed / seconds * _SAMPLES:
                    self.states.append([await worker.state() for worker in team])
                await self._play(place, team)
            self.states.append([await worker.state() for worker in team])

    async def _play(self, place: Ground, team: list[Worker]) -> None:
        faults = self.figures.histories % 2 == 1
        seed = self._random.getrandbits(32)
        history = History(seed, faults=faults, processes=self._processes, **_SHAPE)
        for problem in await place.play(history, team, self.figures):
            print(f"{history}: {problem}", flush=True)

    def report(self) -> None:
        """Print the figures."""
        figures = self.figures
        print(f"histories checked     {figures.histories:,}")
        print(f"operations tried      {_told(figures.calls)}")
        print(f"their answers         {_told(figures.answers)}")
        print(f"faults injected       {_told(figures.faults)}")
        print(f"violations            {len(figures.violations)}")
        print(f"undecided             {len(figures.undecided)}")
        print(f"longest search        {figures.widest_search:,} nodes")
        for process in range(self._processes):
            memory = [f"{states[process]['memory'] / 2**20:.1f}" for states in self.states]
            print(f"memory, MiB           {' '.join(memory)} (process {process}, over the time)")
            sockets = [states[process]["sockets"] for states in (self.states[0], self.states[-1])]
            print(f"sockets               {sockets} (before, at the end)")
        for problem in figures.undecided:
            print(f"undecided: {problem}")


def _told(counter: Counter[str]) -> str:
    parts = ", ".join(f"{name} {number:,}" for name, number in counter.most_common())
    return f"{counter.total():,} ({parts})"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mutants", action="store_true", help="try the mutants as well, first")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.processes} processes, {options.minutes} minutes")
    with dynamodb_local() as backend:
        missed = []
        if options.mutants:
            for mutant in MUTANTS:
                found = asyncio.run(caught_after(mutant, backend))
                if found is None:
                    missed.append(mutant)
                told = "missed" if found is None else f"caught by history {found[0]}"
                print(f"mutant {mutant}: {told}", flush=True)
            print(f"mutants caught        {len(MUTANTS) - len(missed)} of {len(MUTANTS)}")
        start = time.monotonic()
        soak = Soak(options.seed, options.processes)
        asyncio.run(soak.run(options.minutes * 60, backend))
    print(f"duration              {timedelta(seconds=round(time.monotonic() - start))}")
    soak.report()
    return 1 if missed or soak.figures.violations or soak.figures.undecided else 0


if __name__ == "__main__":
    sys.exit(main())
