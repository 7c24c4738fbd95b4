"""Decoding rows: our own, other writers', and rows that are not events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._dynamodb.codec import decode_event
from tests.strategies import events

from .example import CREATED_AT, ID, KEY, LAYOUT, MISSING, ROW, changed, encoded, event


class TestDecodeEvent:
    @given(events())
    def test_encoded_event_is_decoded_unchanged(self, event: BreakGlassEvent) -> None:
        """Encoding and decoding an event changes no field."""
        assert decode_event(encoded(event), LAYOUT) == event

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
    def test_other_spellings_are_decoded_to_the_same_values(
        self, changes: dict[str, Any], overrides: dict[str, Any]
    ) -> None:
        """The codec reads other writers' spellings of a value as that value."""
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
            *(
                pytest.param(
                    {"extensions": {"N": number}},
                    "extensions is not an integer from 0 to 999999",
                    id=f"extensions {number!r}",
                )
                for number in ("", "-1", "1.5", "1_0", "\uff11", "1000000", "twice")
            ),
            pytest.param(
                {"labels": {"M": {"ticket": {"N": "7"}}}},
                "ticket is not of DynamoDB's type S",
                id="a number as a label",
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
                {"invoker": {"S": ""}, "status": {"S": "open"}},
                "invoker: Value error, must have 1 to 256 characters; "
                "status: Input should be 'active', 'closed' or 'expired'",
                id="two rules broken",
            ),
        ],
    )
    def test_row_that_is_not_an_event_is_refused(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        """The error has the row's key, the attribute and its rule."""
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
    def test_date_or_time_that_does_not_exist_is_refused(self, text: str) -> None:
        """The error of a timestamp that does not exist does not quote it."""
        with pytest.raises(
            CorruptItemError, match=f"^the row '{KEY}' .* created_at is "
        ) as caught:
            decode_event(changed({"created_at": {"S": text}}), LAYOUT)
        assert text not in str(caught.value)

    @pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
    @pytest.mark.parametrize(
        "attribute",
        [{"S": "hunter2 opened the vault\ud800"}, {"N": "hunter2"}, {"SS": ["hunter2"]}],
        ids=["text", "number", "set"],
    )
    def test_error_shows_no_values_of_the_row(self, field: str, attribute: dict[str, Any]) -> None:
        """The error shows no value, because logs must not have justifications and names."""
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
    def test_row_at_another_key_is_refused(self, key: Any, shown: str) -> None:
        """An event is valid only at the key of its id."""
        with pytest.raises(CorruptItemError, match="id does not belong to this key") as caught:
            decode_event(changed({"pk": key}), LAYOUT)
        assert caught.value.key == shown
