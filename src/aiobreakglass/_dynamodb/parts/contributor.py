"""What the commit loop asks of each contributor to a transaction."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain.change import Change
from aiobreakglass._dynamodb.row import Row


class Verdict(Enum):
    """What follows after a part was refused."""

    OURS = auto()
    """An earlier attempt of this very write succeeded."""
    AGAIN = auto()
    """Start over with the row that DynamoDB returned."""
    WITHOUT = auto()
    """Go on without this part: it concerns something that is no longer this event's."""
    BLOCKED = auto()
    """Another event is in the way: end it if it has lapsed, then start over."""


class Attempt(NamedTuple):
    """One round of a write."""

    change: Change
    row: Row | None
    """The row that the change was decided from; None for a new event."""
    write_id: str
    """The same for all rounds of one write, and for no other write."""


class Contributor(Protocol):
    """Adds parts to the transaction of each change that concerns it."""

    @property
    def role(self) -> str:
        """The role of its part."""
        ...

    def parts(self, attempt: Attempt) -> list[Part]:
        """Return the parts that an attempt needs; none if the change does not concern it."""
        ...

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:
        """Tell what follows after its part was refused, or raise why the change cannot be.

        `existing` is the row that refused it; None if there is no row.
        """
        ...
