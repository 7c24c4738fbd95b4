"""Test the contract of concurrent extensions, reviews and holds: nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime

import pytest

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    EventHeldError,
    EventNotFoundError,
    GovernedStore,
    ReviewRefusedError,
)
from aiobreakglass.testing._contract_governed_steps import (
    EXTENDED,
    HELD,
    REVIEWED,
    Governed,
    ended,
    extended,
    held,
    released,
    reviewed,
)
from aiobreakglass.testing._contract_history import CREATED, Told, told, whole_history
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    MINUTE,
    Attempt,
    assert_held_by,
    changed,
    closed,
    deleted,
    opened,
)
from aiobreakglass.testing._events import FakeClock


async def together(
    store: GovernedStore, event: BreakGlassEvent, *attempts: Governed | Attempt
) -> list[object]:
    """Run attempts at once, and return what each returned or raised."""
    outcomes = await asyncio.gather(
        *(attempt(store, event) for attempt in attempts), return_exceptions=True
    )
    return list(outcomes)


async def assert_all_recorded(
    store: GovernedStore, clock: FakeClock, event: BreakGlassEvent, outcomes: list[object]
) -> None:
    """Assert that each event that was returned has one entry, and that the last one is stored."""
    entries = await whole_history(store, clock, event.id)
    snapshots = Counter(entry.event for entry in entries)
    made = Counter(outcome for outcome in outcomes if isinstance(outcome, BreakGlassEvent))
    assert made <= snapshots
    assert set(made.values()) <= {1}
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(failure, BreakGlassError) for failure in failures)


def reviewing(by: str, outcome: str = "justified") -> Governed:
    """Return an attempt of this person to review an event."""
    return lambda store, event: reviewed(store, event, outcome, by)


def extending(expires_at: datetime) -> Governed:
    """Return an attempt to extend an event to this end."""
    return lambda store, event: extended(store, event, expires_at)


class OversightRacesContract:
    """Concurrent changes have one winner, or all of them happen; none overwrites another."""

    @pytest.mark.parametrize("status", [CLOSED, "lapsed"])
    async def test_concurrent_final_reviews_have_one_winner(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """One reviewer decides, and the others are told what was decided."""
        event = await ended(store, clock, status)
        outcomes = await together(
            store, event, *(reviewing(by) for by in ("bob", "carol", "dave", "erin"))
        )
        (winner,) = (each for each in outcomes if isinstance(each, BreakGlassEvent))
        refusals = [each for each in outcomes if isinstance(each, ReviewRefusedError)]
        assert [refusal.event for refusal in refusals] == [winner] * 3
        assert await store.get(event.id) == winner
        entries = await whole_history(store, clock, event.id)
        assert [entry.action for entry in entries[2:]] == ["reviewed"]

    async def test_concurrent_follow_ups_all_happen(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A review that is not final hinders no other one, and each has its entry."""
        event = await ended(store, clock, CLOSED)
        names = ("bob", "carol", "dave")
        outcomes = await together(
            store, event, *(reviewing(by, "needs_follow_up") for by in names)
        )
        await assert_all_recorded(store, clock, event, outcomes)
        entries = await whole_history(store, clock, event.id)
        assert {entry.by for entry in entries[2:]} == {*names}

    async def test_concurrent_review_and_hold_both_happen(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Neither overwrites the other."""
        event = await ended(store, clock, CLOSED)
        outcomes = await together(store, event, reviewed, held)
        await assert_all_recorded(store, clock, event, outcomes)
        after = await store.get(event.id)
        assert (after.reviewed_by, after.held_by) == ("carol", "dave")
        entries = await whole_history(store, clock, event.id)
        assert {*told(entries)[2:]} == {REVIEWED, HELD}

    async def test_concurrent_close_and_hold_both_happen(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A closing that was decided before the hold does not remove it."""
        event = await opened(store, clock)
        outcomes = await together(store, event, closed, held)
        await assert_all_recorded(store, clock, event, outcomes)
        after = await store.get(event.id)
        assert (after.status, after.held_by) == (CLOSED, "dave")
        with pytest.raises(EventHeldError):
            await store.delete(event.id)

    async def test_concurrent_holds_have_one_winner(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """One hold is on; the others are told which one."""
        event = await opened(store, clock)
        outcomes = await together(store, event, held, held, held)
        (winner,) = (each for each in outcomes if isinstance(each, BreakGlassEvent))
        refusals = [each for each in outcomes if isinstance(each, EventHeldError)]
        assert [refusal.event for refusal in refusals] == [winner] * 2
        assert told(await whole_history(store, clock, event.id)) == [CREATED, HELD]

    async def test_concurrent_release_and_hold_end_in_one_of_both(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """The event is as the last entry of its history says."""
        event = await held(store, await opened(store, clock))
        outcomes = await together(store, event, released, held)
        await assert_all_recorded(store, clock, event, outcomes)
        entries = await whole_history(store, clock, event.id)
        after = await store.get(event.id)
        assert entries[-1].event == after
        assert (after.held_by is not None) is (entries[-1].action == "held")

    @pytest.mark.parametrize("status", [ACTIVE, CLOSED])
    async def test_concurrent_hold_and_delete_have_one_winner(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """The event is held and there, or deleted and not held."""
        event = (
            await opened(store, clock) if status == ACTIVE else await ended(store, clock, status)
        )
        hold, deletion = await together(store, event, held, deleted)
        if isinstance(hold, BreakGlassEvent):
            assert isinstance(deletion, EventHeldError)
            assert await store.get(event.id) == hold
        else:
            assert isinstance(hold, EventNotFoundError)
            assert deletion is None
        entries = await whole_history(store, clock, event.id)
        assert told(entries)[-1] in (HELD, Told("deleted"))

    async def test_concurrent_extension_and_close_end_in_a_closed_event(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """The extension happens before the closing, or not at all; access ends either way."""
        event = await opened(store, clock)
        outcomes = await together(store, event, extended, closed)
        await assert_all_recorded(store, clock, event, outcomes)
        after = await store.get(event.id)
        assert (after.status, after.ended_at) == (CLOSED, clock())
        extension = outcomes[0]
        was_extended = isinstance(extension, BreakGlassEvent)
        assert after.extensions == was_extended
        assert after.expires_at == (
            extension.expires_at if isinstance(extension, BreakGlassEvent) else event.expires_at
        )

    async def test_concurrent_extensions_to_one_end_count_once(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """The first one moves the end; the others do not move it later, so they are refused."""
        event = await opened(store, clock)
        outcomes = await together(store, event, extended, extended, extended)
        (longer,) = (each for each in outcomes if isinstance(each, BreakGlassEvent))
        assert sum(isinstance(each, ValueError) for each in outcomes) == 2
        assert longer.extensions == 1
        assert told(await whole_history(store, clock, event.id)) == [CREATED, EXTENDED]
        await assert_held_by(store, clock, longer)

    async def test_concurrent_extensions_to_different_ends_leave_the_latest(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """No extension is lost to a shorter one, which is refused if it comes second."""
        event = await opened(store, clock)
        ends = [event.expires_at + minutes * MINUTE for minutes in (60, 20, 40)]
        outcomes = await together(store, event, *map(extending, ends))
        made = [each for each in outcomes if not isinstance(each, ValueError)]
        await assert_all_recorded(store, clock, event, made)
        after = await store.get(event.id)
        assert (after.expires_at, after.extensions) == (max(ends), len(made))
        await assert_held_by(store, clock, after)

    @pytest.mark.parametrize(
        ("prepare", "attempt"),
        [(None, extended), (closed, reviewed), (None, held), (held, released)],
        ids=["extend", "review", "hold", "release"],
    )
    async def test_repeated_cancelled_change_happens_once(
        self,
        store: GovernedStore,
        clock: FakeClock,
        prepare: Governed | None,
        attempt: Governed,
    ) -> None:
        """A change that is cancelled and then repeated has one entry."""
        event = await opened(store, clock)
        if prepare is not None:
            event = await prepare(store, event)
        before = len(await store.history(event.id))
        end = event.expires_at
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await attempt(store, event)
        with suppress(BreakGlassError, ValueError):
            await attempt(store, changed(event, expires_at=end))
        assert len(await whole_history(store, clock, event.id)) == before + 1
