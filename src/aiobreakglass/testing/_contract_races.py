"""Test the contract of concurrent and cancelled calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    BreakGlassStore,
    ConcurrentModificationError,
    EventExistsError,
    EventNotFoundError,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    CLOSING,
    EXPIRED,
    EXPIRING,
    MINUTE,
    Attempt,
    assert_free,
    assert_held_by,
    changed,
    closed,
    deleted,
    fresh,
    holder,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock


class RacesContract:
    """Concurrent and cancelled calls leave the store consistent."""

    @pytest.mark.parametrize("before", [None, "lapsed", "closed", "deleted"])
    async def test_concurrent_creates_of_one_pair_have_one_winner(
        self, store: BreakGlassStore, clock: FakeClock, before: str | None
    ) -> None:
        """Exactly one call creates its event; the others raise with that event."""
        old = None if before is None else await opened(store, clock)
        if old and before == "lapsed":
            clock.set(old.expires_at)
        if old and before == "closed":
            await closed(store, old)
        if old and before == "deleted":
            await store.delete(old.id)
        outcomes = await _at_once(*(opened(store, clock) for _ in range(8)))
        (winner,) = _results(outcomes)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, ActiveEventExistsError)]
        assert [refusal.event for refusal in refusals] == [winner] * 7
        assert await _active(store) == [winner]
        await assert_held_by(store, clock, winner)

    async def test_concurrent_creates_of_different_pairs_all_succeed(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Events of different pairs never block each other."""
        events = [
            fresh(clock, invoker=invoker, profile=profile)
            for invoker in ("alice", "bob", "carol")
            for profile in ("prod", "staging")
        ]
        assert await _at_once(*map(store.create, events)) == events
        assert [await holder(store, event) for event in events] == events

    async def test_concurrent_creates_of_one_event_have_one_winner(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """One call creates it, and the other raises because the id is taken."""
        event = fresh(clock)
        outcomes = await _at_once(store.create(event), store.create(event))
        assert _results(outcomes) == [event]
        assert _errors(outcomes) == [EventExistsError]
        await assert_held_by(store, clock, event)

    async def test_concurrent_closes_have_one_winner(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """One call closes it, and the other raises because it is closed."""
        event = await opened(store, clock)
        outcomes = await _at_once(
            store.close(event.id, closed_by="bob", closed_reason="Over"),
            store.close(event.id, closed_by="carol", closed_reason="No longer needed"),
        )
        (winner,) = _results(outcomes)
        (refusal,) = [error for error in outcomes if isinstance(error, BaseException)]
        assert isinstance(refusal, InvalidStateTransitionError)
        assert (refusal.current_status, refusal.new_status) == (CLOSED, CLOSED)
        assert await store.get(event.id) == winner
        await assert_free(store, clock, event)

    async def test_concurrent_updates_of_one_copy_have_one_winner(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """One call updates it, and the other raises because it has changed."""
        event = await opened(store, clock)
        outcomes = await _at_once(
            store.update(changed(event, request_id="first")),
            store.update(changed(event, request_id="second")),
        )
        (winner,) = _results(outcomes)
        assert _errors(outcomes) == [ConcurrentModificationError]
        await assert_held_by(store, clock, winner)

    @pytest.mark.parametrize(
        "change",
        [updating(request_id="c0ffee"), updating(**CLOSING)],
        ids=["touch", "close by update"],
    )
    @pytest.mark.parametrize("closes_first", [True, False], ids=["close first", "close last"])
    async def test_concurrent_update_and_close_end_closed(
        self, store: BreakGlassStore, clock: FakeClock, change: Attempt, closes_first: bool
    ) -> None:
        """The event ends closed, and an update after the close raises."""
        event = await opened(store, clock)
        calls = [closed(store, event), change(store, event)]
        outcomes = await _at_once(*(calls if closes_first else reversed(calls)))
        assert set(_errors(outcomes)) <= {InvalidStateTransitionError}
        stored = await store.get(event.id)
        assert stored.status is CLOSED
        assert stored in _results(outcomes)
        await assert_free(store, clock, event)

    @pytest.mark.parametrize(
        "change",
        [closed, updating(request_id="c0ffee"), deleted],
        ids=["close", "touch", "delete"],
    )
    @pytest.mark.parametrize("deletes_first", [True, False], ids=["delete first", "delete last"])
    async def test_concurrent_change_and_delete_end_deleted(
        self, store: BreakGlassStore, clock: FakeClock, change: Attempt, deletes_first: bool
    ) -> None:
        """The event ends deleted, and a change after the deletion raises."""
        event = await opened(store, clock)
        calls = [store.delete(event.id), change(store, event)]
        outcomes = await _at_once(*(calls if deletes_first else reversed(calls)))
        assert set(_errors(outcomes)) <= {EventNotFoundError}
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        await assert_free(store, clock, event)

    @pytest.mark.parametrize(
        "change",
        [closed, updating(**EXPIRING), updating(request_id="c0ffee"), deleted],
        ids=["close", "expire", "touch", "delete"],
    )
    async def test_concurrent_create_and_change_of_lapsed_event(
        self, store: BreakGlassStore, clock: FakeClock, change: Attempt
    ) -> None:
        """The new event is the only active one, whichever call ends the lapsed event."""
        old = await opened(store, clock)
        clock.set(old.expires_at)
        newer = fresh(clock)
        outcomes = await _at_once(change(store, old), store.create(newer))
        assert outcomes[1] == newer
        assert await _active(store) == [newer]
        if change is not deleted:
            assert (await store.get(old.id)).status is EXPIRED
        await assert_held_by(store, clock, newer)

    async def test_cancelled_create_leaves_at_most_one_active_event(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A cancelled `create` may store its event, but leaves at most one active event."""
        first, second = fresh(clock), fresh(clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await store.create(first)
        outcomes = await _at_once(store.create(second))
        winner = first if _errors(outcomes) == [ActiveEventExistsError] else second
        assert await _active(store) == [winner]
        await assert_held_by(store, clock, winner)

    async def test_cancelled_close_can_be_repeated(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """After a cancelled `close`, the event is closed or can be closed."""
        event = await opened(store, clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await closed(store, event)
        clock.advance(MINUTE)
        with suppress(InvalidStateTransitionError):
            await closed(store, event)
        assert (await store.get(event.id)).status is CLOSED
        await assert_free(store, clock, event)


Outcomes = list[object]


async def _at_once(*calls: Awaitable[object]) -> Outcomes:
    return list(await asyncio.gather(*calls, return_exceptions=True))


def _results(outcomes: Outcomes) -> list[BreakGlassEvent]:
    return [outcome for outcome in outcomes if isinstance(outcome, BreakGlassEvent)]


def _errors(outcomes: Outcomes) -> list[type[BaseException]]:
    return [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]


async def _active(store: BreakGlassStore) -> list[BreakGlassEvent]:
    return list(await store.list_by_status(ACTIVE))
