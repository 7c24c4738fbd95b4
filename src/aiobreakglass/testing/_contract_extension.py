"""Test the contract of `extend`: access lasts longer, without a gap and without a revival."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiobreakglass import (
    MAX_DURATION,
    EventNotFoundError,
    GovernedStore,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_governed_steps import EXTENDED, ended, extended
from aiobreakglass.testing._contract_history import CREATED, Told, told, whole_history
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    EXPIRED,
    HOUR,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    assert_free,
    assert_held_by,
    holder,
    lapsed,
    opened,
)
from aiobreakglass.testing._events import FakeClock

SECOND = timedelta(seconds=1)


class ExtensionContract:
    """An extension moves the end of access that is still held."""

    @pytest.mark.parametrize("longer", [MICROSECOND, HOUR, MAX_DURATION - HOUR])
    async def test_extension_moves_the_end(
        self, store: GovernedStore, clock: FakeClock, longer: timedelta
    ) -> None:
        """The event is returned as stored, up to 4 hours long, and the check returns it."""
        event = await opened(store, clock)
        clock.advance(MINUTE)
        longer_event = await extended(store, event, event.expires_at + longer)
        assert longer_event == event.model_copy(
            update={
                "expires_at": event.expires_at + longer,
                "extensions": 1,
                "updated_at": clock(),
            }
        )
        assert await store.get(event.id) == longer_event
        await assert_held_by(store, clock, longer_event)

    async def test_extension_is_recorded(self, store: GovernedStore, clock: FakeClock) -> None:
        """The entry says who extended the event and why."""
        event = await opened(store, clock)
        clock.advance(MINUTE)
        longer = await extended(store, event)
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, EXTENDED]
        assert (entries[1].at, entries[1].event) == (clock(), longer)

    async def test_extended_access_has_no_gap(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Access is held past its old end until its new one, to the microsecond."""
        event = await opened(store, clock)
        longer = await extended(store, event)
        for instant in (event.expires_at - MICROSECOND, event.expires_at, event.expires_at + HOUR):
            clock.set(instant - MICROSECOND)
            assert await holder(store, event) == longer
        clock.set(longer.expires_at)
        await assert_free(store, clock, event)

    async def test_event_is_extended_several_times(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Each extension is counted, and has its entry."""
        event = await opened(store, clock)
        for count in (1, 2, 3):
            event = await extended(store, event)
            assert event.extensions == count
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, EXTENDED, EXTENDED, EXTENDED]
        with pytest.raises(ValueError, match="expires_at"):
            await extended(store, event)

    @pytest.mark.parametrize(
        "longer",
        [timedelta(0), -MICROSECOND, -2 * HOUR, MAX_DURATION - HOUR + MICROSECOND],
        ids=["same end", "earlier", "before its beginning", "a microsecond too long"],
    )
    async def test_extension_to_a_wrong_end_is_refused(
        self, store: GovernedStore, clock: FakeClock, longer: timedelta
    ) -> None:
        """The end must be later, and at most 4 hours after `created_at`."""
        event = await opened(store, clock)
        with pytest.raises(ValueError, match=r"\bexpires_at\b"):
            await extended(store, event, event.expires_at + longer)
        assert told(await whole_history(store, clock, event.id)) == [CREATED]
        await assert_held_by(store, clock, event)

    async def test_extension_a_second_before_the_end_is_allowed(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A second is enough; the boundary instant is in favour of the caller."""
        event = await opened(store, clock)
        clock.set(event.expires_at - SECOND)
        assert (await extended(store, event)).extensions == 1

    @pytest.mark.parametrize("left", [SECOND - MICROSECOND, MICROSECOND])
    async def test_extension_at_the_last_moment_is_refused(
        self, store: GovernedStore, clock: FakeClock, left: timedelta
    ) -> None:
        """An extension that might be written after the lapse could revive access."""
        event = await opened(store, clock)
        clock.set(event.expires_at - left)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await extended(store, event)
        assert refusal.value.event_id == event.id
        assert await store.get(event.id) == event

    async def test_extension_of_lapsed_event_marks_it_expired(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Access that has run out never comes back."""
        event = await lapsed(store, clock)
        for _ in range(2):
            with pytest.raises(InvalidStateTransitionError) as refusal:
                await extended(store, event)
            assert refusal.value.current_status is EXPIRED
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, Told("expired")]
        await assert_free(store, clock, event)

    @pytest.mark.parametrize("status", [CLOSED, EXPIRED])
    async def test_extension_of_ended_event_is_refused(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """An ended event stays as it is."""
        event = await ended(store, clock, status)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await extended(store, event)
        assert refusal.value.current_status == status
        assert await store.get(event.id) == event
        assert len(await whole_history(store, clock, event.id)) == 2

    async def test_extension_of_unknown_event_is_refused(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """There is nothing to extend, before and after a deletion."""
        event = await opened(store, clock)
        await store.delete(event.id)
        for event_id in (NEVER_USED, event.id):
            with pytest.raises(EventNotFoundError) as failure:
                await extended(store, event.model_copy(update={"id": event_id}))
            assert failure.value.event_id == event_id
