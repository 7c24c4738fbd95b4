"""Represent the row of an event, which may turn out to be corrupt."""

from __future__ import annotations

from functools import cached_property

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.history import Tip
from aiobreakglass._dynamodb.codec import decode_event, guarded_pair, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import decode_record, number_of


class Row:
    """The row of an event.

    `is_fresh` is true if the current call read the row or got it with a refusal. A write may be
    based on a row that is remembered from an earlier call, because the write has its condition.
    But only a fresh row can be the reason to refuse a change.
    """

    def __init__(self, item: Item, layout: TableLayout, *, is_fresh: bool = True) -> None:
        self.item = item
        self.is_fresh = is_fresh
        self._layout = layout

    @property
    def key(self) -> str:
        """The partition key."""
        key: str = self.item[self._layout.partition_key]["S"]
        return key

    @property
    def event_id(self) -> str:
        """The id of the event that the partition key names."""
        return self.key.removeprefix(self._layout.event_prefix)

    def is_written_by(self, write_id: str) -> bool:
        """Return whether this write was the last one to this row."""
        return self.item.get(self._layout.write_id_attribute) == {"S": write_id}

    @cached_property
    def event(self) -> BreakGlassEvent:
        """The event of this row; raises `CorruptItemError` if it is not an event."""
        return decode_event(self.item, self._layout)

    @property
    def tip(self) -> Tip | None:
        """The newest entry of the event's history, as this row knows it; None if it names none."""
        return decode_record(self.item)

    @property
    def ttl(self) -> int | None:
        """When TTL may delete this row, in seconds since 1970; None means never."""
        return number_of(self.item, self._layout.ttl_attribute)

    def active_event(self, invoker: str, profile: str) -> BreakGlassEvent | None:
        """Return the event if this row's status is active and its pair is this one; else None.

        The event may have lapsed. Raises `CorruptItemError` if such a row is not an event.
        """
        return self.event if guarded_pair(self.item) == (invoker, profile) else None


def event_row(item: Item | None, layout: TableLayout) -> Row | None:
    """Return the row of an event, or None for a tombstone or no row."""
    return None if item is None or is_tombstone(item) else Row(item, layout)
