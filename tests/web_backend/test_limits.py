"""The rules of the door: shown before they refuse, refused by the store, and extensions."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_backend.forecast import forecast, in_words
from web_backend.policy import LimitsFor

from aiobreakglass import (
    InMemoryStore,
    LimitExceededError,
    Limits,
    Quota,
    ReviewOutcome,
)
from aiobreakglass.testing import FakeClock, make_event

from .api import ID, named, opened
from .conftest import OPENING

HOUR = timedelta(hours=1)
PATH = f"/api/events/{ID}"


async def rules(client: httpx.AsyncClient, **query: str | list[str]) -> list[dict[str, Any]]:
    response = await client.get("/api/limits", params={"profile": "production", **query})
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["rules"]
    return found


class TestForecast:
    async def test_no_rules_by_default(self, alice: httpx.AsyncClient) -> None:
        assert await rules(alice) == []

    @pytest.mark.parametrize("limits", [Limits(per_invoker=Quota(2, HOUR))])
    async def test_used_up_quota_says_when_to_try_again(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient, limits: Limits
    ) -> None:
        """The forecast and the refusal name the same rule, instant and events."""
        first = await opened(alice)
        (rule,) = await rules(alice)
        assert (rule["used"], rule["allowed"], rule["is_reached"]) == (1, 2, False)
        assert rule["retry_at"] is None
        await opened(alice, profile="staging")
        (rule,) = await rules(alice)
        assert rule["is_reached"]
        assert rule["rule"] == "You may open access 2 times within 1 hour."
        refused = await alice.post("/api/events", json=OPENING | {"profile": "billing"})
        assert (refused.status_code, named(refused)) == (409, "limit-exceeded")
        problem = refused.json()
        assert problem["limit"] == rule["limit"] == "per_invoker"
        assert problem["event_ids"][0] == first["id"]
        for each in (problem, rule):
            until = datetime.fromisoformat(each["retry_at"])
            begin = datetime.fromisoformat(first["created_at"])
            # The store counts from its own clock, a moment after the event began.
            assert timedelta(0) <= until - begin - HOUR < timedelta(minutes=1)
        (of_bob,) = await rules(bob)
        assert not of_bob["is_reached"]

    @pytest.mark.parametrize(
        "limits",
        [lambda event: Limits(max_duration=HOUR) if event.profile == "production" else Limits()],
    )
    async def test_rules_by_a_function_are_those_of_the_profile(
        self, alice: httpx.AsyncClient, limits: LimitsFor
    ) -> None:
        (rule,) = await rules(alice, duration="PT2H")
        assert rule["rule"] == "Access may last at most 1 hour, extensions included."
        assert rule["is_reached"]
        assert not (await rules(alice, duration="PT1H"))[0]["is_reached"]
        assert await rules(alice, profile="staging") == []

    @pytest.mark.parametrize(
        "limits", [Limits(require_labels=["ticket", "team"], require_request_id=True)]
    )
    async def test_forecast_of_required_fields_says_what_is_missing(
        self, alice: httpx.AsyncClient, limits: Limits
    ) -> None:
        """A client learns which labels to ask for, and whether what it has is enough."""
        request_id, labels = await rules(alice)
        assert (request_id["limit"], request_id["is_reached"]) == ("require_request_id", True)
        assert (labels["limit"], labels["is_reached"]) == ("require_labels", True)
        assert labels["labels"] == ["ticket", "team"]
        enough = await rules(alice, request_id="R-1", label=["ticket:INC-7", "team:a:b"])
        assert [rule["is_reached"] for rule in enough] == [False, False]
        one_label = await rules(alice, label="team:a")
        assert [rule["is_reached"] for rule in one_label] == [True, True]

    @pytest.mark.parametrize(
        "limits",
        [lambda event: Limits(max_duration=HOUR if event.labels.get("team") == "db" else None)],
    )
    async def test_rules_by_a_label_are_forecast(
        self, alice: httpx.AsyncClient, limits: LimitsFor
    ) -> None:
        assert await rules(alice, label="team:web") == []
        assert [rule["limit"] for rule in await rules(alice, label="team:db")] == ["max_duration"]

    @pytest.mark.parametrize(
        "query", ["label=ticket", "label=Ticket:1", "label=ticket:", "request_id=%20"]
    )
    async def test_forecast_with_invalid_label_or_request_id_is_refused(
        self, alice: httpx.AsyncClient, query: str
    ) -> None:
        response = await alice.get(f"/api/limits?profile=production&{query}")
        assert (response.status_code, named(response)) == (422, "invalid-request")

    async def test_forecast_of_forbidden_profile_is_refused(self, bob: httpx.AsyncClient) -> None:
        response = await bob.get("/api/limits?profile=customer-data")
        assert (response.status_code, named(response)) == (403, "profile-not-allowed")

    @pytest.mark.parametrize(
        ("interval", "words"),
        [
            (timedelta(seconds=1), "1 second"),
            (timedelta(minutes=90), "1 hour 30 minutes"),
            (timedelta(hours=24), "24 hours"),
            (timedelta(hours=48), "48 hours"),
            (timedelta(days=7), "7 days"),
            (timedelta(days=2, hours=1), "2 days 1 hour"),
            (timedelta(microseconds=1), "less than 1 second"),
        ],
    )
    def test_interval_in_words(self, interval: timedelta, words: str) -> None:
        assert in_words(interval) == words


quotas = st.none() | st.builds(
    Quota, st.integers(1, 3), st.sampled_from([timedelta(minutes=m) for m in (10, 30, 60)])
)
limits_to_try = st.builds(
    Limits,
    cooldown=st.sampled_from([None, timedelta(minutes=10), HOUR]),
    per_invoker=quotas,
    per_profile=quotas,
    max_unreviewed=st.none() | st.integers(1, 3),
    max_duration=st.sampled_from([None, timedelta(minutes=30)]),
    reason_codes=st.sampled_from([None, ["incident"]]),
    require_mfa=st.sampled_from([False] * 5 + [True]),
    require_request_id=st.sampled_from([False] * 5 + [True]),
    require_labels=st.sampled_from([(), ("ticket",)]),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(["production", "staging"]),
        st.sampled_from(["incident", "other"]),
        st.sampled_from([15, 30, 45]),
        # Minutes until the next step; with 5 and 10 the boundary instants are met.
        st.sampled_from([0, 5, 10, 20]),
        st.sampled_from([None, "justified", "needs_follow_up"]),
    ),
    max_size=12,
)


@given(limits=limits_to_try, steps=steps)
def test_forecast_names_the_rule_that_refuses(
    limits: Limits, steps: list[tuple[str, str, str, int, int, str | None]]
) -> None:
    """The first rule that is reached is the one that refuses; if none is, access opens."""

    async def try_them() -> None:
        clock = FakeClock()
        store = InMemoryStore(clock=clock, limits=limits)
        for invoker, profile, code, minutes, pause, outcome in steps:
            event = make_event(
                invoker=invoker,
                profile=profile,
                reason_code=code,
                duration=timedelta(minutes=minutes),
                created_at=clock(),
                labels={"ticket": "INC-7"} if code == "incident" else {},
                request_id="R-1" if minutes == 15 else None,
            )
            reached = [
                each for each in await forecast(store, limits, event, clock()) if each.is_reached
            ]
            if reached:
                with pytest.raises(LimitExceededError) as refused:
                    await store.create(event)
                error = refused.value
                assert (reached[0].limit, reached[0].retry_at) == (error.limit, error.retry_at)
            else:
                await store.create(event)
                await store.close(event.id, closed_by=invoker, closed_reason="Done")
                if outcome is not None:
                    await store.review(
                        event.id,
                        reviewed_by="rita",
                        outcome=ReviewOutcome(outcome),
                        comment="Seen",
                    )
            clock.advance(timedelta(minutes=pause))

    asyncio.run(try_them())


async def test_forecast_and_refusal_wait_for_the_oldest_use() -> None:
    """Of several uses the oldest stops to count first; the boundary instant is allowed."""
    limits = Limits(per_invoker=Quota(2, HOUR), max_duration=HOUR)
    clock = FakeClock()
    store = InMemoryStore(clock=clock, limits=limits)
    begin = clock()
    for profile in ("production", "staging"):
        await store.create(make_event(profile=profile, duration=HOUR, created_at=clock()))
        clock.advance(HOUR / 4)
    event = make_event(profile="billing", duration=HOUR, created_at=clock())
    longest, mine = await forecast(store, limits, event, clock())
    assert not longest.is_reached
    assert (mine.is_reached, mine.retry_at) == (True, begin + HOUR)
    with pytest.raises(LimitExceededError) as refused:
        await store.create(event)
    assert refused.value.retry_at == begin + HOUR
    clock.set(begin + HOUR)
    later = make_event(profile="billing", duration=HOUR, created_at=clock())
    assert not any(each.is_reached for each in await forecast(store, limits, later, clock()))
    await store.create(later)
