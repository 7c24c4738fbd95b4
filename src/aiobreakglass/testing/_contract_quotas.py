"""Test the limits that count uses, in a suite that every store with limits can inherit."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    EventExistsError,
    Limits,
    Quota,
)
from aiobreakglass.testing._contract_governed_steps import (
    ended,
    reviewed,
)
from aiobreakglass.testing._contract_limits_steps import (
    DAY,
    PER_INVOKER,
    PER_PROFILE,
    Limited,
    ids,
    refusal_of,
    used,
)
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    CLOSING,
    EXPIRED,
    HOUR,
    MICROSECOND,
    MINUTE,
    closed,
    fresh,
    holder,
    opened,
)
from aiobreakglass.testing._events import FakeClock

each_limit_in_time = pytest.mark.parametrize(
    ("limits", "uses"),
    [(Limits(cooldown=DAY), 1), (PER_INVOKER, 2), (PER_PROFILE, 2)],
    ids=["cooldown", "per_invoker", "per_profile"],
)


class QuotasContract:
    """Tests of what counts: quotas, the cooldown, and the events to review."""

    @each_limit_in_time
    async def test_opening_is_refused_until_the_oldest_use_is_over(
        self, limited: Limited, clock: FakeClock, limits: Limits, uses: int
    ) -> None:
        """The refusal says until when; the boundary instant is in favour of the caller."""
        store = limited(limits)
        events = await used(store, clock, uses)
        error = await refusal_of(store, clock)
        assert getattr(limits, error.limit) is not None
        assert error.event_ids == ids(events)
        assert error.retry_at == events[0].created_at + DAY
        clock.set(error.retry_at - MICROSECOND)
        assert (await refusal_of(store, clock)).retry_at == error.retry_at
        clock.set(error.retry_at)
        event = await opened(store, clock)
        assert await holder(store, event) == event

    async def test_each_use_is_over_by_itself(self, limited: Limited, clock: FakeClock) -> None:
        """A quota counts the uses within every window, wherever it begins."""
        store = limited(PER_PROFILE)
        one, two = await used(store, clock, 2)
        clock.set(one.created_at + DAY)
        three = await ended(store, clock, CLOSED)
        error = await refusal_of(store, clock)
        assert (error.retry_at, error.event_ids) == (two.created_at + DAY, ids([two, three]))

    @each_limit_in_time
    @pytest.mark.parametrize("ending", ["closed", "expired", "deleted", "reviewed"])
    async def test_use_counts_whatever_becomes_of_its_event(
        self, limited: Limited, clock: FakeClock, limits: Limits, uses: int, ending: str
    ) -> None:
        """A use counts when it is opened; nothing that happens later takes it back."""
        store = limited(limits)
        for _ in range(uses):
            event = await ended(store, clock, EXPIRED if ending == "expired" else CLOSED)
            if ending == "deleted":
                await store.delete(event.id)
            if ending == "reviewed":
                await reviewed(store, event)
        assert len((await refusal_of(store, clock)).event_ids) == uses

    @pytest.mark.parametrize(
        ("limits", "allowed", "refused"),
        [
            (Limits(cooldown=DAY), [{"profile": "staging"}, {"invoker": "bob"}], {}),
            (PER_INVOKER, [{"profile": "staging"}, {"invoker": "bob"}], {"profile": "dev"}),
            (PER_PROFILE, [{"invoker": "bob"}, {"profile": "dev"}], {"invoker": "carol"}),
            (
                Limits(max_unreviewed=2),
                [{"profile": "staging"}, {"invoker": "bob"}],
                {"profile": "dev"},
            ),
        ],
        ids=["cooldown", "per_invoker", "per_profile", "max_unreviewed"],
    )
    async def test_limit_counts_only_its_own_uses(
        self,
        limited: Limited,
        clock: FakeClock,
        limits: Limits,
        allowed: list[dict[str, Any]],
        refused: dict[str, Any],
    ) -> None:
        """A limit counts by pair, by invoker or by profile, and limits nobody else."""
        store = limited(limits)
        await used(store, clock)
        for fields in allowed:
            await used(store, clock, **fields)
        await refusal_of(store, clock, **refused)

    async def test_use_counts_by_the_stores_clock(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """`created_at` does not move the window of a use."""
        store = limited(Limits(cooldown=DAY))
        first = clock()
        await closed(store, await opened(store, clock, created_at=first - HOUR / 2))
        error = await refusal_of(store, clock)
        assert error.retry_at == first + DAY
        clock.set(error.retry_at - MICROSECOND)
        ahead = clock() + 4 * MINUTE
        assert (await refusal_of(store, clock, created_at=ahead)).limit == "cooldown"

    async def test_use_in_the_future_counts(self, limited: Limited, clock: FakeClock) -> None:
        """If a clock steps back, a use that lies ahead still counts."""
        store = limited(Limits(cooldown=HOUR))
        (event,) = await used(store, clock)
        clock.set(event.created_at - 9 * HOUR)
        assert (await refusal_of(store, clock)).retry_at == event.created_at + HOUR

    async def test_import_is_not_limited(self, limited: Limited, clock: FakeClock) -> None:
        """An import of an ended event is no opening: it is neither refused nor counted."""
        limits = Limits(
            cooldown=DAY,
            per_profile=Quota(1, DAY),
            max_unreviewed=1,
            max_duration=MINUTE,
            require_mfa=True,
        )
        store = limited(limits)
        for _ in range(3):
            await store.create(fresh(clock, **CLOSING))
        await opened(store, clock, duration=MINUTE, mfa_verified=True)

    async def test_refused_opening_does_not_count(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """An opening that was refused for any reason uses no limit."""
        store = limited(Limits(per_profile=Quota(2, DAY), require_mfa=True))
        event = await opened(store, clock, mfa_verified=True)
        for _ in range(3):
            with pytest.raises(ActiveEventExistsError):
                await opened(store, clock, mfa_verified=True)
            with pytest.raises(EventExistsError):
                await store.create(event)
            await refusal_of(store, clock, invoker="bob")
        await opened(store, clock, invoker="bob", mfa_verified=True)
        error = await refusal_of(store, clock, invoker="carol", mfa_verified=True)
        assert error.limit == "per_profile"

    async def test_unreviewed_events_are_limited_until_their_review(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """Time helps nobody, and neither does a follow-up; a final review does."""
        store = limited(Limits(max_unreviewed=2))
        events = await used(store, clock, 2)
        clock.advance(999 * DAY)
        error = await refusal_of(store, clock)
        assert (error.limit, error.retry_at) == ("max_unreviewed", None)
        assert error.event_ids == ids(events)
        await reviewed(store, events[1], "needs_follow_up")
        assert (await refusal_of(store, clock)).event_ids == ids(events)
        await reviewed(store, events[1], "unjustified")
        (event,) = await used(store, clock)
        assert (await refusal_of(store, clock)).event_ids == ids([events[0], event])

    async def test_deletion_evades_no_review(self, limited: Limited, clock: FakeClock) -> None:
        """Deleting an unreviewed event leaves the debt."""
        store = limited(Limits(max_unreviewed=1))
        (event,) = await used(store, clock)
        await store.delete(event.id)
        clock.advance(DAY)
        assert (await refusal_of(store, clock)).event_ids == (event.id,)
