"""Whether a row is an event's, and for whom it holds access."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.row import Row, event_row
from aiobreakglass.testing import make_event

LAYOUT = TableLayout()
EVENT = make_event(created_at=datetime(2024, 3, 1, 12, tzinfo=UTC))
ROW = encode_event(EVENT, LAYOUT, write_id="w1")
TOMBSTONE = encode_tombstone(EVENT.id, LAYOUT, deleted_at=EVENT.created_at)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(None, None, id="no row"),
        pytest.param(TOMBSTONE, None, id="a tombstone"),
        pytest.param(ROW, ROW, id="an event"),
        pytest.param({"pk": {"S": "x"}}, {"pk": {"S": "x"}}, id="a row that is no event"),
    ],
)
def test_event_row_is_none_for_a_tombstone(item: Item | None, expected: Item | None) -> None:
    """A deleted event has no row."""
    row = event_row(item, LAYOUT)
    assert (None if row is None else row.item) == expected


class TestActiveEvent:
    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            pytest.param(ROW, EVENT, id="active, even if lapsed"),
            pytest.param(None, None, id="gone"),
            pytest.param(TOMBSTONE, None, id="deleted"),
            pytest.param(encode_guard(EVENT, LAYOUT), None, id="a guard"),
            pytest.param({**ROW, "status": {"S": "closed"}}, None, id="closed by hand"),
            pytest.param({**ROW, "invoker": {"S": "bob"}}, None, id="of another invoker"),
            pytest.param({**ROW, "profile": {"S": "dev"}}, None, id="of another profile"),
        ],
    )
    def test_active_event_of_a_row(
        self, item: Item | None, expected: BreakGlassEvent | None
    ) -> None:
        """A row holds access only while its status is active, and only for its own pair."""
        row = event_row(item, LAYOUT)
        assert (None if row is None else row.active_event("alice", "prod")) == expected

    def test_active_row_that_cannot_be_read_is_corrupt(self) -> None:
        """An active row that cannot be read is an error, and not "no access"."""
        with pytest.raises(CorruptItemError, match="expires_at is missing"):
            Row(
                {name: value for name, value in ROW.items() if name != "expires_at"}, LAYOUT
            ).active_event("alice", "prod")
