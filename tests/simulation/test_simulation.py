"""Histories by fixed seeds: nothing is wrong with the library, and each run is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from tests.simulation import living
from tests.simulation.campaign import live_some
from tests.simulation.record import Kind
from tests.simulation.world import World

pytestmark = pytest.mark.slow

SEEDS = range(40)
"""Some 12,000 operations; `python -m tests.simulation` takes other seeds each time."""
BATCHES = [SEEDS[start : start + 10] for start in range(0, len(SEEDS), 10)]
MISTAKEN = [
    20261129004931,
    20261129007249,
    20261129007987,
    20261129012118,
    20261129016787,
    20261129020470,
    20261129022550,
    20261130000131,
    20261131001686,
    20261131002751,
]
"""Seeds of histories that a check once called wrong."""

_ROOT = Path(__file__).parents[2]
# Measuring what is covered would take these processes twice the time.
_UNMEASURED = {
    name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")
}
_TELL = """
import sys
from tests.simulation.living import live
from tests.simulation.plan import history

for seed in map(int, sys.argv[1:]):
    print(*live(history(seed), traced=True).trace, sep="\\n")
"""


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"from {seeds[0]}")
def test_histories(seeds: range) -> None:
    """Faults, pauses, deaths, wrong clocks and other writers break no promise."""
    figures = live_some(seeds)
    assert figures.failures == []
    assert figures.wrong.total() == 0
    assert figures.undecided == 0
    assert figures.operations > 200 * len(seeds)


def test_histories_that_were_right() -> None:
    """What a check once mistook for a mistake is none."""
    assert live_some(MISTAKEN).failures == []


def test_history_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one history is in memory, so that a run of any length needs the same memory."""
    worlds: list[ref[World]] = []

    class NotedWorld(World):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            worlds.append(ref(self))

    monkeypatch.setattr(living, "World", NotedWorld)
    live_some(range(3))
    assert len(worlds) >= 3
    assert sum(world() is not None for world in worlds) <= 1


def test_every_kind_of_fault_is_met() -> None:
    """The seeds of this suite meet all that can happen on the way, often enough to count."""
    figures = live_some(BATCHES[0][:4])
    assert figures.faults.total() > figures.requests * 0.05
    assert {"request late", "answer lost", "request twice", "body cut"} <= figures.faults.keys()
    assert figures.searched


def traces(hash_seed: int) -> bytes:
    """Tell histories in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", _TELL, "3", "7"],
        cwd=_ROOT,
        env={**_UNMEASURED, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
    ).stdout


def test_a_seed_gives_one_history() -> None:
    """Byte for byte, in other processes, whatever the hashes and addresses there are."""
    first = traces(1)
    assert first == traces(2)
    assert first.count(b"\n") > 2000


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=_ROOT,
        env=_UNMEASURED,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command() -> None:
    """It prints its seed, what was lived, and how often each kind of finding was met."""
    ended = simulate("--operations", "1000", "--seed", "7", "--processes", "1")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "seed 7"
    for kind in (*Kind, "undecided"):
        assert any(line.split() == [kind, "0"] for line in lines), kind


def test_one_history_by_the_command() -> None:
    """The seed that a run names is told from its beginning to its end."""
    ended = simulate("--history", "7000001")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "is told by" in ended.stdout
