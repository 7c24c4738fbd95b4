"""Look for a seed that finds each mutant: `python -m tests.simulation.hunt [NAME ...]`."""

from __future__ import annotations

import argparse
import time

from tests.simulation.living import live
from tests.simulation.mutants import MUTANTS, planted
from tests.simulation.plan import history
from tests.simulation.record import Finding


def caught_by(mutant: str, seed: int) -> list[Finding]:
    """Return what a history finds wrong with a mutant."""
    with planted(mutant) as store_class:
        return live(history(seed), store_class).findings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mutants", nargs="*", default=list(MUTANTS))
    parser.add_argument("--seeds", type=int, default=40)
    options = parser.parse_args()
    for mutant in options.mutants:
        start = time.monotonic()
        for seed in range(options.seeds):
            if findings := caught_by(mutant, seed):
                kinds = sorted({finding.kind for finding in findings})
                took = time.monotonic() - start
                print(f"{mutant}: seed {seed} {kinds} {findings[0].text} {took:.1f}", flush=True)
                break
        else:
            print(f"{mutant}: survived {options.seeds} histories", flush=True)


if __name__ == "__main__":
    main()
