"""When DynamoDB's TTL may delete an event's row, its tombstone and its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import MAX_DURATION, BreakGlassEvent
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._dynamodb.retention import Retention
from tests.dynamodb.example import CREATED_AT, EVENT

DAY = 24 * 60 * 60
CREATED = int(CREATED_AT.timestamp())
LAPSE = CREATED + 60 * 60
HISTORY = CREATED + 4 * 60 * 60
"""The end of the longest life, after which the retention of a history begins."""
YEAR = 365 * DAY
EXTENDED = EVENT.model_copy(update={"expires_at": CREATED_AT + timedelta(hours=2)})
HELD = EVENT.model_copy(update={"held_by": "dave", "held_at": CREATED_AT, "held_reason": "Case 7"})


def kept(seconds: float | None) -> Retention:
    return Retention(None if seconds is None else timedelta(seconds=seconds))


def change_to(after: BreakGlassEvent, before: BreakGlassEvent | None = EVENT) -> Change:
    return Change(Action.UPDATED, before, after, CREATED_AT)


RELEASED = change_to(EVENT, HELD)
RELEASED_LATE = Change(
    Action.RELEASED, HELD, EVENT, CREATED_AT + MAX_DURATION + timedelta(seconds=YEAR)
)
LATE = HISTORY + YEAR + 8 * DAY
"""When the history goes of an event whose store keeps it for a year."""


class TestHistory:
    @pytest.mark.parametrize(
        ("created_at", "retention", "expected"),
        [
            pytest.param(CREATED_AT, 0, HISTORY + 8 * DAY, id="no retention"),
            pytest.param(CREATED_AT, YEAR, HISTORY + YEAR + 8 * DAY, id="a year"),
            pytest.param(CREATED_AT, None, None, id="for ever"),
            pytest.param(
                CREATED_AT + timedelta(microseconds=1), 0, HISTORY + 8 * DAY + 1, id="rounded up"
            ),
            pytest.param(CREATED_AT, 1e-6, HISTORY + 8 * DAY + 1, id="retention rounded up"),
            pytest.param(
                datetime.max.replace(tzinfo=UTC),
                YEAR,
                253402300800 + 4 * 60 * 60 + YEAR + 8 * DAY,
                id="past the end of the calendar",
            ),
        ],
    )
    def test_history_is_kept_longest(
        self, created_at: datetime, retention: float | None, expected: int | None
    ) -> None:
        """A history is kept for the longest life, the retention, and 8 days."""
        assert kept(retention).of_history(created_at) == expected

    @pytest.mark.parametrize(
        ("retention", "stored", "expected"),
        [
            pytest.param(YEAR, LAPSE + YEAR, HISTORY + YEAR + 8 * DAY, id="as kept"),
            pytest.param(YEAR, LAPSE, HISTORY + YEAR + 8 * DAY, id="row kept shorter"),
            pytest.param(YEAR, 77, HISTORY + YEAR + 8 * DAY, id="row gone long ago"),
            pytest.param(
                YEAR,
                HISTORY + YEAR + DAY,
                HISTORY + YEAR + 8 * DAY,
                id="row kept just a week shorter",
            ),
            pytest.param(
                YEAR,
                HISTORY + YEAR + DAY + 1,
                HISTORY + YEAR + 8 * DAY + 1,
                id="row kept a second longer",
            ),
            pytest.param(YEAR, LAPSE + 5 * YEAR, LAPSE + 5 * YEAR + 7 * DAY, id="row kept longer"),
            pytest.param(0, LAPSE + YEAR, LAPSE + YEAR + 7 * DAY, id="no retention"),
            pytest.param(YEAR, None, None, id="row kept for ever"),
            pytest.param(None, LAPSE, None, id="for ever"),
            pytest.param(None, None, None, id="both for ever"),
        ],
    )
    def test_history_that_begins_late_outlives_its_row(
        self, retention: float | None, stored: int | None, expected: int | None
    ) -> None:
        """A history that begins after its event is kept a week longer than the row at least."""
        assert kept(retention).of_old_history(CREATED_AT, stored) == expected


class TestEvent:
    @pytest.mark.parametrize(
        ("event", "retention", "stored", "expected"),
        [
            pytest.param(EVENT, YEAR, LAPSE + YEAR, LAPSE + YEAR, id="as kept"),
            pytest.param(EVENT, YEAR, LAPSE, LAPSE + YEAR, id="kept shorter"),
            pytest.param(EVENT, YEAR, 77, LAPSE + YEAR, id="gone long ago"),
            pytest.param(EVENT, YEAR, LAPSE + YEAR + 1, LAPSE + YEAR + 1, id="kept longer"),
            pytest.param(EVENT, 0, LAPSE - 1, LAPSE, id="no retention"),
            pytest.param(EVENT, 1e-6, LAPSE, LAPSE + 1, id="rounded up"),
            pytest.param(EXTENDED, YEAR, LAPSE, LAPSE + 3600 + YEAR, id="extended"),
            pytest.param(EVENT, YEAR, None, None, id="kept for ever"),
            pytest.param(EVENT, None, LAPSE, None, id="for ever"),
            pytest.param(EVENT, None, None, None, id="both for ever"),
        ],
    )
    def test_row_whose_history_begins_is_kept_longest(
        self,
        event: BreakGlassEvent,
        retention: float | None,
        stored: int | None,
        expected: int | None,
    ) -> None:
        """A row is kept for as long as before, and as long as its new history supposes."""
        assert kept(retention).of_adopted(event, stored) == expected

    @pytest.mark.parametrize(
        ("change", "retention", "stored", "history", "expected"),
        [
            pytest.param(change_to(EVENT, None), YEAR, None, None, LAPSE + YEAR, id="new"),
            pytest.param(change_to(EVENT, None), 0, None, None, LAPSE, id="new, at expiry"),
            pytest.param(change_to(EVENT, None), 1e-6, None, None, LAPSE + 1, id="rounded up"),
            pytest.param(change_to(EVENT, None), None, None, None, None, id="new, for ever"),
            pytest.param(
                change_to(EXTENDED), YEAR, LAPSE, None, LAPSE + 3600 + YEAR, id="extended"
            ),
            pytest.param(change_to(EXTENDED), None, LAPSE, None, None, id="extended, for ever"),
            pytest.param(change_to(EVENT), YEAR, 77, None, 77, id="another retention stays"),
            pytest.param(change_to(EVENT), YEAR, None, None, None, id="kept for ever stays so"),
            pytest.param(
                change_to(EVENT),
                YEAR,
                LAPSE + 10 * YEAR,
                LAPSE + YEAR,
                LAPSE + YEAR - 7 * DAY,
                id="a longer retention than the history's",
            ),
            pytest.param(
                change_to(EVENT),
                None,
                None,
                LAPSE + YEAR,
                LAPSE + YEAR - 7 * DAY,
                id="kept for ever, but not its history",
            ),
            pytest.param(
                change_to(EXTENDED),
                10 * YEAR,
                LAPSE,
                LAPSE + YEAR,
                LAPSE + YEAR - 7 * DAY,
                id="extended by a store with a longer retention than the history's",
            ),
            pytest.param(
                change_to(EXTENDED),
                None,
                LAPSE,
                LAPSE + YEAR,
                LAPSE + YEAR - 7 * DAY,
                id="extended by a store that keeps rows for ever",
            ),
            pytest.param(change_to(HELD), YEAR, LAPSE, LAPSE, None, id="held"),
            pytest.param(RELEASED, YEAR, None, None, None, id="released, for ever before"),
            pytest.param(RELEASED, None, None, LATE, LATE - 7 * DAY, id="released, for ever"),
            pytest.param(RELEASED, YEAR, None, LATE, LAPSE + YEAR, id="released at once"),
            pytest.param(RELEASED, DAY, None, LATE, LAPSE + YEAR, id="released, kept shorter"),
            pytest.param(
                RELEASED_LATE, YEAR, None, LATE + YEAR, HISTORY + 2 * YEAR, id="released late"
            ),
        ],
    )
    def test_row_goes_before_its_history(
        self,
        change: Change,
        retention: float | None,
        stored: int | None,
        history: int | None,
        expected: int | None,
    ) -> None:
        """A row is kept for the retention of its last expiry, and goes a week before its history.

        Otherwise stores with different retentions would leave an event above an empty history.
        """
        assert kept(retention).of_event(change, stored, history) == expected


class TestTombstone:
    @pytest.mark.parametrize(
        ("retention", "history", "expected"),
        [
            pytest.param(YEAR, None, CREATED + YEAR, id="a year"),
            pytest.param(DAY, None, CREATED + DAY, id="a day"),
            pytest.param(3600, None, CREATED + DAY, id="an hour is a day"),
            pytest.param(0, None, CREATED + DAY, id="none is a day"),
            pytest.param(None, None, None, id="for ever"),
            pytest.param(
                YEAR, CREATED + YEAR, CREATED + YEAR - 7 * DAY, id="a week before its history"
            ),
            pytest.param(
                None, CREATED + YEAR, CREATED + YEAR - 7 * DAY, id="for ever, but not its history"
            ),
            pytest.param(YEAR, CREATED + 7 * DAY, CREATED + DAY, id="a day at least"),
            pytest.param(YEAR, 77, CREATED + DAY, id="a day, although its history may be gone"),
        ],
    )
    def test_tombstone_outlives_a_late_write(
        self, retention: float | None, history: int | None, expected: int | None
    ) -> None:
        """A tombstone is kept for the retention, goes before its history, and stays for a day."""
        assert kept(retention).of_tombstone(CREATED_AT, history) == expected


STORED_TTLS = st.none() | st.integers(0, LAPSE + 20 * YEAR)


class TestAdoption:
    @given(st.none() | st.timedeltas(timedelta(0), timedelta(days=4000)), STORED_TTLS)
    def test_adopted_event_goes_before_its_history(
        self, interval: timedelta | None, stored: int | None
    ) -> None:
        """Whatever kept the row, nothing goes sooner than before, and the history goes last."""
        retention = Retention(interval)
        history = retention.of_old_history(CREATED_AT, stored)
        adoption = Change(Action.ADOPTED, EVENT, EVENT, CREATED_AT)
        row = retention.of_event(adoption, retention.of_adopted(EVENT, stored), history)
        if stored is None or interval is None:
            assert (row, history) == (None, None)
        else:
            assert row is not None
            assert history is not None
            assert stored <= row <= history - 7 * DAY


RETENTIONS = st.none() | st.timedeltas(timedelta(0), timedelta(days=4000))


class TestStoresWithDifferentRetentions:
    @given(RETENTIONS, st.lists(st.tuples(RETENTIONS, st.booleans()), max_size=4))
    def test_no_event_outlives_its_history(
        self, creator: timedelta | None, others: list[tuple[timedelta | None, bool]]
    ) -> None:
        """Whatever retentions the writers have, the row goes a week before the history."""
        history = Retention(creator).of_history(CREATED_AT)
        ttl = Retention(creator).of_event(change_to(EVENT, None), None, history)
        before = EVENT
        for number, (retention, is_extended) in enumerate(others):
            after = before
            if is_extended:
                later = before.expires_at + timedelta(minutes=number + 1)
                assert later - CREATED_AT <= MAX_DURATION
                after = before.model_copy(update={"expires_at": later})
            ttl = Retention(retention).of_event(change_to(after, before), ttl, history)
            before = after
            if history is not None:
                assert ttl is not None
                assert ttl <= history - 7 * DAY

    @given(RETENTIONS, RETENTIONS, st.timedeltas(timedelta(0), timedelta(days=4000)))
    def test_release_of_a_hold_shortens_nothing(
        self, creator: timedelta | None, other: timedelta | None, after: timedelta
    ) -> None:
        """Whoever releases a hold, row and history are kept at least as long as without it."""
        change = Change(Action.RELEASED, HELD, EVENT, CREATED_AT + after)
        before = Retention(creator).of_history(CREATED_AT)
        row_before = Retention(creator).of_event(change_to(EVENT, None), None, before)
        history = Retention(other).of_release(change.at, before)
        row = Retention(other).of_event(change, None, history)
        if history is None:
            assert row is None
            return
        assert before is not None
        assert row is not None
        assert row_before is not None
        assert before <= history
        assert row_before <= row <= history - 7 * DAY
