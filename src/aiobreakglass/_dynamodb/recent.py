"""Remember the rows of events that a caller still has, so that a change need not read them."""

from __future__ import annotations

from weakref import ref

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.event import ACTIVE, BreakGlassEvent
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.row import Row


class RecentRows:
    """Remembers the row of each active event for as long as its reader keeps the event.

    A remembered row is never an answer: each change has the condition that the row is unchanged.
    """

    def __init__(self, layout: TableLayout) -> None:
        self._layout = layout
        self._rows: dict[str, tuple[ref[BreakGlassEvent], Item]] = {}

    def remember(self, event: BreakGlassEvent, item: Item) -> None:
        """Remember the row of an event that was just read, if it is active.

        An ended event never changes, so nobody needs its row.
        """
        if event.status is not ACTIVE:
            return
        rows, event_id = self._rows, event.id

        def forget(reference: ref[BreakGlassEvent]) -> None:
            # If the event was read again since, its row belongs to the later reader.
            if (known := rows.get(event_id)) is not None and known[0] is reference:
                del rows[event_id]

        rows[event_id] = ref(event, forget), item

    def recall(self, event: BreakGlassEvent) -> Row | None:
        """Return the row that this version of an event was read from, if it is remembered."""
        known = self._rows.get(event.id)
        if known is None:
            return None
        row = Row(known[1], self._layout, is_fresh=False)
        return row if row.event.updated_at == event.updated_at else None
