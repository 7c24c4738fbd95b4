"""Measure how many operations a second the simulation runs, by its number of processes.

`python -m benchmarks.simulation` runs the same histories with one process, with two, and so on up
to `--processes`. Compare only figures of the same run, on a quiet machine.
"""

import argparse

from tests.simulation.campaign import campaign


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation")
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("processes  operations  seconds  a second")
    for processes in range(1, options.processes + 1):
        figures = campaign(options.seed, options.operations, processes)
        assert not figures.failures, figures.failures
        pace = figures.operations / figures.took
        print(f"{processes:>9}  {figures.operations:>10,}  {figures.took:>7.1f}  {pace:>8,.0f}")


if __name__ == "__main__":
    main()
