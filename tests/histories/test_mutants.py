"""The checker and the auditor work: they find mistakes that were put into the store.

The simulation finds all mutants, by fixed seeds. Here processes really race, so these are the ones
that nearly every history shows.
"""

from __future__ import annotations

import pytest

from tests.histories.hunt import PATIENCE, caught_after

OBVIOUS = ["no-guard-condition", "guard-left-behind", "terminal-reopened"]


@pytest.mark.parametrize("mutant", OBVIOUS)
async def test_mistake_in_the_store_is_found(dynamodb_local_endpoint: str, mutant: str) -> None:
    """A few histories are enough to find each mistake."""
    found = await caught_after(mutant, dynamodb_local_endpoint)
    assert found is not None, f"{mutant} survived {PATIENCE} histories"
    histories, finding = found
    print(f"{mutant}: history {histories}: {finding}")
