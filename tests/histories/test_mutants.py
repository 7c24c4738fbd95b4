"""The checker and the auditor work: they find each mistake that was put into the store."""

from __future__ import annotations

import pytest

from tests.histories.hunt import PATIENCE, caught_after
from tests.histories.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_mistake_in_the_store_is_found(dynamodb_local_endpoint: str, mutant: str) -> None:
    """A few histories are enough to find each mistake."""
    found = await caught_after(mutant, dynamodb_local_endpoint)
    assert found is not None, f"{mutant} survived {PATIENCE} histories"
    histories, finding = found
    print(f"{mutant}: history {histories}: {finding}")
