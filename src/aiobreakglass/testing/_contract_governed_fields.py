"""Test the contract of what governed stores keep about events, and of `by` and `note`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiobreakglass import EventNotFoundError, GovernedStore, ImmutableFieldError
from aiobreakglass.testing._contract_history import CREATED, told, whole_history
from aiobreakglass.testing._contract_input import BAD_TYPES, BAD_VALUES
from aiobreakglass.testing._contract_steps import (
    ACTIVE,
    CLOSED,
    CLOSING,
    EXPIRED,
    EXPIRING,
    HOUR,
    MINUTE,
    Attempt,
    Fields,
    assert_free,
    assert_held_by,
    changed,
    closed,
    fresh,
    lapsed,
    opened,
    updating,
)
from aiobreakglass.testing._events import FakeClock

LABELS: Fields = {"labels": {"ticket": "OPS-7", "team.name": "Zahlungen \u20ac"}}
REVIEW: Fields = {
    "reviewed_by": "carol",
    "reviewed_at": FakeClock.START + HOUR,
    "review_outcome": "justified",
    "review_comment": "There was no other way",
}
HOLD: Fields = {
    "held_by": "dave",
    "held_at": FakeClock.START + HOUR,
    "held_reason": "The regulator asks",
}

_NAMES = tuple(value for value in BAD_VALUES["invoker"] if value is not None)
BAD_BY_AND_NOTE: list[tuple[str, object, type[Exception]]] = [
    *(("by", value, ValueError) for value in _NAMES),
    *(("note", value, ValueError) for value in BAD_VALUES["closed_reason"]),
    *(("by", value, TypeError) for value in BAD_TYPES["closed_by"] if value is not None),
    *(("note", value, TypeError) for value in BAD_TYPES["closed_reason"] if value is not None),
]


class GovernedFieldsContract:
    """Stores set and keep what describes an event's life."""

    async def test_labels_are_stored(self, store: GovernedStore, clock: FakeClock) -> None:
        """An event is read and listed with its labels."""
        event = await opened(store, clock, **LABELS)
        assert dict((await store.get(event.id)).labels) == LABELS["labels"]
        assert list(await store.list_by_invoker(event.invoker)) == [event]
        await assert_held_by(store, clock, event)

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("labels", {"labels": {}}),
            ("labels", {"labels": {"ticket": "OPS-8"}}),
            ("extensions", {"extensions": 1}),
            ("reviewed_by", {**CLOSING, **REVIEW}),
            ("held_by", HOLD),
            ("held_by", {**CLOSING, **HOLD}),
        ],
        ids=["no labels", "other labels", "extensions", "review", "hold", "hold while closing"],
    )
    async def test_update_never_changes_what_stores_set(
        self, store: GovernedStore, clock: FakeClock, field: str, changes: Fields
    ) -> None:
        """Labels are evidence, and only the store changes what it sets; the error names it."""
        event = await opened(store, clock, **LABELS)
        with pytest.raises(ImmutableFieldError) as refusal:
            await store.update(changed(event, **changes))
        assert (refusal.value.event_id, refusal.value.field) == (event.id, field)
        await assert_held_by(store, clock, event)
        assert told(await whole_history(store, clock, event.id)) == [CREATED]

    @pytest.mark.parametrize("close", [closed, updating(**CLOSING)], ids=["by id", "by update"])
    @pytest.mark.parametrize(
        ("step", "ended_after"),
        [(MINUTE, MINUTE), (timedelta(0), timedelta(0)), (-HOUR, timedelta(0))],
        ids=["later", "at once", "clock steps back"],
    )
    async def test_closed_event_ended_when_it_was_closed(
        self,
        store: GovernedStore,
        clock: FakeClock,
        close: Attempt,
        step: timedelta,
        ended_after: timedelta,
    ) -> None:
        """`ended_at` is the instant of closing, and never before `created_at`."""
        event = await opened(store, clock)
        assert event.ended_at is None
        clock.advance(step)
        await close(store, event)
        assert (await store.get(event.id)).ended_at == event.created_at + ended_after

    async def test_expired_event_ended_at_expires_at(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """However late an event is marked expired, its access ended at `expires_at`."""
        event = await lapsed(store, clock)
        clock.advance(HOUR)
        await store.update(changed(event, **EXPIRING))
        assert (await store.get(event.id)).ended_at == event.expires_at

    async def test_ended_at_of_the_caller_does_not_count(
        self, store: GovernedStore, clock: FakeClock
    ) -> None:
        """Only the store knows when it closes an event."""
        event = await opened(store, clock)
        clock.advance(2 * MINUTE)
        ended_at = event.created_at + MINUTE
        outcome = await store.update(changed(event, **CLOSING, ended_at=ended_at))
        assert outcome.ended_at == clock()

    async def test_extensions_are_counted(self, store: GovernedStore, clock: FakeClock) -> None:
        """Each move of `expires_at` to a later time is an extension, and no other change is."""
        event = await opened(store, clock)
        for hours, extensions in ((2, 1), (3, 2), (1, 2), (1, 2), (2, 3)):
            expires_at = event.created_at + hours * HOUR
            event = await store.update(changed(event, expires_at=expires_at))
            assert event.extensions == extensions
        assert (await closed(store, event)).extensions == 3
        assert (await store.get(event.id)).extensions == 3

    @pytest.mark.parametrize(
        ("word", "changes"),
        [("extensions", {"extensions": 1}), ("held", HOLD)],
        ids=["extensions", "hold"],
    )
    async def test_new_active_event_has_no_past(
        self, store: GovernedStore, clock: FakeClock, word: str, changes: Fields
    ) -> None:
        """An active event cannot be created with extensions or a hold."""
        event = fresh(clock, **changes)
        with pytest.raises(ValueError, match=word):
            await store.create(event)
        with pytest.raises(EventNotFoundError):
            await store.history(event.id)
        await assert_free(store, clock, event)

    @pytest.mark.parametrize("status", [CLOSED, EXPIRED])
    async def test_import_keeps_everything(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """An ended event is imported with all that is known about it."""
        event = await opened(store, clock, status=status, extensions=2, **LABELS, **REVIEW, **HOLD)
        assert await store.get(event.id) == event
        assert (event.extensions, event.review_outcome, event.held_by) == (2, "justified", "dave")
        (entry,) = await whole_history(store, clock, event.id)
        assert entry.event == event

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("labels", {"Team": "payments"}),
            ("labels", {"team": ""}),
            ("labels", {f"team{number}": "payments" for number in range(17)}),
            ("labels", {f"team{number}": "x" * 256 for number in range(8)}),
            ("labels", None),
            ("extensions", -1),
            ("ended_at", FakeClock.START),
        ],
        ids=["key", "value", "many", "long", "none", "negative", "not ended"],
    )
    async def test_invalid_event_is_refused(
        self, store: GovernedStore, clock: FakeClock, field: str, value: object
    ) -> None:
        """`create` checks the rules of these fields, too."""
        event = changed(fresh(clock), **{field: value})
        with pytest.raises(ValueError, match=rf"\b{field}\b"):
            await store.create(event)
        await assert_free(store, clock, event)

    @pytest.mark.parametrize("status", [ACTIVE, CLOSED])
    async def test_bad_by_and_note_are_refused(
        self, store: GovernedStore, clock: FakeClock, status: str
    ) -> None:
        """A wrong `by` or `note` is refused by name, and nothing happens."""
        event = await opened(store, clock, status=status)
        before = await store.history(event.id)
        new = fresh(clock)
        for argument, value, error in BAD_BY_AND_NOTE:
            options: Fields = {argument: value}
            with pytest.raises(error, match=rf"\b{argument}\b"):
                await store.create(new, **options)
            with pytest.raises(error, match=rf"\b{argument}\b"):
                await store.update(event, **options)
            with pytest.raises(error, match=rf"\b{argument}\b"):
                await store.delete(event.id, **options)
        with pytest.raises(EventNotFoundError):
            await store.get(new.id)
        assert await store.history(event.id) == before

    async def test_bad_id_is_refused(self, store: GovernedStore) -> None:
        """`history` checks its argument as the other methods do."""
        for value in BAD_VALUES["event_id"]:
            with pytest.raises(ValueError, match=r"\bevent_id\b"):
                await store.history(str(value))
        for value in BAD_TYPES["event_id"]:
            with pytest.raises(TypeError, match=r"\bevent_id\b"):
                await store.history(value)  # type: ignore[arg-type]
