"""Short runs of random histories on DynamoDB Local; `tests.histories.soak` makes the long ones.

They never run on moto, which ignores `ClientRequestToken`: after a lost response, it would restore
a deleted event.
"""

from __future__ import annotations

import os

from tests.histories.plan import History
from tests.histories.run import Figures, ground, workers

# To replay a history of the soak, set HISTORY_SEED.
SEEDS = {False: 1, True: 2}
"""The seed of the history without faults, and of that with them."""
if "HISTORY_SEED" in os.environ:
    SEEDS = dict.fromkeys(SEEDS, int(os.environ["HISTORY_SEED"]))


async def test_random_history_of_two_processes_is_linearizable(
    dynamodb_local_endpoint: str,
) -> None:
    """The answers fit one order of the calls, and the table fits the answers."""
    async with ground(dynamodb_local_endpoint) as place, workers(2) as team:
        for faults, seed in SEEDS.items():
            figures = Figures()
            print(f"HISTORY_SEED={seed}, {faults=}")
            await place.play(History(seed, faults=faults), team, figures)
            assert figures.violations == []
            assert figures.undecided == []
            assert figures.histories == 1
            assert figures.calls.total() == 2 * 4 * 20
            assert bool(figures.faults) is faults
