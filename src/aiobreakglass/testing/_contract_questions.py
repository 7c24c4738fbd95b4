"""Test the contract of the checks, the counts and the last event of a pair."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from aiobreakglass import BreakGlassStore
from aiobreakglass.testing._contract_steps import (
    CLOSING,
    EXPIRING,
    HOUR,
    MICROSECOND,
    MINUTE,
    closed,
    holder,
    lapsed,
    opened,
)
from aiobreakglass.testing._events import FakeClock

PAIR = ("alice", "prod")


class QuestionsContract:
    """The checks, the counts and the last event are right."""

    async def test_other_pairs_do_not_affect_answers(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Later events of other pairs do not change the answers about a pair."""
        prod = await opened(store, clock)
        clock.advance(MINUTE)
        staging = await opened(store, clock, profile="staging")
        clock.advance(MINUTE)
        for _ in range(3):
            await opened(store, clock, profile="staging", **CLOSING)
            await opened(store, clock, invoker="bob", **CLOSING)
        assert await holder(store, prod) == prod
        assert await holder(store, staging) == staging
        assert await store.get_last_by_invoker_and_profile(*PAIR) == prod

    async def test_repeated_check_shows_each_change(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Each check shows the current holder, whatever the previous answer was."""
        first = await opened(store, clock)
        assert await store.find_active_by_invoker_and_profile(*PAIR) == first
        extended = await store.update(first.model_copy(update={"request_id": "r-1"}))
        assert await store.find_active_by_invoker_and_profile(*PAIR) == extended
        await closed(store, extended)
        assert await store.find_active_by_invoker_and_profile(*PAIR) is None
        second = await opened(store, clock)
        assert await store.find_active_by_invoker_and_profile(*PAIR) == second
        await store.delete(second.id)
        assert await store.find_active_by_invoker_and_profile(*PAIR) is None
        third = await opened(store, clock)
        assert await store.find_active_by_invoker_and_profile(*PAIR) == third
        clock.set(third.expires_at)
        assert await store.find_active_by_invoker_and_profile(*PAIR) is None
        fourth = await opened(store, clock)
        assert await store.find_active_by_invoker_and_profile(*PAIR) == fourth

    async def test_check_of_many_profiles_returns_those_held(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """The check returns the held profiles in the order of the argument."""
        prod = await opened(store, clock)
        staging = await opened(store, clock, profile="staging")
        await opened(store, clock, invoker="bob", profile="bobs")
        await opened(store, clock, profile="over", **CLOSING)
        lapsing = await opened(store, clock, profile="lapsing", duration=MINUTE)
        asked = ["staging", "none", "prod", "over", "lapsing", "staging", "bobs"]
        held = await store.find_active_by_invoker_and_profiles("alice", asked)
        assert list(held.items()) == [("staging", staging), ("prod", prod), ("lapsing", lapsing)]
        clock.set(lapsing.expires_at)
        held = await store.find_active_by_invoker_and_profiles("alice", iter(asked))
        assert held == {"staging": staging, "prod": prod}

    async def test_check_of_no_profiles_is_empty(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A check without profiles returns an empty answer."""
        await opened(store, clock)
        assert await store.find_active_by_invoker_and_profiles("alice", []) == {}

    async def test_check_of_more_profiles_than_fit_one_request(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """One check accepts any number of profiles."""
        profiles = [f"profile-{number}" for number in range(120)]
        held = [await opened(store, clock, profile=name) for name in profiles[::40]]
        answer = await store.find_active_by_invoker_and_profiles("alice", profiles)
        assert list(answer.values()) == held

    async def test_pair_without_events_has_no_access_and_no_history(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A pair without events has no access, no last event, and a count of zero."""
        await opened(store, clock, invoker="bob", profile="prod")
        await opened(store, clock, invoker="alice", profile="staging")
        assert await store.find_active_by_invoker_and_profile(*PAIR) is None
        assert await store.get_last_by_invoker_and_profile(*PAIR) is None
        assert await store.count_by_invoker_since("carol", clock() - HOUR) == 0
        assert await store.count_by_profile_since("qa", clock() - HOUR) == 0

    async def test_last_event_is_the_newest_of_any_status(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """The last event is the newest one, whatever its status and the order of storing."""
        newest = await opened(store, clock)
        for age in (3, 1, 2):
            await opened(store, clock, created_at=clock() - age * MINUTE, **CLOSING)
        assert await store.get_last_by_invoker_and_profile(*PAIR) == newest
        ended = await closed(store, newest)
        assert await store.get_last_by_invoker_and_profile(*PAIR) == ended
        clock.advance(MINUTE)
        lapsing = await lapsed(store, clock)
        assert await store.get_last_by_invoker_and_profile(*PAIR) == lapsing
        expired = await opened(store, clock, **EXPIRING)
        assert await store.get_last_by_invoker_and_profile(*PAIR) == expired

    async def test_count_includes_events_since_the_instant(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Counts include every event with created_at >= since, of any status, in any time zone."""
        await opened(store, clock, **CLOSING)
        clock.advance(MINUTE)
        instant = clock().astimezone(timezone(timedelta(hours=-8)))
        await opened(store, clock)
        await opened(store, clock, **EXPIRING)
        clock.advance(MINUTE)
        await opened(store, clock, profile="staging")
        await opened(store, clock, invoker="bob")
        clock.advance(2 * HOUR)
        for step, count in {-MINUTE: 4, 0 * MINUTE: 3, MICROSECOND: 1, MINUTE: 1, HOUR: 0}.items():
            assert await store.count_by_invoker_since("alice", instant + step) == count
            assert await store.count_by_profile_since("prod", instant + step) == count

    async def test_count_stops_at_at_most(self, store: BreakGlassStore, clock: FakeClock) -> None:
        """A count with `at_most` is exact up to that number, and never exceeds it."""
        for _ in range(3):
            await opened(store, clock, **CLOSING)
        since = clock() - HOUR
        for at_most, count in {None: 3, 1: 1, 2: 2, 3: 3, 4: 3, 10**30: 3}.items():
            assert await store.count_by_invoker_since("alice", since, at_most=at_most) == count
            assert await store.count_by_profile_since("prod", since, at_most=at_most) == count
        assert await store.count_by_invoker_since("carol", since, at_most=1) == 0

    @pytest.mark.parametrize(
        ("at_most", "error"),
        [(0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)],
    )
    async def test_invalid_at_most_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, at_most: Any, error: type[Exception]
    ) -> None:
        """An `at_most` that is not an integer of at least 1 raises an error that names it."""
        with pytest.raises(error, match="at_most"):
            await store.count_by_invoker_since("alice", clock(), at_most=at_most)
        with pytest.raises(error, match="at_most"):
            await store.count_by_profile_since("prod", clock(), at_most=at_most)

    @pytest.mark.parametrize("fields", [{}, CLOSING], ids=["active", "closed"])
    async def test_deleted_event_is_in_no_answer(
        self, store: BreakGlassStore, clock: FakeClock, fields: dict[str, object]
    ) -> None:
        """A deleted event grants nothing, is not counted, and is not the last event."""
        old = await opened(store, clock, **EXPIRING)
        clock.advance(MINUTE)
        event = await opened(store, clock, **fields)
        await store.delete(event.id)
        assert await holder(store, event) is None
        assert await store.get_last_by_invoker_and_profile(*PAIR) == old
        assert await store.count_by_invoker_since("alice", old.created_at) == 1
        assert await store.count_by_profile_since("prod", old.created_at) == 1

    async def test_store_has_every_protocol_method(self, store: BreakGlassStore) -> None:
        """A store has every method of the protocol, even if it only forwards some of them."""
        methods = [name for name in vars(BreakGlassStore) if not name.startswith("_")]
        assert "find_active_by_invoker_and_profile" in methods
        assert [name for name in methods if not callable(getattr(store, name, None))] == []
