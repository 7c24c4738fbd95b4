"""Events as rows and back: our rows to the byte, other writers' rows, rows that are no events."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiobreakglass import BreakGlassEvent, CorruptItemError, TableLayout
from aiobreakglass._dynamodb.codec import (
    Item,
    decode_event,
    encode_event,
    encode_guard,
    encode_tombstone,
    guarded_pair,
    is_tombstone,
)
from aiobreakglass.testing import make_event
from tests.strategies import events

LAYOUT = TableLayout()
ID = "0123456789abcdef"
KEY = f"BREAKGLASS#{ID}"
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
CLOSING = {"status": "closed", "closed_by": "bob", "closed_reason": "The primary answers again"}

ROW: Item = {
    "pk": {"S": KEY},
    "id": {"S": ID},
    "invoker": {"S": "alice"},
    "profile": {"S": "prod"},
    "reason_code": {"S": "incident"},
    "justification": {"S": "The primary database does not answer"},
    "status": {"S": "active"},
    "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
    "updated_at": {"S": "2024-03-01T12:00:00.000000Z"},
    "expires_at": {"S": "2024-03-01T13:00:00.000000Z"},
    "duration": {"N": "3600000000000"},
    "mfa_verified": {"BOOL": False},
    "write_id": {"S": "w1"},
}
MISSING: Any = None
"""What takes an attribute out of a row."""


def event(**overrides: Any) -> BreakGlassEvent:
    return make_event(**{"id": ID, "created_at": CREATED_AT, **overrides})


def changed(changes: dict[str, Any]) -> Item:
    return {name: value for name, value in {**ROW, **changes}.items() if value is not MISSING}


def encoded(event: BreakGlassEvent, retention: timedelta | None = None) -> Item:
    return encode_event(event, LAYOUT, write_id="w1", retention=retention)


class TestEncodeEvent:
    @pytest.mark.parametrize(
        ("overrides", "changes"),
        [
            pytest.param({}, {}, id="what is None is absent"),
            pytest.param(
                CLOSING,
                {
                    "status": {"S": "closed"},
                    "closed_by": {"S": "bob"},
                    "closed_reason": {"S": "The primary answers again"},
                },
                id="closed",
            ),
            pytest.param({"status": "expired"}, {"status": {"S": "expired"}}, id="expired"),
            pytest.param(
                {
                    "request_id": "r-1",
                    "mfa_verified": True,
                    "mfa_method": "totp",
                    "mfa_challenge_id": "c-1",
                },
                {
                    "request_id": {"S": "r-1"},
                    "mfa_verified": {"BOOL": True},
                    "mfa_method": {"S": "totp"},
                    "mfa_challenge_id": {"S": "c-1"},
                },
                id="every optional field of an active event",
            ),
            pytest.param(
                {"invoker": "zoë#1", "profile": "東京", "reason_code": "recovery"},
                {
                    "invoker": {"S": "zoë#1"},
                    "profile": {"S": "東京"},
                    "reason_code": {"S": "recovery"},
                },
                id="text as it is",
            ),
            pytest.param(
                {
                    "duration": timedelta(microseconds=1),
                    "expires_at": CREATED_AT + timedelta(hours=4),
                },
                {"duration": {"N": "1000"}, "expires_at": {"S": "2024-03-01T16:00:00.000000Z"}},
                id="duration in nanoseconds, expiry on its own",
            ),
            pytest.param(
                {
                    "created_at": datetime(
                        2024, 3, 1, 17, 30, 0, 120000, tzinfo=timezone(timedelta(hours=5.5))
                    ),
                    "updated_at": CREATED_AT + timedelta(seconds=1, microseconds=1),
                },
                {
                    "created_at": {"S": "2024-03-01T12:00:00.120000Z"},
                    "updated_at": {"S": "2024-03-01T12:00:01.000001Z"},
                    "expires_at": {"S": "2024-03-01T13:00:00.120000Z"},
                },
                id="instants in UTC with six decimals",
            ),
        ],
    )
    def test_each_field_as_its_attribute(
        self, overrides: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        """A row has the model's fields by name, its key, its write id, and nothing else."""
        assert encoded(event(**overrides)) == changed(changes)

    @pytest.mark.parametrize(
        ("created_at", "retention", "ttl"),
        [
            pytest.param(CREATED_AT, timedelta(0), "1709298000", id="at expiry"),
            pytest.param(CREATED_AT, timedelta(days=365), "1740834000", id="a year later"),
            pytest.param(
                CREATED_AT + timedelta(microseconds=1), timedelta(0), "1709298001", id="rounded up"
            ),
            pytest.param(
                CREATED_AT, timedelta(microseconds=1), "1709298001", id="retention rounded up"
            ),
            pytest.param(
                datetime(1969, 12, 31, 22, 59, 58, 500000, tzinfo=UTC),
                timedelta(0),
                "-1",
                id="before the epoch",
            ),
            pytest.param(
                datetime(9999, 12, 31, 22, 59, 59, 999999, tzinfo=UTC),
                timedelta(days=365),
                "253433836800",
                id="past the end of the calendar",
            ),
        ],
    )
    def test_retention(self, created_at: datetime, retention: timedelta, ttl: str) -> None:
        """TTL is the epoch second by which `expires_at` plus retention has passed."""
        row = encoded(event(created_at=created_at), retention)
        assert row["ttl"] == {"N": ttl}

    def test_retention_for_ever(self) -> None:
        """Without a retention there is nothing for TTL to go by."""
        assert "ttl" not in encoded(event(), None)

    def test_another_layout(self) -> None:
        """The layout names the key, its prefix, and the attributes that no field has named."""
        layout = TableLayout(
            partition_key="key",
            event_prefix="event/",
            ttl_attribute="gone_at",
            write_id_attribute="writer",
        )
        row = encode_event(event(), layout, write_id="w1", retention=timedelta(0))
        assert row == changed(
            {
                "pk": MISSING,
                "key": {"S": f"event/{ID}"},
                "write_id": MISSING,
                "writer": {"S": "w1"},
                "gone_at": {"N": "1709298000"},
            }
        )
        assert decode_event(row, layout) == event()


class TestDecodeEvent:
    @given(events(), st.none() | st.timedeltas(min_value=timedelta(0)))
    def test_what_was_encoded(self, event: BreakGlassEvent, retention: timedelta | None) -> None:
        """An event comes back from its row as it went, in every field."""
        assert decode_event(encoded(event, retention), LAYOUT) == event

    @pytest.mark.parametrize(
        ("changes", "overrides"),
        [
            pytest.param(
                {"created_at": {"S": "2024-03-01T12:00:00Z"}}, {}, id="no decimals of a second"
            ),
            *(
                pytest.param(
                    {"updated_at": {"S": f"2024-03-01T12:00:00.{'123456789'[:digits]}Z"}},
                    {"updated_at": CREATED_AT.replace(microsecond=microsecond)},
                    id=f"{digits} decimals of a second",
                )
                for digits, microsecond in [
                    (1, 100000),
                    (2, 120000),
                    (3, 123000),
                    (4, 123400),
                    (5, 123450),
                    (6, 123456),
                    (7, 123456),
                    (8, 123456),
                    (9, 123456),
                ]
            ),
            pytest.param({"created_at": {"S": "2024-03-01T17:30:00+05:30"}}, {}, id="east of UTC"),
            pytest.param(
                {"created_at": {"S": "2024-03-01T04:00:00.0-08:00"}}, {}, id="west of UTC"
            ),
            pytest.param({"created_at": {"S": "2024-03-01t12:00:00z"}}, {}, id="small letters"),
            pytest.param({"created_at": {"S": "2024-03-01 12:00:00Z"}}, {}, id="a space for T"),
            pytest.param(
                {
                    name: {"S": ""}
                    for name in ("closed_by", "closed_reason", "request_id", "mfa_method")
                },
                {},
                id="empty text for None",
            ),
            pytest.param(
                {"request_id": {"NULL": True}, "mfa_challenge_id": {"NULL": True}},
                {},
                id="null for None",
            ),
            pytest.param({"mfa_verified": MISSING}, {}, id="no word of MFA"),
            pytest.param({"duration": {"N": "3.6E12"}}, {}, id="duration with an exponent"),
            pytest.param({"duration": {"N": "3600000000000.000"}}, {}, id="duration with a point"),
            pytest.param({"duration": {"N": "3600000000999.9"}}, {}, id="less than a microsecond"),
            pytest.param(
                {"duration": {"N": "14400000000000"}},
                {"duration": timedelta(hours=4), "expires_at": CREATED_AT + timedelta(hours=1)},
                id="longest duration",
            ),
            pytest.param(
                {"duration": {"N": "1E3"}},
                {
                    "duration": timedelta(microseconds=1),
                    "expires_at": CREATED_AT + timedelta(hours=1),
                },
                id="shortest duration",
            ),
            pytest.param(
                {"write_id": MISSING, "note": {"SS": ["x"]}, "ttl": {"S": "never"}},
                {},
                id="attributes that are not ours",
            ),
            pytest.param(
                {"justification": {"S": "\r\nThe primary database\r\ndoes not answer \n"}},
                {"justification": "The primary database\ndoes not answer"},
                id="line breaks of a form",
            ),
        ],
    )
    def test_rows_of_other_writers(
        self, changes: dict[str, Any], overrides: dict[str, Any]
    ) -> None:
        """Other writers' spellings of the same values are read as those values."""
        assert decode_event(changed(changes), LAYOUT) == event(**overrides)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            *(
                pytest.param({name: MISSING}, f"{name} is missing", id=f"no {name}")
                for name in ROW
                if name not in ("pk", "mfa_verified", "write_id")
            ),
            *(
                pytest.param(
                    {name: {"N": "8"}},
                    f"{name} is not of DynamoDB's type S",
                    id=f"a number for {name}",
                )
                for name in (
                    *("id", "invoker", "profile", "reason_code", "justification", "status"),
                    *("created_at", "updated_at", "expires_at", "closed_by", "closed_reason"),
                    *("request_id", "mfa_method", "mfa_challenge_id"),
                )
            ),
            *(
                pytest.param(
                    {name: {"S": text}},
                    f"{name} is not an RFC 3339 timestamp",
                    id=f"{name} {text!r}",
                )
                for name, text in [
                    ("created_at", ""),
                    ("created_at", "yesterday"),
                    ("updated_at", "2024-03-01T12:00:00"),
                    ("updated_at", "2024-03-01T12:00:00.1234567890Z"),
                    ("expires_at", "2024-03-01T12:00:00.Z"),
                    ("expires_at", "2024-03-01T24:00:00Z"),
                    ("expires_at", "1709298000"),
                    ("expires_at", "\uff12024-03-01T12:00:00Z"),
                ]
            ),
            pytest.param(
                {"created_at": {"S": "0001-01-01T00:00:00+00:01"}},
                "created_at is no instant of the years 1 to 9999",
                id="before the calendar",
            ),
            *(
                pytest.param(
                    {"duration": {"N": number}},
                    "duration is not within 0 and 4:00:00, in nanoseconds",
                    id=f"duration {number}",
                )
                for number in (
                    *("0", "-1", "-0", "14400000000001", "Infinity", "-Infinity"),
                    "9.9999999999999999999999999999999999999E+125",
                )
            ),
            *(
                pytest.param(
                    {"duration": {"N": number}},
                    "duration is not a number",
                    id=f"duration {number!r}",
                )
                for number in ("", "an hour", "NaN", "sNaN", "1e999999999999999999999", "0x10")
            ),
            pytest.param(
                {"duration": {"N": "999"}},
                "duration: Value error, must be longer than 0 and at most 4:00:00",
                id="duration under a microsecond",
            ),
            pytest.param(
                {"duration": {"S": "8"}},
                "duration is not of DynamoDB's type N",
                id="text for duration",
            ),
            pytest.param(
                {"mfa_verified": {"S": "true"}},
                "mfa_verified is not of DynamoDB's type BOOL",
                id="text for mfa_verified",
            ),
            pytest.param(
                {"mfa_verified": {"NULL": True}},
                "mfa_verified is not of DynamoDB's type BOOL",
                id="null for mfa_verified",
            ),
            pytest.param(
                {"invoker": {"NULL": True}},
                "invoker is not of DynamoDB's type S",
                id="null invoker",
            ),
            pytest.param(
                {"closed_by": {"NULL": False}},
                "closed_by is not of DynamoDB's type S",
                id="a null that is none",
            ),
            pytest.param(
                {"id": {"S": "f" * 16}}, "id does not belong to this key", id="another id"
            ),
            pytest.param(
                {"id": {"S": ID.upper()}},
                "id: Value error, must be exactly 16 lowercase hexadecimal characters",
                id="an id that is none",
            ),
            pytest.param(
                {"invoker": {"S": ""}},
                "invoker: Value error, must have 1 to 256 characters",
                id="nobody",
            ),
            pytest.param(
                {"status": {"S": "open"}},
                "status: Input should be 'active', 'closed' or 'expired'",
                id="a status that is none",
            ),
            pytest.param(
                {"status": {"S": "closed"}},
                "event: Value error, closed_by must be set on a closed event, and only there",
                id="closed by nobody",
            ),
            pytest.param(
                {"invoker": {"S": " eve"}, "justification": {"S": "because"}},
                "invoker: Value error, must not begin or end with white space; justification: "
                "Value error, must have 20 to 1000 characters, not counting white space around it",
                id="two rules broken",
            ),
        ],
    )
    def test_rows_that_are_no_events(self, changes: dict[str, Any], reason: str) -> None:
        """A row that is not an event is refused by its key, with the attribute and its rule."""
        with pytest.raises(CorruptItemError) as caught:
            decode_event(changed(changes), LAYOUT)
        assert (caught.value.key, caught.value.reason) == (KEY, reason)

    @pytest.mark.parametrize(
        "text",
        [
            "2024-02-30T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-03-01T12:60:00Z",
            "2024-03-01T12:00:60Z",
            "0000-03-01T12:00:00Z",
        ],
    )
    def test_a_day_or_time_that_does_not_exist(self, text: str) -> None:
        """A well-formed timestamp of no instant is refused, in the words of the calendar."""
        with pytest.raises(
            CorruptItemError, match=f"^the row '{KEY}' .* created_at is "
        ) as caught:
            decode_event(changed({"created_at": {"S": text}}), LAYOUT)
        assert text not in str(caught.value)

    @pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
    @pytest.mark.parametrize(
        "attribute",
        [{"S": "hunter2 opened the vault\x00"}, {"N": "hunter2"}, {"SS": ["hunter2"]}],
        ids=["text", "number", "set"],
    )
    def test_values_of_a_refused_row(self, field: str, attribute: dict[str, Any]) -> None:
        """A refusal repeats no value, for justifications and names are not for every log."""
        with pytest.raises(CorruptItemError, match=field) as caught:
            decode_event(changed({field: attribute}), LAYOUT)
        assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"

    @pytest.mark.parametrize(
        ("key", "shown"),
        [
            pytest.param({"S": "BREAKGLASS#else"}, "BREAKGLASS#else", id="another key"),
            pytest.param({"S": ID}, ID, id="no prefix"),
            pytest.param({"N": "7"}, "<no partition key>", id="a number"),
            pytest.param(MISSING, "<no partition key>", id="no key"),
        ],
    )
    def test_a_row_whose_key_is_not_its_own(self, key: Any, shown: str) -> None:
        """An event counts only at the key of its id."""
        with pytest.raises(CorruptItemError, match="id does not belong to this key") as caught:
            decode_event(changed({"pk": key}), LAYOUT)
        assert caught.value.key == shown


NUMBERS = st.one_of(
    st.decimals().map(str),
    st.integers().map(str),
    st.sampled_from(
        ["", "NaN", "sNaN", "-Infinity", "1E-999999999999999999", "1E+125", "1_0", "\uff11"]
    ),
    st.text(max_size=5),
)
TEXTS = st.one_of(
    st.text(st.characters(categories=None), max_size=30),
    st.text(string.hexdigits, min_size=16, max_size=16),
    st.datetimes().map(lambda instant: f"{instant.isoformat()}Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]{1,9})?[Zz+-][0-9:]{0,5}\Z"),
    st.sampled_from(["active", "closed", "expired", "incident", "The database does not answer"]),
)
ATTRIBUTES = st.recursive(
    st.one_of(
        TEXTS.map(lambda text: {"S": text}),
        NUMBERS.map(lambda number: {"N": number}),
        st.binary(max_size=5).map(lambda data: {"B": data}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.booleans().map(lambda flag: {"NULL": flag}),
        st.lists(TEXTS, min_size=1, max_size=2).map(lambda texts: {"SS": texts}),
        st.lists(NUMBERS, min_size=1, max_size=2).map(lambda numbers: {"NS": numbers}),
        st.lists(st.binary(max_size=5), min_size=1, max_size=2).map(lambda data: {"BS": data}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda attributes: {"L": attributes}),
        st.dictionaries(st.text(max_size=3), inner, max_size=2).map(
            lambda members: {"M": members}
        ),
    ),
    max_leaves=3,
)
FIELDS = [*ROW, *BreakGlassEvent.model_fields]
ARBITRARY_ROWS = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), st.just(MISSING) | ATTRIBUTES, max_size=3).map(
        changed
    ),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ATTRIBUTES),
)


class TestArbitraryRows:
    @given(ARBITRARY_ROWS)
    @example(changed({"invoker": {"S": "\ud800"}}))
    @example(changed({"status": {"S": "\ud800"}}))
    @example(changed({"pk": {"S": "\ud800"}}))
    @example(changed({"duration": {"N": "9E+999999999999999999"}}))
    def test_are_events_or_corrupt(self, row: Item) -> None:
        """Whatever a row holds, it is read as an event or refused as corrupt, by its key."""
        try:
            event = decode_event(row, LAYOUT)
        except CorruptItemError as error:
            key = error.key
        else:
            key = LAYOUT.event_key(event.id)
            assert decode_event(encoded(event), LAYOUT) == event
        assert key == row.get("pk", {}).get("S", "<no partition key>")

    @given(ARBITRARY_ROWS)
    def test_hold_access_for_a_pair_or_for_nobody(self, row: Item) -> None:
        """Only a row that says `active` can stand in the way, with the pair that it names."""
        pair = guarded_pair(row)
        assert pair is None or (row["status"], row["invoker"], row["profile"]) == (
            {"S": "active"},
            {"S": pair[0]},
            {"S": pair[1]},
        )


class TestGuards:
    def test_their_row(self) -> None:
        """A guard has its key and the id of its event, and no attribute that an index lists."""
        assert encode_guard(event(invoker="zoë", profile="a#b"), LAYOUT) == {
            "pk": {"S": "ACTIVE#4#zoë#a#b"},
            "event_id": {"S": ID},
        }

    @given(*[st.tuples(st.text("#1é", max_size=4), st.text("#1é", max_size=4))] * 2)
    @example(("a#b", "c"), ("a", "b#c"))
    @example(("1#a", "b"), ("1", "a#b"))
    def test_keys_of_pairs(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """Two pairs share a guard only where they are the same pair."""
        assert (LAYOUT.guard_key(*one) == LAYOUT.guard_key(*other)) == (one == other)

    def test_key_of_the_longest_names(self) -> None:
        """The longest names that an event can have fit DynamoDB's 2048 bytes of partition key."""
        longest = "𝄞" * 128
        key = encode_guard(event(invoker=longest, profile=longest), LAYOUT)["pk"]["S"]
        assert len(key.encode()) <= 2048
        with pytest.raises(ValidationError, match="at most 512 UTF-8 bytes"):
            event(invoker=longest + "a")


class TestTombstones:
    @pytest.mark.parametrize(
        ("retention", "ttl"),
        [
            pytest.param(timedelta(days=365), {"ttl": {"N": "1740830401"}}, id="a year"),
            pytest.param(timedelta(days=1), {"ttl": {"N": "1709380801"}}, id="a day"),
            pytest.param(timedelta(hours=1), {"ttl": {"N": "1709380801"}}, id="an hour is a day"),
            pytest.param(timedelta(0), {"ttl": {"N": "1709380801"}}, id="none is a day"),
            pytest.param(None, {}, id="for ever"),
        ],
    )
    def test_their_row(self, retention: timedelta | None, ttl: Item) -> None:
        """A tombstone has the event's key and when it was deleted, and outlives any late write."""
        deleted_at = CREATED_AT + timedelta(milliseconds=500)
        assert encode_tombstone(ID, LAYOUT, deleted_at=deleted_at, retention=retention) == {
            "pk": {"S": KEY},
            "deleted_at": {"S": "2024-03-01T12:00:00.500000Z"},
            **ttl,
        }

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            pytest.param({"pk": {"S": KEY}, "deleted_at": {"S": "x"}}, True, id="tombstone"),
            pytest.param(ROW, False, id="event"),
            pytest.param(encode_guard(event(), LAYOUT), False, id="guard"),
        ],
    )
    def test_are_told_from_other_rows(self, row: Item, expected: bool) -> None:
        """A row that says when it was deleted is a tombstone."""
        assert is_tombstone(row) is expected


@pytest.mark.parametrize(
    ("changes", "pair"),
    [
        pytest.param({}, ("alice", "prod"), id="active"),
        pytest.param({"status": {"S": "closed"}}, None, id="closed, be it by hand"),
        pytest.param({"status": {"S": "expired"}}, None, id="expired"),
        pytest.param({"status": {"S": "Active"}}, None, id="another spelling"),
        pytest.param({"status": {"NULL": True}}, None, id="null status"),
        pytest.param({"status": MISSING}, None, id="no status"),
        pytest.param({"invoker": MISSING}, None, id="no invoker"),
        pytest.param({"profile": MISSING}, None, id="no profile"),
        pytest.param({"invoker": {"N": "7"}}, None, id="a number for the invoker"),
        pytest.param({"profile": {"SS": ["prod"]}}, None, id="several profiles"),
        pytest.param(
            {"expires_at": MISSING, "justification": {"S": ""}, "created_at": {"S": "today"}},
            ("alice", "prod"),
            id="active, but no event",
        ),
    ],
)
def test_the_pair_that_a_row_holds_access_for(
    changes: dict[str, Any], pair: tuple[str, str] | None
) -> None:
    """A row's own words say whether it holds access, well-formed event or not."""
    assert guarded_pair(changed(changes)) == pair
