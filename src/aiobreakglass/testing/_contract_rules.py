"""Test the rules about single events, in a suite that every store with limits can inherit."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    EventExistsError,
    EventNotFoundError,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass.testing._contract_governed_steps import (
    extended,
)
from aiobreakglass.testing._contract_history import told, whole_history
from aiobreakglass.testing._contract_limits_steps import (
    DAY,
    Limited,
    refusal_of,
    used,
)
from aiobreakglass.testing._contract_steps import (
    HOUR,
    MICROSECOND,
    changed,
    closed,
    fresh,
    holder,
    opened,
)
from aiobreakglass.testing._events import FakeClock


class RulesContract:
    """Tests of the rules about single events, of extensions, and of the order of refusals."""

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

    async def test_function_that_returns_no_limits_opens_nothing(
        self, limited: Limited, clock: FakeClock
    ) -> None:
        """Without limits nothing is opened; the error names the event."""
        answers: list[Any] = [None, Limits, {"cooldown": DAY}]
        store = limited(lambda _: answers.pop())
        event = fresh(clock)
        while answers:
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
