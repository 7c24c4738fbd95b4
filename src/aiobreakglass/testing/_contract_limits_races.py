"""Test concurrent openings under limits, in a suite that every store with limits can inherit."""

from __future__ import annotations

import asyncio

from aiobreakglass import (
    BreakGlassEvent,
    EventExistsError,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass.testing._contract_limits_steps import (
    DAY,
    PER_PROFILE,
    Limited,
    refusal_of,
)
from aiobreakglass.testing._contract_steps import (
    fresh,
    opened,
)
from aiobreakglass.testing._events import FakeClock


class LimitsRacesContract:
    """Tests that openings at the same time exceed no limit."""

    async def test_concurrent_openings_never_exceed_a_quota(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """Of several people who open one profile at once, as many succeed as the quota allows."""
        store = limited(Limits(per_profile=Quota(3, DAY)))
        outcomes = await asyncio.gather(
            *(opened(store, clock, invoker=f"invoker{number}") for number in range(6)),
            return_exceptions=True,
        )
        winners = {each.id for each in outcomes if isinstance(each, BreakGlassEvent)}
        refusals = [each for each in outcomes if isinstance(each, LimitExceededError)]
        assert (len(winners), len(refusals)) == (3, 3)
        assert [{*refusal.event_ids} for refusal in refusals] == [winners] * 3

    async def test_concurrent_openings_by_one_invoker_never_exceed_the_debt(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """Nobody gets around their reviews by opening several profiles at once."""
        store = limited(Limits(max_unreviewed=2))
        outcomes = await asyncio.gather(
            *(opened(store, clock, profile=f"profile{number}") for number in range(5)),
            return_exceptions=True,
        )
        winners = [each for each in outcomes if isinstance(each, BreakGlassEvent)]
        refusals = [each for each in outcomes if isinstance(each, LimitExceededError)]
        assert (len(winners), len(refusals)) == (2, 3)

    async def test_concurrent_repetitions_of_one_opening_count_once(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """One event takes one slot, however often its creation is tried."""
        store = limited(PER_PROFILE)
        event = fresh(clock)
        outcomes = await asyncio.gather(
            *(store.create(event) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(each, BreakGlassEvent) for each in outcomes) == 1
        assert sum(isinstance(each, EventExistsError) for each in outcomes) == 3
        await opened(store, clock, invoker="bob")
        error = await refusal_of(store, clock, invoker="carol")
        assert len(error.event_ids) == 2
