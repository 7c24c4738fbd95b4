"""Find events that were added to a table with a false time, by an anchor that lacks them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.chain import is_created_too_late
from aiobreakglass._domain.change import Action
from aiobreakglass._domain.finding import Finding, error, shown_event
from aiobreakglass._domain.rules import MAX_CLOCK_LEAD
from aiobreakglass._domain.timestamps import decode_time
from aiobreakglass._dynamodb.codec import is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import number_of
from aiobreakglass._evidence.judgments import is_past, place_of
from aiobreakglass._evidence.records import Records, groups, is_event_id, readable_entry

_RUN: Final = 1 << 16


class Ids:
    """A set of event ids in 8 bytes each; `sort` it before asking."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._runs: list[array[int]] = []
        """Sorted one by one, because sorting everything at once would take much more memory."""
        self._others: set[str] = set()

    def add(self, event_ids: Iterable[str]) -> None:
        """Add some ids."""
        for event_id in event_ids:
            if is_event_id(event_id):
                self._numbers.append(int(event_id, 16))
                if len(self._numbers) == _RUN:
                    self.sort()
            else:
                self._others.add(event_id)

    def sort(self) -> None:
        """Make the set ready for questions."""
        self._runs.append(array("Q", sorted(self._numbers)))
        self._numbers = array("Q")

    def __contains__(self, event_id: str) -> bool:
        if not is_event_id(event_id):
            return event_id in self._others
        number = int(event_id, 16)
        for run in self._runs:
            place = bisect_left(run, number)
            if place < len(run) and run[place] == number:
                return True
        return False


class Search:
    """Searches for events that claim to be older than an anchor that does not have them."""

    def __init__(
        self, records: Records, layout: TableLayout, known: Ids, started_at: datetime
    ) -> None:
        self._records = records
        self._layout = layout
        self._known = known
        # The hosts' clocks differ.
        self._before = started_at - MAX_CLOCK_LEAD

    async def visit(self, rows: Sequence[Item]) -> tuple[int, list[Finding]]:
        """Return how many rows were visited, and the findings about them."""
        unknown: dict[str, Item] = {}
        for row in rows:
            key = row[self._layout.partition_key]["S"]
            if place_of(key, self._layout) != "event":
                continue
            event_id = key.removeprefix(self._layout.event_prefix)
            if event_id not in self._known and not self._is_new(row):
                unknown[event_id] = row
        found: list[Finding] = []
        for group in groups(unknown):
            keys = {
                event_id: self._layout.history_key(event_id, 1)
                for event_id in group
                if is_event_id(event_id)
            }
            entries = await self._records.rows(list(keys.values()))
            for event_id in group:
                key = keys.get(event_id, "")
                found += self._findings(event_id, unknown[event_id], entries.get(key), key)
        return len(rows), found

    def _is_new(self, row: Item) -> bool:
        """Return whether an event says itself that it was created after the anchor."""
        try:
            return decode_time(row["created_at"]["S"]) >= self._before
        except (KeyError, TypeError, ValueError):
            return False

    def _findings(self, event_id: str, row: Item, item: Item | None, key: str) -> list[Finding]:
        subject = shown_event(event_id)
        expected = "every event from before the anchor in the anchor"
        entry = readable_entry(item, key)
        ttl = number_of(row, self._layout.ttl_attribute)
        if is_past(ttl, self._before):
            found = "an event whose retention had ended before the anchor was made"
            fix = "if the table was not restored from a backup, find out who added the event"
            return [Finding("warning", "added", subject, found, "nothing of it", fix)]
        if entry is not None and entry.at < self._before:
            found = "an event whose first entry is older than the anchor, which does not have it"
            return [error("added", subject, found, expected, "it was added with a false time")]
        if entry is not None and is_created_too_late(entry):
            found = "an event that had lapsed before its first entry"
            return [error("added", subject, found, expected, "no store creates such an event")]
        is_recorded = entry is not None and entry.action is not Action.ADOPTED
        if is_recorded or is_tombstone(row):
            # A store recorded the import of an old event after the anchor was made.
            return []
        found = "an event that claims to be older than the anchor, which does not have it"
        fix = "find out which program added it without its history"
        return [Finding("warning", "added", subject, found, expected, fix)]
