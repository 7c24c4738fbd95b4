"""Encoding events to rows, exactly."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aiobreakglass import TableLayout
from aiobreakglass._dynamodb.codec import decode_event, encode_event

from .example import CREATED_AT, HELD, ID, MISSING, REVIEWED, changed, encoded, event

CLOSING = {"status": "closed", "closed_by": "bob", "closed_reason": "The primary answers again"}
EXPIRED = {"status": {"S": "expired"}, "ended_at": {"S": "2024-03-01T13:00:00.000000Z"}}


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
                    "ended_at": {"S": "2024-03-01T12:00:00.000000Z"},
                },
                id="closed",
            ),
            pytest.param({"status": "expired"}, EXPIRED, id="expired"),
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
                {"status": "expired", **REVIEWED, **HELD},
                {
                    **EXPIRED,
                    "reviewed_by": {"S": "carol"},
                    "reviewed_at": {"S": "2024-03-01T14:00:00.000000Z"},
                    "review_outcome": {"S": "needs_follow_up"},
                    "review_comment": {"S": "Which ticket?"},
                    "held_by": {"S": "dave"},
                    "held_at": {"S": "2024-03-01T14:00:00.000000Z"},
                    "held_reason": {"S": "Case 7"},
                },
                id="reviewed and held",
            ),
            pytest.param(
                {"extensions": 2, "labels": {"ticket": "INC-7", "team": "東京"}},
                {
                    "extensions": {"N": "2"},
                    "labels": {"M": {"ticket": {"S": "INC-7"}, "team": {"S": "東京"}}},
                },
                id="extended, with labels",
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

    def test_encoding_in_another_layout(self) -> None:
        """The layout names the key, its prefix, and the attributes that are not fields."""
        layout = TableLayout(
            partition_key="key",
            event_prefix="event/",
            write_id_attribute="writer",
        )
        row = encode_event(event(), layout, write_id="w1")
        assert row == changed(
            {
                "pk": MISSING,
                "key": {"S": f"event/{ID}"},
                "write_id": MISSING,
                "writer": {"S": "w1"},
            }
        )
        assert decode_event(row, layout) == event()
