"""Test the contract of `create` and `get`: what can be opened, and what blocks it."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from aiobreakglass import (
    MAX_DURATION,
    ActiveEventExistsError,
    BreakGlassStore,
    EventExistsError,
    EventNotFoundError,
)
from aiobreakglass.testing._contract_steps import (
    CLOSING,
    EXPIRED,
    EXPIRING,
    HOUR,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    Fields,
    assert_free,
    assert_held_by,
    changed,
    fresh,
    lapsed,
    opened,
)
from aiobreakglass.testing._events import FakeClock

EVENTS: dict[str, Fields] = {
    "with defaults": {},
    "active, every field": {
        "reason_code": "security",
        "duration": 2 * HOUR,
        "expires_at": FakeClock.START + 3 * HOUR,
        "updated_at": FakeClock.START + 2 * MINUTE,
        "request_id": "c0ffee-1",
        "mfa_verified": True,
        "mfa_method": "totp",
        "mfa_challenge_id": "challenge/7",
    },
    "closed, every field": {
        **CLOSING,
        "reason_code": "recovery",
        "updated_at": FakeClock.START + 2 * MINUTE,
        "request_id": "c0ffee-2",
        "mfa_verified": True,
        "mfa_method": "webauthn",
        "mfa_challenge_id": "challenge/8",
    },
    "expired": {**EXPIRING, "updated_at": FakeClock.START + 2 * HOUR},
    "with MFA but no details of it": {"mfa_verified": True},
    "of the shortest life": {"duration": MICROSECOND},
    "of the longest life": {"duration": MAX_DURATION},
    "created at a fraction that ends in zeros": {
        "created_at": FakeClock.START + 120_000 * MICROSECOND
    },
    "created in another time zone": {
        "created_at": FakeClock.START.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    },
    "with the longest texts": {
        "invoker": "é" * 256,
        "profile": "p" * 256,
        "justification": "\U0001f525" * 1000,
    },
    "with texts of every kind": {
        "invoker": 'o\'brien "the ops" <a#b@c:d/e>',
        "profile": "製品 Ωmega \U0001f525",
        "justification": "100 % \\ of the disks\n\nare 'full', and {all} $of :them",
    },
}


class OpeningContract:
    """What can be opened, and what blocks it."""

    @pytest.mark.parametrize("fields", EVENTS.values(), ids=EVENTS)
    async def test_created_event_is_read_back_unchanged(
        self, store: BreakGlassStore, clock: FakeClock, fields: Fields
    ) -> None:
        """The store keeps every field as given."""
        event = fresh(clock, **fields)
        assert await store.create(event) == event
        assert await store.get(event.id) == event

    async def test_get_of_unknown_id_raises_not_found(self, store: BreakGlassStore) -> None:
        """`get` of an unknown event raises an error that names its id."""
        with pytest.raises(EventNotFoundError) as failure:
            await store.get(NEVER_USED)
        assert failure.value.event_id == NEVER_USED

    @pytest.mark.parametrize("first_fields", [{}, CLOSING], ids=["active", "closed"])
    async def test_create_with_taken_id_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, first_fields: Fields
    ) -> None:
        """A second event with a taken id is refused and grants nothing."""
        first = await opened(store, clock, **first_fields)
        second = fresh(clock, id=first.id, profile="staging")
        with pytest.raises(EventExistsError) as refusal:
            await store.create(second)
        assert refusal.value.event_id == first.id
        assert await store.get(first.id) == first
        await assert_free(store, clock, second)

    @pytest.mark.parametrize("before", [{}, CLOSING], ids=["was active", "was closed"])
    @pytest.mark.parametrize(
        "after", [{}, CLOSING], ids=["for an active event", "for a closed one"]
    )
    async def test_create_with_deleted_id_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, before: Fields, after: Fields
    ) -> None:
        """An id is never reused, so other systems' records of it stay correct."""
        event = await opened(store, clock, **before)
        await store.delete(event.id)
        with pytest.raises(EventExistsError) as refusal:
            await opened(store, clock, **after, id=event.id)
        assert refusal.value.event_id == event.id
        await assert_free(store, clock, event)

    async def test_second_create_of_same_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """`create` reports the taken id, because the active event is the same one."""
        event = await opened(store, clock)
        with pytest.raises(EventExistsError):
            await store.create(event)
        await assert_held_by(store, clock, event)

    async def test_create_while_access_is_held_is_refused(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A second event of a pair is not stored, and the error has the active event."""
        first = await opened(store, clock)
        clock.advance(MINUTE)
        second = fresh(clock)
        with pytest.raises(ActiveEventExistsError) as refusal:
            await store.create(second)
        assert refusal.value.event == first
        with pytest.raises(EventNotFoundError):
            await store.get(second.id)
        await assert_held_by(store, clock, first)

    @pytest.mark.parametrize(
        ("pair", "other_pair"),
        [
            (("alice", "prod"), ("bob", "prod")),
            (("alice", "prod"), ("alice", "staging")),
            (("alice", "prod"), ("Alice", "prod")),
            (("alice", "prod"), ("prod", "alice")),
            (("a#b", "c"), ("a", "b#c")),
            (("a", "1#b"), ("a#1", "b")),
            (("a", "#"), ("a#", "#")),
        ],
    )
    async def test_different_pairs_do_not_block_each_other(
        self,
        store: BreakGlassStore,
        clock: FakeClock,
        pair: tuple[str, str],
        other_pair: tuple[str, str],
    ) -> None:
        """Events block each other only if invoker and profile are exactly the same."""
        event = await opened(store, clock, invoker=pair[0], profile=pair[1])
        other = await opened(store, clock, invoker=other_pair[0], profile=other_pair[1])
        await assert_held_by(store, clock, event)
        await assert_held_by(store, clock, other)

    async def test_lapsed_event_does_not_block_create(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A lapsed event does not block a new event; `create` marks the lapsed event expired."""
        old = await lapsed(store, clock)
        new = await opened(store, clock)
        assert await store.get(old.id) == changed(
            old, status=EXPIRED, updated_at=clock(), ended_at=old.expires_at
        )
        await assert_held_by(store, clock, new)

    async def test_access_lasts_until_just_before_expires_at(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Access lasts until the microsecond before `expires_at`."""
        event = await lapsed(store, clock)
        clock.advance(-MICROSECOND)
        await assert_held_by(store, clock, event)

    @pytest.mark.parametrize("fields", [CLOSING, EXPIRING], ids=["closed", "expired"])
    @pytest.mark.parametrize("age", [-HOUR, timedelta(0), timedelta(days=9000)], ids=str)
    async def test_import_of_ended_event_grants_nothing(
        self, store: BreakGlassStore, clock: FakeClock, fields: Fields, age: timedelta
    ) -> None:
        """Closed and expired events from any time can be imported, and grant nothing."""
        imported = await opened(store, clock, **fields, created_at=clock() - age)
        assert await store.get(imported.id) == imported
        await assert_free(store, clock, imported)

    async def test_import_does_not_affect_active_access(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Active access does not block an import, and an import does not affect it."""
        current = await opened(store, clock)
        await opened(store, clock, **CLOSING)
        await assert_held_by(store, clock, current)

    @pytest.mark.parametrize(
        ("argument", "created"),
        [
            ("expires_at", -2 * HOUR),
            ("expires_at", -HOUR),
            ("created_at", 5 * MINUTE + MICROSECOND),
            ("created_at", timedelta(days=1)),
        ],
        ids=str,
    )
    async def test_create_of_lapsed_or_future_active_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, argument: str, created: timedelta
    ) -> None:
        """An active event is refused if it has lapsed or starts more than 5 minutes ahead."""
        event = fresh(clock, created_at=clock() + created)
        with pytest.raises(ValueError, match=argument):
            await store.create(event)
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)

    @pytest.mark.parametrize("created", [MICROSECOND - HOUR, 5 * MINUTE], ids=str)
    async def test_create_of_barely_current_active_event_succeeds(
        self, store: BreakGlassStore, clock: FakeClock, created: timedelta
    ) -> None:
        """Access can be opened with a microsecond left, or 5 minutes early."""
        event = await opened(store, clock, created_at=clock() + created)
        await assert_held_by(store, clock, event)
