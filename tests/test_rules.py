"""The decisions that a store makes before it writes, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiobreakglass import (
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    ConcurrentModificationError,
    ImmutableFieldError,
    InvalidStateTransitionError,
)
from aiobreakglass._domain.change import EXTENSION_MARGIN, Action, Change
from aiobreakglass._domain.rules import (
    IMMUTABLE_FIELDS,
    MAX_CLOCK_LEAD,
    check_creatable,
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass.testing import make_event
from tests.model.example import HOLD, REVIEW
from tests.model.foreign import FOREIGN_TEXTS, foreign_event
from tests.strategies import events

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
EXPIRES_AT = CREATED_AT + HOUR
IN_TIME = CREATED_AT + HOUR / 2
JUST_IN_TIME = EXPIRES_AT - MICROSECOND

ACTIVE, CLOSED, EXPIRED = BreakGlassStatus
CLOSING: dict[str, Any] = {"status": CLOSED, "closed_by": "bob", "closed_reason": "Over"}
EXPIRING: dict[str, Any] = {"status": EXPIRED}

STORED = make_event(created_at=CREATED_AT)
ENDED = {
    CLOSED: make_event(created_at=CREATED_AT, **CLOSING),
    EXPIRED: make_event(created_at=CREATED_AT, **EXPIRING),
}
OTHER_VALUES: dict[str, Any] = {
    "id": "0123456789abcdef",
    "invoker": "bob",
    "profile": "staging",
    "reason_code": "other",
    "justification": "Something else altogether has happened",
    "duration": 2 * HOUR,
    "created_at": CREATED_AT - MICROSECOND,
    "labels": {"team": "db"},
}
SET_ONLY_BY_STORES: dict[str, dict[str, Any]] = {
    "extensions": {"extensions": 1},
    "held_by": HOLD,
    "reviewed_by": REVIEW,
}

each_open_foreign_text = pytest.mark.parametrize(
    ("field", "value"), [pair for pair in FOREIGN_TEXTS if not pair[0].startswith("closed")]
)


def changed(event: BreakGlassEvent, **changes: Any) -> BreakGlassEvent:
    return BreakGlassEvent.model_validate(event.model_copy(update=changes))


class TestCreation:
    @pytest.mark.parametrize("status", [CLOSED, EXPIRED])
    @pytest.mark.parametrize("now", [CREATED_AT - 9 * HOUR, CREATED_AT, CREATED_AT + 9 * HOUR])
    def test_ended_event_can_be_created_at_any_time(
        self, status: BreakGlassStatus, now: datetime
    ) -> None:
        """An event that has ended can be imported at any time."""
        check_creatable(ENDED[status], now)

    @pytest.mark.parametrize("ended_at", [CREATED_AT, IN_TIME, JUST_IN_TIME])
    def test_expired_event_that_ended_before_its_expires_at_is_refused(
        self, ended_at: datetime
    ) -> None:
        """Access that ran out ended at `expires_at`, and a closed event ended at any instant."""
        with pytest.raises(ValueError, match="ended_at of an expired event must be its expires"):
            check_creatable(changed(ENDED[EXPIRED], ended_at=ended_at), EXPIRES_AT)
        check_creatable(changed(ENDED[CLOSED], ended_at=ended_at), EXPIRES_AT)

    @pytest.mark.parametrize("now", [CREATED_AT - MAX_CLOCK_LEAD, CREATED_AT, JUST_IN_TIME])
    def test_active_event_can_be_created_until_it_lapses(self, now: datetime) -> None:
        """An active event can be created until it lapses, by a clock at most 5 minutes behind."""
        check_creatable(STORED, now)

    @pytest.mark.parametrize(
        ("now", "rule"),
        [
            (EXPIRES_AT, "expires_at of an active event must lie after"),
            (EXPIRES_AT + HOUR, "expires_at of an active event must lie after"),
            (CREATED_AT - MAX_CLOCK_LEAD - MICROSECOND, "created_at .* at most 0:05:00 ahead"),
            (CREATED_AT - 9 * HOUR, "created_at .* at most 0:05:00 ahead"),
        ],
    )
    def test_create_of_active_event_at_a_wrong_time_is_refused(
        self, now: datetime, rule: str
    ) -> None:
        """The error names the field, its rule, and the time of the store's clock."""
        with pytest.raises(ValueError, match=rule) as error:
            check_creatable(STORED, now)
        assert str(error.value).endswith(f"the store's clock, which reads {now.isoformat()}")

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [({"extensions": 1}, "extensions of a new active"), (HOLD, "must not be held")],
    )
    def test_new_active_event_has_no_past(self, changes: dict[str, Any], rule: str) -> None:
        """An extension and a hold of an active event are changes that a store records."""
        with pytest.raises(ValueError, match=rule):
            check_creatable(changed(STORED, **changes), CREATED_AT)
        check_creatable(changed(ENDED[CLOSED], **changes), CREATED_AT)


class TestForeignTexts:
    """Texts of other writers stay, but no update may write a new one."""

    @each_open_foreign_text
    def test_update_keeps_a_stored_foreign_text(self, field: str, value: str) -> None:
        """A text that is already stored may stay, even if it breaks a rule for writing."""
        stored = foreign_event(field, value)
        later = stored.expires_at + HOUR
        proposed = stored.model_copy(update={"expires_at": later, "request_id": "r-1"})
        if field == "request_id":
            proposed = stored.model_copy(update={"expires_at": later})
        updated = decide_update(stored, proposed, IN_TIME).stored
        assert updated == proposed.model_copy(update={"updated_at": IN_TIME, "extensions": 1})

    @each_open_foreign_text
    def test_event_with_a_foreign_text_can_end(self, field: str, value: str) -> None:
        """No text of another writer keeps access from ending."""
        stored = foreign_event(field, value)
        closed = decide_close(stored, "bob", "Over", IN_TIME).stored
        expired = decide_expiry(stored, EXPIRES_AT).stored
        assert (closed.status, expired.status) == (CLOSED, EXPIRED)
        assert getattr(closed, field) == getattr(expired, field) == value
        proposed = stored.model_copy(update=CLOSING)
        assert decide_update(stored, proposed, IN_TIME).stored == closed

    @each_open_foreign_text
    def test_update_with_a_new_foreign_text_is_refused(self, field: str, value: str) -> None:
        """The texts that an update changes must follow the rules for writing."""
        stored = make_event(created_at=CREATED_AT, mfa_verified=True)
        with pytest.raises(ValidationError, match=field):
            decide_update(stored, stored.model_copy(update={field: value}), IN_TIME)

    def test_stale_copy_with_a_foreign_text_is_a_conflict(self) -> None:
        """A text that was replaced after it was read causes a conflict, not a validation error."""
        read = foreign_event("request_id", " r-1")
        stored = read.model_copy(
            update={"request_id": "r-1", "updated_at": read.updated_at + MICROSECOND}
        )
        with pytest.raises(ConcurrentModificationError):
            decide_update(stored, read, IN_TIME)


class TestVersion:
    @pytest.mark.parametrize(
        ("now", "version"),
        [
            pytest.param(IN_TIME, IN_TIME, id="clock moves on"),
            pytest.param(CREATED_AT + MICROSECOND, CREATED_AT + MICROSECOND, id="clock ticks"),
            pytest.param(CREATED_AT, CREATED_AT + MICROSECOND, id="clock stands"),
            pytest.param(CREATED_AT - HOUR, CREATED_AT + MICROSECOND, id="clock steps back"),
        ],
    )
    def test_version_is_now_or_one_microsecond_later(
        self, now: datetime, version: datetime
    ) -> None:
        """A version is the present, but at least one microsecond after the previous version."""
        assert decide_update(STORED, STORED, now).stored.updated_at == version
        assert decide_close(STORED, "bob", "Over", now).stored.updated_at == version

    def test_expiry_makes_a_new_version(self) -> None:
        """Expiry makes a version like any change, even if the previous version is ahead."""
        ahead = changed(STORED, updated_at=EXPIRES_AT + HOUR)
        assert decide_expiry(STORED, EXPIRES_AT).stored.updated_at == EXPIRES_AT
        assert decide_expiry(ahead, EXPIRES_AT).stored.updated_at == ahead.updated_at + MICROSECOND


class TestUpdate:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"expires_at": EXPIRES_AT + HOUR},
            {"expires_at": EXPIRES_AT - MICROSECOND},
            {"request_id": "c0ffee"},
            {"mfa_verified": True, "mfa_method": "totp", "mfa_challenge_id": "challenge/7"},
        ],
        ids=lambda changes: " ".join(changes) or "nothing",
    )
    @pytest.mark.parametrize("now", [CREATED_AT, EXPIRES_AT - EXTENSION_MARGIN])
    def test_update_of_mutable_fields_is_accepted(
        self, changes: dict[str, Any], now: datetime
    ) -> None:
        """The stored event is the proposal with a new version."""
        decided = decide_update(STORED, changed(STORED, **changes), now).stored
        extensions = 1 if changes.get("expires_at", EXPIRES_AT) > EXPIRES_AT else 0
        assert decided == changed(
            STORED, **changes, updated_at=decided.updated_at, extensions=extensions
        )

    def test_update_to_an_end_in_the_past_is_refused(self) -> None:
        """Access may be made to end now, but not earlier, because it was granted until now."""
        proposed = changed(STORED, expires_at=CREATED_AT + HOUR / 2)
        assert (
            decide_update(STORED, proposed, CREATED_AT + HOUR / 2).stored.expires_at < EXPIRES_AT
        )
        with pytest.raises(ValueError, match="expires_at may move to the present at the earliest"):
            decide_update(STORED, proposed, CREATED_AT + HOUR / 2 + MICROSECOND)

    @pytest.mark.parametrize("also", [{}, {"request_id": "c0ffee", "mfa_verified": True}])
    def test_closing_update_may_change_other_fields(self, also: dict[str, Any]) -> None:
        """An update that closes an event may also change other mutable fields."""
        decided = decide_update(STORED, changed(STORED, **CLOSING, **also), JUST_IN_TIME).stored
        assert decided == changed(STORED, **CLOSING, **also, updated_at=JUST_IN_TIME)

    def test_update_marks_a_lapsed_event_expired(self) -> None:
        """An event can be marked expired from `expires_at` on."""
        decided = decide_update(STORED, changed(STORED, **EXPIRING), EXPIRES_AT).stored
        assert decided == changed(STORED, **EXPIRING, updated_at=EXPIRES_AT)

    @pytest.mark.parametrize("field", OTHER_VALUES)
    @pytest.mark.parametrize(
        ("status", "now"), [({}, IN_TIME), (CLOSING, IN_TIME), (EXPIRING, EXPIRES_AT)]
    )
    def test_update_of_an_immutable_field_is_refused(
        self, field: str, status: dict[str, Any], now: datetime
    ) -> None:
        """Identity and evidence never change, whatever else the update does."""
        proposed = changed(STORED, **status, **{field: OTHER_VALUES[field]})
        with pytest.raises(ImmutableFieldError) as refusal:
            decide_update(STORED, proposed, now)
        assert (refusal.value.event_id, refusal.value.field) == (STORED.id, field)

    @pytest.mark.parametrize(
        ("status", "now", "field"),
        [
            *(({}, IN_TIME, field) for field in ("extensions", "held_by")),
            *((CLOSING, IN_TIME, field) for field in SET_ONLY_BY_STORES),
            *((EXPIRING, EXPIRES_AT, field) for field in SET_ONLY_BY_STORES),
        ],
    )
    def test_update_of_what_stores_set_is_refused(
        self, status: dict[str, Any], now: datetime, field: str
    ) -> None:
        """No update counts an extension, reviews an event or holds it."""
        proposed = changed(STORED, **status, **SET_ONLY_BY_STORES[field])
        with pytest.raises(ImmutableFieldError) as refusal:
            decide_update(STORED, proposed, now)
        assert refusal.value.field == field

    @pytest.mark.parametrize("fields", [HOLD, {"extensions": 2}, {"labels": {"team": "db"}}])
    def test_changes_keep_what_stores_set(self, fields: dict[str, Any]) -> None:
        """A hold, extensions and labels stay through every change."""
        stored = changed(STORED, **fields)
        for decided in (
            decide_update(stored, changed(stored, request_id="c0ffee"), IN_TIME),
            decide_update(stored, changed(stored, **CLOSING), IN_TIME),
            decide_close(stored, "bob", "Over", IN_TIME),
            decide_expiry(stored, EXPIRES_AT),
        ):
            assert changed(decided.stored, **fields) == decided.stored

    def test_each_extension_is_counted(self) -> None:
        """An update that moves `expires_at` later counts, and one that moves it earlier not."""
        once = decide_update(STORED, changed(STORED, expires_at=EXPIRES_AT + HOUR), IN_TIME).stored
        shorter = decide_update(once, changed(once, expires_at=EXPIRES_AT), IN_TIME).stored
        twice = decide_update(shorter, changed(shorter, expires_at=EXPIRES_AT + HOUR), IN_TIME)
        assert (once.extensions, shorter.extensions, twice.stored.extensions) == (1, 1, 2)

    @pytest.mark.parametrize(("status", "now"), [(CLOSING, IN_TIME), (EXPIRING, EXPIRES_AT)])
    @pytest.mark.parametrize("expires_at", [EXPIRES_AT - MICROSECOND, EXPIRES_AT + HOUR])
    def test_ending_update_must_not_move_the_expiry(
        self, status: dict[str, Any], now: datetime, expires_at: datetime
    ) -> None:
        """An event that ends keeps the expiry that it was granted."""
        with pytest.raises(ImmutableFieldError, match="expires_at"):
            decide_update(STORED, changed(STORED, **status, expires_at=expires_at), now)

    @pytest.mark.parametrize("stored", ENDED.values(), ids=ENDED.keys())
    @pytest.mark.parametrize("new", [{}, CLOSING, EXPIRING], ids=["active", "closed", "expired"])
    @pytest.mark.parametrize("now", [IN_TIME, EXPIRES_AT])
    def test_update_of_a_terminal_event_is_refused(
        self, stored: BreakGlassEvent, new: dict[str, Any], now: datetime
    ) -> None:
        """A terminal event never changes, even to the same status."""
        proposed = changed(STORED, **new, id=stored.id)
        with pytest.raises(InvalidStateTransitionError) as refusal:
            decide_update(stored, proposed, now)
        error = refusal.value
        assert (error.event_id, error.current_status, error.new_status) == (
            stored.id,
            stored.status,
            proposed.status,
        )

    @pytest.mark.parametrize(
        ("changes", "new"),
        [({}, ACTIVE), ({"expires_at": EXPIRES_AT + HOUR}, ACTIVE), (CLOSING, CLOSED)],
    )
    def test_update_of_a_lapsed_event_is_refused(
        self, changes: dict[str, Any], new: BreakGlassStatus
    ) -> None:
        """A lapsed event counts as expired, and can be neither revived nor closed."""
        with pytest.raises(InvalidStateTransitionError, match="lapsed") as refusal:
            decide_update(STORED, changed(STORED, **changes), EXPIRES_AT)
        error = refusal.value
        assert (error.event_id, error.current_status, error.new_status) == (
            STORED.id,
            EXPIRED,
            new,
        )

    @pytest.mark.parametrize("left", [MICROSECOND, EXTENSION_MARGIN - MICROSECOND])
    def test_extension_at_the_last_moment_is_refused(self, left: timedelta) -> None:
        """An extension that could land after the lapse is refused; other changes are not."""
        late = EXPIRES_AT - left
        with pytest.raises(InvalidStateTransitionError, match="too soon to be extended"):
            decide_update(STORED, changed(STORED, expires_at=EXPIRES_AT + MICROSECOND), late)
        shortened = changed(STORED, expires_at=EXPIRES_AT - left)
        assert decide_update(STORED, shortened, late).stored.expires_at == shortened.expires_at

    def test_marking_a_running_event_expired_is_refused(self) -> None:
        """An event that still runs cannot be marked expired."""
        with pytest.raises(InvalidStateTransitionError) as refusal:
            decide_update(STORED, changed(STORED, **EXPIRING), JUST_IN_TIME)
        assert (refusal.value.current_status, refusal.value.new_status) == (ACTIVE, EXPIRED)

    @pytest.mark.parametrize("difference", [MICROSECOND, HOUR])
    def test_update_of_a_stale_copy_is_refused(self, difference: timedelta) -> None:
        """Only the newest version can be updated, and the error contains it."""
        newer = changed(STORED, updated_at=STORED.updated_at + difference)
        for stored, proposed in [(newer, STORED), (STORED, newer)]:
            with pytest.raises(ConcurrentModificationError) as conflict:
                decide_update(stored, proposed, IN_TIME)
            assert (conflict.value.event_id, conflict.value.current) == (stored.id, stored)

    @pytest.mark.parametrize(
        ("stored", "changes", "now", "error"),
        [
            pytest.param(
                changed(ENDED[CLOSED], updated_at=IN_TIME),
                {},
                EXPIRES_AT,
                InvalidStateTransitionError,
                id="terminal, stale, lapsed, rewritten",
            ),
            pytest.param(
                changed(STORED, updated_at=IN_TIME),
                {},
                EXPIRES_AT,
                ConcurrentModificationError,
                id="stale, lapsed, rewritten",
            ),
            pytest.param(
                changed(STORED, updated_at=IN_TIME),
                EXPIRING,
                IN_TIME,
                ConcurrentModificationError,
                id="stale, early, rewritten",
            ),
            pytest.param(
                STORED, {}, EXPIRES_AT, InvalidStateTransitionError, id="lapsed, rewritten"
            ),
            pytest.param(
                STORED, EXPIRING, IN_TIME, InvalidStateTransitionError, id="early, rewritten"
            ),
            pytest.param(STORED, {}, IN_TIME, ImmutableFieldError, id="rewritten"),
        ],
    )
    def test_update_wrong_in_several_ways_has_one_reason(
        self,
        stored: BreakGlassEvent,
        changes: dict[str, Any],
        now: datetime,
        error: type[BreakGlassError],
    ) -> None:
        """The error gives the first reason in the contract's order."""
        rewritten = OTHER_VALUES["justification"]
        with pytest.raises(error):
            decide_update(stored, changed(STORED, **changes, justification=rewritten), now)


class TestClosing:
    @pytest.mark.parametrize("now", [CREATED_AT, JUST_IN_TIME])
    def test_close_adds_who_why_and_when(self, now: datetime) -> None:
        """Closing adds only who closed the event, why, and when."""
        decided = decide_close(STORED, "bob", " Over ", now).stored
        version = max(now, CREATED_AT + MICROSECOND)
        assert decided == changed(STORED, **CLOSING, updated_at=version, ended_at=now)

    @pytest.mark.parametrize(
        ("stored", "now", "current"),
        [
            (STORED, EXPIRES_AT, EXPIRED),
            (ENDED[CLOSED], IN_TIME, CLOSED),
            (ENDED[EXPIRED], IN_TIME, EXPIRED),
        ],
    )
    def test_close_of_a_lapsed_or_ended_event_is_refused(
        self, stored: BreakGlassEvent, now: datetime, current: BreakGlassStatus
    ) -> None:
        """An event that has lapsed or ended cannot be closed."""
        with pytest.raises(InvalidStateTransitionError) as refusal:
            decide_close(stored, "bob", "Over", now)
        assert (refusal.value.current_status, refusal.value.new_status) == (current, CLOSED)

    @pytest.mark.parametrize(
        ("now", "ended_at"),
        [
            (CREATED_AT - HOUR, CREATED_AT),
            (CREATED_AT, CREATED_AT),
            (IN_TIME, IN_TIME),
            (JUST_IN_TIME, JUST_IN_TIME),
        ],
    )
    def test_closed_event_ended_by_the_stores_clock(
        self, now: datetime, ended_at: datetime
    ) -> None:
        """Access ended when the store closed the event, whatever the caller's copy says."""
        proposed = STORED.close(closed_by="bob", closed_reason="Over", at=CREATED_AT + MICROSECOND)
        for change in (
            decide_close(STORED, "bob", "Over", now),
            decide_update(STORED, proposed, now),
        ):
            assert change.stored.ended_at == ended_at


class TestExpiry:
    def test_expired_event_ended_at_its_expires_at(self) -> None:
        """Access ended at `expires_at`, however late the event is marked."""
        assert decide_expiry(STORED, EXPIRES_AT + HOUR).stored.ended_at == EXPIRES_AT
        proposed = changed(STORED, **EXPIRING)
        assert decide_update(STORED, proposed, EXPIRES_AT + HOUR).stored.ended_at == EXPIRES_AT

    @pytest.mark.parametrize(
        ("stored", "now", "current"),
        [
            (STORED, JUST_IN_TIME, ACTIVE),
            (ENDED[CLOSED], EXPIRES_AT, CLOSED),
            (ENDED[EXPIRED], EXPIRES_AT, EXPIRED),
        ],
    )
    def test_expiry_of_a_running_or_ended_event_is_refused(
        self, stored: BreakGlassEvent, now: datetime, current: BreakGlassStatus
    ) -> None:
        """An event that still runs or has already ended cannot expire."""
        with pytest.raises(InvalidStateTransitionError) as refusal:
            decide_expiry(stored, now)
        assert (refusal.value.current_status, refusal.value.new_status) == (current, EXPIRED)


class TestChange:
    """The complete change that a rule returns."""

    @pytest.mark.parametrize(
        ("change", "action", "by", "note"),
        [
            pytest.param(decide_create(STORED, IN_TIME), Action.CREATED, "alice", None, id="new"),
            pytest.param(
                decide_create(ENDED[CLOSED], IN_TIME),
                Action.IMPORTED,
                "alice",
                None,
                id="imported",
            ),
            pytest.param(
                decide_update(STORED, changed(STORED, request_id="c0ffee"), IN_TIME),
                Action.UPDATED,
                None,
                None,
                id="updated",
            ),
            pytest.param(
                decide_update(STORED, changed(STORED, expires_at=EXPIRES_AT + HOUR), IN_TIME),
                Action.EXTENDED,
                None,
                None,
                id="extended",
            ),
            pytest.param(
                decide_update(
                    STORED, changed(STORED, expires_at=EXPIRES_AT - MICROSECOND), IN_TIME
                ),
                Action.UPDATED,
                None,
                None,
                id="shortened",
            ),
            pytest.param(
                decide_update(STORED, changed(STORED, **CLOSING), IN_TIME),
                Action.CLOSED,
                "bob",
                "Over",
                id="updated to closed",
            ),
            pytest.param(
                decide_close(STORED, "bob", "Over", IN_TIME),
                Action.CLOSED,
                "bob",
                "Over",
                id="closed",
            ),
            pytest.param(
                decide_expiry(STORED, EXPIRES_AT), Action.EXPIRED, None, None, id="expired"
            ),
            pytest.param(decide_delete(STORED, IN_TIME), Action.DELETED, None, None, id="deleted"),
            *(
                pytest.param(change, change.action, "carol", "As agreed", id=f"{change.action} by")
                for change in (
                    decide_create(STORED, IN_TIME, "carol", "As agreed"),
                    decide_create(ENDED[EXPIRED], IN_TIME, "carol", "As agreed"),
                    decide_update(STORED, STORED, IN_TIME, "carol", "As agreed"),
                    decide_update(
                        STORED, changed(STORED, **CLOSING), IN_TIME, "carol", "As agreed"
                    ),
                    decide_update(
                        STORED, changed(STORED, **EXPIRING), EXPIRES_AT, "carol", "As agreed"
                    ),
                    decide_delete(STORED, IN_TIME, "carol", "As agreed"),
                )
            ),
            pytest.param(
                decide_delete(None, IN_TIME), Action.DELETED, None, None, id="deleted unread"
            ),
        ],
    )
    def test_change_says_what_was_done_and_by_whom(
        self, change: Change, action: Action, by: str | None, note: str | None
    ) -> None:
        """A change names its action, its author and the reason, as far as they are known."""
        assert (change.action, change.by, change.note) == (action, by, note)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(decide_create(STORED, IN_TIME), id="create"),
            pytest.param(decide_update(STORED, STORED, IN_TIME), id="update"),
            pytest.param(decide_close(STORED, "bob", "Over", IN_TIME), id="close"),
        ],
    )
    @pytest.mark.parametrize(
        ("now", "left"),
        [
            (IN_TIME, None),
            (JUST_IN_TIME, None),
            (EXPIRES_AT, timedelta(0)),
            (EXPIRES_AT + HOUR, timedelta(0)),
        ],
        ids=["early", "just in time", "at the boundary", "late"],
    )
    def test_change_may_be_sent_until_the_lapse(
        self, change: Change, now: datetime, left: timedelta | None
    ) -> None:
        """A change that relies on an active event is not sent from `expires_at` on."""
        assert change.time_left(now) == left

    @pytest.mark.parametrize(
        ("left", "expected"),
        [
            (HOUR, HOUR),
            (EXTENSION_MARGIN, EXTENSION_MARGIN),
            (EXTENSION_MARGIN - MICROSECOND, timedelta(0)),
            (timedelta(0), timedelta(0)),
            (-HOUR, timedelta(0)),
        ],
    )
    def test_extension_may_be_sent_until_a_second_before_lapse(
        self, left: timedelta, expected: timedelta
    ) -> None:
        """A later extension would restore access that a check has already denied."""
        extension = decide_update(STORED, changed(STORED, expires_at=EXPIRES_AT + HOUR), IN_TIME)
        assert extension.time_left(EXPIRES_AT - left) == expected

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(decide_create(ENDED[CLOSED], IN_TIME), id="import"),
            pytest.param(decide_expiry(STORED, EXPIRES_AT), id="expiry"),
            pytest.param(decide_delete(STORED, IN_TIME), id="delete"),
            pytest.param(decide_delete(None, IN_TIME), id="delete of an unreadable row"),
        ],
    )
    def test_change_that_grants_nothing_may_always_be_sent(self, change: Change) -> None:
        """A change that ends or imports an event grants nothing."""
        assert change.time_left(EXPIRES_AT + HOUR) is None

    def test_deletion_leaves_no_stored_event(self) -> None:
        """Asking a deletion for its stored event is an error."""
        with pytest.raises(ValueError, match="leaves no event"):
            _ = decide_delete(STORED, IN_TIME).stored


class TestDecision:
    @given(
        stored=events(),
        minutes=st.integers(-10, 300),
        decision=st.sampled_from(["update", "close", "expire"]),
    )
    def test_decision_about_any_event_is_valid(
        self, stored: BreakGlassEvent, minutes: int, decision: str
    ) -> None:
        """Every decision is a valid event with a later version and the same evidence."""
        now = stored.created_at + timedelta(minutes=minutes)
        try:
            decided = {
                "update": lambda: decide_update(stored, stored, now),
                "close": lambda: decide_close(stored, "bob", "Over", now),
                "expire": lambda: decide_expiry(stored, now),
            }[decision]().stored
        except InvalidStateTransitionError:
            assert not stored.is_active(now) or decision == "expire"
            return
        assert changed(decided) == decided
        assert decided.updated_at > stored.updated_at
        assert stored.status is ACTIVE
        for field in (*IMMUTABLE_FIELDS, "expires_at"):
            assert getattr(decided, field) == getattr(stored, field)
