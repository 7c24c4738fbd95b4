"""Define the contract of stores that keep the history of each event, and its review and hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aiobreakglass._contract.store import BreakGlassStore, EventPage, OnCorrupt

if TYPE_CHECKING:
    from datetime import datetime

    from aiobreakglass._domain.event import BreakGlassEvent, ReviewOutcome
    from aiobreakglass._domain.history import HistoryEntry


@runtime_checkable
class GovernedStore(BreakGlassStore, Protocol):
    """A store must record every change of an event in the event's history.

    A change and its entry must be written together: there must be no instant at which one exists
    without the other. The entries of an event are a chain, and none of them ever changes. `delete`
    must refuse an event that is under a legal hold.
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

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        """Move the end of an active event later, and return the event as stored.

        There must be no gap in the access, and access that has run out must not come back: the
        change is written before the event lapses, or not at all.

        Args:
            event_id: The id of the event.
            expires_at: The new end; later than the present one, and at most `MAX_DURATION` after
                `created_at`.
            extended_by: Who extends it.
            reason: Why.

        Raises:
            EventNotFoundError: No event has this id.
            InvalidStateTransitionError: The event has ended or lapsed, or lapses in less than a
                second.
            ValueError: `expires_at` is not later, or too late.
            LimitExceededError: `max_duration` or `max_extensions` of the store's `Limits` refuses.
        """
        ...

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        """Record what a reviewer decided about an ended event, and return it as stored.

        A lapsed event is marked expired first. The outcomes `justified` and `unjustified` are
        final; an event that needs follow-up can be reviewed again.

        Args:
            event_id: The id of the event.
            reviewed_by: Who reviews it; not its invoker, whatever the case of the letters.
            outcome: What they decided.
            comment: Why.

        Raises:
            EventNotFoundError: No event has this id.
            ReviewRefusedError: The event is active, the reviewer is its invoker, or its review is
                final.
        """
        ...

    async def list_awaiting_review(
        self,
        limit: int | None = None,
        *,
        outcome: ReviewOutcome | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of the events that wait for a review, oldest first.

        The list is eventually consistent. It leaves out active events, and has lapsed ones, marked
        or not.

        Args:
            limit: As for `list_by_invoker`.
            outcome: None lists events that were never reviewed, `needs_follow_up` those with that
                outcome. Events with a final outcome do not wait.
            since: As for `list_by_invoker`.
            until: As for `list_by_invoker`.
            cursor: As for `list_by_invoker`.
            on_corrupt: As for `list_by_invoker`.

        Raises:
            ValueError: `outcome` is final.
            TableError: The table has no index of reviews.
            CorruptItemError: A row in the list is not an event, and `on_corrupt` is "raise".
        """
        ...

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        """Put an event of any status under a legal hold, and return it as stored.

        While it is held, it cannot be deleted, and no retention removes it or its history. If the
        outcome of a call is unknown, repeat it: that completes the hold, and then says that the
        event is held already.

        Args:
            event_id: The id of the event.
            held_by: Who holds it.
            reason: Why.

        Raises:
            EventNotFoundError: No event has this id.
            EventHeldError: It is held already.
        """
        ...

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        """End the legal hold of an event, and return it as stored.

        The event and its history are kept from now on as if the event had just ended, if that is
        later than without the hold. If the outcome of a call is unknown, repeat it: that completes
        the release, and then says that the event is not held.

        Args:
            event_id: The id of the event.
            released_by: Who releases it.
            reason: Why.

        Raises:
            EventNotFoundError: No event has this id.
            InvalidStateTransitionError: It is not held.
        """
        ...
