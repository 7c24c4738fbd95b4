"""The decisions on extensions, reviews and holds, as tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import (
    MAX_DURATION,
    Action,
    BreakGlassEvent,
    BreakGlassStatus,
    EventHeldError,
    InvalidStateTransitionError,
    LimitExceededError,
    Limits,
    ReviewOutcome,
    ReviewRefusedError,
)
from aiobreakglass._domain.change import EXTENSION_MARGIN, Change
from aiobreakglass._domain.event import read_event
from aiobreakglass._domain.limits import NO_LIMITS
from aiobreakglass._domain.moves import fields_beyond, is_result_of
from aiobreakglass._domain.oversight import (
    decide_extend,
    decide_hold,
    decide_release,
    decide_review,
    refuse_held,
)
from aiobreakglass._domain.rules import (
    decide_close,
    decide_delete,
    decide_expiry,
    decide_update,
)
from tests.model.example import (
    CLOSING,
    CREATED_AT,
    EXPIRES_AT,
    HOLD,
    HOUR,
    MICROSECOND,
    REVIEW,
    event,
)

ACTIVE, CLOSED, EXPIRED = BreakGlassStatus
JUSTIFIED, UNJUSTIFIED, NEEDS_FOLLOW_UP = ReviewOutcome
IN_TIME = CREATED_AT + HOUR / 2
LATER = EXPIRES_AT + HOUR

RUNNING = event()
HELD = event().model_copy(update=HOLD)
ENDED = {
    "closed": event(**CLOSING),
    "expired": event(status="expired"),
}

each_ended = pytest.mark.parametrize("stored", ENDED.values(), ids=ENDED)


def extend(
    stored: BreakGlassEvent,
    expires_at: datetime = LATER,
    now: datetime = IN_TIME,
    limits: Limits = NO_LIMITS,
) -> Change:
    return decide_extend(stored, expires_at, "carol", "Not over yet", now, limits)


def review(
    stored: BreakGlassEvent,
    outcome: ReviewOutcome = JUSTIFIED,
    now: datetime = LATER,
    by: str = "carol",
) -> Change:
    return decide_review(stored, by, outcome, "There was no other way", now)


def hold(stored: BreakGlassEvent, now: datetime = IN_TIME) -> Change:
    return decide_hold(stored, "dave", "The regulator asks", now)


def release(stored: BreakGlassEvent, now: datetime = IN_TIME) -> Change:
    return decide_release(stored, "erin", "It is settled", now)


def assert_changes(change: Change, stored: BreakGlassEvent, **fields: Any) -> None:
    """Assert that a change sets these fields and the version, and that no verifier objects."""
    assert change.before == stored
    assert change.stored == stored.model_copy(
        update={"updated_at": max(change.at, stored.updated_at + MICROSECOND), **fields}
    )
    assert is_result_of(change.action, change.stored)
    assert fields_beyond(change.action, stored, change.stored) == []


class TestExtension:
    @pytest.mark.parametrize(
        "expires_at",
        [EXPIRES_AT + MICROSECOND, LATER, CREATED_AT + MAX_DURATION],
        ids=["least", "an hour", "most"],
    )
    def test_extension_moves_the_end_and_is_counted(self, expires_at: datetime) -> None:
        """The end may move to any later instant, up to 4 hours after `created_at`."""
        change = extend(RUNNING, expires_at)
        assert (change.action, change.by, change.note) == (
            Action.EXTENDED,
            "carol",
            "Not over yet",
        )
        assert_changes(change, RUNNING, expires_at=expires_at, extensions=1)

    @pytest.mark.parametrize(
        ("expires_at", "message"),
        [
            (EXPIRES_AT, r"expires_at must be later than 2024-03-01T13:00:00\+00:00"),
            (EXPIRES_AT - MICROSECOND, "expires_at must be later than"),
            (CREATED_AT, "expires_at must be later than"),
            (
                CREATED_AT + MAX_DURATION + MICROSECOND,
                "expires_at must be at most 4:00:00 after created_at",
            ),
        ],
        ids=["same", "a microsecond earlier", "no time at all", "a microsecond too long"],
    )
    def test_extension_to_a_wrong_end_is_refused(self, expires_at: datetime, message: str) -> None:
        """The error names `expires_at` and its bound."""
        with pytest.raises(ValueError, match=f"^{message}$" if "+" in message else message):
            extend(RUNNING, expires_at)

    @pytest.mark.parametrize("now", [CREATED_AT - HOUR, CREATED_AT, EXPIRES_AT - EXTENSION_MARGIN])
    def test_extension_with_the_margin_left_is_allowed(self, now: datetime) -> None:
        """A second before the end is in favour of the caller."""
        assert extend(RUNNING, now=now).stored.expires_at == LATER

    @pytest.mark.parametrize(
        ("now", "status", "message"),
        [
            (EXPIRES_AT - EXTENSION_MARGIN + MICROSECOND, ACTIVE, "lapses in less than 1 s"),
            (EXPIRES_AT - MICROSECOND, ACTIVE, "lapses in less than 1 s"),
            (EXPIRES_AT, EXPIRED, "it has lapsed"),
            (EXPIRES_AT + HOUR, EXPIRED, "it has lapsed"),
        ],
        ids=["within the margin", "last instant", "boundary", "long ago"],
    )
    def test_extension_that_comes_too_late_is_refused(
        self, now: datetime, status: BreakGlassStatus, message: str
    ) -> None:
        """Access that may have been denied already never comes back."""
        with pytest.raises(InvalidStateTransitionError, match=message) as refusal:
            extend(RUNNING, now=now)
        assert refusal.value.current_status is status

    @each_ended
    @pytest.mark.parametrize("now", [IN_TIME, LATER])
    def test_extension_of_an_ended_event_is_refused(
        self, stored: BreakGlassEvent, now: datetime
    ) -> None:
        """An ended event never becomes active again, even within the time it was granted."""
        with pytest.raises(InvalidStateTransitionError, match="never changes") as refusal:
            extend(stored, now=now)
        assert refusal.value.current_status is stored.status

    @pytest.mark.parametrize(
        ("limits", "had", "expires_at", "limit"),
        [
            (Limits(max_extensions=1), 0, LATER, None),
            (Limits(max_extensions=1), 1, LATER, "max_extensions"),
            (Limits(max_extensions=0), 0, LATER, "max_extensions"),
            (Limits(max_duration=2 * HOUR), 9, LATER, None),
            (Limits(max_duration=2 * HOUR), 0, LATER + MICROSECOND, "max_duration"),
            (
                Limits(max_duration=2 * HOUR, max_extensions=1),
                1,
                LATER + MICROSECOND,
                "max_duration",
            ),
        ],
        ids=str,
    )
    def test_limits_apply_to_extend_and_to_update_alike(
        self, limits: Limits, had: int, expires_at: datetime, limit: str | None
    ) -> None:
        """No `update` goes around the limits of an extension."""
        stored = RUNNING.model_copy(update={"extensions": had})
        proposed = stored.model_copy(update={"expires_at": expires_at})
        if limit is None:
            by_update = decide_update(stored, proposed, IN_TIME, limits=limits)
            assert extend(stored, expires_at, limits=limits).stored == by_update.stored
            return
        with pytest.raises(LimitExceededError, match=limit):
            extend(stored, expires_at, limits=limits)
        with pytest.raises(LimitExceededError, match=limit):
            decide_update(stored, proposed, IN_TIME, limits=limits)

    @pytest.mark.parametrize("changes", [{}, {"expires_at": IN_TIME}, {"request_id": "c0ffee"}])
    def test_limits_do_not_apply_to_other_updates(self, changes: dict[str, Any]) -> None:
        """An event that was opened before a limit was lowered can still change and end."""
        limits = Limits(max_duration=MICROSECOND, max_extensions=0)
        proposed = RUNNING.model_copy(update=changes)
        decide_update(RUNNING, proposed, IN_TIME, limits=limits)
        decide_update(RUNNING, RUNNING.model_copy(update=CLOSING), IN_TIME, limits=limits)

    def test_longest_duration_wins_over_generous_limits(self) -> None:
        """No limit allows more than 4 hours."""
        with pytest.raises(ValueError, match="at most 4:00:00"):
            extend(
                RUNNING,
                CREATED_AT + MAX_DURATION + MICROSECOND,
                limits=Limits(max_duration=9 * HOUR),
            )

    def test_hold_stays_through_an_extension(self) -> None:
        """A held event that is active can be extended, and stays held."""
        assert_changes(extend(HELD), HELD, expires_at=LATER, extensions=1)

    @pytest.mark.parametrize(
        ("now", "left"),
        [
            (IN_TIME, HOUR / 2),
            (EXPIRES_AT - EXTENSION_MARGIN, EXTENSION_MARGIN),
            (EXPIRES_AT - EXTENSION_MARGIN + MICROSECOND, timedelta(0)),
            (EXPIRES_AT, timedelta(0)),
        ],
    )
    def test_extension_must_be_written_before_the_old_end(
        self, now: datetime, left: timedelta
    ) -> None:
        """An attempt may take as long as the old end allows: there is never a gap."""
        assert extend(RUNNING).time_left(now) == left


class TestReview:
    @each_ended
    @pytest.mark.parametrize("outcome", ReviewOutcome)
    def test_review_adds_who_when_what_and_why(
        self, stored: BreakGlassEvent, outcome: ReviewOutcome
    ) -> None:
        """A review adds its four fields, and changes nothing of what happened."""
        change = review(stored, outcome)
        assert (change.action, change.by, change.note) == (
            Action.REVIEWED,
            "carol",
            "There was no other way",
        )
        assert_changes(
            change, stored, **{**REVIEW, "reviewed_at": LATER, "review_outcome": outcome}
        )

    @pytest.mark.parametrize("now", [EXPIRES_AT, LATER])
    def test_review_of_a_lapsed_event_marks_it_first(self, now: datetime) -> None:
        """Only an ended event has a review, so the first change is the expiry."""
        change = review(RUNNING, now=now)
        assert (change.action, change.by, change.note) == (Action.EXPIRED, None, None)
        again = review(change.stored, now=now)
        assert again.action is Action.REVIEWED
        assert again.stored.status is EXPIRED

    @pytest.mark.parametrize("now", [CREATED_AT, EXPIRES_AT - MICROSECOND])
    def test_review_of_an_active_event_is_refused(self, now: datetime) -> None:
        """An event can be reviewed once it has ended."""
        with pytest.raises(ReviewRefusedError, match="is active; review it once") as refusal:
            review(RUNNING, now=now)
        assert refusal.value.event == RUNNING

    @pytest.mark.parametrize(
        ("invoker", "reviewer"),
        [
            ("alice", "alice"),
            ("alice", "Alice"),
            ("alice", "ALICE"),
            ("Alice", "alice"),
            ("straße", "STRASSE"),
            (
                "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
                "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3",
            ),
        ],
    )
    @pytest.mark.parametrize("status", [ACTIVE, CLOSED, EXPIRED])
    def test_review_by_the_invoker_is_refused(
        self, invoker: str, reviewer: str, status: BreakGlassStatus
    ) -> None:
        """Nobody reviews their own use, whatever the case of the letters."""
        own = event(invoker=invoker, **CLOSING if status is CLOSED else {"status": status})
        for outcome in ReviewOutcome:
            with pytest.raises(ReviewRefusedError, match="by its own invoker") as refusal:
                review(own, outcome, by=reviewer)
            assert refusal.value.event == own

    @pytest.mark.parametrize(
        ("invoker", "reviewer"),
        [
            ("jose\u0301", "jos\u00e9"),
            ("JOSE\u0301", "jos\u00e9"),
            ("\uff21\uff4c\uff49\uff43\uff45", "alice"),
            ("\ufb01ona", "fiona"),
        ],
        ids=["decomposed", "decomposed, upper case", "full width", "ligature"],
    )
    def test_review_by_the_invoker_in_another_spelling_is_refused(
        self, invoker: str, reviewer: str
    ) -> None:
        """Another writer may have spelled the invoker as no name of ours is spelled."""
        own = read_event({**vars(ENDED["closed"]), "invoker": invoker})
        with pytest.raises(ReviewRefusedError, match="by its own invoker"):
            review(own, by=reviewer)

    @pytest.mark.parametrize("reviewer", ["alicia", "alice2", "bob", "al ice"])
    def test_review_by_another_person_is_allowed(self, reviewer: str) -> None:
        """Anybody with another name may review, including the person who closed the event."""
        assert review(ENDED["closed"], by=reviewer).stored.reviewed_by == reviewer

    @pytest.mark.parametrize("final", [JUSTIFIED, UNJUSTIFIED])
    @pytest.mark.parametrize("outcome", ReviewOutcome)
    def test_final_review_is_never_replaced(
        self, final: ReviewOutcome, outcome: ReviewOutcome
    ) -> None:
        """The record keeps the first final outcome."""
        stored = review(ENDED["closed"], final).stored
        with pytest.raises(ReviewRefusedError, match=f"reviewed as {final}, and that is final"):
            review(stored, outcome)

    @pytest.mark.parametrize("outcome", ReviewOutcome)
    def test_event_that_needs_follow_up_is_reviewed_again(self, outcome: ReviewOutcome) -> None:
        """The last review is on the event, and all of them are in the history."""
        stored = review(ENDED["closed"], NEEDS_FOLLOW_UP).stored
        change = review(stored, outcome, LATER + HOUR, by="dave")
        assert_changes(
            change,
            stored,
            reviewed_by="dave",
            reviewed_at=LATER + HOUR,
            review_outcome=outcome,
        )

    @pytest.mark.parametrize(
        ("outcome", "is_final"), [(JUSTIFIED, True), (UNJUSTIFIED, True), (NEEDS_FOLLOW_UP, False)]
    )
    def test_outcome_knows_whether_it_is_final(
        self, outcome: ReviewOutcome, is_final: bool
    ) -> None:
        """`needs_follow_up` is the only outcome that another review may follow."""
        assert outcome.is_final is is_final

    def test_review_by_a_clock_that_steps_back_is_recorded(self) -> None:
        """A reviewer's host may be behind: the version still increases."""
        stored = review(ENDED["expired"], NEEDS_FOLLOW_UP).stored
        change = review(stored, JUSTIFIED, CREATED_AT)
        assert change.stored.updated_at == stored.updated_at + MICROSECOND
        assert change.stored.reviewed_at == CREATED_AT

    def test_hold_stays_through_a_review(self) -> None:
        """A held event can be reviewed, and stays held."""
        stored = ENDED["closed"].model_copy(update=HOLD)
        assert_changes(review(stored), stored, **{**REVIEW, "reviewed_at": LATER})


class TestHold:
    @pytest.mark.parametrize(
        "stored",
        [RUNNING, *ENDED.values(), review(ENDED["closed"]).stored],
        ids=["active", *ENDED, "reviewed"],
    )
    @pytest.mark.parametrize("now", [IN_TIME, LATER], ids=["in time", "after the end"])
    def test_event_of_any_status_is_held_and_released(
        self, stored: BreakGlassEvent, now: datetime
    ) -> None:
        """A hold adds its three fields, and its release removes them."""
        held = hold(stored, now)
        assert (held.action, held.by, held.note) == (Action.HELD, "dave", "The regulator asks")
        assert_changes(held, stored, **{**HOLD, "held_at": now})
        free = release(held.stored, now)
        assert (free.action, free.by, free.note) == (Action.RELEASED, "erin", "It is settled")
        assert_changes(free, held.stored, held_by=None, held_at=None, held_reason=None)

    @pytest.mark.parametrize(
        "refused",
        [hold, refuse_held, lambda stored: decide_delete(stored, IN_TIME)],
        ids=["hold", "refuse", "delete"],
    )
    def test_held_event_is_neither_held_again_nor_deleted(
        self, refused: Callable[[BreakGlassEvent], object]
    ) -> None:
        """The error has the event and says who holds it."""
        with pytest.raises(EventHeldError, match="held by 'dave'; release the hold") as refusal:
            refused(HELD)
        assert refusal.value.event == HELD

    def test_event_without_a_hold_is_not_refused(self) -> None:
        """An event without a hold can be held and deleted."""
        refuse_held(RUNNING)
        assert decide_delete(RUNNING, IN_TIME).after is None

    @pytest.mark.parametrize("stored", [RUNNING, *ENDED.values()], ids=["active", *ENDED])
    def test_release_of_an_event_without_a_hold_is_refused(self, stored: BreakGlassEvent) -> None:
        """There is nothing to release."""
        message = f"is {stored.status}: it is not held"
        with pytest.raises(InvalidStateTransitionError, match=message):
            release(stored)

    def test_hold_keeps_no_access_from_running_out(self) -> None:
        """A hold is about the record: a held event lapses as any other."""
        assert HELD.is_active(EXPIRES_AT - MICROSECOND)
        assert not hold(RUNNING).stored.is_active(EXPIRES_AT)
        assert hold(RUNNING, LATER).stored.status is ACTIVE


Step = Callable[[BreakGlassEvent, datetime], Change]

STEPS: list[Step] = [
    lambda stored, now: extend(stored, now + HOUR, now),
    lambda stored, now: extend(stored, stored.created_at + MAX_DURATION, now),
    lambda stored, now: review(stored, JUSTIFIED, now),
    lambda stored, now: review(stored, NEEDS_FOLLOW_UP, now, "dave"),
    lambda stored, now: review(stored, UNJUSTIFIED, now, "ALICE"),
    hold,
    release,
    lambda stored, now: decide_close(stored, "bob", "Over", now),
    decide_expiry,
    lambda stored, now: decide_update(
        stored, stored.model_copy(update={"expires_at": now + HOUR}), now
    ),
]

REFUSALS = (InvalidStateTransitionError, ReviewRefusedError, EventHeldError, ValueError)


class TestLaws:
    @given(
        steps=st.lists(
            st.tuples(st.sampled_from(STEPS), st.integers(-60, 120)), min_size=1, max_size=30
        )
    )
    def test_every_sequence_of_decisions_is_a_possible_life(
        self, steps: list[tuple[Step, int]]
    ) -> None:
        """Verification accepts every change of a random sequence of decisions."""
        stored, now = RUNNING, CREATED_AT
        for step, minutes in steps:
            now += timedelta(minutes=minutes)
            try:
                change = step(stored, now)
            except REFUSALS:
                continue
            after = change.stored
            assert change.before == stored
            assert is_result_of(change.action, after)
            assert fields_beyond(change.action, stored, after) == []
            assert after.updated_at > stored.updated_at
            assert after.expires_at - after.created_at <= MAX_DURATION
            if after.expires_at > stored.expires_at:
                assert stored.remaining(now) >= EXTENSION_MARGIN
            if stored.review_outcome in (JUSTIFIED, UNJUSTIFIED):
                assert after.review_outcome is stored.review_outcome
            stored = after
