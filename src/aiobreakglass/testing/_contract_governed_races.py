"""Test that concurrent and cancelled calls leave one entry for each change."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    ConcurrentModificationError,
    EventNotFoundError,
    GovernedStore,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_history import CREATED, Told, told, whole_history
from aiobreakglass.testing._contract_steps import (
    CLOSING,
    HOUR,
    Attempt,
    changed,
    closed,
    deleted,
    fresh,
    lapsed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock

TOUCH = updating(request_id="c0ffee")


class GovernedRacesContract:
    """Each change has exactly one entry, whatever else happens at the same time."""

    @pytest.mark.parametrize(
        "attempts",
        [
            [closed, closed, closed],
            [TOUCH, TOUCH, TOUCH],
            [closed, TOUCH, updating(**CLOSING)],
            [closed, deleted, TOUCH],
            [TOUCH, deleted, deleted],
        ],
        ids=["closes", "touches", "close and touch", "close and delete", "deletes"],
    )
    async def test_concurrent_changes_have_one_entry_each(
        self, store: GovernedStore, clock: FakeClock, attempts: list[Attempt]
    ) -> None:
        """The history has an entry of each change that happened, and of no other."""
        event = await opened(store, clock)
        outcomes = await asyncio.gather(
            *(attempt(store, event) for attempt in attempts), return_exceptions=True
        )
        entries = await whole_history(store, clock, event.id)
        snapshots = [entry.event for entry in entries if entry.event is not None]
        made = [outcome for outcome in outcomes if isinstance(outcome, BreakGlassEvent)]
        assert Counter(snapshots) == Counter([event, *made])
        # Deletions are idempotent, so several may succeed, and one of them has deleted it.
        assert len(entries) - len(snapshots) == (deleted in attempts)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert all(isinstance(refusal, BreakGlassError) for refusal in refusals)

    async def test_every_concurrent_writer_is_recorded(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """If each of several writers tries until it succeeds, each of them has an entry."""
        event = await opened(store, clock)
        writers = ["bob", "carol", "dave", "erin"]

        async def write(by: str) -> BreakGlassEvent:
            while True:
                with suppress(ConcurrentModificationError):
                    return await store.update(await store.get(event.id), by=by)

        written = await asyncio.gather(*map(write, writers))
        entries = await whole_history(store, clock, event.id)
        assert {entry.by: entry.event for entry in entries[1:]} == dict(
            zip(writers, written, strict=True)
        )
        assert len(entries) == 1 + len(writers)

    async def test_concurrent_creates_of_one_id_begin_one_history(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """One create begins the history, and the other ones add nothing."""
        event = fresh(clock)
        await asyncio.gather(*(store.create(event) for _ in range(4)), return_exceptions=True)
        assert told(await whole_history(store, clock, event.id)) == [CREATED]

    async def test_concurrent_creates_of_one_pair_record_one_expiry(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """All of them find the lapsed event, whose expiry is recorded once."""
        old = await lapsed(store, clock)
        events = [fresh(clock) for _ in range(4)]
        outcomes = await asyncio.gather(*map(store.create, events), return_exceptions=True)
        assert told(await whole_history(store, clock, old.id)) == [CREATED, Told("expired")]
        for event, outcome in zip(events, outcomes, strict=True):
            if isinstance(outcome, BreakGlassEvent):
                assert told(await whole_history(store, clock, event.id)) == [CREATED]
            else:
                with pytest.raises(EventNotFoundError):
                    await store.history(event.id)

    async def test_cancelled_create_is_recorded_if_it_happened(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A cancelled create stores the event and its entry, or neither."""
        event = fresh(clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await store.create(event)
        with suppress(BreakGlassError):
            await store.create(event)
        assert told(await whole_history(store, clock, event.id)) == [CREATED]

    @pytest.mark.parametrize("attempt", [closed, deleted], ids=["close", "delete"])
    async def test_repeated_cancelled_ending_is_recorded_once(
        self, store: GovernedStore, clock: FakeClock, attempt: Attempt
    ) -> None:
        """A change that is cancelled and then repeated happens once."""
        event = await opened(store, clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await attempt(store, event)
        with suppress(InvalidStateTransitionError):
            await attempt(store, event)
        assert len(await whole_history(store, clock, event.id)) == 2

    async def test_concurrent_extensions_are_counted_once(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """One of several extensions of the same version happens, and is counted."""
        event = await opened(store, clock)
        longer = changed(event, expires_at=event.expires_at + HOUR)
        await asyncio.gather(*(store.update(longer) for _ in range(3)), return_exceptions=True)
        assert (await store.get(event.id)).extensions == 1
        assert told(await whole_history(store, clock, event.id)) == [CREATED, Told("extended")]
