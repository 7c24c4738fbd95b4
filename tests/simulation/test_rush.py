"""Sixty people open one profile at once: a quota is exact, and keeps nobody waiting for long."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Final

import pytest

from aiobreakglass import AsyncDynamoDBStore, LimitExceededError, Limits, Quota
from aiobreakglass.testing import make_event
from tests.simulation.faults import ONLY_CONFLICTS
from tests.simulation.living import quiet
from tests.simulation.plan import Conditions, History
from tests.simulation.record import Call, Finding
from tests.simulation.world import World

pytestmark = pytest.mark.slow

PEOPLE: Final = 60
ROUNDS: Final = 4
SEEDS: Final = range(4)
HOUR: Final = timedelta(hours=1)


class Rush:
    """Sixty calls that begin at the same instant, in three processes."""

    def __init__(self, seed: int, quota: Quota, fault_rate: float) -> None:
        rules = Limits(per_profile=quota)
        conditions = Conditions(
            processes=3,
            tasks=1,
            pairs=1,
            fault_rate=fault_rate,
            attempts=3,
            retentions=(None,) * 3,
            is_forgetful=False,
            sweep_every=None,
            leads=(2.0, 0.0, -2.0),
            drifts=(0.0,) * 3,
            prompt=True,
            is_on_the_brink=False,
            reads_in_parts=True,
            rules=(rules, rules),
            stricter_from=(None,) * 3,
        )
        self.calls: list[Call] = []
        self.findings: list[Finding] = []
        with quiet():
            world = World(History(seed, (), conditions), AsyncDynamoDBStore)
            world.network.possible = ONLY_CONFLICTS
            with closing(world.loop):
                world.loop.run_until_complete(self._begin(world))
            self.calls, self.findings = world.outcome.calls, world.outcome.findings
            self.conflicts = world.network.faults["conflict"]

    async def _begin(self, world: World) -> None:
        await asyncio.gather(*(self._open(world, number) for number in range(PEOPLE)))

    async def _open(self, world: World, number: int) -> None:
        process = world.processes[number % 3]
        event = make_event(
            id=f"{number:016x}",
            invoker=f"person-{number}",
            profile="prod",
            created_at=process.clock.present(),
        )
        pair = event.invoker, event.profile
        call = Call(number, "create", process, pair, event, event.id, sign=f"step-{number}")
        await world.call(call, partial(process.store.create, event, by=call.sign), None)

    @property
    def rounds(self) -> int:
        """How often the slowest of them chose a slot: a repeated request has its token again."""
        return max(len(call.tokens) for call in self.calls)

    @property
    def answers(self) -> Counter[str]:
        return Counter(type(call.error).__name__ for call in self.calls)


@pytest.mark.parametrize("fault_rate", [0.0, 0.3], ids=["without conflicts", "with conflicts"])
@pytest.mark.parametrize("seed", SEEDS)
def test_sixty_people_under_a_quota_for_ninety(seed: int, fault_rate: float) -> None:
    """All get through, and each chooses a slot four times at most."""
    rush = Rush(seed, Quota(90, HOUR), fault_rate)
    assert rush.answers == {"NoneType": PEOPLE}
    assert 2 <= rush.rounds <= ROUNDS
    assert bool(rush.conflicts) is bool(fault_rate)
    assert rush.findings == []


@pytest.mark.parametrize("seed", SEEDS)
def test_sixty_people_under_a_quota_for_ten(seed: int) -> None:
    """Exactly ten get through, and the others are told of those ten."""
    rush = Rush(seed, Quota(10, HOUR), fault_rate=0.3)
    opened = {call.event_id for call in rush.calls if call.error is None}
    assert len(opened) == 10
    for call in rush.calls:
        if isinstance(call.error, LimitExceededError):
            assert (call.error.limit, {*call.error.event_ids}) == ("per_profile", opened)
    assert rush.answers == {"NoneType": 10, "LimitExceededError": PEOPLE - 10}
    assert rush.findings == []
