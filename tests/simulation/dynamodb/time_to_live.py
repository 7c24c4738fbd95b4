"""Deletion by time to live: from the due second to days later, each row by itself.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from typing import Final

from tests.simulation.dynamodb.values import Item

OLDEST_SECONDS: Final = 5 * 365 * 86_400
"""A time this far in the past deletes nothing."""


class Expiries:
    """When the service will look at which row."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute
        self._looks: list[tuple[float, str]] = []

    def watch(self, key: str, row: Item, delay: float) -> None:
        """Look at a new version of a row when it is due, or a while later."""
        due = self._due(row)
        if due is not None:
            heappush(self._looks, (due + delay, key))

    def take(self, now: float, rows: Mapping[str, Item]) -> Iterator[str]:
        """Yield the keys of rows to delete by now."""
        while self._looks and self._looks[0][0] <= now:
            _, key = heappop(self._looks)
            # The row may have changed since: its own time counts.
            due = self._due(rows.get(key, {}))
            if due is not None and now - OLDEST_SECONDS <= due <= now:
                yield key

    @property
    def next_instant(self) -> float | None:
        """When the service looks at a row next."""
        return self._looks[0][0] if self._looks else None

    def _due(self, row: Item) -> float | None:
        number = row.get(self._attribute, {}).get("N")
        return None if number is None else float(number)
