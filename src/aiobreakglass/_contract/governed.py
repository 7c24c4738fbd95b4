"""Define the contract of stores that keep the history of each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aiobreakglass._contract.store import BreakGlassStore

if TYPE_CHECKING:
    from aiobreakglass._domain.history import HistoryEntry


@runtime_checkable
class GovernedStore(BreakGlassStore, Protocol):
    """A store must record every change of an event in the event's history.

    A change and its entry must be written together: there must be no instant at which one exists
    without the other. The entries of an event are a chain, and none of them ever changes.
    """

    async def history(self, event_id: str) -> list[HistoryEntry]:
        """Return the history of an event, oldest entry first; strongly consistent.

        The history of a deleted event stays readable until its retention ends. The history of an
        event from before histories existed is empty until the event changes or `adopt_table`
        adopts it. The store returns what is there; `verify_history` judges it.

        Args:
            event_id: The id of the event.

        Raises:
            EventNotFoundError: Nothing is known of this id.
            CorruptItemError: A row in the history's place is not an entry.
        """
        ...
