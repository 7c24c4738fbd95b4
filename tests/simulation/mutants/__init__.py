"""Stores with one mistake each, for the simulation to find.

Those of the histories on DynamoDB Local are among them. A mutant is planted for a while, by
replacing functions of the library; the source stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, Final

import pytest

from tests.histories import mutants as of_histories
from tests.simulation.mutants import asking, changing, recording, sending
from tests.simulation.mutants.planting import Plant, Store


def _as_it_is(mutant: Callable[[], Store], _: Plant) -> Store:
    """Plant one of those that replace functions by themselves."""
    return mutant()


MUTANTS: Final[dict[str, Callable[[Plant], Store]]] = {
    **{name: partial(_as_it_is, mutant) for name, mutant in of_histories.MUTANTS.items()},
    **{
        mutant.__name__.replace("_", "-"): mutant
        for mutant in (
            *sending.MUTANTS,
            *changing.MUTANTS,
            *recording.MUTANTS,
            *asking.MUTANTS,
        )
    },
}


@contextmanager
def planted(name: str) -> Iterator[Store]:
    """Make a store with this mistake, and mend it at the end."""
    with pytest.MonkeyPatch.context() as patch:

        def plant(module: ModuleType | type, **functions: Any) -> None:
            for function, replacement in functions.items():
                # What is not there to be replaced would make no mutant: this raises.
                patch.setattr(module, function, replacement)

        patch.setattr(of_histories, "_plant", plant)
        yield MUTANTS[name](plant)
