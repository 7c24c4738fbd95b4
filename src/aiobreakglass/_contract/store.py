"""Define the contract that every store of break-glass events fulfils."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, overload, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from aiobreakglass._domain.errors import CorruptItemError
    from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus

OnCorrupt = Literal["raise", "skip"]
"""What a list does with a row that is not an event."""

DEFAULT_QUERY_LIMIT: Final = 100
"""The largest number of events in a page if no limit is given."""

MAX_QUERY_LIMIT: Final = 1000
"""The largest number of events in a page, whatever limit is given."""


@dataclass(frozen=True, slots=True)
class EventPage(Sequence["BreakGlassEvent"]):
    """One page of a list: a sequence of events, and a cursor for the next page."""

    events: tuple[BreakGlassEvent, ...]
    """The events of the page, in the list's order."""
    next_cursor: str | None = None
    """The `cursor` for the next page of the same query; None after the last page."""
    corrupt: tuple[CorruptItemError, ...] = ()
    """The rows that a list with `on_corrupt="skip"` left out, each with its `key` and `reason`."""

    @overload
    def __getitem__(self, index: int) -> BreakGlassEvent: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[BreakGlassEvent, ...]: ...
    def __getitem__(self, index: int | slice) -> BreakGlassEvent | tuple[BreakGlassEvent, ...]:
        return self.events[index]

    def __len__(self) -> int:
        return len(self.events)


@runtime_checkable
class BreakGlassStore(Protocol):
    """A store must keep break-glass events and answer who holds emergency access.

    One (invoker, profile) must never have more than one active event. An event whose `expires_at`
    has come is *lapsed*: it grants nothing, and every operation must treat it as expired, even
    while its row still says `active`.

    A store must check arguments before it sends anything. A wrong type raises `TypeError`, a wrong
    value raises `ValueError`, and both messages name the argument and its rule. Every method may
    raise `StoreUnavailableError` and `TableError`, and `CorruptItemError` if it reads a row that
    is not an event. A cancelled call must leave the store usable and its invariants intact. The
    caller then does not know whether a write that was under way has happened.

    This is a protocol for type checkers. Do not use `isinstance`: a wrapper that forwards calls
    with `__getattr__` is a store too, but `isinstance` is false for it from Python 3.12 on.
    """

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        """Store a new event, and return it as stored.

        A lapsed event does not block a new one. Closed and expired events can be created as they
        are, for imports.

        Args:
            event: The new event.
            by: Who creates it, for the event's history; None means the invoker. This is the
                caller's word, because a store authenticates nobody.
            note: Why, for the event's history; it follows the rules of `closed_reason`.

        Raises:
            ValueError: The event is active but has lapsed already, or its `created_at` or
                `updated_at` is more than 5 minutes ahead of the store's clock, or it has been
                extended, or it is held. Or the event is expired, and its `ended_at` is not its
                `expires_at`.
            EventExistsError: The id is taken, even if by a deleted event. This is checked before
                `ActiveEventExistsError`.
            ActiveEventExistsError: The event is active, and another event of the same invoker and
                profile is active, too; the exception's `event` is that other event.
            LimitExceededError: The event is active, and the store has `Limits` that refuse it.
        """
        ...

    async def get(self, event_id: str) -> BreakGlassEvent:
        """Return an event from a strongly consistent read.

        Args:
            event_id: The id of the event.

        Raises:
            EventNotFoundError: No event has this id.
        """
        ...

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        """Replace an event with a changed copy of it, and return it as stored.

        Only an active event can change: its `expires_at` (within `MAX_DURATION` of `created_at`),
        its MFA fields, its `request_id`, and its status. The status can become closed or, once the
        event has lapsed, expired; `expires_at` must then stay as it is. The store sets `ended_at`
        of an event that ends, and counts a later `expires_at` in `extensions`.

        The stored `updated_at` must be `max(clock(), previous + 1 microsecond)`, so that it
        strictly increases.

        Args:
            event: The event as it was read, with changes; its `updated_at` must be unchanged.
            by: Who changes it, for the event's history. None means `closed_by` for a closing, and
                otherwise that it is not known.
            note: Why, for the event's history. None means `closed_reason` for a closing.

        Raises:
            EventNotFoundError: No event has this id. The store checks this first, and the others
                in the order in which they stand here.
            InvalidStateTransitionError: The stored event is terminal.
            ConcurrentModificationError: The event was changed after it was read.
            InvalidStateTransitionError: The event has lapsed (the store then marks it expired);
                or it would expire before its `expires_at`; or its `expires_at` would move later
                with less than a second left (an extension that is written after the lapse would
                revive the event).
            ImmutableFieldError: Identity or evidence would change, or what only stores set:
                `extensions`, the review and the hold.
            ValueError: `expires_at` would move into the past.
            LimitExceededError: `expires_at` would move later, and the store has `Limits` that
                refuse it.
        """
        ...

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        """Delete an event of any status; do nothing if there is no such event.

        Access that the event granted must end with it, and the id must never be used again. A
        history of the event stays until its retention ends.

        Args:
            event_id: The id of the event.
            by: Who deletes it, for the event's history; None means that it is not known.
            note: Why, for the event's history.

        Raises:
            EventHeldError: The event is under a legal hold. Only a `GovernedStore` has holds.
        """
        ...

    async def list_by_invoker(
        self,
        invoker: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of an invoker's events, newest first; eventually consistent.

        A page must have `limit` events unless it is the last one.

        Args:
            invoker: Whose events to list.
            limit: The largest number of events in the page; None means `DEFAULT_QUERY_LIMIT`, and
                a larger number than `MAX_QUERY_LIMIT` means `MAX_QUERY_LIMIT`.
            since: The earliest `created_at` to list.
            until: List only events with an earlier `created_at` than this.
            cursor: The `next_cursor` of the previous page of the same query.
            on_corrupt: What to do with a row that is not an event. "raise" raises
                `CorruptItemError`. "skip" leaves such rows out and reports each of them once, in a
                page's `corrupt`. They do not count towards `limit`, so the last page can have
                corrupt rows and no events.
        """
        ...

    async def list_by_status(
        self,
        status: BreakGlassStatus | str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of the events with a stored status, as `list_by_invoker` does.

        The *stored* status counts: `active` can include lapsed events until they are marked.

        Args:
            status: The stored status of the events to list.
            limit: As for `list_by_invoker`.
            since: As for `list_by_invoker`.
            until: As for `list_by_invoker`.
            cursor: As for `list_by_invoker`.
            on_corrupt: As for `list_by_invoker`.
        """
        ...

    async def list_by_profile(
        self,
        profile: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of a profile's events, as `list_by_invoker` does.

        Args:
            profile: The profile whose events to list.
            limit: As for `list_by_invoker`.
            since: As for `list_by_invoker`.
            until: As for `list_by_invoker`.
            cursor: As for `list_by_invoker`.
            on_corrupt: As for `list_by_invoker`.
        """
        ...

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        """Return the event that grants this invoker access to this profile right now, or None.

        The answer must be strongly consistent: it includes access that was just opened, and
        excludes access that was just closed or has run out. Its cost must not grow with the
        history.

        Args:
            invoker: Who may hold access.
            profile: The profile that the access opens.
        """
        ...

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        """Return the events that grant this invoker access to these profiles, by profile.

        The answer has only the profiles that the invoker holds, in the order of `profiles`. It
        must be strongly consistent for each profile, as `find_active_by_invoker_and_profile` is,
        but not for all profiles at one instant. A store that does not override this method reads
        one profile after the other.

        Args:
            invoker: Who may hold access.
            profiles: The profiles that the access opens; a repeated name is read once.
        """
        holders: dict[str, BreakGlassEvent] = {}
        for profile in dict.fromkeys(profiles):
            event = await self.find_active_by_invoker_and_profile(invoker, profile)
            if event is not None:
                holders[profile] = event
        return holders

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        """Return how many events an invoker created; eventually consistent.

        The count must be exact over all pages.

        Args:
            invoker: Whose events to count.
            since: The earliest `created_at` to count.
            at_most: Where to stop counting. The method returns this number if there are more
                events, and reads no further.
        """
        ...

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        """Return how many events were created for a profile, as `count_by_invoker_since` does.

        Args:
            profile: The profile whose events to count.
            since: As for `count_by_invoker_since`.
            at_most: As for `count_by_invoker_since`.
        """
        ...

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        """Return the newest event of this pair, or None; eventually consistent.

        The event may have any status.

        Args:
            invoker: Who opened it.
            profile: The profile that it opens.
        """
        ...

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        """Close an active event now, and return it as stored.

        Args:
            event_id: The id of the event.
            closed_by: Who closes it.
            closed_reason: Why.

        Raises:
            EventNotFoundError: No event has this id.
            InvalidStateTransitionError: The event is terminal, or has lapsed (the store then marks
                it expired).
        """
        ...
