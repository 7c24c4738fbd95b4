"""Arbitrary rows: each is an event or corrupt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import decode_event, guarded_pair

from .example import LAYOUT, changed, encoded
from .strategies import ARBITRARY_ROWS


class TestArbitraryRows:
    @given(ARBITRARY_ROWS)
    @example(changed({"invoker": {"S": "\ud800"}}))
    @example(changed({"status": {"S": "\ud800"}}))
    @example(changed({"pk": {"S": "\ud800"}}))
    @example(changed({"duration": {"N": "9E+999999999999999999"}}))
    def test_arbitrary_row_is_an_event_or_corrupt(self, row: Item) -> None:
        """Any row is decoded to an event, or refused as corrupt with its key."""
        try:
            event = decode_event(row, LAYOUT)
        except CorruptItemError as error:
            key = error.key
        else:
            key = LAYOUT.event_key(event.id)
            assert decode_event(encoded(event), LAYOUT) == event
        assert key == row.get("pk", {}).get("S", "<no partition key>")

    @pytest.mark.parametrize("field", ["pk", *BreakGlassEvent.model_fields])
    @pytest.mark.parametrize(
        "attribute",
        [{}, {"S": 5}, {"S": None}, {"N": 1}, {"BOOL": "true"}, {"L": "a"}, {"X": {"S": "a"}}],
        ids=str,
    )
    def test_attribute_of_another_shape_is_corrupt(
        self, field: str, attribute: dict[str, Any]
    ) -> None:
        """A list checks only that attributes are objects; the codec checks their values."""
        with pytest.raises(CorruptItemError):
            decode_event(changed({field: attribute}), LAYOUT)

    @given(ARBITRARY_ROWS)
    def test_only_active_row_holds_access_for_its_pair(self, row: Item) -> None:
        """Only a row with the status `active` holds access, and only for its own pair."""
        pair = guarded_pair(row)
        assert pair is None or (row["status"], row["invoker"], row["profile"]) == (
            {"S": "active"},
            {"S": pair[0]},
            {"S": pair[1]},
        )
