"""Describe one change of the record, as a rule decides it before a store writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aiobreakglass._domain.event import BreakGlassEvent

EXTENSION_MARGIN: Final = timedelta(seconds=1)
"""How much time an event must have left if its `expires_at` is to move later.

An extension that is written after the lapse would restore access that a check has already denied.
"""

NO_TIME: Final = timedelta(0)


class Action(StrEnum):
    """What a change does to an event; `adopted` records a row that the history did not know."""

    CREATED = "created"
    IMPORTED = "imported"
    ADOPTED = "adopted"
    UPDATED = "updated"
    EXTENDED = "extended"
    CLOSED = "closed"
    EXPIRED = "expired"
    REVIEWED = "reviewed"
    HELD = "held"
    RELEASED = "released"
    DELETED = "deleted"


# These constants save time on the hot paths, as in `event`.
_EXTENDED: Final = Action.EXTENDED
_BEFORE_LAPSE: Final = (Action.CREATED, Action.UPDATED, Action.EXTENDED, Action.CLOSED)
"""The actions that are allowed only before the event lapses."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one event at one instant; every write of a store is exactly one change."""

    action: Action
    before: BreakGlassEvent | None
    """The event as it was read; None if the event is new, or if its row is not an event."""
    after: BreakGlassEvent | None
    """The event as it will be stored; None if the change deletes it."""
    at: datetime
    by: str | None = None
    """Who did it, as the caller says; None if that is not known."""
    note: str | None = None
    """Why, in the caller's words."""

    @property
    def is_new(self) -> bool:
        """Whether the event is not in the store yet."""
        return self.before is None and self.after is not None

    @property
    def stored(self) -> BreakGlassEvent:
        """The event after the change; raises `ValueError` if the change deletes the event."""
        if self.after is None:
            raise ValueError("a deletion leaves no event")
        return self.after

    def time_left(self, now: datetime) -> timedelta | None:
        """Return how long an attempt to write this may take: None if unlimited, zero if too late.

        It is too late once the event that the change relies on has lapsed; the boundary instant
        counts as lapsed. An extension must also be written before the lapse, so its time is
        limited.
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
        return event.expires_at if event is not None and self.action in _BEFORE_LAPSE else None
