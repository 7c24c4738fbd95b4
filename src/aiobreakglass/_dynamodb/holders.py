"""Remember which event granted each pair access, so that the next check reads only that row."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REMEMBERED_PAIRS: Final = 4096
"""How many pairs are remembered; the least recently used is forgotten first."""

Pair = tuple[str, str]
"""An invoker and a profile."""


class RecentHolders:
    """Remembers the id of the event that granted each pair access at its last check.

    The id is a hint where to read first. The row decides, and every check reads it again.
    """

    def __init__(self, limit: int = REMEMBERED_PAIRS) -> None:
        self._limit = limit
        self._event_ids: OrderedDict[Pair, str] = OrderedDict()

    def recall(self, pair: Pair) -> str | None:
        """Return the id of the event that last granted this pair access, or None."""
        event_id = self._event_ids.get(pair)
        if event_id is not None:
            self._event_ids.move_to_end(pair)
        return event_id

    def remember(self, pair: Pair, event_id: str) -> None:
        """Remember the event that grants this pair access."""
        self._event_ids[pair] = event_id
        self._event_ids.move_to_end(pair)
        if len(self._event_ids) > self._limit:
            self._event_ids.popitem(last=False)

    def forget(self, pair: Pair) -> None:
        """Forget a pair whose access has ended."""
        self._event_ids.pop(pair, None)
