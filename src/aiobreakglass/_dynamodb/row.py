"""The row of an event, which may be no event after all."""

from __future__ import annotations

from functools import cached_property

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._dynamodb.codec import decode_event, guarded_pair, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout


class Row:
    """The row of an event.

    `is_fresh` says whether the call in hand has read it, or has got it with a refusal. What is
    remembered from before can be written against, because the write has its condition. It cannot
    refuse anything.
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
        """Tell whether the last write to this row was this one."""
        return self.item.get(self._layout.write_id_attribute) == {"S": write_id}

    @cached_property
    def event(self) -> BreakGlassEvent:
        """The event of this row; `CorruptItemError` if it is none."""
        return decode_event(self.item, self._layout)

    def active_event(self, invoker: str, profile: str) -> BreakGlassEvent | None:
        """Return the event if this row says that it is an active one of this pair, lapsed or not.

        `CorruptItemError` if the row says so and is no event.
        """
        return self.event if guarded_pair(self.item) == (invoker, profile) else None


def event_row(item: Item | None, layout: TableLayout) -> Row | None:
    """Return the row of an event that is there; a tombstone is none."""
    return None if item is None or is_tombstone(item) else Row(item, layout)
