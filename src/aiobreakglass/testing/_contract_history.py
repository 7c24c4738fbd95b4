"""Test the contract of `history`: one entry for each change, in a chain of hashes."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

import pytest

from aiobreakglass import (
    Action,
    ActiveEventExistsError,
    BreakGlassError,
    ConcurrentModificationError,
    EventExistsError,
    EventNotFoundError,
    GovernedStore,
    HistoryEntry,
    ImmutableFieldError,
    InvalidStateTransitionError,
    verify_history,
)
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    CLOSING,
    EXPIRED,
    EXPIRING,
    HOUR,
    MICROSECOND,
    MINUTE,
    NEVER_USED,
    Attempt,
    Fields,
    changed,
    closed,
    deleted,
    fresh,
    lapsed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock

BY_AND_NOTE: Fields = {"by": "carol", "note": "As agreed in the\nmorning"}


class Told(NamedTuple):
    """What an entry tells about a change, besides its event."""

    action: str
    by: str | None = None
    note: str | None = None


CREATED = Told("created", "alice")


def told(entries: list[HistoryEntry]) -> list[Told]:
    """Return what entries tell about their changes."""
    return [Told(entry.action, entry.by, entry.note) for entry in entries]


async def whole_history(
    store: GovernedStore, clock: FakeClock, event_id: str
) -> list[HistoryEntry]:
    """Return the history of an event, after verifying it."""
    entries = await store.history(event_id)
    try:
        event = await store.get(event_id)
    except EventNotFoundError:
        event = None
    assert verify_history(entries, event, at=clock()) == []
    return entries


class HistoryContract:
    """Every change of an event has an entry in the event's history."""

    async def test_create_begins_a_history(self, store: GovernedStore, clock: FakeClock) -> None:
        """The first entry says that the invoker created the event."""
        event = await opened(store, clock, labels={"team": "payments"})
        (entry,) = await whole_history(store, clock, event.id)
        assert told([entry]) == [CREATED]
        assert (entry.event_id, entry.revision, entry.at) == (event.id, 1, clock())
        assert (entry.event, entry.previous) == (event, None)

    @pytest.mark.parametrize("status", [CLOSED, EXPIRED])
    async def test_import_begins_a_history(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """The first entry of an event that has ended already says that it was imported."""
        event = await opened(store, clock, status=status)
        (entry,) = await whole_history(store, clock, event.id)
        assert told([entry]) == [Told("imported", "alice")]
        assert entry.event == event

    @pytest.mark.parametrize(
        ("attempt", "expected"),
        [
            (updating(request_id="c0ffee"), Told("updated")),
            (updating(), Told("updated")),
            (updating(expires_at=FakeClock.START + HOUR / 2), Told("updated")),
            (updating(expires_at=FakeClock.START + 2 * HOUR), Told("extended")),
            (updating(**CLOSING), Told("closed", "bob", "Over")),
            (closed, Told("closed", "bob", "Over")),
            (deleted, Told("deleted")),
        ],
        ids=["touch", "nothing", "shorten", "extend", "close by update", "close by id", "delete"],
    )
    async def test_change_adds_an_entry(
        self, store: GovernedStore, clock: FakeClock, attempt: Attempt, expected: Told
    ) -> None:
        """The entry of a change says what it was, and has the event as it is since then."""
        event = await opened(store, clock)
        clock.advance(MINUTE)
        after = await attempt(store, event)
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, expected]
        assert (entries[1].at, entries[1].event) == (clock(), after)

    async def test_expiry_adds_an_entry(self, store: GovernedStore, clock: FakeClock) -> None:
        """Nobody expires an event, so the entry has no name."""
        event = await lapsed(store, clock)
        expired = await store.update(changed(event, **EXPIRING))
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, Told("expired")]
        assert entries[1].event == expired

    async def test_by_and_note_are_recorded(self, store: GovernedStore, clock: FakeClock) -> None:
        """Each change is recorded with the name and the note that its caller gave."""
        event = await store.create(fresh(clock), **BY_AND_NOTE)
        event = await store.update(changed(event, request_id="c0ffee"), **BY_AND_NOTE)
        event = await store.update(changed(event, **CLOSING), **BY_AND_NOTE)
        await store.delete(event.id, **BY_AND_NOTE)
        entries = await whole_history(store, clock, event.id)
        assert [entry.action for entry in entries] == ["created", "updated", "closed", "deleted"]
        assert {(entry.by, entry.note) for entry in entries} == {tuple(BY_AND_NOTE.values())}

    async def test_white_space_around_note_is_removed(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A note follows the rules of `closed_reason`."""
        event = await store.create(fresh(clock), note="  All\nover \n")
        assert (await store.history(event.id))[0].note == "All\nover"

    async def test_entries_are_a_chain_of_hashes(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Each entry has the hash of the one before, and SHA-256 verifies each text."""
        event = await opened(store, clock, labels={"ticket": "#7 \u20ac \U0001f525"})
        longer = await store.update(changed(event, expires_at=event.expires_at + HOUR))
        after = await closed(store, longer)
        await store.delete(event.id)
        entries = await whole_history(store, clock, event.id)
        assert [entry.event for entry in entries] == [event, longer, after, None]
        assert [entry.revision for entry in entries] == [1, 2, 3, 4]
        hashes = [sha256(entry.entry.encode()).hexdigest() for entry in entries]
        assert [entry.hash for entry in entries] == hashes
        assert [entry.previous for entry in entries] == [None, *hashes[:-1]]

    @pytest.mark.parametrize("step", [timedelta(0), -HOUR, MICROSECOND, -MICROSECOND])
    async def test_times_increase_whatever_the_clock_does(
        self, store: GovernedStore, clock: FakeClock, step: timedelta
    ) -> None:
        """An entry is later than the one before, even if the clock steps back or stands."""
        event = await opened(store, clock)
        for _ in range(2):
            clock.advance(step)
            event = await store.update(event)
        clock.advance(step)
        await store.delete(event.id)
        times = [entry.at for entry in await whole_history(store, clock, event.id)]
        assert times == [FakeClock.START + count * MICROSECOND for count in range(4)]

    async def test_deleted_event_keeps_its_history(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """After a deletion, the history is all that remains, and nothing changes it."""
        event = await opened(store, clock)
        await store.delete(event.id)
        entries = await whole_history(store, clock, event.id)
        assert told(entries) == [CREATED, Told("deleted")]
        await store.delete(event.id)
        with pytest.raises(EventExistsError):
            await store.create(fresh(clock, id=event.id))
        with pytest.raises(EventNotFoundError):
            await closed(store, event)
        assert await store.history(event.id) == entries

    async def test_history_of_unknown_id_is_refused(self, store: GovernedStore) -> None:
        """An unknown id has no history, and a deletion makes none."""
        await store.delete(NEVER_USED)
        with pytest.raises(EventNotFoundError) as failure:
            await store.history(NEVER_USED)
        assert failure.value.event_id == NEVER_USED

    async def test_history_is_the_callers_own_list(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A caller that changes the list changes no history."""
        event = await opened(store, clock)
        (await store.history(event.id)).clear()
        assert told(await store.history(event.id)) == [CREATED]

    @pytest.mark.parametrize(
        "attempt",
        [closed, updating(request_id="c0ffee"), updating(**CLOSING)],
        ids=["close by id", "touch", "close by update"],
    )
    async def test_refused_change_of_lapsed_event_records_its_expiry(
        self, store: GovernedStore, clock: FakeClock, attempt: Attempt
    ) -> None:
        """A change that comes too late marks the event expired, once."""
        event = await lapsed(store, clock)
        for _ in range(2):
            with pytest.raises(InvalidStateTransitionError):
                await attempt(store, event)
            entries = await whole_history(store, clock, event.id)
            assert told(entries) == [CREATED, Told("expired")]

    async def test_create_records_expiry_of_lapsed_event(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A new event of the same pair marks the lapsed one expired, in its history."""
        old = await lapsed(store, clock)
        new = await store.create(fresh(clock), **BY_AND_NOTE)
        assert told(await whole_history(store, clock, old.id)) == [CREATED, Told("expired")]
        assert told(await whole_history(store, clock, new.id)) == [
            Told("created", *BY_AND_NOTE.values())
        ]

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"updated_at": FakeClock.START + HOUR}, ConcurrentModificationError),
            ({"justification": "Something else altogether happened"}, ImmutableFieldError),
            (EXPIRING, InvalidStateTransitionError),
        ],
        ids=["stale", "rewritten", "too early"],
    )
    async def test_refused_update_leaves_no_entry(
        self, store: GovernedStore, clock: FakeClock, changes: Fields, error: type[BreakGlassError]
    ) -> None:
        """What did not happen is not in the history."""
        event = await opened(store, clock)
        with pytest.raises(error):
            await store.update(changed(event, **changes))
        assert told(await whole_history(store, clock, event.id)) == [CREATED]

    @pytest.mark.parametrize("attempt", [closed, updating(**CLOSING)], ids=["by id", "by update"])
    async def test_refused_second_close_leaves_no_entry(
        self, store: GovernedStore, clock: FakeClock, attempt: Attempt
    ) -> None:
        """An event is closed once, and its history says so once."""
        event = await opened(store, clock)
        await closed(store, event)
        with pytest.raises(InvalidStateTransitionError):
            await attempt(store, event)
        assert told(await whole_history(store, clock, event.id)) == [
            CREATED,
            Told("closed", "bob", "Over"),
        ]

    async def test_refused_create_leaves_no_history(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """A create that is refused begins no history, and adds nothing to the other event's."""
        event = await opened(store, clock)
        another = fresh(clock)
        with pytest.raises(ActiveEventExistsError):
            await store.create(another)
        with pytest.raises(EventExistsError):
            await store.create(event)
        with pytest.raises(EventNotFoundError):
            await store.history(another.id)
        assert told(await whole_history(store, clock, event.id)) == [CREATED]

    async def test_actions_are_given_as_enum(self, store: GovernedStore, clock: FakeClock) -> None:
        """An action is an `Action`, which equals its text."""
        event = await opened(store, clock)
        (entry,) = await store.history(event.id)
        assert entry.action is Action.CREATED
