"""Which event a pair's access was found in last, so that the next check reads that row alone."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REMEMBERED_PAIRS: Final = 4096
"""How many pairs are remembered; the least recently asked is forgotten first."""

Pair = tuple[str, str]
"""An invoker and a profile."""


class RecentHolders:
    """Remember the id of the event by which each pair was found to hold access.

    It is a hint of where to look first. The row itself, read anew each time, decides.
    """

    def __init__(self, limit: int = REMEMBERED_PAIRS) -> None:
        self._limit = limit
        self._event_ids: OrderedDict[Pair, str] = OrderedDict()

    def recall(self, pair: Pair) -> str | None:
        """Return the event in which this pair's access was found last."""
        event_id = self._event_ids.get(pair)
        if event_id is not None:
            self._event_ids.move_to_end(pair)
        return event_id

    def remember(self, pair: Pair, event_id: str) -> None:
        """Note the event in which this pair's access was found."""
        self._event_ids[pair] = event_id
        self._event_ids.move_to_end(pair)
        if len(self._event_ids) > self._limit:
            self._event_ids.popitem(last=False)

    def forget(self, pair: Pair) -> None:
        """Forget a pair whose access has ended."""
        self._event_ids.pop(pair, None)
