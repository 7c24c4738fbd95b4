"""Guards, tombstones, and the pair for which a row holds access."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import (
    encode_guard,
    encode_tombstone,
    guarded_pair,
    is_tombstone,
)

from .example import CREATED_AT, ID, KEY, LAYOUT, MISSING, ROW, changed, event


class TestGuards:
    def test_guard_row(self) -> None:
        """A guard has only its key and the id of its event, so no index lists it."""
        assert encode_guard(event(invoker="zoë", profile="a#b"), LAYOUT) == {
            "pk": {"S": "ACTIVE#4#zoë#a#b"},
            "event_id": {"S": ID},
        }

    @given(*[st.tuples(st.text("#1é", max_size=4), st.text("#1é", max_size=4))] * 2)
    @example(("a#b", "c"), ("a", "b#c"))
    @example(("1#a", "b"), ("1", "a#b"))
    def test_two_pairs_never_share_a_guard_key(
        self, one: tuple[str, str], other: tuple[str, str]
    ) -> None:
        """Two guard keys are equal only if their pairs are equal."""
        assert (LAYOUT.guard_key(*one) == LAYOUT.guard_key(*other)) == (one == other)

    def test_guard_key_of_the_longest_names(self) -> None:
        """The longest names of an event fit into DynamoDB's 2048 bytes for a partition key."""
        longest = "𝄞" * 128
        key = encode_guard(event(invoker=longest, profile=longest), LAYOUT)["pk"]["S"]
        assert len(key.encode()) <= 2048
        with pytest.raises(ValidationError, match="at most 512 UTF-8 bytes"):
            event(invoker=longest + "a")


class TestTombstones:
    def test_tombstone_row(self) -> None:
        """A tombstone has the event's key and its time of deletion."""
        deleted_at = CREATED_AT + timedelta(milliseconds=500)
        assert encode_tombstone(ID, LAYOUT, deleted_at=deleted_at) == {
            "pk": {"S": KEY},
            "deleted_at": {"S": "2024-03-01T12:00:00.500000Z"},
        }

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            pytest.param({"pk": {"S": KEY}, "deleted_at": {"S": "x"}}, True, id="tombstone"),
            pytest.param(ROW, False, id="event"),
            pytest.param(encode_guard(event(), LAYOUT), False, id="guard"),
        ],
    )
    def test_tombstone_is_told_from_other_rows(self, row: Item, expected: bool) -> None:
        """A row with a time of deletion is a tombstone."""
        assert is_tombstone(row) is expected


@pytest.mark.parametrize(
    ("changes", "pair"),
    [
        pytest.param({}, ("alice", "prod"), id="active"),
        pytest.param({"status": {"S": "closed"}}, None, id="closed"),
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
def test_pair_for_which_a_row_holds_access(
    changes: dict[str, Any], pair: tuple[str, str] | None
) -> None:
    """The row's attributes say whether it holds access, even if it is not an event."""
    assert guarded_pair(changed(changes)) == pair
