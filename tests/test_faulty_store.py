"""`FaultyStore`: what happens when it loses requests and answers, and what callers see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    EventNotFoundError,
    InMemoryStore,
    StoreUnavailableError,
)
from aiobreakglass.testing import FakeClock, FaultyStore, GovernedStoreContract, make_event

SECOND = timedelta(seconds=1)

Write = Callable[[FaultyStore, BreakGlassEvent], Awaitable[object]]

WRITES: dict[str, Write] = {
    "update": lambda store, event: store.update(event.model_copy(update={"request_id": "c0ffee"})),
    "close": lambda store, event: store.close(
        event.id, closed_by="bob", closed_reason="The primary database answers again"
    ),
    "delete": lambda store, event: store.delete(event.id),
    "extend": lambda store, event: store.extend(
        event.id, expires_at=event.expires_at + SECOND, extended_by="carol", reason="Not over yet"
    ),
    "review": lambda store, event: store.review(
        event.id, reviewed_by="carol", outcome="justified", comment="There was no other way"
    ),
    "hold": lambda store, event: store.hold(event.id, held_by="dave", reason="Case 7"),
    "release_hold": lambda store, event: store.release_hold(
        event.id, released_by="dave", reason="Case closed"
    ),
}
PREPARED: dict[str, str] = {"review": "close", "release_hold": "hold"}
"""The write that each of these needs before it."""
READS: dict[str, Write] = {
    "get": lambda store, event: store.get(event.id),
    "list_by_invoker": lambda store, event: store.list_by_invoker(event.invoker),
    "list_by_status": lambda store, event: store.list_by_status("active"),
    "list_by_profile": lambda store, event: store.list_by_profile(event.profile),
    "find_active_by_invoker_and_profile": lambda store, event: (
        store.find_active_by_invoker_and_profile(event.invoker, event.profile)
    ),
    "find_active_by_invoker_and_profiles": lambda store, event: (
        store.find_active_by_invoker_and_profiles(event.invoker, [event.profile])
    ),
    "count_by_invoker_since": lambda store, event: store.count_by_invoker_since(
        event.invoker, event.created_at
    ),
    "count_by_profile_since": lambda store, event: store.count_by_profile_since(
        event.profile, event.created_at
    ),
    "get_last_by_invoker_and_profile": lambda store, event: store.get_last_by_invoker_and_profile(
        event.invoker, event.profile
    ),
    "history": lambda store, event: store.history(event.id),
    "list_awaiting_review": lambda store, event: store.list_awaiting_review(),
}
GOVERNED = ("extend", "review", "hold", "release_hold", "history", "list_awaiting_review")


# The quick tests try the contract on the store inside.
@pytest.mark.slow
class TestWithoutFaults(GovernedStoreContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> FaultyStore:
        return FaultyStore(InMemoryStore(clock=clock), seed=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def inside(clock: FakeClock) -> InMemoryStore:
    return InMemoryStore(clock=clock)


@pytest.fixture
async def event(inside: InMemoryStore, clock: FakeClock) -> BreakGlassEvent:
    """An event in the inner store."""
    return await inside.create(make_event(created_at=clock()))


class TestLostRequest:
    @pytest.fixture
    def store(self, inside: InMemoryStore) -> FaultyStore:
        return FaultyStore(inside, seed=1, lost_requests=1.0)

    async def test_lost_create_request_creates_nothing(
        self, store: FaultyStore, inside: InMemoryStore, clock: FakeClock
    ) -> None:
        event = make_event(created_at=clock())
        with pytest.raises(StoreUnavailableError) as error:
            await store.create(event)
        assert error.value.outcome_unknown
        with pytest.raises(EventNotFoundError):
            await inside.get(event.id)
        assert store.lost == (("create", "request"),)

    @pytest.mark.parametrize("name", WRITES)
    async def test_lost_write_request_changes_nothing(
        self, store: FaultyStore, inside: InMemoryStore, event: BreakGlassEvent, name: str
    ) -> None:
        with pytest.raises(StoreUnavailableError) as error:
            await WRITES[name](store, event)
        assert error.value.outcome_unknown
        assert await inside.get(event.id) == event
        assert store.lost == ((name, "request"),)

    @pytest.mark.parametrize("name", READS)
    async def test_lost_read_request_has_a_known_outcome(
        self, store: FaultyStore, event: BreakGlassEvent, name: str
    ) -> None:
        with pytest.raises(StoreUnavailableError) as error:
            await READS[name](store, event)
        assert not error.value.outcome_unknown
        assert store.lost == ((name, "request"),)


class TestLostAnswer:
    @pytest.fixture
    def store(self, inside: InMemoryStore) -> FaultyStore:
        return FaultyStore(inside, seed=1, lost_answers=1.0)

    async def test_lost_create_answer_leaves_the_event(
        self, store: FaultyStore, inside: InMemoryStore, clock: FakeClock
    ) -> None:
        event = make_event(created_at=clock())
        with pytest.raises(StoreUnavailableError) as error:
            await store.create(event)
        assert error.value.outcome_unknown
        assert await inside.get(event.id) == event
        assert store.lost == (("create", "answer"),)

    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            ("update", "request_id", "c0ffee"),
            ("close", "status", BreakGlassStatus.CLOSED),
            ("extend", "extensions", 1),
            ("review", "reviewed_by", "carol"),
            ("hold", "held_by", "dave"),
            ("release_hold", "held_by", None),
        ],
    )
    async def test_lost_write_answer_leaves_the_change(
        self,
        store: FaultyStore,
        inside: InMemoryStore,
        event: BreakGlassEvent,
        name: str,
        field: str,
        value: object,
    ) -> None:
        if name in PREPARED:
            await WRITES[PREPARED[name]](FaultyStore(inside, seed=1), event)
        with pytest.raises(StoreUnavailableError) as error:
            await WRITES[name](store, event)
        assert error.value.outcome_unknown
        assert getattr(await inside.get(event.id), field) == value
        assert store.lost == ((name, "answer"),)

    async def test_lost_delete_answer_leaves_no_event(
        self, store: FaultyStore, inside: InMemoryStore, event: BreakGlassEvent
    ) -> None:
        with pytest.raises(StoreUnavailableError):
            await WRITES["delete"](store, event)
        with pytest.raises(EventNotFoundError):
            await inside.get(event.id)

    async def test_lost_refusal_has_an_unknown_outcome(
        self, store: FaultyStore, event: BreakGlassEvent, clock: FakeClock
    ) -> None:
        """The caller does not learn that the write was refused."""
        with pytest.raises(StoreUnavailableError) as error:
            await store.create(make_event(created_at=clock()))
        assert error.value.outcome_unknown
        assert isinstance(error.value.__cause__, ActiveEventExistsError)

    @pytest.mark.parametrize("name", READS)
    async def test_lost_read_answer_has_a_known_outcome(
        self, store: FaultyStore, event: BreakGlassEvent, name: str
    ) -> None:
        with pytest.raises(StoreUnavailableError) as error:
            await READS[name](store, event)
        assert not error.value.outcome_unknown


class TestSeed:
    async def lost(self, seed: int, clock: FakeClock) -> list[tuple[int, str]]:
        store = FaultyStore(
            InMemoryStore(clock=clock), seed=seed, lost_requests=0.2, lost_answers=0.3
        )
        losses: list[tuple[int, str]] = []
        for number in range(200):
            try:
                await store.create(make_event(profile=f"p{number}", created_at=clock()))
            except StoreUnavailableError:
                losses.append((number, store.lost[-1][1]))
        return losses

    async def test_same_seed_loses_the_same_calls(self, clock: FakeClock) -> None:
        assert await self.lost(7, clock) == await self.lost(7, clock)

    async def test_other_seed_loses_other_calls(self, clock: FakeClock) -> None:
        assert await self.lost(7, clock) != await self.lost(8, clock)

    async def test_losses_follow_their_shares(self, clock: FakeClock) -> None:
        """The seed is fixed, so these counts are too."""
        kinds = [kind for _, kind in await self.lost(7, clock)]
        assert 25 < kinds.count("request") < 55
        assert 45 < kinds.count("answer") < 75


class TestDelay:
    async def test_each_call_is_delayed_before_and_after(
        self, inside: InMemoryStore, event: BreakGlassEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []

        async def sleep(delay: float) -> None:
            slept.append(delay)

        store = FaultyStore(inside, seed=1, longest_delay=SECOND)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await store.get(event.id)
        with pytest.raises(EventNotFoundError):
            await store.get("0" * 16)
        # The inner store sleeps for 0 seconds in place of a network.
        delays = [delay for delay in slept if delay]
        assert len(delays) == len(set(delays)) == 4
        assert all(0 < delay < 1 for delay in delays)


class TestWrongUse:
    @pytest.mark.parametrize("share", ["lost_requests", "lost_answers"])
    @pytest.mark.parametrize("name", [*WRITES, *READS, "create"])
    async def test_wrong_argument_is_refused_and_never_lost(
        self, inside: InMemoryStore, share: str, name: str
    ) -> None:
        """A call that is never sent cannot be lost."""
        lossy: dict[str, Any] = {share: 1.0}
        store = FaultyStore(inside, seed=1, **lossy)
        an_event = {"event_id": "0" * 16}
        wrong: dict[str, dict[str, Any]] = {
            "create": {"event": 1},
            "update": {"event": 1},
            "close": {"event_id": "x", "closed_by": "bob", "closed_reason": "Enough of this"},
            "delete": {"event_id": "x"},
            "get": {"event_id": "x"},
            "list_by_invoker": {"invoker": ""},
            "list_by_status": {"status": "open"},
            "list_by_profile": {"profile": ""},
            "find_active_by_invoker_and_profile": {"invoker": "", "profile": "prod"},
            "find_active_by_invoker_and_profiles": {"invoker": "", "profiles": ["prod"]},
            "count_by_invoker_since": {"invoker": "alice", "since": 1},
            "count_by_profile_since": {"profile": "prod", "since": 1},
            "get_last_by_invoker_and_profile": {"invoker": "", "profile": "prod"},
            "history": {"event_id": "x"},
            "extend": {**an_event, "extended_by": "carol", "expires_at": "noon", "reason": "More"},
            "review": {**an_event, "reviewed_by": "", "outcome": "justified", "comment": "Fine"},
            "hold": {**an_event, "held_by": "", "reason": "Case 7"},
            "release_hold": {**an_event, "released_by": "dave", "reason": ""},
            "list_awaiting_review": {"outcome": "justified"},
        }
        with pytest.raises((TypeError, ValueError)):
            await getattr(store, name)(**wrong[name])
        assert store.lost == ()

    @pytest.mark.parametrize("name", GOVERNED)
    async def test_governed_method_of_an_ungoverned_store_is_refused(
        self, inside: InMemoryStore, event: BreakGlassEvent, name: str
    ) -> None:
        """The error names the method that the store inside lacks."""

        class Ungoverned(BreakGlassStore):
            pass

        ungoverned: Any = Ungoverned
        store = FaultyStore(ungoverned(), seed=1, lost_answers=1.0)
        with pytest.raises(TypeError, match=rf"GovernedStore for {name}, not Ungoverned"):
            await {**WRITES, **READS}[name](store, event)
        assert store.lost == ()

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"lost_requests": 1.1}, ValueError),
            ({"lost_answers": -0.1}, ValueError),
            ({"lost_answers": "0.1"}, TypeError),
            ({"lost_requests": True}, TypeError),
            ({"lost_requests": 0.6, "lost_answers": 0.6}, ValueError),
            ({"longest_delay": -SECOND}, ValueError),
            ({"longest_delay": 1.0}, TypeError),
        ],
    )
    def test_wrong_option_is_refused_by_name(
        self, inside: InMemoryStore, options: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=next(iter(options))):
            FaultyStore(inside, seed=1, **options)
