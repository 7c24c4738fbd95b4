"""Decide when DynamoDB's TTL may delete rows; all times are in seconds since 1970.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiobreakglass._domain.change import Change
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.fields import MAX_DURATION
from aiobreakglass._domain.history import (
    HISTORY_MARGIN,
    history_ttl,
    rounded_up,
    seconds_since_1970,
)

TOMBSTONE_RETENTION_FLOOR: Final = timedelta(days=1)
"""How long a tombstone is kept at least, so that it outlives any late write that it must stop."""

_HISTORY_LEAD: Final = rounded_up(timedelta(days=7))
"""How much sooner an event's row goes than its history, because TTL may be days late."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a store keeps rows after their events have ended; None means for ever."""

    interval: timedelta | None

    def of_history(self, created_at: datetime) -> int | None:
        """Return when the history of an event may be deleted."""
        return history_ttl(created_at, self.interval)

    def of_adopted(self, event: BreakGlassEvent, stored: int | None) -> int | None:
        """Return when the row of an event may be deleted whose history begins now.

        It is kept as long as the history supposes, and never less long than before.
        """
        ttl = self._after(event.expires_at, self.interval)
        return None if stored is None or ttl is None else max(stored, ttl)

    def of_old_history(self, created_at: datetime, stored: int | None) -> int | None:
        """Return when a history that begins after its event may be deleted.

        The history must be kept for longer than the row.

        Args:
            created_at: When the event was created.
            stored: When the row of the event may be deleted; None means never.
        """
        history = self.of_history(created_at)
        return None if history is None or stored is None else max(history, stored + _HISTORY_LEAD)

    def of_event(self, change: Change, stored: int | None, history: int | None) -> int | None:
        """Return when the row of an event may be deleted after a change; None means never.

        The row goes before its history. A store with another retention may have set either time.

        Args:
            change: The change; it leaves an event.
            stored: When the row may be deleted now.
            history: When the history may be deleted.
        """
        event, before = change.stored, change.before
        if event.held_by is not None:
            return None
        if before is None or before.expires_at != event.expires_at:
            stored = self._after(event.expires_at, self.interval)
        elif before.held_by is not None:
            stored = self._of_released(event, change.at, history)
        return _before_history(stored, history)

    def _of_released(
        self, event: BreakGlassEvent, released_at: datetime, history: int | None
    ) -> int | None:
        """Return when the row of an event that is released now may be deleted.

        A held row does not say for how long it was kept before, but its history does: the store
        that releases it may have a shorter retention than the one that created it.
        """
        anew = self._after(max(event.expires_at, released_at), self.interval)
        if history is None or anew is None:
            return None
        longest = seconds_since_1970(event.created_at) + rounded_up(MAX_DURATION)
        unused = longest - seconds_since_1970(event.expires_at)
        return max(anew, history - rounded_up(HISTORY_MARGIN) - unused)

    def of_release(self, released_at: datetime, history: int | None) -> int | None:
        """Return when the history of an event that is released now may be deleted."""
        ttl = self._after(released_at, self.interval)
        if ttl is None or history is None:
            return None
        return max(history, ttl + rounded_up(HISTORY_MARGIN))

    def of_tombstone(self, deleted_at: datetime, history: int | None) -> int | None:
        """Return when the tombstone of an event that is deleted now may be deleted."""
        floor = self._after(deleted_at, TOMBSTONE_RETENTION_FLOOR)
        ttl = _before_history(self._after(deleted_at, self.interval), history)
        return ttl if ttl is None or floor is None else max(ttl, floor)

    @staticmethod
    def _after(instant: datetime, interval: timedelta | None) -> int | None:
        # Integers, because the sum may exceed the limits of `datetime`.
        return None if interval is None else seconds_since_1970(instant) + rounded_up(interval)


def _before_history(ttl: int | None, history: int | None) -> int | None:
    if history is None:
        return ttl
    latest = history - _HISTORY_LEAD
    return latest if ttl is None else min(ttl, latest)
