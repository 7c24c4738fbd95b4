"""One change of the record: what a rule has decided, before anything is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aiobreakglass._domain.event import BreakGlassEvent

EXTENSION_MARGIN: Final = timedelta(seconds=1)
"""How much of an event's time must be left for its expiry to move later.

An extension that lands after the lapse would bring access back that a check has already denied.
"""

NO_TIME: Final = timedelta(0)


class Action(StrEnum):
    """What a change does to an event."""

    CREATED = "created"
    IMPORTED = "imported"
    UPDATED = "updated"
    EXTENDED = "extended"
    CLOSED = "closed"
    EXPIRED = "expired"
    DELETED = "deleted"


# For the hot paths, as in `event`.
_EXTENDED: Final = Action.EXTENDED
_OF_ACCESS: Final = (Action.CREATED, Action.UPDATED, Action.EXTENDED, Action.CLOSED)
"""What can be done only while the event has not lapsed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one event at one instant; every write of a store is exactly one of these."""

    action: Action
    before: BreakGlassEvent | None
    """The event as it was read; None if it is new, or if its row could not be understood."""
    after: BreakGlassEvent | None
    """The event as it will be stored; None if it is deleted."""
    at: datetime
    by: str | None = None
    """Who did it, by the caller's word; None if nobody is known."""
    note: str | None = None
    """Why, in the caller's words."""

    @property
    def is_new(self) -> bool:
        """Whether the event is not in the store yet."""
        return self.before is None and self.after is not None

    @property
    def stored(self) -> BreakGlassEvent:
        """The event after the change; `ValueError` after a deletion, which leaves none."""
        if self.after is None:
            raise ValueError("a deletion leaves no event")
        return self.after

    def time_left(self, now: datetime) -> timedelta | None:
        """Return how long an attempt to write this may take: None without bound, zero if too late.

        It is too late once the event that the change relies on has lapsed; the boundary instant
        counts as lapsed. An extension must also land before that, so its time is bounded.
        """
        lapse = self._lapse
        if lapse is None:
            return None
        left = lapse - now
        if self.action is _EXTENDED:
            return left if left >= EXTENSION_MARGIN else NO_TIME
        return None if left > NO_TIME else NO_TIME

    @property
    def _lapse(self) -> datetime | None:
        event = self.after if self.before is None else self.before
        return event.expires_at if event is not None and self.action in _OF_ACCESS else None
