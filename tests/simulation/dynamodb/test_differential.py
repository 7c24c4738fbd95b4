"""The model answers as DynamoDB Local and moto do, except where the table of differences says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from random import Random
from typing import Final, NamedTuple

import pytest

from aiobreakglass import TableLayout
from aiobreakglass.testing import FakeClock
from tests.simulation.dynamodb.cases import TABLE_NAME, Case
from tests.simulation.dynamodb.comparison import Comparison, backend
from tests.simulation.dynamodb.database import PROMPT, Database
from tests.simulation.dynamodb.differences import DIFFERENCES
from tests.simulation.dynamodb.edges import edges
from tests.simulation.dynamodb.misses import NearMisses
from tests.simulation.dynamodb.ours import OurRequests
from tests.simulation.dynamodb.random_expressions import RandomExpressions
from tests.simulation.dynamodb.shown import SHOWN_BY_MOTO

# It asks for its emulator by name, so that the lanes do not see it.
pytestmark = [pytest.mark.emulator, pytest.mark.slow]

SEED: Final = 14
ROWS_EVERY: Final = 20
"""After how many requests all rows are compared."""


class Extent(NamedTuple):
    """How much of each kind is sent."""

    ours: int
    misses: int
    rounds: int
    others: Callable[[], Iterable[Case]]
    """Requests that are written out."""


# moto takes several times as long for each, and lets much pass. Its own evaluator fails on values
# of kinds that do not go together, so it is asked about our conditions only.
EXTENTS: Final = {
    "dynamodb-local": Extent(ours=800, misses=1000, rounds=8, others=edges),
    "moto": Extent(ours=200, misses=150, rounds=0, others=lambda: SHOWN_BY_MOTO),
}


def cases(extent: Extent, model: Database) -> Iterator[Case]:
    random = Random(SEED)  # noqa: S311 - a plan, no secret
    ours = OurRequests(random, model.rows)
    misses = NearMisses(random, ours)
    return chain(
        islice(iter(ours.next, None), extent.ours),
        islice(iter(misses.next, None), extent.misses),
        RandomExpressions(random).cases(extent.rounds),
        extent.others(),
    )


@pytest.mark.parametrize("name", EXTENTS)
def test_the_model_beside(name: str, request: pytest.FixtureRequest) -> None:
    """Answers, reasons, old rows and the rows afterwards are the same, except as listed.

    A listed difference that no longer occurs is to be taken off the list. It is one test, because
    processes that share the tests would otherwise each send the requests.
    """
    endpoint_url = request.getfixturevalue(f"{name.replace('-', '_')}_endpoint")
    model = Database(
        TableLayout(),
        now=FakeClock.START.timestamp,
        random=Random(SEED),  # noqa: S311 - a plan, no secret
        habits=PROMPT,
        table_name=TABLE_NAME,
    )
    with backend(endpoint_url) as other:
        comparison = Comparison(name, model, other)
        for number, case in enumerate(cases(EXTENTS[name], model)):
            comparison.compare(case)
            if number % ROWS_EVERY == 0:
                comparison.compare_rows(case)
        comparison.compare_rows(case)
    assert comparison.problems == []
    assert set(comparison.occurred) == {each for each in DIFFERENCES if each.backend == name}
    codes = ("ok", "ok, more to come", "TransactionCanceledException", "ValidationException")
    assert min(comparison.answers[code] for code in codes) >= 3
