"""The texts and chains of histories: what each change adds, as tables and laws."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import MAX_DURATION, Action, BreakGlassEvent, HistoryEntry, verify_history
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import (
    MAX_REVISION,
    Tip,
    canonical_json,
    digest_of,
    entry_values,
    event_values,
    hash_of,
    history_ttl,
    read_entry,
    read_event_values,
    recorded,
    tip_of,
)
from aiobreakglass._domain.rules import (
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass.testing import make_event
from tests.model.example import CLOSING, CREATED_AT, EXPIRES_AT, HOLD, HOUR, MICROSECOND, REVIEW
from tests.model.foreign import FOREIGN_ADDITIONS, FOREIGN_TEXTS, foreign_event
from tests.strategies import events, names, texts

ID = "0123456789abcdef"
IN_TIME = CREATED_AT + HOUR / 2
TTL, OLD_TTL = 1_800_000_000, 1_720_000_000
EARLIEST_TTL = int((CREATED_AT + MAX_DURATION + timedelta(days=8)).timestamp())
"""The time limit of a store that keeps nothing after an event has ended."""
HEAD = "0" * 64
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

STORED = make_event(id=ID, created_at=CREATED_AT)
OLDEST_FIELDS = {
    *("id", "invoker", "profile", "reason_code", "justification", "duration", "status"),
    *("created_at", "updated_at", "expires_at", "mfa_verified"),
}
"""The fields without which there was never an event."""

CREATED_TEXT = (
    '{"action":"created","at":"2024-03-01T12:00:00.000000Z","by":"alice","event":{'
    '"created_at":"2024-03-01T12:00:00.000000Z","duration":3600000000000,'
    '"expires_at":"2024-03-01T13:00:00.000000Z","id":"0123456789abcdef","invoker":"alice",'
    '"justification":"The primary database does not answer","mfa_verified":false,'
    '"profile":"prod","reason_code":"incident","status":"active",'
    '"updated_at":"2024-03-01T12:00:00.000000Z"},"event_id":"0123456789abcdef","note":null,'
    '"previous":null,"revision":1}'
)
"""What the first release with histories wrote; later releases must write the same."""


def tip(**changes: Any) -> Tip:
    """Return the tip of a history that knows the stored event."""
    known = Tip(7, HEAD, CREATED_AT, digest_of(STORED), OLD_TTL)
    return known._replace(**changes)


class TestEventValues:
    @given(events())
    def test_event_is_read_back_from_its_values(self, event: BreakGlassEvent) -> None:
        """No field of any event gets lost, also on the way through JSON."""
        values = event_values(event)
        assert read_event_values(values) == event
        assert read_event_values(json.loads(json.dumps(values))) == event

    @pytest.mark.parametrize(("field", "value"), [*FOREIGN_TEXTS, *FOREIGN_ADDITIONS])
    def test_foreign_text_is_read_back(self, field: str, value: object) -> None:
        """Another writer's text is evidence, whatever it says."""
        event = foreign_event(field, value)
        assert read_event_values(event_values(event)) == event

    @given(events())
    def test_absent_values_are_left_out(self, event: BreakGlassEvent) -> None:
        """There is one way to say that something is absent: to say nothing."""
        values = event_values(event)
        expected = {
            field
            for field, value in vars(event).items()
            if value is not None and (field not in ("extensions", "labels") or value)
        }
        assert values.keys() == expected
        assert None not in values.values()

    def test_new_field_changes_no_older_text(self) -> None:
        """An event from before a field existed keeps its digest after the field exists."""
        assert event_values(STORED).keys() == OLDEST_FIELDS
        assert canonical_json(event_values(STORED)) in CREATED_TEXT

    def test_values_of_a_later_release_are_passed_over(self) -> None:
        """A later release may say more about an event."""
        assert read_event_values({**event_values(STORED), "zone": {"a": [1]}}) == STORED

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": "7"},
            {"duration": "3600"},
            {"duration": None},
            {"duration": 10**30},
            {"created_at": 7},
            {"created_at": "today"},
            {"created_at": "2024-03-01T12:00:00"},
            {"status": "closed"},
            {"extensions": -1},
            {"extensions": 1.5},
            {"labels": ["team"]},
            {"labels": {"team": 7}},
            {"held_by": "dave"},
        ],
    )
    def test_values_that_are_no_event_are_refused(self, changes: dict[str, Any]) -> None:
        """Values that break a rule for reading are no event."""
        with pytest.raises((ValueError, TypeError, KeyError, OverflowError)):
            read_event_values({**event_values(STORED), **changes})


class TestCanonicalJson:
    @given(events(), st.none() | names(), st.none() | texts(at_least=1))
    def test_text_is_that_of_another_implementation(
        self, event: BreakGlassEvent, by: str | None, note: str | None
    ) -> None:
        """The text of any entry is canonical JSON (RFC 8785), so other programs can verify it."""
        change = decide_create_or_import(event, by, note)
        (entry,) = recorded(event.id, change, None, lambda _: None).entries
        assert entry.entry.encode() == rfc8785.dumps(json.loads(entry.entry))
        assert entry.hash == sha256(entry.entry.encode()).hexdigest()

    def test_order_of_labels_does_not_count(self) -> None:
        """Equal events have equal digests."""
        labels = {"b": "1", "a": "2"}
        one = make_event(id=ID, created_at=CREATED_AT, labels=labels)
        other = make_event(id=ID, created_at=CREATED_AT, labels=dict(reversed(labels.items())))
        assert digest_of(one) == digest_of(other)

    @given(events(), events())
    def test_digests_are_equal_only_if_events_are(
        self, one: BreakGlassEvent, other: BreakGlassEvent
    ) -> None:
        """The digest of a row shows any difference."""
        assert (digest_of(one) == digest_of(other)) == (one == other)


def decide_create_or_import(
    event: BreakGlassEvent, by: str | None = None, note: str | None = None
) -> Change:
    """Return the change that an event can begin its history with."""
    is_new = not event.extensions and event.held_by is None
    active = Action.CREATED if is_new else Action.ADOPTED
    action = Action.IMPORTED if event.status.is_terminal else active
    return Change(action, None, event, event.created_at, by, note)


CREATE = decide_create(STORED, CREATED_AT)
UPDATE = decide_update(
    STORED, STORED.model_copy(update={"request_id": "c0ffee"}), IN_TIME, "carol", "As agreed"
)
CLOSE = decide_close(STORED, "bob", "Over", IN_TIME)
EXPIRE = decide_expiry(STORED, EXPIRES_AT)
DELETE = decide_delete(STORED, IN_TIME)
DELETE_UNREAD = decide_delete(None, IN_TIME)

OF_CREATE = (1, CREATED_AT, "created", "alice", None, STORED, None)
OF_UPDATE = ("updated", "carol", "As agreed", UPDATE.after)
OF_ADOPTION = ("adopted", None, None, STORED)

RECORDED: dict[str, tuple[Change, Tip | None, list[tuple[Any, ...]]]] = {
    "create": (CREATE, None, [OF_CREATE]),
    "change": (UPDATE, tip(), [(8, IN_TIME, *OF_UPDATE, HEAD)]),
    "close": (CLOSE, tip(), [(8, IN_TIME, "closed", "bob", "Over", CLOSE.after, HEAD)]),
    "expiry": (EXPIRE, tip(), [(8, EXPIRES_AT, "expired", None, None, EXPIRE.after, HEAD)]),
    "delete": (DELETE, tip(), [(8, IN_TIME, "deleted", None, None, None, HEAD)]),
    "first change of an old row": (
        UPDATE,
        None,
        [
            (1, IN_TIME - MICROSECOND, *OF_ADOPTION, None),
            (2, IN_TIME, *OF_UPDATE, "the one before"),
        ],
    ),
    "delete of an old row": (
        DELETE,
        None,
        [
            (1, IN_TIME - MICROSECOND, *OF_ADOPTION, None),
            (2, IN_TIME, "deleted", None, None, None, "the one before"),
        ],
    ),
    "row changed outside": (
        UPDATE,
        tip(digest="f" * 64),
        [
            (8, IN_TIME - MICROSECOND, *OF_ADOPTION, HEAD),
            (9, IN_TIME, *OF_UPDATE, "the one before"),
        ],
    ),
    "row without a digest": (
        UPDATE,
        tip(digest=None),
        [
            (8, IN_TIME - MICROSECOND, *OF_ADOPTION, HEAD),
            (9, IN_TIME, *OF_UPDATE, "the one before"),
        ],
    ),
    "delete of what is no event": (
        DELETE_UNREAD,
        None,
        [(1, IN_TIME, "deleted", None, None, None, None)],
    ),
    "delete of what is no event any more": (
        DELETE_UNREAD,
        tip(),
        [(8, IN_TIME, "deleted", None, None, None, HEAD)],
    ),
    "clock stands": (
        UPDATE,
        tip(at=IN_TIME),
        [(8, IN_TIME + MICROSECOND, *OF_UPDATE, HEAD)],
    ),
    "clock stepped back": (
        UPDATE,
        tip(at=IN_TIME + HOUR),
        [(8, IN_TIME + HOUR + MICROSECOND, *OF_UPDATE, HEAD)],
    ),
    "clock stands, row changed outside": (
        UPDATE,
        tip(at=IN_TIME, digest=None),
        [
            (8, IN_TIME + MICROSECOND, *OF_ADOPTION, HEAD),
            (9, IN_TIME + 2 * MICROSECOND, *OF_UPDATE, "the one before"),
        ],
    ),
    "clock ticks, row changed outside": (
        UPDATE,
        tip(at=IN_TIME - MICROSECOND, digest=None),
        [
            (8, IN_TIME, *OF_ADOPTION, HEAD),
            (9, IN_TIME + MICROSECOND, *OF_UPDATE, "the one before"),
        ],
    ),
    "forged time": (
        UPDATE,
        tip(at=END_OF_TIME, digest=None),
        [
            (8, END_OF_TIME - MICROSECOND, *OF_ADOPTION, HEAD),
            (9, END_OF_TIME, *OF_UPDATE, "the one before"),
        ],
    ),
}


class TestRecorded:
    @pytest.mark.parametrize("name", RECORDED)
    def test_change_adds_these_entries(self, name: str) -> None:
        """A change adds its entry, after one that adopts what the history does not know."""
        change, known, expected = RECORDED[name]
        entries = recorded(ID, change, known, lambda _: TTL).entries
        hashes = [entry.hash for entry in entries]
        assert [
            (
                entry.revision,
                entry.at,
                entry.action,
                entry.by,
                entry.note,
                entry.event,
                "the one before" if entry.previous in hashes[:-1] else entry.previous,
            )
            for entry in entries
        ] == expected
        assert {entry.history_ttl for entry in entries} == {TTL if known is None else OLD_TTL}
        assert {entry.event_id for entry in entries} == {ID}

    @pytest.mark.parametrize(
        ("change", "created_at"),
        [(CREATE, CREATED_AT), (UPDATE, CREATED_AT), (DELETE_UNREAD, IN_TIME)],
        ids=["create", "adoption", "delete of what is no event"],
    )
    def test_first_entry_sets_the_time_limit(self, change: Change, created_at: datetime) -> None:
        """A history is kept by its event's `created_at`, or by the deletion of what is none."""
        asked: list[datetime] = []
        recorded(ID, change, None, lambda instant: asked.append(instant))
        assert asked == [created_at]

    @pytest.mark.parametrize("change", [UPDATE, CLOSE, EXPIRE, DELETE], ids=lambda c: c.action)
    @pytest.mark.parametrize("digest", [digest_of(STORED), None], ids=["known", "adopted"])
    @pytest.mark.parametrize(
        ("ttl", "new", "expected"),
        [
            (1, TTL, TTL),
            (-1, TTL, TTL),
            (1, None, None),
            (EARLIEST_TTL - 1, TTL, TTL),
            (EARLIEST_TTL, TTL, EARLIEST_TTL),
            (TTL + 1, TTL, TTL + 1),
            (None, TTL, None),
        ],
    )
    def test_time_limit_that_no_store_sets_is_set_again(
        self,
        change: Change,
        digest: str | None,
        ttl: int | None,
        new: int | None,
        expected: int | None,
    ) -> None:
        """A time limit stays, unless no store can have set one that early."""
        asked: list[datetime] = []

        def new_ttl(created_at: datetime) -> int | None:
            asked.append(created_at)
            return new

        known = tip(digest=digest, history_ttl=ttl)
        record = recorded(ID, change, known, new_ttl)
        assert {entry.history_ttl for entry in record.entries} == {expected}
        assert record.tip.history_ttl == expected
        assert asked == ([CREATED_AT] if ttl != expected else [])

    def test_first_moment_of_all_can_be_recorded(self) -> None:
        """Even a clock in the year 1 leaves room for an adoption."""
        beginning = datetime.min.replace(tzinfo=UTC)
        change = Change(Action.DELETED, STORED, None, beginning)
        times = [entry.at for entry in recorded(ID, change, None, lambda _: None).entries]
        assert times == [beginning + MICROSECOND, beginning + 2 * MICROSECOND]

    def test_text_of_the_first_release_stays(self) -> None:
        """Later releases write the same text for the same change."""
        (entry,) = recorded(ID, CREATE, None, lambda _: None).entries
        assert entry.entry == CREATED_TEXT

    @given(events(), st.lists(st.timedeltas(-HOUR, HOUR), max_size=4))
    def test_chain_of_any_event_is_whole(
        self, event: BreakGlassEvent, steps: list[timedelta]
    ) -> None:
        """Whatever an event says and the clock does, verification finds nothing."""
        entries = recorded(event.id, decide_create_or_import(event), None, lambda _: None).entries
        now = event.created_at
        for step in steps:
            now += step
            if not event.is_active(now):
                break
            change = decide_update(event, event, now)
            entries += recorded(event.id, change, tip_of(entries[-1]), lambda _: None).entries
            event = change.stored
        assert verify_history(entries, event) == []
        change = decide_delete(event, now)
        entries += recorded(event.id, change, tip_of(entries[-1]), lambda _: None).entries
        assert verify_history(entries, None) == []


CREATED: dict[str, Any] = json.loads(CREATED_TEXT)
WRONG_VALUES: dict[str, list[Any]] = {
    "event_id": [None, 7],
    "revision": [None, "1", 1.0, True, 0, -1, MAX_REVISION + 1],
    "at": [None, 7, "now", "2024-03-01T12:00:00"],
    "action": [None, 7, "Created", "forged", []],
    "by": [7],
    "note": [7],
    "previous": [7],
    "event": [7, {}, [], {"id": ID}],
}


class TestReadEntry:
    @pytest.mark.parametrize("name", RECORDED)
    def test_entry_is_read_back(self, name: str) -> None:
        """An entry is the same when it is read from its text."""
        change, known, _ = RECORDED[name]
        for entry in recorded(ID, change, known, lambda _: TTL).entries:
            assert read_entry(entry.entry, entry.hash, entry.history_ttl) == entry
            assert canonical_json(entry_values(entry)) == entry.entry

    @pytest.mark.parametrize(
        "text",
        [
            *("", "{", "[]", "null", "7", '"x"', "{}", "NaN", "[" * 100_000),
            *('{"event":' * 500 + "0" + "}" * 500, "9" * 5000),
            *(
                canonical_json({**CREATED, name: value})
                for name, values in WRONG_VALUES.items()
                for value in values
            ),
            *(
                canonical_json({name: CREATED[name] for name in CREATED if name != missing})
                for missing in CREATED
            ),
        ],
        ids=lambda text: text[:30],
    )
    def test_text_that_is_no_entry_raises_value_error(self, text: str) -> None:
        """Whatever is wrong with a text, the exception is the same, and repeats none of it."""
        with pytest.raises(ValueError, match=r"^is not the text of an entry$"):
            read_entry(text, hash_of(text), None)

    @given(st.text())
    def test_any_text_is_an_entry_or_a_value_error(self, text: str) -> None:
        """No text raises anything else."""
        with pytest.raises(ValueError, match=r"^is not the text of an entry$"):
            read_entry(text, "", None)


class TestTip:
    def test_tip_says_what_a_row_must_say(self) -> None:
        """The newest entry gives its revision, hash, time and digest."""
        (entry,) = recorded(ID, CREATE, None, lambda _: TTL).entries
        assert tip_of(entry) == Tip(1, entry.hash, CREATED_AT, digest_of(STORED), TTL)

    def test_tip_of_a_deletion_has_no_digest(self) -> None:
        """After a deletion there is no event to compare with."""
        (entry,) = recorded(ID, DELETE, tip(), lambda _: TTL).entries
        assert tip_of(entry).digest is None


class TestHistoryTtl:
    @pytest.mark.parametrize(
        ("created_at", "retention", "expected"),
        [
            (CREATED_AT, None, None),
            (CREATED_AT, timedelta(0), CREATED_AT + MAX_DURATION + timedelta(days=8)),
            (CREATED_AT, timedelta(days=365), CREATED_AT + MAX_DURATION + timedelta(days=373)),
            (
                CREATED_AT + MICROSECOND,
                timedelta(0),
                CREATED_AT + MAX_DURATION + timedelta(days=8, seconds=1),
            ),
            (
                CREATED_AT,
                MICROSECOND,
                CREATED_AT + MAX_DURATION + timedelta(days=8, seconds=1),
            ),
        ],
    )
    def test_history_outlives_its_event(
        self, created_at: datetime, retention: timedelta | None, expected: datetime | None
    ) -> None:
        """The history goes 8 days after the latest end of its event's retention, rounded up."""
        seconds = None if expected is None else int(expected.timestamp())
        assert history_ttl(created_at, retention) == seconds

    def test_retention_may_exceed_the_calendar(self) -> None:
        """Any `timedelta` is a retention."""
        assert history_ttl(END_OF_TIME, timedelta.max) is not None


def test_entry_of_all_fields_is_read_back() -> None:
    """An ended event with all fields goes through its entry unchanged."""
    event = make_event(
        id=ID,
        created_at=CREATED_AT,
        extensions=3,
        labels={"ticket": "OPS-7 \u20ac"},
        mfa_verified=True,
        mfa_method="totp",
        mfa_challenge_id="challenge/7",
        request_id="c0ffee",
        **CLOSING,
        **REVIEW,
        **HOLD,
    )
    (entry,) = recorded(ID, decide_create_or_import(event), None, lambda _: TTL).entries
    read: HistoryEntry = read_entry(entry.entry, entry.hash, TTL)
    assert read == entry
    assert read.event is not None
    assert event_values(read.event).keys() == BreakGlassEvent.model_fields.keys()
