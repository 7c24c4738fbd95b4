"""Events as values: every rule of every field."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiobreakglass import (
    MAX_DURATION,
    BreakGlassEvent,
    BreakGlassStatus,
    ReasonCode,
    ReviewOutcome,
)
from aiobreakglass.testing import make_event
from tests.strategies import aware_datetimes, names

from .example import CLOSING, CREATED_AT, HOLD, HOUR, MICROSECOND, NAIVE, REVIEW, event

REVIEW_FIELDS = ("reviewed_by", "reviewed_at", "review_outcome", "review_comment")
HOLD_FIELDS = ("held_by", "held_at", "held_reason")
NAME_FIELDS = (
    *("invoker", "profile", "request_id", "closed_by", "mfa_method", "mfa_challenge_id"),
    *("reviewed_by", "held_by"),
)
INSTANT_FIELDS = ("created_at", "updated_at", "expires_at")
OPTIONAL_INSTANT_FIELDS = ("ended_at", "reviewed_at", "held_at")
REASON_FIELDS = ("closed_reason", "review_comment", "held_reason")

NAME_RULES = [
    ("", "1 to 256 characters"),
    ("a" * 257, "1 to 256 characters"),
    ("\U0001f525" * 129, "at most 512 UTF-8 bytes"),
    ("al\x00ice", "unprintable"),
    ("al\nice", "unprintable"),
    ("al\x7fice", "unprintable"),
    ("al\u00a0ice", "unprintable"),
    ("al\u00adice", "unprintable"),
    ("al\u034fice", "unprintable"),
    ("al\u115fice", "unprintable"),
    ("al\u180bice", "unprintable"),
    ("al\u200bice", "unprintable"),
    ("al\u202eice", "unprintable"),
    ("al\u2028ice", "unprintable"),
    ("al\u3164ice", "unprintable"),
    ("al\ufe0fice", "unprintable"),
    ("al\ufeffice", "unprintable"),
    ("al\uffa0ice", "unprintable"),
    ("al\U000e0100ice", "unprintable"),
    ("al\ud800ice", "unprintable"),
    ("al\ue000ice", "unprintable"),
    (" ", "begin or end with white space"),
    (" alice", "begin or end with white space"),
    ("alice ", "begin or end with white space"),
    ("e\u0301lodie", "NFC-normalised"),
    ("\u212bngstrom", "NFC-normalised"),
    (None, "valid string"),
    (7, "valid string"),
    (True, "valid string"),
    (b"alice", "valid string"),
]

TEXT_RULES = [
    ("x" * 1001, "1000 characters"),
    (" \n\t" * 30, "1000 characters"),
    ("The disk\x00 of the primary is full", "control characters"),
    ("The disk\t of the primary is full", "control characters"),
    ("The disk\r of the primary is full", "control characters"),
    ("The disk\x1b of the primary is full", "control characters"),
    ("The disk\x85 of the primary is full", "control characters"),
    ("The disk\ud800 of the primary is full", "surrogates"),
    (None, "valid string"),
    (7, "valid string"),
    (b"The disk of the primary is full", "valid string"),
]

INSTANT_RULES = [
    (NAIVE, "timezone-aware"),
    (datetime.min.replace(tzinfo=timezone(HOUR)), "years 1 to 9999"),
    (datetime.max.replace(tzinfo=timezone(-HOUR)), "years 1 to 9999"),
    (date(2024, 3, 1), "valid datetime"),
    (1709294400, "valid datetime"),
    (1709294400.5, "valid datetime"),
    (True, "valid datetime"),
    ("2024-03-01T12:00:00Z", "valid datetime"),
    (None, "valid datetime"),
]

LABEL_VALUE_RULES = [
    ("", "have 1 to 256 characters"),
    ("x" * 257, "have 1 to 256 characters"),
    ("a\nb", "not have control"),
    (" x", "not begin or end with white space"),
    ("e\u0301", "be NFC-normalised"),
    ("\ud800", "not have control"),
]
LABEL_KEY = "keys of 1 to 63 of a-z 0-9 _ . -, the first of them a letter"
LABEL_RULES: list[tuple[Any, str]] = [
    *(({key: "x"}, LABEL_KEY) for key in ("", "a" * 64, "Team", "7", "_a", "te am", "t\u00eam")),
    ({"team\n": "x"}, LABEL_KEY),
    *(({"team": value}, f"values that must {rule}") for value, rule in LABEL_VALUE_RULES),
    ({f"team{number}": "x" for number in range(17)}, "at most 16 labels"),
    ({f"key{number}": "\u20ac" * 170 for number in range(4)}, "at most 2048 UTF-8 bytes"),
    ({"k" * 63: "v" * 256, **{f"k{number}": "v" * 256 for number in range(7)}}, "2048 UTF-8"),
    *((value, "valid dictionary") for value in (None, 7, "team=a", ["team"], [("team", "a")])),
]

FIELD_RULES: list[tuple[str, Any, str]] = [
    *(("id", value, "16 lowercase hexadecimal") for value in ("", "0" * 15, "0" * 17)),
    *(("id", value, "16 lowercase hexadecimal") for value in ("0123456789ABCDEF", "g" * 16)),
    *(("id", value, "16 lowercase hexadecimal") for value in ("0" * 16 + "\n", "\uff10" * 16)),
    *(("id", value, "valid string") for value in (None, 7, b"0123456789abcdef")),
    *(
        (field, value, rule)
        for field, (value, rule) in product(NAME_FIELDS, NAME_RULES)
        if value is not None or field in ("invoker", "profile")
    ),
    *(("justification", value, rule) for value, rule in TEXT_RULES),
    ("justification", "x" * 19, "20 to 1000 characters"),
    ("justification", f"{'x' * 19}{' ' * 9}", "20 to 1000 characters"),
    ("justification", f"{' ' * 9}{'x' * 19}", "20 to 1000 characters"),
    *(
        (field, value, rule)
        for field, (value, rule) in product(REASON_FIELDS, TEXT_RULES)
        if value is not None
    ),
    *((field, "", "1 to 1000 characters") for field in REASON_FIELDS),
    *((field, " \n", "1 to 1000 characters") for field in REASON_FIELDS),
    *(("reason_code", value, "'incident'") for value in ("boredom", "Incident", "", None, 7)),
    *(("status", value, "'active'") for value in ("open", "Active", "", None, 7, True)),
    *(("duration", value, "longer than 0") for value in (timedelta(0), -MICROSECOND, -HOUR)),
    *(("duration", value, "4:00:00") for value in (MAX_DURATION + MICROSECOND, timedelta.max)),
    *(("duration", value, "valid timedelta") for value in (3600, 1.5, math.nan, math.inf, True)),
    *(("duration", value, "valid timedelta") for value in (None, "PT1H", "3600")),
    *((field, value, rule) for field, (value, rule) in product(INSTANT_FIELDS, INSTANT_RULES)),
    *(
        (field, value, rule)
        for field, (value, rule) in product(OPTIONAL_INSTANT_FIELDS, INSTANT_RULES)
        if value is not None
    ),
    *(("review_outcome", value, "'justified'") for value in ("fine", "Justified", "", 7)),
    ("extensions", -1, "greater than or equal to 0"),
    *(("extensions", value, "valid integer") for value in (True, 1.0, "1", None)),
    *(("mfa_verified", value, "valid boolean") for value in (1, 0, "true", None)),
    *(("labels", value, rule) for value, rule in LABEL_RULES),
    ("colour", "red", "not permitted"),
    ("ttl", 7, "not permitted"),
]

RULES_OF_SEVERAL_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"updated_at": CREATED_AT - MICROSECOND}, "updated_at must not be before created_at"),
    ({"expires_at": CREATED_AT - HOUR}, "expires_at must be after created_at"),
    ({"expires_at": CREATED_AT}, "expires_at must be after created_at"),
    (
        {"expires_at": CREATED_AT + MAX_DURATION + MICROSECOND},
        "expires_at must be after created_at, by at most 4:00:00",
    ),
    ({"closed_by": "bob"}, "closed_by must be set on a closed event, and only there"),
    ({"closed_reason": "Over"}, "closed_reason must be set on a closed event, and only there"),
    (CLOSING | {"closed_by": None}, "closed_by must be set on a closed event"),
    (CLOSING | {"closed_reason": None}, "closed_reason must be set on a closed event"),
    (CLOSING | {"status": "expired"}, "closed_by must be set on a closed event, and only there"),
    ({"ended_at": CREATED_AT}, "ended_at must be set on an ended event, and only there"),
    *(
        (
            {**ending, "ended_at": ended_at},
            "ended_at must be within created_at and expires_at",
        )
        for ending in (CLOSING, {"status": "expired"})
        for ended_at in (CREATED_AT - MICROSECOND, CREATED_AT + HOUR + MICROSECOND)
    ),
    *(
        ({**CLOSING, **REVIEW, field: None}, f"{', '.join(REVIEW_FIELDS[:3])} and review_comment")
        for field in REVIEW_FIELDS
    ),
    *(({**CLOSING, field: REVIEW[field]}, "must be set together") for field in REVIEW_FIELDS),
    (REVIEW, "only an ended event can have a review"),
    (CLOSING | REVIEW | {"reviewed_by": "alice"}, "reviewed_by must not be the invoker"),
    (CLOSING | REVIEW | {"reviewed_by": "ALICE"}, "reviewed_by must not be the invoker"),
    (
        CLOSING | REVIEW | {"invoker": "stra\u00dfe", "reviewed_by": "STRASSE"},
        "reviewed_by must not be the invoker",
    ),
    *(({**HOLD, field: None}, "held_by, held_at and held_reason") for field in HOLD_FIELDS),
    *(({field: HOLD[field]}, "must be set together") for field in HOLD_FIELDS),
    ({"mfa_method": "totp"}, "mfa_method and mfa_challenge_id need mfa_verified"),
    ({"mfa_challenge_id": "challenge/7"}, "mfa_method and mfa_challenge_id need mfa_verified"),
    (
        {"created_at": datetime.max.replace(tzinfo=UTC)},
        "updated_at must leave room for a later one within the year 9999",
    ),
    (
        {"created_at": datetime.max.replace(tzinfo=UTC) - MICROSECOND},
        "expires_at must be after created_at",
    ),
]

GOOD_VALUES: list[tuple[str, Any]] = [
    *product(NAME_FIELDS, ["a", "a" * 256, "\u20ac" * 170, "\U0001f525" * 128]),
    *product(NAME_FIELDS, ["a b", "\u00e9lodie", "a#b", "製品", "o'brien@corp/ops"]),
    *product(("justification",), ["x" * 20, "x" * 1000, "\U0001f525" * 1000]),
    ("justification", "The primary\ndoes not\n\nanswer"),
    *product(REASON_FIELDS, ["x", "x" * 1000, "All\nover"]),
    *product(("ended_at",), [CREATED_AT, CREATED_AT + HOUR / 2, CREATED_AT + HOUR]),
    *product(("reviewed_at", "held_at"), [CREATED_AT - HOUR, CREATED_AT + 9 * HOUR]),
    *product(("extensions",), [0, 1, 10**6]),
    *product(("review_outcome",), ReviewOutcome),
    *product(("labels",), [{}, {"a": "x"}, {"a" * 63: "x"}, {"a0_.-": "\u00e9lodie # 7"}]),
    ("labels", {f"k{number}": "\u20ac" * 170 for number in range(4)}),
    ("labels", {f"team{number}": "x" for number in range(16)}),
    ("labels", {"k" * 63: "v" * 256, **{f"k{number}": "v" * 245 for number in range(7)}}),
    *product(("duration",), [MICROSECOND, MAX_DURATION]),
    *product(("expires_at",), [CREATED_AT + MICROSECOND, CREATED_AT + MAX_DURATION]),
    *product(("updated_at",), [CREATED_AT, CREATED_AT + timedelta(days=9000)]),
    ("id", "0123456789abcdef"),
]


class TestField:
    @pytest.mark.parametrize(("field", "value", "rule"), FIELD_RULES)
    def test_field_that_breaks_a_rule_is_refused(
        self, field: str, value: object, rule: str
    ) -> None:
        """The error names the field and the rule, and no other field."""
        with pytest.raises(ValidationError) as refusal:
            event(**{field: value})
        (error,) = refusal.value.errors()
        assert error["loc"][0] == field
        assert rule in error["msg"]

    @pytest.mark.parametrize("field", ["invoker", "profile", "reason_code", "justification"])
    def test_missing_required_field_is_refused(self, field: str) -> None:
        """Who, what and why are required."""
        fields = event().model_dump(exclude={field})
        with pytest.raises(ValidationError, match=rf"{field}\n  Field required"):
            BreakGlassEvent(**fields)

    @pytest.mark.parametrize(("changes", "rule"), RULES_OF_SEVERAL_FIELDS)
    def test_fields_that_disagree_are_refused(self, changes: dict[str, Any], rule: str) -> None:
        """The error names the fields and the rule between them."""
        with pytest.raises(ValidationError) as refusal:
            event(**changes)
        (error,) = refusal.value.errors()
        assert rule in error["msg"]

    @pytest.mark.parametrize(("field", "value"), GOOD_VALUES)
    def test_value_at_the_edge_of_its_rules_is_kept(self, field: str, value: object) -> None:
        """A value that the rules just allow is kept unchanged."""
        context = CLOSING | REVIEW | HOLD | {"mfa_verified": True}
        assert getattr(event(**context | {field: value}), field) == value

    def test_error_shows_no_field_value(self) -> None:
        """No value appears in an error, because errors go to logs and justifications must not."""
        with pytest.raises(ValidationError) as refusal:
            event(justification="hunter2 \x00", invoker="hunter2\n", profile=["hunter2"])
        assert "justification" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)
        assert "hunter2" not in repr(refusal.value)

    def test_error_about_several_fields_shows_no_value(self) -> None:
        """The event does not appear in an error about several fields."""
        with pytest.raises(ValidationError) as refusal:
            event(justification="hunter2 hunter2 hunter2", closed_by="bob")
        assert "hunter2" not in str(refusal.value)

    def test_omitted_fields_get_their_defaults(self) -> None:
        """By default an event is new, active, and lasts one hour."""
        before = datetime.now(UTC)
        fresh = make_event()
        after = datetime.now(UTC)
        assert before <= fresh.created_at <= after
        assert fresh.updated_at == fresh.created_at
        assert fresh.expires_at - fresh.created_at == fresh.duration == HOUR
        assert fresh.status is BreakGlassStatus.ACTIVE
        assert fresh.mfa_verified is False
        optional = {"closed_by", "closed_reason", "request_id", "mfa_method", "mfa_challenge_id"}
        optional |= {"ended_at", *REVIEW_FIELDS, *HOLD_FIELDS}
        assert {getattr(fresh, field) for field in optional} == {None}
        assert (fresh.extensions, fresh.labels) == (0, {})

    def test_every_event_gets_its_own_id(self) -> None:
        """Every event gets a new random id."""
        assert len({make_event().id for _ in range(1000)}) == 1000

    def test_expiry_follows_from_the_duration(self) -> None:
        """By default an event expires after its duration."""
        assert event(duration=HOUR / 2).expires_at == CREATED_AT + HOUR / 2

    @pytest.mark.parametrize("reason", ReasonCode)
    def test_reason_is_taken_as_member_or_text(self, reason: ReasonCode) -> None:
        """A reason can be passed as text, and is stored as a `ReasonCode`."""
        assert event(reason_code=reason.value).reason_code is reason
        assert event(reason_code=reason).reason_code is reason

    @pytest.mark.parametrize("status", BreakGlassStatus)
    def test_status_is_taken_as_member_or_text(self, status: BreakGlassStatus) -> None:
        """A status can be passed as text, and is stored as a `BreakGlassStatus`."""
        assert event(status=status.value).status is status
        assert event(status=status).status is status

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("  The primary does not answer\n", "The primary does not answer"),
            ("\u3000The primary does not answer\u2003", "The primary does not answer"),
            ("The primary\r\ndoes not answer\r\n", "The primary\ndoes not answer"),
        ],
    )
    def test_text_is_stripped_and_newlines_are_unified(self, written: str, kept: str) -> None:
        """Texts lose the white space around them, and get one kind of newline."""
        assert event(justification=written).justification == kept
        for field in REASON_FIELDS:
            context = CLOSING | REVIEW | HOLD | {field: written}
            assert getattr(event(**context), field) == kept

    @given(instant=aware_datetimes())
    def test_instants_are_kept_in_utc(self, instant: datetime) -> None:
        """Instants are converted to UTC."""
        created = make_event(created_at=instant)
        for field in INSTANT_FIELDS:
            assert getattr(created, field).tzinfo is UTC
        assert created.created_at == instant

    @pytest.mark.parametrize("field", OPTIONAL_INSTANT_FIELDS)
    def test_optional_instants_are_kept_in_utc(self, field: str) -> None:
        """The instants of endings, reviews and holds are converted to UTC, too."""
        there = (CREATED_AT + HOUR / 2).astimezone(timezone(HOUR))
        kept = getattr(event(**CLOSING | REVIEW | HOLD | {field: there}), field)
        assert (kept, kept.tzinfo) == (there, UTC)

    @pytest.mark.parametrize("outcome", ReviewOutcome)
    def test_outcome_is_taken_as_member_or_text(self, outcome: ReviewOutcome) -> None:
        """An outcome can be passed as text, and is stored as a `ReviewOutcome`."""
        for value in (outcome, outcome.value):
            reviewed = event(**CLOSING | REVIEW | {"review_outcome": value})
            assert reviewed.review_outcome is outcome

    def test_only_follow_up_is_not_final(self) -> None:
        """An event whose review needs a follow-up can be reviewed again."""
        assert [outcome.is_final for outcome in ReviewOutcome] == [True, True, False]

    @given(name=names())
    def test_printable_name_is_kept_unchanged(self, name: str) -> None:
        """A printable name is kept unchanged."""
        assert event(invoker=name).invoker == name

    @given(text=st.text())
    def test_accepted_name_is_printable_and_stable(self, text: str) -> None:
        """A name that passes once passes again, and is printable."""
        try:
            name = event(invoker=text).invoker
        except ValidationError:
            return
        assert name == text
        assert event(invoker=name).invoker == name
        assert name.isprintable()
