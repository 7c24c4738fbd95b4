"""The table while a call lasted: what each row was meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from aiobreakglass import BreakGlassEvent, HistoryEntry
from tests.simulation.record import Call
from tests.simulation.timeline import LAYOUT, Pair, Sight, Timeline


class Span:
    """The table while a call lasted."""

    def __init__(self, timeline: Timeline, call: Call, began: int, ended: int) -> None:
        self.timeline = timeline
        self._call = call
        self._began = began
        self._ended = ended

    def event(self, event_id: str) -> Iterator[Sight]:
        """Yield what an event's row was."""
        return self.timeline.during(LAYOUT.event_key(event_id), self._began, self._ended)

    def holdings(self, pair: Pair) -> Iterator[Sight]:
        """Yield what a pair's guard led to."""
        return self.timeline.holdings(pair, self._began, self._ended)

    def was(self, event: BreakGlassEvent) -> bool:
        """Tell whether an event was in the table as it is given."""
        return any(sight.said == event for sight in self.event(event.id))

    def existed(self, event: BreakGlassEvent) -> bool:
        """Tell whether it was so until the end of the call, as an index may still have it."""
        key = LAYOUT.event_key(event.id)
        return any(
            sight.said == event for sight in self.timeline.ever(key) if sight.since <= self._ended
        )

    def is_granting(self, sight: Sight, pair: Pair, now: datetime) -> bool:
        """Tell whether a row grants a pair access at a time."""
        event = sight.event
        return event is not None and sight.claimed == pair and event.is_active(now)

    def first_entry(self, event_id: str) -> Iterator[Sight]:
        """Yield what the row of a history's first entry was."""
        key = LAYOUT.history_key(event_id, 1)
        return self.timeline.during(key, self._began, self._ended)

    def had_entry(self, event_id: str, entry: HistoryEntry) -> bool:
        """Tell whether a history had an entry in its place."""
        key = LAYOUT.history_key(event_id, entry.revision)
        sights = self.timeline.during(key, self._began, self._ended)
        return any(sight.entry == entry for sight in sights)

    def lasting_entries(self, event_id: str) -> list[HistoryEntry]:
        """Return the entries from the first on that were there from the beginning to the end."""
        lasting: list[HistoryEntry] = []
        while True:
            key = LAYOUT.history_key(event_id, len(lasting) + 1)
            first, *others = self.timeline.during(key, self._began, self._ended)
            if first.entry is None or others:
                return lasting
            lasting.append(first.entry)

    def meets_corrupt(self) -> bool:
        """Tell whether there is, or was, any row that could be met and is not an event."""
        return self.timeline.has_corrupt


def told(event: BreakGlassEvent) -> str:
    """Return an event in a few words."""
    return (
        f"{event.id} {event.status} of {event.invoker}/{event.profile}, version "
        f"{event.updated_at:%H:%M:%S.%f}, until {event.expires_at:%H:%M:%S.%f}"
    )
