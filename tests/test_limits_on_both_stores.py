"""Limits in memory and on a model of DynamoDB: both stores decide the same."""

from __future__ import annotations

from datetime import timedelta
from random import SystemRandom
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    EventExistsError,
    GovernedStore,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass import _randomness as randomness
from aiobreakglass.testing import FakeClock, make_event
from tests.limited_stores import STORES, Open

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MICROSECOND = timedelta(microseconds=1)
DEBT = Limits(max_unreviewed=1)


@pytest.fixture(params=STORES)
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
    store = open_store(clock, DEBT)
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
    store = open_store(clock, DEBT)
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
    store = open_store(clock, DEBT)
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
    for later in (begin + 3 * DAY, again + WEEK - MICROSECOND):
        clock.set(later)
        with pytest.raises(LimitExceededError) as caught:
            await store.create(make_event(created_at=clock()))
        assert caught.value.retry_at == again + WEEK
    clock.set(again + WEEK)
    await closed(store, clock)


@pytest.mark.parametrize(
    "within", [MICROSECOND, timedelta(seconds=1), HOUR, timedelta(days=3652)], ids=str
)
@pytest.mark.parametrize("field", ["cooldown", "per_invoker", "per_profile"])
async def test_retry_at_is_the_first_instant_that_is_allowed(
    open_store: Open, field: str, within: timedelta
) -> None:
    """A microsecond earlier it is refused, with the same `retry_at`."""
    clock = FakeClock()
    value: Any = within if field == "cooldown" else Quota(1, within)
    store = open_store(clock, Limits(**{field: value}))
    end = clock() + within
    event = await store.create(make_event(created_at=clock()))
    await store.close(event.id, closed_by="bob", closed_reason="done")
    # The last one is a clock that steps back, so the use is in the future.
    for now in (clock(), end - MICROSECOND, clock() - DAY):
        clock.set(now)
        with pytest.raises(LimitExceededError) as refusal:
            await store.create(make_event(created_at=clock()))
        assert (refusal.value.limit, refusal.value.retry_at) == (field, end)
        assert refusal.value.event_ids == (event.id,)
    clock.set(end)
    await store.create(make_event(created_at=clock()))


async def test_each_retry_at_brings_the_caller_past_one_limit(open_store: Open) -> None:
    """A refusal tells when the limit that it names allows it, not when all of them do."""
    clock = FakeClock()
    limits = Limits(cooldown=HOUR, per_invoker=Quota(1, 2 * HOUR), per_profile=Quota(1, 3 * HOUR))
    store = open_store(clock, limits)
    begin = clock()
    await closed(store, clock)
    told: dict[str, timedelta] = {}
    for _ in range(3):
        with pytest.raises(LimitExceededError) as refusal:
            await store.create(make_event(created_at=clock()))
        assert refusal.value.retry_at is not None
        told[refusal.value.limit] = refusal.value.retry_at - begin
        clock.set(refusal.value.retry_at)
    assert told == {"cooldown": HOUR, "per_invoker": 2 * HOUR, "per_profile": 3 * HOUR}
    await store.create(make_event(created_at=clock()))


@pytest.mark.parametrize(
    ("before", "after", "allowed_from"),
    [
        (Quota(1, DAY), Quota(2, DAY), timedelta(0)),
        (Quota(2, DAY), Quota(1, DAY), DAY),
        (Quota(1, DAY), Quota(1, HOUR), HOUR),
        (Quota(1, HOUR), Quota(1, DAY), DAY),
    ],
    ids=["more uses", "fewer uses", "a shorter interval", "a longer interval"],
)
async def test_limit_that_is_changed_holds_from_the_next_opening(
    open_store: Open, before: Quota, after: Quota, allowed_from: timedelta
) -> None:
    """The uses in the slots that a limit has by now count by its present interval."""
    clock = FakeClock()
    quota = [before]
    store = open_store(clock, lambda _: Limits(per_invoker=quota[-1]))
    randomness.source.set(_FirstChoice())
    begin = clock()
    await closed(store, clock)
    quota.append(after)
    if allowed_from:
        clock.set(begin + allowed_from - MICROSECOND)
        with pytest.raises(LimitExceededError) as refusal:
            await store.create(make_event(created_at=clock()))
        assert refusal.value.retry_at == begin + allowed_from
        clock.set(begin + allowed_from)
    await closed(store, clock)


class _FirstChoice(SystemRandom):
    """Chooses the first slot, so that a lower quota has the slot as well."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


async def test_taken_id_then_rules_about_the_event_then_the_holder_then_what_counts(
    open_store: Open,
) -> None:
    """Whoever repeats a create, or holds access, learns that before any limit that counts."""
    clock = FakeClock()
    store = open_store(clock, Limits(require_mfa=True, cooldown=HOUR))
    event = await store.create(make_event(created_at=clock(), mfa_verified=True))
    same = make_event(id=event.id, created_at=clock())
    bare = make_event(created_at=clock())
    verified = make_event(created_at=clock(), mfa_verified=True)
    with pytest.raises(EventExistsError):
        await store.create(same)
    with pytest.raises(LimitExceededError, match=r"^require_mfa: "):
        await store.create(bare)
    with pytest.raises(ActiveEventExistsError) as holder:
        await store.create(verified)
    assert holder.value.event == event
    await store.close(event.id, closed_by="bob", closed_reason="done")
    with pytest.raises(LimitExceededError, match=r"^cooldown: "):
        await store.create(verified)
    await store.delete(event.id)
    with pytest.raises(EventExistsError):
        await store.create(same)
