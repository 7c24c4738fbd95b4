"""Slots: which ones an opening takes, when they are free again, and who is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import LimitExceededError, Limits, Quota
from aiobreakglass._domain.slots import (
    Pool,
    Slot,
    SlotKind,
    Taken,
    Use,
    free_before,
    free_from,
    pools_of,
    slots_of,
    take,
)
from aiobreakglass.testing import make_event

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
EVENT = make_event(created_at=NOON)

COOLDOWN = Limits(cooldown=HOUR)
PER_INVOKER = Limits(per_invoker=Quota(2, HOUR))
PER_PROFILE = Limits(per_profile=Quota(2, HOUR))
UNREVIEWED = Limits(max_unreviewed=2)
ALL = Limits(
    cooldown=HOUR, per_invoker=Quota(2, HOUR), per_profile=Quota(2, HOUR), max_unreviewed=2
)

LIMITS_WITH_SLOTS = ["cooldown", "per_invoker", "per_profile", "max_unreviewed"]

Uses = dict[Slot, Use]


def first(free: Sequence[Taken]) -> Taken:
    return free[0]


def nth(number: int, free: Sequence[Taken]) -> Taken:
    return free[number % len(free)]


def used_up(limits: Limits, used_at: datetime, event_id: str = "older") -> Uses:
    """Return all slots of limits as taken at one instant by one event."""
    return {
        slot: Use(used_at, event_id) for pool in pools_of(limits) for slot in slots_of(pool, EVENT)
    }


def taken(
    limits: Limits,
    uses: Mapping[Slot, Use],
    now: datetime = NOON,
    settled: Collection[str] = (),
    choose: Callable[[Sequence[Taken]], Taken] = first,
) -> list[Taken]:
    return take(pools_of(limits), EVENT, uses, settled, now, choose)


def refused(
    limits: Limits, uses: Mapping[Slot, Use], now: datetime = NOON, settled: Collection[str] = ()
) -> LimitExceededError:
    with pytest.raises(LimitExceededError) as refusal:
        taken(limits, uses, now, settled)
    return refusal.value


class TestPools:
    def test_limits_without_numbers_have_no_pools(self) -> None:
        """Rules about a single event need no slots."""
        assert pools_of(Limits()) == []
        static: dict[str, Any] = {"max_duration": HOUR, "max_extensions": 1, "require_mfa": True}
        assert pools_of(Limits(**static)) == []

    def test_pools_are_in_the_order_in_which_they_refuse(self) -> None:
        """The narrowest limit comes first: the pair, the invoker, the profile, the debt."""
        assert pools_of(ALL) == [
            Pool("cooldown", SlotKind.PAIR, 1, HOUR),
            Pool("per_invoker", SlotKind.INVOKER, 2, HOUR),
            Pool("per_profile", SlotKind.PROFILE, 2, HOUR),
            Pool("max_unreviewed", SlotKind.UNREVIEWED, 2, None),
        ]

    @pytest.mark.parametrize(
        ("kind", "shares_invoker", "shares_profile"),
        [
            (SlotKind.PAIR, True, True),
            (SlotKind.INVOKER, True, False),
            (SlotKind.PROFILE, False, True),
            (SlotKind.UNREVIEWED, True, False),
        ],
    )
    def test_openings_that_share_a_limit_have_equal_slots(
        self, kind: SlotKind, shares_invoker: bool, shares_profile: bool
    ) -> None:
        """Uses of a profile count by all invokers, and uses of an invoker on all profiles."""
        pool = Pool("limit", kind, 3, HOUR)
        slots = slots_of(pool, EVENT)
        assert len(set(slots)) == 3
        assert (slots_of(pool, make_event(invoker="bob")) == slots) is not shares_invoker
        assert (slots_of(pool, make_event(profile="staging")) == slots) is not shares_profile
        assert slots_of(pool, make_event()) == slots


class TestTime:
    @pytest.mark.parametrize("limits", [COOLDOWN, PER_INVOKER, PER_PROFILE])
    @pytest.mark.parametrize(
        ("passed", "is_free"),
        [
            (timedelta(0), False),
            (HOUR - MICROSECOND, False),
            (HOUR, True),
            (HOUR + MICROSECOND, True),
            (-DAY, False),
        ],
        ids=["at once", "just before", "boundary", "just after", "clock a day behind"],
    )
    def test_use_takes_its_slot_for_the_interval(
        self, limits: Limits, passed: timedelta, is_free: bool
    ) -> None:
        """The boundary instant is in favour of the caller; a use in the future counts."""
        uses = used_up(limits, NOON - passed)
        if is_free:
            taken(limits, uses)
            return
        assert refused(limits, uses).retry_at == NOON - passed + HOUR

    @pytest.mark.parametrize("limits", [COOLDOWN, PER_INVOKER, PER_PROFILE])
    def test_retry_at_is_when_the_limit_allows_it(self, limits: Limits) -> None:
        """A microsecond before `retry_at` it is refused, and at that instant it is not."""
        uses = used_up(limits, NOON - HOUR / 3)
        retry_at = refused(limits, uses).retry_at
        assert retry_at is not None
        assert refused(limits, uses, retry_at - MICROSECOND).retry_at == retry_at
        taken(limits, uses, retry_at)

    @pytest.mark.parametrize("passed", [timedelta(0), 999 * DAY])
    def test_time_alone_frees_no_debt(self, passed: timedelta) -> None:
        """An event may wait for its review for any time, so the refusal has no `retry_at`."""
        error = refused(UNREVIEWED, used_up(UNREVIEWED, NOON - passed))
        assert (error.retry_at, error.event_ids) == (None, ("older", "older"))

    def test_interval_beyond_the_calendar_lasts_for_ever(self) -> None:
        """A quota within the longest interval counts all uses, so there is no `retry_at`."""
        end = datetime.max.replace(tzinfo=UTC)
        pool = Pool("per_profile", SlotKind.PROFILE, 1, timedelta.max)
        assert free_before(pool, NOON) == datetime.min.replace(tzinfo=UTC)
        assert free_from(pool, Use(NOON, "older")) is None
        for now in (NOON, end):
            limits = Limits(per_profile=Quota(1, timedelta.max))
            assert refused(limits, used_up(limits, NOON), now).retry_at is None
        last = Limits(per_profile=Quota(1, end - NOON))
        assert refused(last, used_up(last, NOON)).retry_at == end
        taken(last, used_up(last, NOON), end)


class TestDebt:
    @pytest.mark.parametrize(
        ("settled", "is_free"), [([], False), (["another"], False), (["older"], True)]
    )
    def test_settled_event_frees_its_slot(self, settled: list[str], is_free: bool) -> None:
        """A slot is free again once the event that took it is gone or finally reviewed."""
        uses = used_up(UNREVIEWED, NOON)
        if is_free:
            (one,) = taken(UNREVIEWED, uses, settled=settled)
            assert one.seen == Use(NOON, "older")
        else:
            refused(UNREVIEWED, uses, settled=settled)

    def test_settled_event_frees_no_slot_of_a_quota(self) -> None:
        """A use counts when it is opened, whatever becomes of the event."""
        for limits in (COOLDOWN, PER_INVOKER, PER_PROFILE):
            refused(limits, used_up(limits, NOON), settled=["older"])


class TestRefusal:
    def test_narrowest_full_limit_refuses(self) -> None:
        """If several limits are used up, the first in their order is named."""
        uses = used_up(ALL, NOON)
        rules = {name: getattr(ALL, name) for name in LIMITS_WITH_SLOTS}
        refusing = []
        while rules:
            refusing.append(refused(Limits(**rules), uses).limit)
            del rules[refusing[-1]]
        assert refusing == LIMITS_WITH_SLOTS

    def test_full_limit_refuses_although_the_others_have_room(self) -> None:
        """An opening takes a slot of each limit, or none."""
        uses = used_up(PER_PROFILE, NOON)
        assert refused(ALL, uses).limit == "per_profile"

    def test_events_are_named_oldest_first(self) -> None:
        """The oldest use is the next one to be free, so `retry_at` is about it."""
        one, two = slots_of(pools_of(PER_PROFILE)[0], EVENT)
        uses = {one: Use(NOON - HOUR / 4, "newer"), two: Use(NOON - HOUR / 2, "older")}
        error = refused(PER_PROFILE, uses)
        assert error.event_ids == ("older", "newer")
        assert error.retry_at == NOON + HOUR / 2

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            (COOLDOWN, "cooldown: 'alice' may open 'prod' once within 1:00:00"),
            (PER_INVOKER, "per_invoker: 'alice' may open access 2 times within 1:00:00"),
            (
                Limits(per_invoker=Quota(1, DAY)),
                "per_invoker: 'alice' may open access once within 1 day, 0:00:00",
            ),
            (PER_PROFILE, "per_profile: 'prod' may be opened 2 times within 1:00:00"),
            (
                Limits(per_profile=Quota(1, HOUR)),
                "per_profile: 'prod' may be opened once within 1:00:00",
            ),
            (
                UNREVIEWED,
                "max_unreviewed: 'alice' may have 2 unreviewed events; have one reviewed first",
            ),
            (
                Limits(max_unreviewed=1),
                "max_unreviewed: 'alice' may have 1 unreviewed event; have one reviewed first",
            ),
        ],
        ids=str,
    )
    def test_message_says_which_rule_and_how_many(self, limits: Limits, message: str) -> None:
        """The message has the rule and, if time helps, when to try again."""
        told = str(refused(limits, used_up(limits, NOON)))
        assert told.startswith(message)
        assert ("try again at 2024-0" in told) is (limits.max_unreviewed is None)
        assert "(events older" in told


class TestChoice:
    def test_opening_takes_one_slot_of_each_limit(self) -> None:
        """Each limit counts an opening once."""
        chosen = taken(ALL, {})
        assert [one.pool for one in chosen] == pools_of(ALL)
        assert all(one.seen is None for one in chosen)

    def test_only_free_slots_can_be_chosen(self) -> None:
        """The choice is among the slots never taken and those that are free again."""
        limits = Limits(per_profile=Quota(4, HOUR))
        slots = slots_of(pools_of(limits)[0], EVENT)
        over, running = Use(NOON - HOUR, "over"), Use(NOON - HOUR / 2, "running")
        offered: list[Sequence[Taken]] = []

        def last(free: Sequence[Taken]) -> Taken:
            offered.append(free)
            return free[-1]

        uses = {slots[0]: running, slots[1]: over, slots[3]: running}
        (one,) = taken(limits, uses, choose=last)
        assert [(each.slot, each.seen) for each in offered[0]] == [
            (slots[1], over),
            (slots[2], None),
        ]
        assert one.slot == slots[2]

    def test_uses_beyond_a_lowered_quota_do_not_count(self) -> None:
        """A lowered quota looks at its own slots alone; it holds fully after the interval."""
        uses = used_up(Limits(per_profile=Quota(4, HOUR)), NOON)
        lower = dict(list(uses.items())[2:])
        taken(PER_PROFILE, lower)
        refused(PER_PROFILE, uses)


@st.composite
def openings(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]]]:
    """Draw a quota, an interval, and attempts: when, and which free slot each would choose."""
    uses = draw(st.integers(1, 5))
    within = draw(st.integers(1, 20))
    attempts = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=60)
    return uses, within, draw(attempts)


def granted(uses: int, within: int, attempts: list[tuple[int, int]]) -> list[int]:
    """Return when the attempts were granted that a quota allowed."""
    limits = Limits(per_profile=Quota(uses, within * MICROSECOND))
    stored: Uses = {}
    times: list[int] = []
    for time, choice in attempts:
        now = NOON + time * MICROSECOND
        with suppress(LimitExceededError):
            (one,) = taken(limits, stored, now, choose=partial(nth, choice))
            stored[one.slot] = Use(now, str(len(times)))
            times.append(time)
    return times


class TestLaws:
    @given(case=openings())
    def test_no_window_has_more_openings_than_the_quota(
        self, case: tuple[int, int, list[tuple[int, int]]]
    ) -> None:
        """However the clock moves, no interval of that length has more openings than allowed."""
        uses, within, attempts = case
        times = granted(uses, within, attempts)
        for begin in times:
            assert sum(begin <= time < begin + within for time in times) <= uses

    @given(case=openings())
    def test_opening_is_refused_only_if_the_quota_is_used_up(
        self, case: tuple[int, int, list[tuple[int, int]]]
    ) -> None:
        """While the clock moves forward, an opening within the quota is never refused."""
        uses, within, attempts = case
        forward = sorted(attempts)
        times = granted(uses, within, forward)
        expected: list[int] = []
        for time, _ in forward:
            if sum(time - within < other for other in expected) < uses:
                expected.append(time)
        assert times == expected

    @given(
        quotas=st.tuples(*[st.tuples(st.integers(1, 4), st.integers(1, 20))] * 2),
        attempts=st.lists(
            st.tuples(st.integers(0, 60), st.integers(0, 9), st.booleans()), max_size=60
        ),
    )
    def test_quotas_that_share_slots_are_exact_each(
        self,
        quotas: tuple[tuple[int, int], tuple[int, int]],
        attempts: list[tuple[int, int, bool]],
    ) -> None:
        """If a function returns two quotas for one name, neither of them is ever exceeded."""
        stored: Uses = {}
        times: tuple[list[int], list[int]] = ([], [])
        for time, choice, which in attempts:
            uses, within = quotas[which]
            limits = Limits(per_profile=Quota(uses, within * MICROSECOND))
            now = NOON + time * MICROSECOND
            with suppress(LimitExceededError):
                (one,) = taken(limits, stored, now, choose=partial(nth, choice))
                stored[one.slot] = Use(now, f"{time}")
                times[which].append(time)
        for (uses, within), own in zip(quotas, times, strict=True):
            for begin in own:
                assert sum(begin <= time < begin + within for time in own) <= uses
