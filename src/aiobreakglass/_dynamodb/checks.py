"""Check who holds access right now, with one read on the steady path for "yes" and for "no"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from aiobreakglass._aws.calls import Operation
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._dynamodb.holders import Pair, RecentHolders
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.row import Row


class Checks:
    """Answer who holds access, from strongly consistent reads alone."""

    def __init__(self, reads: Reads, clock: Callable[[], datetime]) -> None:
        self._reads = reads
        self._clock = clock
        self._recent_holders = RecentHolders()

    async def holder(self, operation: Operation, pair: Pair) -> BreakGlassEvent | None:
        """Return the event that grants a pair access, or None.

        This first reads the event that granted the access at the last check. If its row is active,
        of this pair and not lapsed, it is the answer. Otherwise this reads the guard.
        """
        recent = self._recent_holders.recall(pair)
        if recent is not None:
            event = self._granting(await self._reads.event_row(operation, recent), pair)
            if event is not None:
                return event
            self._recent_holders.forget(pair)
        event_id = await self._reads.guarded_event_id(operation, *pair)
        if event_id is None:
            return None
        event = self._granting(await self._reads.event_row(operation, event_id), pair)
        if event is not None:
            self._recent_holders.remember(pair, event_id)
        return event

    async def holders(
        self, operation: Operation, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        """Return the events that grant an invoker access, by profile, in the profiles' order."""
        event_ids = await self._reads.guarded_event_ids(operation, invoker, profiles)
        rows = await self._reads.event_rows(operation, event_ids.values())
        events = {
            profile: self._granting(rows.get(event_id), (invoker, profile))
            for profile, event_id in event_ids.items()
        }
        return {profile: event for profile, event in events.items() if event is not None}

    def _granting(self, row: Row | None, pair: Pair) -> BreakGlassEvent | None:
        event = None if row is None else row.active_event(*pair)
        # Read the clock after the read, because access may have run out meanwhile.
        return event if event is not None and event.is_active(self._clock()) else None
