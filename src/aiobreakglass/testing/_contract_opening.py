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
    async def test_an_event_is_created(
        self, store: BreakGlassStore, clock: FakeClock, fields: Fields
    ) -> None:
        """Every field is stored as given, and read back as stored."""
        event = fresh(clock, **fields)
        assert await store.create(event) == event
        assert await store.get(event.id) == event

    async def test_an_id_that_was_never_used(self, store: BreakGlassStore) -> None:
        """Reading an unknown event raises an error that names its id."""
        with pytest.raises(EventNotFoundError) as failure:
            await store.get(NEVER_USED)
        assert failure.value.event_id == NEVER_USED

    @pytest.mark.parametrize("first_fields", [{}, CLOSING], ids=["active", "closed"])
    async def test_an_id_that_is_taken(
        self, store: BreakGlassStore, clock: FakeClock, first_fields: Fields
    ) -> None:
        """An id belongs to its first event, and a second event with it grants nothing."""
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
    async def test_an_id_that_was_deleted(
        self, store: BreakGlassStore, clock: FakeClock, before: Fields, after: Fields
    ) -> None:
        """Ids are never reused, so that other systems' records of them stay correct."""
        event = await opened(store, clock, **before)
        await store.delete(event.id)
        with pytest.raises(EventExistsError) as refusal:
            await opened(store, clock, **after, id=event.id)
        assert refusal.value.event_id == event.id
        await assert_free(store, clock, event)

    async def test_the_same_event_created_twice(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A taken id is refused before stacking, because the blocking event is the same one."""
        event = await opened(store, clock)
        with pytest.raises(EventExistsError):
            await store.create(event)
        await assert_held_by(store, clock, event)

    async def test_access_that_is_held_already(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Access is never stacked: a second event is refused with the holder, and not stored."""
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
    async def test_access_of_another_pair(
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

    async def test_access_that_has_just_run_out(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """A lapsed event never blocks a new one, which marks it expired."""
        old = await lapsed(store, clock)
        new = await opened(store, clock)
        assert await store.get(old.id) == changed(old, status=EXPIRED, updated_at=clock())
        await assert_held_by(store, clock, new)

    async def test_access_that_is_about_to_run_out(
        self, store: BreakGlassStore, clock: FakeClock
    ) -> None:
        """Access lasts until the microsecond before `expires_at`."""
        event = await lapsed(store, clock)
        clock.advance(-MICROSECOND)
        await assert_held_by(store, clock, event)

    @pytest.mark.parametrize("fields", [CLOSING, EXPIRING], ids=["closed", "expired"])
    @pytest.mark.parametrize("age", [-HOUR, timedelta(0), timedelta(days=9000)], ids=str)
    async def test_an_import_of_an_event_that_has_ended(
        self, store: BreakGlassStore, clock: FakeClock, fields: Fields, age: timedelta
    ) -> None:
        """Closed and expired events of any time can be imported, and grant nothing."""
        imported = await opened(store, clock, **fields, created_at=clock() - age)
        assert await store.get(imported.id) == imported
        await assert_free(store, clock, imported)

    async def test_an_import_beside_the_holder(
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
    async def test_an_active_event_that_is_not_of_the_present(
        self, store: BreakGlassStore, clock: FakeClock, argument: str, created: timedelta
    ) -> None:
        """An active event that has lapsed, or is dated over 5 minutes ahead, is refused."""
        event = fresh(clock, created_at=clock() + created)
        with pytest.raises(ValueError, match=argument):
            await store.create(event)
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)

    @pytest.mark.parametrize("created", [MICROSECOND - HOUR, 5 * MINUTE], ids=str)
    async def test_an_active_event_that_is_just_of_the_present(
        self, store: BreakGlassStore, clock: FakeClock, created: timedelta
    ) -> None:
        """Access can be opened with a microsecond left, or 5 minutes early."""
        event = await opened(store, clock, created_at=clock() + created)
        await assert_held_by(store, clock, event)
