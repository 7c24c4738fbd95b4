"""Define the protocol of the contributors to a transaction."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import Recorded
from aiobreakglass._dynamodb.row import Row


class Verdict(Enum):
    """What the commit loop does after a part was refused."""

    OURS = auto()
    """An earlier attempt of this very write succeeded."""
    AGAIN = auto()
    """Start over with the row that DynamoDB returned."""
    WITHOUT = auto()
    """Send again without this part, because its row no longer belongs to this event."""
    BLOCKED = auto()
    """Another event blocks this one: end that event if it has lapsed, then start over."""
    BEHIND = auto()
    """The history is longer than the event's row says: find its end, then start over."""


class Attempt(NamedTuple):
    """One round of a write."""

    change: Change
    row: Row | None
    """The row that the decision is based on; None for a new event."""
    record: Recorded
    """What the history records about the change."""
    write_id: str
    """The same for all rounds of one write, and for no other write."""


class Contributor(Protocol):
    """A contributor adds its part to the transaction of each change that concerns it."""

    @property
    def role(self) -> str:
        """The role of its part."""
        ...

    def parts(self, attempt: Attempt) -> list[Part]:
        """Return the parts that an attempt needs; none if the change does not concern it."""
        ...

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:
        """Return what the commit loop does after the part was refused, or raise to end the write.

        Args:
            attempt: The refused attempt.
            existing: The row that failed the part's condition; None if there is no row.
        """
        ...
