"""Test the contract of `close`, `delete` and expiry: access ends, and stays ended."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aiobreakglass import (
    BreakGlassStatus,
    BreakGlassStore,
    EventNotFoundError,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    CLOSING,
    EXPIRED,
    EXPIRING,
    HOUR,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    REOPENING,
    Attempt,
    Fields,
    assert_free,
    assert_held_by,
    changed,
    closed,
    deleted,
    holder,
    lapsed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock


class EndingsContract:
    """Access ends, and stays ended."""

    @pytest.mark.parametrize("close", [closed, updating(**CLOSING)], ids=["by id", "by update"])
    async def test_close_ends_access(
        self, store: BreakGlassStore, clock: FakeClock, close: Attempt
    ) -> None:
        """Closing ends access at once, records who closed it and why, and changes no evidence."""
        event = await opened(store, clock, request_id="c0ffee", mfa_verified=True)
        clock.advance(MINUTE)
        outcome = await close(store, event)
        assert outcome == changed(event, **CLOSING, updated_at=clock(), ended_at=clock())
        assert await store.get(event.id) == outcome
        await assert_free(store, clock, event)

    async def test_close_in_the_last_microsecond_succeeds(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An event can be closed until the microsecond before `expires_at`."""
        event = await lapsed(store, clock)
        clock.advance(-MICROSECOND)
        assert (await closed(store, event)).status is CLOSED

    async def test_close_applies_to_the_current_version(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """`close` closes the current version, even if its caller read an older one."""
        event = await opened(store, clock)
        updated = await store.update(changed(event, request_id="c0ffee"))
        version = updated.updated_at + MICROSECOND
        assert await closed(store, event) == changed(
            updated, **CLOSING, updated_at=version, ended_at=clock()
        )

    async def test_white_space_around_closed_reason_is_removed(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """`close` strips white space around the reason."""
        event = await opened(store, clock)
        outcome = await store.close(event.id, closed_by="bob", closed_reason="  All\nover \n")
        assert outcome.closed_reason == "All\nover"
        assert await store.get(event.id) == outcome

    async def test_lapsed_event_is_marked_expired(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """`update` can mark a lapsed event expired, and changes no other field of it."""
        event = await lapsed(store, clock)
        outcome = await store.update(event.expire(at=clock()))
        assert outcome == changed(
            event, status=EXPIRED, updated_at=clock(), ended_at=event.expires_at
        )
        assert await store.get(event.id) == outcome
        await assert_free(store, clock, event)

    async def test_expiry_before_expires_at_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """No event expires before its `expires_at`."""
        event = await lapsed(store, clock)
        clock.advance(-MICROSECOND)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await store.update(changed(event, status=EXPIRED))
        assert _transition(refusal.value) == (event.id, ACTIVE, EXPIRED)
        await assert_held_by(store, clock, event)

    async def test_lapsed_event_grants_no_access(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A lapsed event grants no access, even if it is not marked expired yet."""
        event = await lapsed(store, clock)
        assert await holder(store, event) is None
        clock.advance(HOUR)
        assert await holder(store, event) is None

    @pytest.mark.parametrize(
        ("attempt", "new_status"),
        [
            (updating(expires_at=FakeClock.START + 3 * HOUR), ACTIVE),
            (updating(request_id="c0ffee"), ACTIVE),
            (updating(**CLOSING), CLOSED),
            (closed, CLOSED),
        ],
        ids=["extend", "touch", "close by update", "close by id"],
    )
    async def test_change_of_lapsed_event_is_refused(
        self,
        store: BreakGlassStore,
        clock: FakeClock,
        attempt: Attempt,
        new_status: BreakGlassStatus,
    ) -> None:
        """A change of a lapsed event raises, and marks the event expired."""
        event = await lapsed(store, clock)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await attempt(store, event)
        assert _transition(refusal.value) == (event.id, EXPIRED, new_status)
        assert await store.get(event.id) == changed(
            event, status=EXPIRED, updated_at=clock(), ended_at=event.expires_at
        )
        await assert_free(store, clock, event)

    @pytest.mark.parametrize("fields", [CLOSING, EXPIRING], ids=["closed", "expired"])
    @pytest.mark.parametrize(
        ("attempt", "new_status"),
        [
            (updating(**REOPENING), ACTIVE),
            (updating(**REOPENING, request_id="c0ffee"), ACTIVE),
            (updating(**CLOSING), CLOSED),
            (closed, CLOSED),
            (updating(**REOPENING | EXPIRING), EXPIRED),
        ],
        ids=["reopen", "reopen and touch", "close by update", "close by id", "expire"],
    )
    async def test_change_of_ended_event_is_refused(
        self,
        store: BreakGlassStore,
        clock: FakeClock,
        fields: Fields,
        attempt: Attempt,
        new_status: BreakGlassStatus,
    ) -> None:
        """A terminal event never changes, not even to its own status."""
        ended = await opened(store, clock, **fields)
        clock.advance(2 * HOUR)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await attempt(store, ended)
        assert _transition(refusal.value) == (ended.id, ended.status, new_status)
        assert await store.get(ended.id) == ended
        await assert_free(store, clock, ended)

    @pytest.mark.parametrize(
        "fields", [{}, CLOSING, EXPIRING], ids=["active", "closed", "expired"]
    )
    async def test_delete_ends_access(
        self, store: BreakGlassStore, clock: FakeClock, fields: Fields
    ) -> None:
        """An event of any status can be deleted, and its access ends with it."""
        event = await opened(store, clock, **fields)
        await store.delete(event.id)
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        await assert_free(store, clock, event)

    async def test_delete_of_deleted_or_unknown_event_does_nothing(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Deleting a deleted or unknown event does nothing."""
        event = await opened(store, clock)
        await store.delete(event.id)
        newer = await opened(store, clock)
        await store.delete(event.id)
        await store.delete(NEVER_USED)
        await assert_held_by(store, clock, newer)

    @pytest.mark.parametrize(
        "lapses", [True, False], ids=["after it lapsed", "after it was closed"]
    )
    @pytest.mark.parametrize(
        "attempt",
        [
            closed,
            updating(**CLOSING),
            updating(**EXPIRING),
            updating(request_id="c0ffee"),
            deleted,
        ],
        ids=["close by id", "close by update", "expire", "touch", "delete"],
    )
    async def test_late_change_of_old_event_keeps_newer_access(
        self, store: BreakGlassStore, clock: FakeClock, attempt: Attempt, lapses: bool
    ) -> None:
        """No change of an old event removes the access that a newer event grants."""
        old = await opened(store, clock)
        if lapses:
            clock.set(old.expires_at)
        else:
            await closed(store, old)
        newer = await opened(store, clock)
        with suppress(InvalidStateTransitionError):
            await attempt(store, old)
        await assert_held_by(store, clock, newer)


def _transition(
    error: InvalidStateTransitionError,
) -> tuple[str, BreakGlassStatus, BreakGlassStatus]:
    return error.event_id, error.current_status, error.new_status
