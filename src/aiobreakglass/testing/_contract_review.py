"""Test the contract of `review`: somebody else judges a use that has ended."""

from __future__ import annotations

import pytest

from aiobreakglass import EventNotFoundError, GovernedStore, ReviewOutcome, ReviewRefusedError
from aiobreakglass.testing._contract_governed_steps import REVIEWED, ended, held, reviewed
from aiobreakglass.testing._contract_history import CREATED, Told, told, whole_history
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    EXPIRED,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    assert_free,
    assert_held_by,
    fresh,
    opened,
)
from aiobreakglass.testing._events import FakeClock

FINAL = ("justified", "unjustified")
LAPSED = "lapsed"

each_end = pytest.mark.parametrize("status", [CLOSED, EXPIRED, LAPSED])


class ReviewContract:
    """A review is added to an event that has ended, by somebody who did not open it."""

    @each_end
    @pytest.mark.parametrize("outcome", [*ReviewOutcome, *map(str, ReviewOutcome)])
    async def test_review_adds_who_when_what_and_why(
        self, store: GovernedStore, clock: FakeClock, status: str, outcome: ReviewOutcome | str
    ) -> None:
        """The outcome is given as text or enum; what happened does not change."""
        event = await ended(store, clock, status)
        clock.advance(MINUTE)
        after = await reviewed(store, event, outcome)
        assert after.review_outcome is ReviewOutcome(outcome)
        assert after == event.model_copy(
            update={
                "status": EXPIRED if status == LAPSED else event.status,
                "ended_at": event.ended_at or event.expires_at,
                "reviewed_by": "carol",
                "reviewed_at": clock(),
                "review_outcome": ReviewOutcome(outcome),
                "review_comment": "There was no\nother way",
                "updated_at": after.updated_at,
            }
        )
        assert after.updated_at > event.updated_at
        assert await store.get(event.id) == after
        await assert_free(store, clock, event)

    @each_end
    async def test_review_is_recorded(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """The entry says who reviewed and why; a lapsed event is marked expired before."""
        event = await ended(store, clock, status)
        after = await reviewed(store, event)
        entries = await whole_history(store, clock, event.id)
        ending = Told("closed", "bob", "Over") if status == CLOSED else Told("expired")
        assert told(entries) == [CREATED, ending, REVIEWED]
        assert entries[-1].event == after

    async def test_review_of_active_event_is_refused(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """It can be judged once it has ended: the boundary instant counts as ended."""
        event = await opened(store, clock)
        clock.set(event.expires_at - MICROSECOND)
        with pytest.raises(ReviewRefusedError) as refusal:
            await reviewed(store, event)
        assert refusal.value.event == event
        assert told(await whole_history(store, clock, event.id)) == [CREATED]
        await assert_held_by(store, clock, event)
        clock.set(event.expires_at)
        await reviewed(store, event)

    @pytest.mark.parametrize("by", ["alice", "Alice", "ALICE"])
    @pytest.mark.parametrize("status", [ACTIVE, CLOSED, EXPIRED, LAPSED])
    async def test_review_by_the_invoker_is_refused(
        self, store: GovernedStore, clock: FakeClock, status: str, by: str
    ) -> None:
        """Nobody reviews their own use, whatever the case of the letters."""
        event = (
            await opened(store, clock) if status == ACTIVE else await ended(store, clock, status)
        )
        for outcome in ReviewOutcome:
            with pytest.raises(ReviewRefusedError) as refusal:
                await reviewed(store, event, outcome, by)
            assert refusal.value.event.id == event.id
        assert (await store.get(event.id)).review_outcome is None

    @pytest.mark.parametrize("final", FINAL)
    @pytest.mark.parametrize("outcome", ReviewOutcome)
    async def test_final_review_never_changes(
        self, store: GovernedStore, clock: FakeClock, final: str, outcome: ReviewOutcome
    ) -> None:
        """A second review of a final outcome is refused, also by the same reviewer."""
        event = await reviewed(store, await ended(store, clock, CLOSED), final)
        for by in ("carol", "dave"):
            with pytest.raises(ReviewRefusedError) as refusal:
                await reviewed(store, event, outcome, by)
            assert refusal.value.event == event
        assert await store.get(event.id) == event
        assert len(await whole_history(store, clock, event.id)) == 3

    @pytest.mark.parametrize("outcome", ReviewOutcome)
    async def test_event_that_needs_follow_up_is_reviewed_again(
        self, store: GovernedStore, clock: FakeClock, outcome: ReviewOutcome
    ) -> None:
        """The last review is on the event, and each has its entry."""
        event = await reviewed(store, await ended(store, clock, CLOSED), "needs_follow_up")
        clock.advance(MINUTE)
        after = await reviewed(store, event, outcome, "dave")
        assert (after.reviewed_by, after.reviewed_at) == ("dave", clock())
        assert after.review_outcome is outcome
        entries = await whole_history(store, clock, event.id)
        assert told(entries)[2:] == [REVIEWED, REVIEWED._replace(by="dave")]
        assert [entry.event for entry in entries[2:]] == [event, after]

    async def test_imported_event_is_reviewed(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """An import waits for its review like any other event."""
        event = await store.create(fresh(clock, status=CLOSED))
        assert (await reviewed(store, event)).reviewed_by == "carol"

    async def test_held_event_is_reviewed(self, store: GovernedStore, clock: FakeClock) -> None:
        """A hold keeps the record, and hinders no review."""
        event = await held(store, await ended(store, clock, CLOSED))
        after = await reviewed(store, event)
        assert (after.held_by, after.held_at) == (event.held_by, event.held_at)

    async def test_review_of_unknown_event_is_refused(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """There is nothing to review, before and after a deletion."""
        event = await ended(store, clock, CLOSED)
        await store.delete(event.id)
        for event_id in (NEVER_USED, event.id):
            with pytest.raises(EventNotFoundError) as failure:
                await reviewed(store, event.model_copy(update={"id": event_id}))
            assert failure.value.event_id == event_id
