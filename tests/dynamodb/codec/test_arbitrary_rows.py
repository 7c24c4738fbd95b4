"""Rows of any kind: each is an event, or corrupt."""

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

    @pytest.mark.parametrize("field", ["pk", *BreakGlassEvent.model_fields])
    @pytest.mark.parametrize(
        "attribute",
        [{}, {"S": 5}, {"S": None}, {"N": 1}, {"BOOL": "true"}, {"L": "a"}, {"X": {"S": "a"}}],
        ids=str,
    )
    def test_with_an_attribute_of_another_shape(
        self, field: str, attribute: dict[str, Any]
    ) -> None:
        """A list checks that attributes are objects; what they hold, each row's reader checks."""
        with pytest.raises(CorruptItemError):
            decode_event(changed({field: attribute}), LAYOUT)

    @given(ARBITRARY_ROWS)
    def test_hold_access_for_a_pair_or_for_nobody(self, row: Item) -> None:
        """Only a row that says `active` can stand in the way, with the pair that it names."""
        pair = guarded_pair(row)
        assert pair is None or (row["status"], row["invoker"], row["profile"]) == (
            {"S": "active"},
            {"S": pair[0]},
            {"S": pair[1]},
        )
