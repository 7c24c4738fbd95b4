"""Test the contract of `update`: which fields can change, and which concurrent change wins."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiobreakglass import (
    MAX_DURATION,
    BreakGlassError,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    EventNotFoundError,
    ImmutableFieldError,
    InvalidStateTransitionError,
)
from aiobreakglass.testing._contract_steps import (
    CLOSING,
    EXPIRING,
    HOUR,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    Attempt,
    Fields,
    assert_free,
    assert_held_by,
    changed,
    closed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock

SECOND = timedelta(seconds=1)
EVIDENCE: Fields = {
    "invoker": "bob",
    "profile": "staging",
    "reason_code": "other",
    "justification": "Something else altogether has happened",
    "duration": 2 * HOUR,
    "created_at": FakeClock.START - MINUTE,
}


class UpdatesContract:
    """Only some fields can change, and only from the current version."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"expires_at": FakeClock.START + MAX_DURATION},
            {"expires_at": FakeClock.START + 11 * MINUTE},
            {"request_id": "c0ffee"},
            {"mfa_verified": True, "mfa_method": "totp", "mfa_challenge_id": "challenge/7"},
        ],
        ids=["longer", "shorter", "request", "MFA"],
    )
    async def test_update_of_active_event_makes_a_new_version(
        self, store: BreakGlassStore, clock: FakeClock, changes: Fields
    ) -> None:
        """`update` can change an active event's expiry, request id and MFA fields."""
        event = await opened(store, clock)
        clock.advance(10 * MINUTE)
        updated = await store.update(changed(event, **changes))
        # Only a `GovernedStore` must count extensions.
        assert updated == changed(
            event, **changes, updated_at=clock(), extensions=updated.extensions
        )
        assert await store.get(event.id) == updated
        await assert_held_by(store, clock, updated)

    async def test_update_can_remove_optional_fields(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An optional field can be removed as well as set."""
        event = await opened(
            store, clock, request_id="c0ffee", mfa_verified=True, mfa_method="totp"
        )
        updated = await store.update(changed(event, request_id=None, mfa_method=None))
        assert (updated.request_id, updated.mfa_method) == (None, None)
        assert await store.get(event.id) == updated

    async def test_extended_access_lasts_until_new_expires_at(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Extended access ends at its new `expires_at`."""
        event = await opened(store, clock)
        extended = await store.update(changed(event, expires_at=event.expires_at + HOUR))
        clock.set(event.expires_at)
        await assert_held_by(store, clock, extended)
        clock.set(extended.expires_at)
        await assert_free(store, clock, extended)

    async def test_extension_in_the_last_second_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An extension in the last second is refused, because DynamoDB may write it too late."""
        event = await opened(store, clock)
        extension = changed(event, expires_at=event.expires_at + HOUR)
        clock.set(event.expires_at - SECOND + MICROSECOND)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            await store.update(extension)
        error = refusal.value
        assert (error.event_id, error.current_status, error.new_status) == (
            event.id,
            BreakGlassStatus.ACTIVE,
            BreakGlassStatus.ACTIVE,
        )
        assert await store.get(event.id) == event
        clock.set(event.expires_at - SECOND)
        assert (await store.update(extension)).expires_at == extension.expires_at

    async def test_shortened_access_ends_at_new_expires_at(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Shortened access ends at its new `expires_at`."""
        event = await opened(store, clock)
        clock.advance(MINUTE)
        await store.update(changed(event, expires_at=clock()))
        await assert_free(store, clock, event)

    async def test_extension_beyond_max_duration_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """No update can extend an event beyond `MAX_DURATION` after its creation."""
        event = await opened(store, clock)
        clock.advance(HOUR / 2)
        too_late = event.created_at + MAX_DURATION + MICROSECOND
        with pytest.raises(ValueError, match="expires_at"):
            await store.update(changed(event, expires_at=too_late))
        assert await store.get(event.id) == event

    @pytest.mark.parametrize(
        ("step", "moved"),
        [
            (timedelta(0), MICROSECOND),
            (-HOUR, MICROSECOND),
            (MICROSECOND, MICROSECOND),
            (MINUTE, MINUTE),
        ],
        ids=["clock stands", "clock steps back", "clock ticks", "clock moves on"],
    )
    @pytest.mark.parametrize(
        "change",
        [updating(request_id="c0ffee"), updating(), updating(**CLOSING), closed],
        ids=["update", "update of nothing", "close by update", "close by id"],
    )
    async def test_new_version_follows_clock_or_previous_version(
        self,
        store: BreakGlassStore,
        clock: FakeClock,
        change: Attempt,
        step: timedelta,
        moved: timedelta,
    ) -> None:
        """A new version has the clock's time, or one microsecond more than the previous one."""
        event = await opened(store, clock)
        clock.advance(step)
        await change(store, event)
        assert (await store.get(event.id)).updated_at == event.updated_at + moved

    async def test_versions_increase_while_the_clock_stands(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """`updated_at` strictly increases, so no two versions are equal."""
        first = await opened(store, clock)
        second = await store.update(changed(first, request_id="second"))
        third = await store.update(changed(second, request_id="third"))
        assert first.updated_at < second.updated_at < third.updated_at
        assert await store.get(first.id) == third

    async def test_second_update_from_one_copy_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A second update from the same copy raises, because the event has changed."""
        copy = await opened(store, clock)
        first = await store.update(changed(copy, request_id="first"))
        with pytest.raises(ConcurrentModificationError) as conflict:
            await store.update(changed(copy, request_id="second"))
        assert conflict.value.event_id == copy.id
        assert conflict.value.current in (None, first)
        assert await store.get(copy.id) == first

    async def test_update_from_future_version_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An update from a version that does not exist yet raises, as from an old one."""
        event = await opened(store, clock)
        with pytest.raises(ConcurrentModificationError):
            await store.update(changed(event, updated_at=event.updated_at + MICROSECOND))
        assert await store.get(event.id) == event

    @pytest.mark.parametrize(("field", "value"), EVIDENCE.items(), ids=EVIDENCE)
    @pytest.mark.parametrize("more", [{}, CLOSING], ids=["alone", "while closing"])
    async def test_change_of_evidence_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, field: str, value: object, more: Fields
    ) -> None:
        """Identity and evidence cannot change, and the error names the field."""
        event = await opened(store, clock)
        with pytest.raises(ImmutableFieldError) as refusal:
            await store.update(changed(event, **{field: value}, **more))
        assert (refusal.value.event_id, refusal.value.field) == (event.id, field)
        await assert_held_by(store, clock, event)

    async def test_change_of_expires_at_while_closing_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An update that closes an event cannot change its `expires_at`."""
        event = await opened(store, clock)
        with pytest.raises(ImmutableFieldError) as refusal:
            await store.update(changed(event, **CLOSING, expires_at=event.expires_at + HOUR))
        assert (refusal.value.event_id, refusal.value.field) == (event.id, "expires_at")
        await assert_held_by(store, clock, event)

    @pytest.mark.parametrize("attempt", [updating(), closed], ids=["update", "close"])
    async def test_change_of_deleted_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, attempt: Attempt
    ) -> None:
        """A late change does not bring a deleted event back."""
        event = await opened(store, clock)
        await store.delete(event.id)
        with pytest.raises(EventNotFoundError) as failure:
            await attempt(store, event)
        assert failure.value.event_id == event.id
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        await assert_free(store, clock, event)

    async def test_update_with_unknown_id_creates_nothing(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """An update with an unknown id raises and creates nothing."""
        event = await opened(store, clock)
        with pytest.raises(EventNotFoundError):
            await store.update(changed(event, id=NEVER_USED))
        with pytest.raises(EventNotFoundError):
            await store.get(NEVER_USED)

    @pytest.mark.parametrize(
        ("wrongs", "error"),
        [
            ("deleted terminal stale rewritten", EventNotFoundError),
            ("terminal stale rewritten", InvalidStateTransitionError),
            ("stale lapsed rewritten", ConcurrentModificationError),
            ("stale early rewritten", ConcurrentModificationError),
            ("lapsed rewritten", InvalidStateTransitionError),
            ("early rewritten", InvalidStateTransitionError),
            ("rewritten", ImmutableFieldError),
        ],
    )
    async def test_update_with_several_errors_raises_the_first(
        self, store: BreakGlassStore, clock: FakeClock, wrongs: str, error: type[BreakGlassError]
    ) -> None:
        """If an update is wrong in several ways, the contract's order decides the error."""
        event = await opened(store, clock)
        if "stale" in wrongs:
            await store.update(event)
        if "lapsed" in wrongs:
            clock.set(event.expires_at)
        if "terminal" in wrongs:
            await closed(store, event)
        if "deleted" in wrongs:
            await store.delete(event.id)
        status = EXPIRING if "early" in wrongs else {}
        with pytest.raises(error):
            await store.update(changed(event, justification=EVIDENCE["justification"], **status))
