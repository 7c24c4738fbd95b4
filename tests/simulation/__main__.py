"""`python -m tests.simulation --operations 1000000`, or `--history SEED` for one, with its trace.

Ends with status 1 if anything is wrong, or could not be decided.
"""

from __future__ import annotations

import argparse
import pickle
import secrets
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests.simulation.campaign import Figures, campaign, history_of, judged
from tests.simulation.plan import History
from tests.simulation.record import Apart, Finding, Kind
from tests.simulation.shrink import shrunk

_A_LINE: Final = 100_000
"""After so many operations comes a line that tells how far the run is."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--operations", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kept", type=Path, help="keep the figures here, and go on from there")
    parser.add_argument("--history", type=int, help="live this one alone, and tell all of it")
    options = parser.parse_args()
    if options.history is not None:
        return _tell(history_of(options.history))
    print(f"seed {options.seed}", flush=True)
    earlier = _read(options.kept, options.seed)
    progress = _Progress(options.seed, options.kept, earlier.operations // _A_LINE)
    figures = campaign(options.seed, options.operations, options.processes, progress, earlier)
    _report(figures)
    if figures.failures:
        seed, (finding, *_) = min(figures.failures)
        explain(seed, finding)
    return 1 if figures.failures or figures.undecided else 0


@dataclass
class _Progress:
    """Tells of each 100,000 operations, and of each history that went wrong as soon as it did."""

    seed: int
    kept: Path | None
    lines: int
    failures: int = 0

    def __call__(self, figures: Figures) -> None:
        for seed, (finding, *_) in figures.failures[self.failures :]:
            print(f"history {seed}: {finding.kind}: {finding.text}", flush=True)
        self.failures = len(figures.failures)
        if figures.operations // _A_LINE > self.lines:
            self.lines = figures.operations // _A_LINE
            print(f"{figures.operations:,} operations, {self.failures} failures", flush=True)
            if self.kept is not None:
                self.kept.write_bytes(pickle.dumps((self.seed, figures)))


def _read(kept: Path | None, seed: int) -> Figures:
    """Return the figures of the run that is to go on, its failed histories judged again."""
    if kept is None or not kept.exists():
        return Figures()
    of_seed, figures = pickle.loads(kept.read_bytes())  # noqa: S301 - our own file
    if of_seed != seed:
        raise SystemExit(f"{kept} is of the seed {of_seed}")
    assert isinstance(figures, Figures)
    figures.judge_again()
    return figures


def _tell(history: History) -> int:
    outcome = judged(history, traced=True)
    print(history.conditions)
    print("\n".join(outcome.trace))
    for finding in outcome.findings:
        print(f"{finding.kind}: {finding.text}")
    return 1 if outcome.findings else 0


def _report(figures: Figures) -> None:
    pace = figures.operations / figures.took
    faulty = figures.faults.total()
    print(f"histories     {figures.histories:,}, of {timedelta(seconds=round(figures.seconds))}")
    print(f"operations    {_told(figures.kinds)}")
    print(f"answers       {_told(figures.answers)}")
    print(f"requests      {figures.requests:,} ({faulty / figures.requests:.1%} faulty)")
    print(f"faults        {_told(figures.faults)}")
    print(f"searched      {figures.searched:,}")
    for kind in Kind:
        print(f"{kind:<14}{figures.wrong[kind]}")
    print(f"undecided     {figures.undecided}")
    for apart in Apart:
        print(f"apart: {apart}: {figures.apart[apart]}")
    print(f"time          {figures.took:.0f} s, {pace:,.0f} operations a second")


def explain(seed: int, finding: Finding) -> None:
    """Shorten a history with which something is wrong, and tell what is left of it."""
    history = history_of(seed)
    if not judged(history).findings:
        print(f"history {seed} is right when it is lived again: something is not by the seed")
        return
    short = shrunk(history, finding.kind, judged)
    print(f"\nthe shortest that still fails, of history {seed}:")
    for step in short.steps:
        print(f"  {step}")
    _tell(short)


def _told(counter: Counter[str]) -> str:
    parts = ", ".join(f"{name} {number:,}" for name, number in counter.most_common())
    return f"{counter.total():,} ({parts})"


if __name__ == "__main__":
    sys.exit(main())
