"""What limits leave behind, on a model of DynamoDB and in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from aiobreakglass import (
    GovernedStore,
    InMemoryStore,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass._domain.limits import LimitsFor
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.modelled import Modelled

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
DEBT = Limits(max_unreviewed=1)

Open = Callable[..., GovernedStore]


def in_memory(clock: FakeClock, limits: LimitsFor = DEBT) -> GovernedStore:
    return InMemoryStore(clock=clock, limits=limits)


def on_dynamodb(clock: FakeClock, limits: LimitsFor = DEBT) -> GovernedStore:
    return Modelled(clock).store(limits=limits)


@pytest.fixture(params=[in_memory, on_dynamodb])
def open_store(request: pytest.FixtureRequest) -> Open:
    make: Open = request.param
    return make


async def closed(store: GovernedStore, clock: FakeClock, profile: str = "prod") -> str:
    event = await store.create(make_event(profile=profile, created_at=clock()))
    await store.close(event.id, closed_by="bob", closed_reason="done")
    clock.advance(timedelta(seconds=1))
    return event.id


@pytest.mark.parametrize("outcome", ["justified", "unjustified"])
async def test_reviewed_event_that_was_deleted_is_no_debt(open_store: Open, outcome: str) -> None:
    """A final review frees its slot for good, also if the event is deleted before the next one."""
    clock = FakeClock()
    store = open_store(clock)
    event_id = await closed(store, clock)
    await store.review(event_id, reviewed_by="carol", outcome=outcome, comment="seen")
    await store.delete(event_id)
    await store.create(make_event(created_at=clock()))


@pytest.mark.parametrize("outcome", [None, "needs_follow_up"])
async def test_event_deleted_before_its_review_stays_a_debt(
    open_store: Open, outcome: str | None
) -> None:
    """Nobody evades a review by deleting the event."""
    clock = FakeClock()
    store = open_store(clock)
    event_id = await closed(store, clock)
    if outcome is not None:
        await store.review(event_id, reviewed_by="carol", outcome=outcome, comment="not yet")
    await store.delete(event_id)
    with pytest.raises(LimitExceededError) as caught:
        await store.create(make_event(created_at=clock()))
    assert (caught.value.limit, caught.value.event_ids) == ("max_unreviewed", (event_id,))


async def test_opening_that_a_limit_refuses_marks_nothing(
    open_store: Open,
) -> None:
    """A lapsed event is marked only by an opening that takes its place."""
    clock = FakeClock()
    store = open_store(clock)
    event = await store.create(make_event(created_at=clock()))
    clock.set(event.expires_at)
    with pytest.raises(LimitExceededError):
        await store.create(make_event(created_at=clock()))
    assert await store.get(event.id) == event


async def test_use_under_a_longer_interval_outlives_one_under_a_shorter(
    open_store: Open,
) -> None:
    """Quotas that vary by function share their slots, and each of them stays exact."""
    within = {"prod": WEEK, "dev": HOUR}
    clock = FakeClock()
    store = open_store(clock, lambda event: Limits(per_invoker=Quota(1, within[event.profile])))
    begin = clock()
    await closed(store, clock)
    clock.advance(HOUR)
    again = clock()
    await closed(store, clock, "dev")
    # TTL would have deleted the slot by now, if the slot had only an hour's time to live.
    for later in (begin + 3 * DAY, again + WEEK - timedelta(microseconds=1)):
        clock.set(later)
        with pytest.raises(LimitExceededError) as caught:
            await store.create(make_event(created_at=clock()))
        assert caught.value.retry_at == again + WEEK
    clock.set(again + WEEK)
    await closed(store, clock)
