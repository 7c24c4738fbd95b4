"""Encoding events to rows, exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aiobreakglass import TableLayout
from aiobreakglass._dynamodb.codec import decode_event, encode_event

from .example import CREATED_AT, ID, MISSING, changed, encoded, event

CLOSING = {"status": "closed", "closed_by": "bob", "closed_reason": "The primary answers again"}


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
    def test_row_has_the_fields_the_key_and_the_write_id(
        self, overrides: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        """A row has the event's fields by name, its key and its write id, and nothing else."""
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
    def test_ttl_is_expiry_plus_retention(
        self, created_at: datetime, retention: timedelta, ttl: str
    ) -> None:
        """TTL is `expires_at` plus the retention, rounded up to a second."""
        row = encoded(event(created_at=created_at), retention)
        assert row["ttl"] == {"N": ttl}

    def test_no_retention_sets_no_ttl(self) -> None:
        """Without a retention a row has no TTL."""
        assert "ttl" not in encoded(event(), None)

    def test_encoding_in_another_layout(self) -> None:
        """The layout names the key, its prefix, and the attributes that are not fields."""
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
