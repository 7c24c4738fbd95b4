"""Test the contract of `Limits`, in a suite that every store with limits can inherit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

# Without this, failing asserts in these modules would not show their values.
_PARTS = ("governed_steps", "history", "steps")
pytest.register_assert_rewrite(*(f"aiobreakglass.testing._contract_{part}" for part in _PARTS))

from aiobreakglass import (  # noqa: E402
    ActiveEventExistsError,
    BreakGlassEvent,
    EventExistsError,
    EventNotFoundError,
    GovernedStore,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass.testing._contract_governed_steps import (  # noqa: E402
    ended,
    extended,
    reviewed,
)
from aiobreakglass.testing._contract_history import told, whole_history  # noqa: E402
from aiobreakglass.testing._contract_steps import (  # noqa: E402
    CLOSED,
    CLOSING,
    EXPIRED,
    HOUR,
    MICROSECOND,
    MINUTE,
    changed,
    closed,
    fresh,
    holder,
    opened,
)
from aiobreakglass.testing._events import FakeClock  # noqa: E402

Limited = Callable[[Limits | Callable[[BreakGlassEvent], Limits]], GovernedStore]
"""Returns an empty store with these limits; a test calls it once."""

DAY = timedelta(days=1)
PER_INVOKER = Limits(per_invoker=Quota(2, DAY))
PER_PROFILE = Limits(per_profile=Quota(2, DAY))

each_limit_in_time = pytest.mark.parametrize(
    ("limits", "uses"),
    [(Limits(cooldown=DAY), 1), (PER_INVOKER, 2), (PER_PROFILE, 2)],
    ids=["cooldown", "per_invoker", "per_profile"],
)


async def used(
    store: GovernedStore, clock: FakeClock, uses: int = 1, **fields: Any
) -> list[BreakGlassEvent]:
    """Open and close access so many times, a minute apart."""
    events = []
    for _ in range(uses):
        events.append(await ended(store, clock, CLOSED, **fields))
        clock.advance(MINUTE)
    return events


async def refusal_of(store: GovernedStore, clock: FakeClock, **fields: Any) -> LimitExceededError:
    """Return the refusal to open access now, after asserting that nothing was written."""
    event = fresh(clock, **fields)
    with pytest.raises(LimitExceededError) as refusal:
        await store.create(event)
    with pytest.raises(EventNotFoundError):
        await store.history(event.id)
    assert await holder(store, event) is None
    return refusal.value


def ids(events: Sequence[BreakGlassEvent]) -> tuple[str, ...]:
    """Return the ids of events."""
    return tuple(event.id for event in events)


class LimitedStoreContract:
    """Tests of `Limits`, for a store that takes them; inherit it beside `GovernedStoreContract`.

    Define the fixture `limited`: a function that takes limits, by value or as a function of an
    event, and returns an empty store with these limits that uses the fixture `clock`::

        class TestMyStore(LimitedStoreContract, GovernedStoreContract):
            @pytest.fixture
            def store(self, clock: FakeClock) -> MyStore:
                return MyStore(clock=clock)

            @pytest.fixture
            def limited(self, clock: FakeClock) -> Callable[..., MyStore]:
                return lambda limits: MyStore(clock=clock, limits=limits)

    `GovernedStore` asks for no limits, so a store without them inherits
    `GovernedStoreContract` alone.
    """

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

    async def test_holder_is_reported_before_any_limit(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """A taken id and an active event are reported before any limit."""
        limits = Limits(cooldown=DAY, per_invoker=Quota(1, DAY), max_unreviewed=1)
        store = limited(limits)
        event = await opened(store, clock)
        with pytest.raises(ActiveEventExistsError) as refusal:
            await opened(store, clock)
        assert refusal.value.event == event
        with pytest.raises(EventExistsError):
            await store.create(event)
        await closed(store, event)
        with pytest.raises(EventExistsError):
            await store.create(fresh(clock, id=event.id))

    async def test_narrowest_limit_refuses(self, limited: Limited, clock: FakeClock) -> None:
        """The rules about the event itself come first, then those that count."""
        rules: dict[str, Any] = {
            "require_mfa": True,
            "cooldown": HOUR,
            "per_invoker": Quota(1, 2 * HOUR),
            "per_profile": Quota(1, 3 * HOUR),
            "max_unreviewed": 1,
        }
        store = limited(Limits(**rules))
        (event,) = await used(store, clock, mfa_verified=True)
        refusing = [(await refusal_of(store, clock)).limit]
        for hours in (0, 1, 2, 3):
            clock.set(event.created_at + hours * HOUR)
            refusing.append((await refusal_of(store, clock, mfa_verified=True)).limit)
        assert refusing == list(rules)

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

    @pytest.mark.parametrize(
        ("rules", "allowed"),
        [
            ({"max_duration": HOUR}, {"duration": HOUR}),
            ({"reason_codes": ["security"]}, {"reason_code": "security"}),
            ({"require_mfa": True}, {"mfa_verified": True}),
            ({"require_request_id": True}, {"request_id": "c0ffee"}),
            ({"require_labels": ["ticket"]}, {"labels": {"ticket": "OPS-7"}}),
        ],
        ids=lambda fields: " ".join(fields),
    )
    async def test_rule_about_the_event_itself_is_enforced(
        self,
        limited: Limited,
        clock: FakeClock,
        rules: dict[str, Any],
        allowed: dict[str, Any],
    ) -> None:
        """The refusal names the rule, and no time, because time does not help."""
        store = limited(Limits(**rules))
        error = await refusal_of(store, clock, duration=HOUR + MICROSECOND)
        assert (error.limit, error.retry_at, error.event_ids) == (*rules, None, ())
        event = await opened(store, clock, **allowed)
        assert await holder(store, event) == event

    @pytest.mark.parametrize("by_update", [False, True], ids=["extend", "update"])
    @pytest.mark.parametrize(
        ("limits", "limit"),
        [
            (Limits(max_duration=3 * HOUR), "max_duration"),
            (Limits(max_extensions=1), "max_extensions"),
        ],
        ids=["max_duration", "max_extensions"],
    )
    async def test_extensions_are_limited(
        self, limited: Limited, clock: FakeClock, limits: Limits, limit: str, by_update: bool
    ) -> None:
        """An `update` that moves the end later is an extension, and goes around no limit."""
        store = limited(limits)
        event = await opened(store, clock)
        event = await extended(store, event, event.created_at + 3 * HOUR)
        end = event.expires_at + MICROSECOND
        longer = changed(event, expires_at=end)
        attempt = store.update(longer) if by_update else extended(store, event, end)
        with pytest.raises(LimitExceededError) as refusal:
            await attempt
        assert refusal.value.limit == limit
        assert refusal.value.retry_at is None
        assert await store.get(event.id) == event
        actions = [entry.action for entry in told(await whole_history(store, clock, event.id))]
        assert actions == ["created", "extended"]
        shorter = await store.update(changed(event, expires_at=event.created_at + HOUR))
        assert shorter.extensions == 1

    async def test_limits_follow_the_event(self, limited: Limited, clock: FakeClock) -> None:
        """A function of the event gives each profile its own rules."""
        rules = {"prod": Limits(cooldown=DAY), "staging": Limits()}
        store = limited(lambda event: rules[event.profile])
        await used(store, clock, 3, profile="staging")
        await used(store, clock)
        assert (await refusal_of(store, clock)).limit == "cooldown"

    @pytest.mark.parametrize("answer", [None, Limits, {"cooldown": DAY}], ids=str)
    async def test_function_that_returns_no_limits_opens_nothing(
        self, limited: Limited, clock: FakeClock, answer: Any
    ) -> None:
        """Without limits nothing is opened; the error says what the function returned."""
        store = limited(lambda _: answer)
        event = fresh(clock)
        with pytest.raises(TypeError, match=f"must return Limits.*{event.id}"):
            await store.create(event)
        with pytest.raises(EventNotFoundError):
            await store.history(event.id)
        assert await holder(store, event) is None

    async def test_function_that_raises_opens_nothing(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """The error names the event, and has the function's own error as its cause."""
        rules: dict[str, Limits] = {}
        store = limited(lambda event: rules[event.profile])
        event = fresh(clock)
        with pytest.raises(TypeError, match=f"raised KeyError.*{event.id}") as failure:
            await store.create(event)
        assert isinstance(failure.value.__cause__, KeyError)
        with pytest.raises(EventNotFoundError):
            await store.history(event.id)

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
