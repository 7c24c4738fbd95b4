"""The simulation can fail: each mistake that is put into the store is found, by its kind."""

from __future__ import annotations

import pytest

from tests.simulation.hunt import caught_by
from tests.simulation.mutants import MUTANTS

CAUGHT = {}
"""The seed of a history that finds each, and what it finds among others."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_store_with_a_mistake(mutant: str) -> None:
    """One history is enough, and the store is whole again after it."""
    seed, kind = CAUGHT[mutant]
    assert kind in {finding.kind for finding in caught_by(mutant, seed)}
