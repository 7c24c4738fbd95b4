"""The contract: what every store of break-glass events owes its callers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Final,
    Literal,
    Protocol,
    TypeVar,
    overload,
    runtime_checkable,
)

if TYPE_CHECKING:
    from datetime import datetime

    from aiobreakglass._domain.errors import CorruptItemError
    from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus

OnCorrupt = Literal["raise", "skip"]
"""What a list does when it meets a row that is not an event."""

DEFAULT_QUERY_LIMIT: Final = 100
"""How many events a list returns at most when no limit is given."""

MAX_QUERY_LIMIT: Final = 1000
"""How many events a list returns at most, whatever limit is given."""


@dataclass(frozen=True, slots=True)
class EventPage(Sequence["BreakGlassEvent"]):
    """One page of a list: a sequence of events, and where the next page begins."""

    events: tuple[BreakGlassEvent, ...]
    """The page itself, in the list's order."""
    next_cursor: str | None = None
    """What to pass as `cursor` for the next page of the same query; None at the end."""
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
    """Keep break-glass events and answer who holds emergency access.

    For one (invoker, profile) there is never more than one active event. An event whose
    `expires_at` has come is *lapsed*: it grants nothing and every operation treats it as expired,
    even while its row still says `active`.

    Arguments are checked before anything is sent: wrong types are `TypeError`, wrong values
    `ValueError`, both naming the argument and its rule. Every method may raise
    `StoreUnavailableError`, `TableError` and, where it meets a row that is not an event,
    `CorruptItemError`. Cancelling a call leaves the store usable and its invariants whole, but
    tells nothing about whether a write that was under way has happened.

    This is a protocol for type checkers. Do not ask `isinstance`: a wrapper that passes calls on
    with `__getattr__` is a store too, and `isinstance` denies it from Python 3.12 on.
    """

    async def create(self, event: BreakGlassEvent) -> BreakGlassEvent:
        """Store a new event, and return it as stored.

        An active event is refused with `ActiveEventExistsError`, whose `event` is the holder,
        while another of the same invoker and profile is active; a lapsed one is no hindrance.
        `EventExistsError` says that the id is taken, be it by a deleted event; it comes first.
        `ValueError`: the event is active and has lapsed already, or claims to be created or
        updated more than 5 minutes ahead of the store's clock. Closed and expired events can be
        created as they are, for imports.
        """
        ...

    async def get(self, event_id: str) -> BreakGlassEvent:
        """Return an event, strongly consistently, or raise `EventNotFoundError`."""
        ...

    async def update(self, event: BreakGlassEvent) -> BreakGlassEvent:
        """Replace an event by a changed copy of what was read, and return it as stored.

        Its `updated_at` must be the one that was read; the stored one is
        `max(clock(), previous + 1 microsecond)`, so that it strictly increases. Only an active
        event can change: its `expires_at` (within `MAX_DURATION` of `created_at`), its MFA fields
        and `request_id`, or its status, to closed or, once lapsed, to expired; its `expires_at`
        then stays.

        Raises, in this order: `EventNotFoundError`; `InvalidStateTransitionError` where the stored
        event is terminal; `ConcurrentModificationError` where it was changed since it was read;
        `InvalidStateTransitionError` where it has lapsed (it is marked expired on the way), is to
        expire before its time, or has less than a second left for its `expires_at` to move later
        (an extension that landed after the lapse would revive it); `ImmutableFieldError` where
        identity or evidence would change; `ValueError` where its `expires_at` would move into the
        past.
        """
        ...

    async def delete(self, event_id: str) -> None:
        """Remove an event, whatever its status; removing what is not there does nothing.

        The id is never used again. Access that the event granted ends with it.
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
        """Return an invoker's events with since <= created_at < until, newest first.

        Eventually consistent. `limit` counts the events returned: None means
        `DEFAULT_QUERY_LIMIT`, more than `MAX_QUERY_LIMIT` means that. A page is shorter than its
        limit only at the end. `cursor` is the `next_cursor` of the page before, of the same query.

        A row that is not an event raises `CorruptItemError`. With `on_corrupt="skip"` the list
        leaves such rows out and reports each of them once, in a page's `corrupt`; they do not
        count towards `limit`, so the last page of a list can have no events but still a report.
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
        """Return the events of a stored status, as `list_by_invoker` does.

        By *stored* status: `active` can include lapsed events until they are marked.
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
        """Return a profile's events, as `list_by_invoker` does."""
        ...

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        """Return the event by which this person holds access to this profile right now, if any.

        Strongly consistent: access that was just opened is seen, access that was just closed or
        has run out is not. Costs the same however long the history is.
        """
        ...

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        """Return the events by which this person holds access to these profiles, by profile.

        The answer has a profile for each access, in the order of `profiles`, and leaves out the
        others; a name that is given twice is asked once. Strongly consistent for each profile as
        `find_active_by_invoker_and_profile` is, though not for all at one instant. A store that
        does not override this asks for one profile after the other.
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
        """Return how many events an invoker created at or after an instant.

        Exact over every page, and eventually consistent. With `at_most` the count stops there: it
        returns the smaller of the two numbers and reads no further.
        """
        ...

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        """Return how many events for a profile were created at or after an instant.

        As `count_by_invoker_since` does.
        """
        ...

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        """Return the newest event of this pair, of any status; eventually consistent."""
        ...

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        """Close an active event now, and return it as stored.

        Raises `EventNotFoundError`, or `InvalidStateTransitionError` where it is terminal or has
        lapsed (it is marked expired on the way).
        """
        ...


_Key_contra = TypeVar("_Key_contra", contravariant=True)
_Key = TypeVar("_Key")


class ListMethod(Protocol[_Key_contra]):
    """One of a store's three list methods."""

    async def __call__(
        self,
        key: _Key_contra,
        /,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page."""
        ...


def iterate(
    list_method: ListMethod[_Key],
    key: _Key | None = None,
    limit: int | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    on_corrupt: OnCorrupt = "raise",
) -> AsyncGenerator[BreakGlassEvent, None]:
    """Go through every page of a list method, as in `iterate(store.list_by_status, "active")`.

    `limit` is the size of the pages, not of the whole. A page is asked for when the events of the
    one before are used up; nothing runs in between. `on_corrupt="skip"` passes over the rows that
    are not events and says nothing of them; ask for the pages yourself to see their `corrupt`.
    """
    if not callable(list_method):
        if isinstance(list_method, Coroutine):
            # Nobody else can await it now, and Python would warn that nobody did.
            list_method.close()
        raise TypeError(
            "list_method must be a list method itself, not what it returns: "
            'iterate(store.list_by_status, "active")'
        )
    if key is None:
        raise TypeError(
            'key must be what to list by, as in iterate(store.list_by_status, "active")'
        )
    return _walk(list_method, key, limit, since, until, cursor, on_corrupt)


async def _walk(
    list_method: ListMethod[_Key],
    key: _Key,
    limit: int | None,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    on_corrupt: OnCorrupt,
) -> AsyncGenerator[BreakGlassEvent, None]:
    while True:
        page = await list_method(
            key, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
        )
        for event in page:
            yield event
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
