"""Test the contract of `hold` and `release_hold`: a held event cannot be deleted."""

from __future__ import annotations

import pytest

from aiobreakglass import (
    EventHeldError,
    EventNotFoundError,
    GovernedStore,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_governed_steps import (
    EXTENDED,
    HELD,
    RELEASED,
    Governed,
    ended,
    extended,
    held,
    released,
)
from aiobreakglass.testing._contract_history import CREATED, Told, told, whole_history
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    CLOSING,
    EXPIRED,
    EXPIRING,
    MINUTE,
    NEVER_USED,
    assert_free,
    assert_held_by,
    changed,
    closed,
    fresh,
    holder,
    lapsed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock

LAPSED = "lapsed"
FREE = {"held_by": None, "held_at": None, "held_reason": None}


class HoldContract:
    """A hold keeps an event and its history until it is released."""

    @pytest.mark.parametrize("status", [ACTIVE, CLOSED, EXPIRED, LAPSED])
    async def test_event_of_any_status_is_held_and_released(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """A hold and its release change the hold's own fields, and nothing of what happened."""
        event = (
            await opened(store, clock) if status == ACTIVE else await ended(store, clock, status)
        )
        clock.advance(MINUTE)
        kept = await held(store, event)
        hold = {"held_by": "dave", "held_at": clock(), "held_reason": "The regulator asks"}
        assert kept == changed(event, **hold, updated_at=clock())
        assert await store.get(event.id) == kept
        clock.advance(MINUTE)
        free = await released(store, kept)
        assert free == changed(kept, **FREE, updated_at=clock())
        assert await store.get(event.id) == free
        entries = await whole_history(store, clock, event.id)
        assert told(entries)[-2:] == [HELD, RELEASED]
        assert [entry.event for entry in entries[-2:]] == [kept, free]

    @pytest.mark.parametrize("status", [ACTIVE, CLOSED, EXPIRED, LAPSED])
    async def test_held_event_is_not_deleted(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """The error has the event; after the release it can be deleted."""
        event = (
            await opened(store, clock) if status == ACTIVE else await ended(store, clock, status)
        )
        kept = await held(store, event)
        for _ in range(2):
            with pytest.raises(EventHeldError) as refusal:
                await store.delete(event.id, by="mallory")
            assert refusal.value.event == kept
        assert await store.get(event.id) == kept
        await released(store, event)
        await store.delete(event.id)
        entries = await whole_history(store, clock, event.id)
        assert told(entries)[-3:] == [HELD, RELEASED, Told("deleted")]

    async def test_held_event_is_not_held_again(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """The first hold stays, even if another person repeats it; the error has the event."""
        kept = await held(store, await opened(store, clock))
        for by in ("dave", "erin"):
            with pytest.raises(EventHeldError) as refusal:
                await store.hold(kept.id, held_by=by, reason="Another lawsuit")
            assert refusal.value.event == kept
        assert told(await whole_history(store, clock, kept.id)) == [CREATED, HELD]

    async def test_event_without_hold_is_not_released(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """There is nothing to release, before a hold and after its release."""
        event = await opened(store, clock)
        with pytest.raises(InvalidStateTransitionError):
            await released(store, event)
        await released(store, await held(store, event))
        with pytest.raises(InvalidStateTransitionError):
            await released(store, event)
        assert told(await whole_history(store, clock, event.id)) == [CREATED, HELD, RELEASED]

    async def test_released_event_is_held_again(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Each hold and each release has its entry."""
        event = await ended(store, clock, CLOSED)
        for _ in range(3):
            await released(store, await held(store, event))
        kept = await held(store, event)
        entries = await whole_history(store, clock, event.id)
        assert told(entries)[2:] == [*([HELD, RELEASED] * 3), HELD]
        with pytest.raises(EventHeldError):
            await store.delete(event.id)
        assert await store.get(event.id) == kept

    async def test_held_event_grants_access_as_any_other(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A hold keeps the record: it neither ends access nor prolongs it."""
        kept = await held(store, await opened(store, clock))
        await assert_held_by(store, clock, kept)
        clock.set(kept.expires_at)
        assert await holder(store, kept) is None
        another = await opened(store, clock)
        entries = await whole_history(store, clock, kept.id)
        assert told(entries) == [CREATED, HELD, Told("expired")]
        await assert_held_by(store, clock, another)

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (closed, Told("closed", "bob", "Over")),
            (updating(**CLOSING), Told("closed", "bob", "Over")),
            (updating(request_id="c0ffee"), Told("updated")),
            (extended, EXTENDED),
        ],
        ids=["close by id", "close by update", "touch", "extend"],
    )
    async def test_held_event_changes_and_stays_held(
        self, store: GovernedStore, clock: FakeClock, change: Governed, expected: Told
    ) -> None:
        """Everything but a deletion is possible, and no change ends the hold."""
        kept = await held(store, await opened(store, clock))
        after = await change(store, kept)
        hold = {field: getattr(kept, field) for field in FREE}
        assert after == changed(after, **hold)
        assert told(await whole_history(store, clock, kept.id)) == [CREATED, HELD, expected]
        with pytest.raises(EventHeldError):
            await store.delete(kept.id)

    async def test_held_event_expires_and_stays_held(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Access runs out under a hold, too."""
        kept = await held(store, await lapsed(store, clock))
        after = await store.update(changed(kept, **EXPIRING))
        assert (after.status, after.held_by) == (EXPIRED, "dave")
        await assert_free(store, clock, kept)

    async def test_imported_hold_is_a_hold(self, store: GovernedStore, clock: FakeClock) -> None:
        """An ended event that is imported as held cannot be deleted either."""
        event = await store.create(
            fresh(clock, status=CLOSED, held_by="dave", held_at=clock(), held_reason="A lawsuit")
        )
        with pytest.raises(EventHeldError) as refusal:
            await store.delete(event.id)
        assert refusal.value.event == event
        await released(store, event)
        await store.delete(event.id)

    @pytest.mark.parametrize("attempt", [held, released])
    async def test_hold_of_unknown_event_is_refused(
        self, store: GovernedStore, clock: FakeClock, attempt: Governed
    ) -> None:
        """There is nothing to hold, before and after a deletion."""
        event = await opened(store, clock)
        await store.delete(event.id)
        for event_id in (NEVER_USED, event.id):
            with pytest.raises(EventNotFoundError) as failure:
                await attempt(store, changed(event, id=event_id))
            assert failure.value.event_id == event_id
