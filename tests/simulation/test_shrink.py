"""A history that fails is told by as few steps and faults as it takes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.simulation.__main__ import explain
from tests.simulation.campaign import history_of, judged
from tests.simulation.living import live
from tests.simulation.mutants import planted
from tests.simulation.plan import STEPS, history
from tests.simulation.record import Kind
from tests.simulation.shrink import reduced, shrunk


@pytest.mark.parametrize("needed", [set(), {0}, {99}, {3, 50}, {10, 11, 12, 97}])
def test_parts_that_are_not_needed_go(needed: set[int]) -> None:
    """Whatever is left cannot be left out."""

    def fails(parts: Sequence[int]) -> bool:
        return needed <= set(parts)

    assert list(reduced(range(100), fails)) == sorted(needed)


def test_patience_ends() -> None:
    """Then what was left out by then stays out."""
    lives = iter(range(10))
    parts = reduced(range(64), lambda parts: 0 in parts, lambda: next(lives, None) is not None)
    assert 0 in parts
    assert len(parts) < 64


@pytest.mark.slow
def test_what_a_run_prints_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """The steps and the trace of the shortest history, to be read at once."""
    with planted("evidence-not-compared"):
        outcome = judged(history_of(1))
        explain(1, outcome.findings[0])
    told = capsys.readouterr().out
    assert "the shortest that still fails, of history 1:" in told
    assert 1 <= told.count("Step(number=") <= 5
    assert "WRONG: lost" in told


@pytest.mark.slow
def test_a_history_that_fails() -> None:
    """It still fails in the same way, and can be read."""
    with planted("evidence-not-compared") as store_class:
        short = shrunk(history(0), Kind.LOST, lambda lived: live(lived, store_class))
        outcome = live(short, store_class, traced=True)
    assert len(short.steps) <= 4 < STEPS
    assert {finding.kind for finding in outcome.findings} >= {Kind.LOST}
    assert any("WRONG: lost" in line for line in outcome.trace)
