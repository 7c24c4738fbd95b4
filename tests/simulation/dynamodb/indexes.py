"""A global secondary index, which lags: each of its entries by itself.

An event that moves from one key of an index to another is removed there and put here, as two
changes, and each arrives in its own time. So it may be listed twice for a while, or not at all.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from tests.simulation.dynamodb.values import Item, item_size

Row = Mapping[str, Any]


class Entry(NamedTuple):
    """The place of a row in an index."""

    partition: str
    range: str
    key: str


class Index:
    """An index over two texts, with the table's key to tell rows apart."""

    def __init__(self, partition: str, range_: str, key: str, lag: Callable[[], float]) -> None:
        self.partition = partition
        self.range = range_
        self._key = key
        self._lag = lag
        self._rows: dict[Entry, Item] = {}
        self._sizes: dict[Entry, int] = {}
        self._partitions: dict[str, list[tuple[str, str]]] = {}
        self._underway: list[tuple[float, int, Entry, Item | None]] = []
        self._due: dict[Entry, float] = {}
        """When the last change of an entry arrives: a later one does not overtake it."""
        self._serial = 0

    def change(self, before: Item | None, after: Item | None, now: float) -> None:
        """Let a change of a row set out for the index."""
        old, new = self._entry(before), self._entry(after)
        if old is not None and old != new:
            self._send(old, None, now)
        if new is not None:
            self._send(new, after, now)

    def spread(self, until: float) -> None:
        """Let arrive what is due."""
        underway = self._underway
        while underway and underway[0][0] <= until:
            _, _, entry, row = heappop(underway)
            self._arrive(entry, row)

    @property
    def next_instant(self) -> float | None:
        """When the next change arrives."""
        return self._underway[0][0] if self._underway else None

    def places(self, partition: str) -> Sequence[tuple[str, str]]:
        """Return what a partition holds, in order: range and the table's key."""
        return self._partitions.get(partition, ())

    def row(self, partition: str, place: tuple[str, str]) -> Item:
        """Return the row at a place, as the index knows it."""
        return self._rows[Entry(partition, *place)]

    def size(self, partition: str, place: tuple[str, str]) -> int:
        """Return the size of the row at a place, which is measured once."""
        entry = Entry(partition, *place)
        if entry not in self._sizes:
            self._sizes[entry] = item_size(self._rows[entry])
        return self._sizes[entry]

    def _entry(self, row: Row | None) -> Entry | None:
        if row is None:
            return None
        partition, range_ = row.get(self.partition), row.get(self.range)
        if partition is None or range_ is None:
            return None
        return Entry(partition["S"], range_["S"], row[self._key]["S"])

    def _send(self, entry: Entry, row: Item | None, now: float) -> None:
        due = max(now + self._lag(), self._due.get(entry, now))
        self._due[entry] = due
        self._serial += 1
        heappush(self._underway, (due, self._serial, entry, row))

    def _arrive(self, entry: Entry, row: Item | None) -> None:
        place = (entry.range, entry.key)
        places = self._partitions.setdefault(entry.partition, [])
        self._sizes.pop(entry, None)
        if row is not None:
            if entry not in self._rows:
                insort(places, place)
            self._rows[entry] = row
        elif entry in self._rows:
            del self._rows[entry]
            del places[bisect_left(places, place)]
