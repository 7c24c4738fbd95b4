"""Implement `BreakGlassStore` in memory, for tests and trials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from aiobreakglass._contract import arguments
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._contract.cursor import Position, encode_cursor
from aiobreakglass._contract.lists import Lists, PageRequest
from aiobreakglass._contract.store import EventPage
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.errors import (
    ActiveEventExistsError,
    EventExistsError,
    EventNotFoundError,
    InvalidStateTransitionError,
)
from aiobreakglass._domain.event import (
    BreakGlassEvent,
    BreakGlassStatus,
    ReviewOutcome,
    awaited_review,
    utc_now,
)
from aiobreakglass._domain.history import HistoryEntry, recorded, tip_of
from aiobreakglass._domain.limits import (
    NO_LIMITS,
    Limits,
    LimitsFor,
    check_limits,
    check_opening,
    limits_of,
)
from aiobreakglass._domain.oversight import (
    decide_extend,
    decide_hold,
    decide_release,
    decide_review,
)
from aiobreakglass._domain.rules import (
    check_creatable,
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass._domain.slots import Slot, SlotKind, Taken, Use, pools_of, take
from aiobreakglass._domain.timestamps import encode_time


class InMemoryStore(Lists):
    """A `GovernedStore` in memory, for the tasks of one event loop.

    Every operation takes effect at once, and yields to the event loop before and after that, as a
    network call would. So it exposes races in the code that uses the store.

    Args:
        clock: Returns the current time as an aware datetime.
        cursor_key: Signs cursors, so that they can be given to browsers; at least 16 bytes.
        limits: The rules for opening and extending access, or a function that returns those of an
            event.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = utc_now,
        cursor_key: bytes | None = None,
        limits: LimitsFor | None = None,
    ) -> None:
        super().__init__(cursor_key)
        self._clock = clock
        self._limits = check_limits(limits)
        self._uses: dict[Slot, Use] = {}
        self._events: dict[str, BreakGlassEvent] = {}
        self._active: dict[tuple[str, str], BreakGlassEvent] = {}
        self._deleted: dict[str, BreakGlassEvent] = {}
        self._histories: dict[str, list[HistoryEntry]] = {}

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_new_event(event)
        by, note = arguments.check_by_and_note(by, note)
        check_creatable(event, self._now())
        await _simulate_network()
        is_opening = event.status is BreakGlassStatus.ACTIVE
        # A function is asked first, as in every store that must read what its limits count.
        limits = limits_of(self._limits, event) if is_opening else NO_LIMITS
        if event.id in self._events or event.id in self._deleted:
            raise EventExistsError(event.id)
        now = self._now()
        change = decide_create(event, now, by, note)
        if is_opening:
            self._open(change.stored, limits, now)
        created = self._apply(change)
        await _simulate_network()
        return created

    async def get(self, event_id: str) -> BreakGlassEvent:
        event_id = arguments.check_event_id(event_id)
        await _simulate_network()
        event = self._stored(event_id)
        await _simulate_network()
        return event

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._change(
            event.id,
            lambda stored, now: decide_update(stored, event, now, by, note, limits=self._limits),
        )

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        event_id = arguments.check_event_id(event_id)
        by, note = arguments.check_by_and_note(by, note)
        await _simulate_network()
        event = self._events.get(event_id)
        if event is not None:
            self._record(event_id, decide_delete(event, self._now(), by, note))
            del self._events[event_id]
            self._deleted[event_id] = event
            self._remove_guard(event)
        await _simulate_network()

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        pair = (arguments.check_name("invoker", invoker), arguments.check_name("profile", profile))
        await _simulate_network()
        holder = self._active.get(pair)
        await _simulate_network()
        now = self._now()
        return holder if holder is not None and holder.is_active(now) else None

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        invoker = arguments.check_name("invoker", invoker)
        names = arguments.check_profiles(profiles)
        await _simulate_network()
        holders = {profile: self._active.get((invoker, profile)) for profile in names}
        await _simulate_network()
        now = self._now()
        return {
            profile: holder
            for profile, holder in holders.items()
            if holder is not None and holder.is_active(now)
        }

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        event_id, by, reason = arguments.check_closing(event_id, closed_by, closed_reason)
        return await self._change(
            event_id, lambda stored, now: decide_close(stored, by, reason, now)
        )

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        event_id, end, by, why = arguments.check_extension(
            event_id, expires_at, extended_by, reason
        )
        return await self._change(
            event_id,
            lambda stored, now: decide_extend(stored, end, by, why, now, self._limits),
        )

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        event_id, by, decided, why = arguments.check_review(
            event_id, reviewed_by, outcome, comment
        )

        def decide(stored: BreakGlassEvent, now: datetime) -> Change:
            change = decide_review(stored, by, decided, why, now)
            if change.action is Action.EXPIRED:
                return decide_review(self._apply(change), by, decided, why, now)
            return change

        return await self._change(event_id, decide)

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        event_id, by, why = arguments.check_hold(event_id, "held_by", held_by, reason)
        return await self._change(event_id, lambda stored, now: decide_hold(stored, by, why, now))

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        event_id, by, why = arguments.check_hold(event_id, "released_by", released_by, reason)
        return await self._change(
            event_id, lambda stored, now: decide_release(stored, by, why, now)
        )

    async def history(self, event_id: str) -> list[HistoryEntry]:
        event_id = arguments.check_event_id(event_id)
        await _simulate_network()
        entries = self._histories.get(event_id)
        if entries is None:
            raise EventNotFoundError(event_id)
        entries = list(entries)
        await _simulate_network()
        return entries

    async def _change(
        self, event_id: str, decide: Callable[[BreakGlassEvent, datetime], Change]
    ) -> BreakGlassEvent:
        await _simulate_network()
        stored = self._stored(event_id)
        # Read the clock only now, because a change is judged at the instant at which it happens.
        now = self._now()
        try:
            change = decide(stored, now)
        except InvalidStateTransitionError:
            if stored.is_lapsed(now):
                self._apply(decide_expiry(stored, now))
            raise
        changed = self._apply(change)
        await _simulate_network()
        return changed

    async def _page(self, request: PageRequest) -> EventPage:
        # No row here is corrupt, so none is skipped.
        listing, size, after, _, ended_by = request
        await _simulate_network()
        remaining = [
            event
            for event in self._listed(listing)
            if after is None or _follows(event, after, listing)
            if ended_by is None or not event.is_active(ended_by)
        ]
        await _simulate_network()
        page = tuple(remaining[:size])
        if len(remaining) == len(page):
            return EventPage(page)
        last = Position(*_sort_key(page[-1]))
        return EventPage(page, encode_cursor(listing, last, self._cursor_key))

    async def _count(self, listing: Listing, at_most: int | None) -> int:
        await _simulate_network()
        count = len(self._listed(listing))
        await _simulate_network()
        return count if at_most is None else min(count, at_most)

    async def _newest(self, listing: Listing, profile: str) -> BreakGlassEvent | None:
        await _simulate_network()
        newest_first = self._listed(listing)
        await _simulate_network()
        return next((event for event in newest_first if event.profile == profile), None)

    def _now(self) -> datetime:
        return arguments.check_instant("clock()", self._clock())

    def _stored(self, event_id: str) -> BreakGlassEvent:
        try:
            return self._events[event_id]
        except KeyError:
            raise EventNotFoundError(event_id) from None

    def _apply(self, change: Change) -> BreakGlassEvent:
        self._record(change.stored.id, change)
        self._put(change.stored)
        return change.stored

    def _record(self, event_id: str, change: Change) -> None:
        entries = self._histories.setdefault(event_id, [])
        tip = tip_of(entries[-1]) if entries else None
        entries += recorded(event_id, change, tip, lambda _: None).entries

    def _put(self, event: BreakGlassEvent) -> None:
        self._events[event.id] = event
        if event.status is BreakGlassStatus.ACTIVE:
            self._active[_pair(event)] = event
        else:
            self._remove_guard(event)

    def _remove_guard(self, event: BreakGlassEvent) -> None:
        holder = self._active.get(_pair(event))
        if holder is not None and holder.id == event.id:
            del self._active[_pair(event)]

    def _open(self, event: BreakGlassEvent, limits: Limits, now: datetime) -> None:
        """Clear the guard for an event, and let it take its slots; raise if it may not open."""
        check_opening(limits, event)
        holder = self._active.get(_pair(event))
        if holder is not None and holder.is_active(now):
            raise ActiveEventExistsError(holder)
        pools = pools_of(limits)
        for taken in take(pools, event, self._uses, self._settled(), now, _first):
            self._uses[taken.slot] = Use(now, event.id)
        if holder is not None:
            self._apply(decide_expiry(holder, now))

    def _settled(self) -> set[str]:
        """Return the events of slots that were finally reviewed, deleted since or not."""
        users = {
            use.event_id for slot, use in self._uses.items() if slot.kind is SlotKind.UNREVIEWED
        }
        # Deleting an event must not evade its review.
        events = (self._events.get(user) or self._deleted[user] for user in users)
        return {event.id for event in events if awaited_review(event) is None}

    def _listed(self, listing: Listing) -> list[BreakGlassEvent]:
        return sorted(
            (
                event
                for event in self._events.values()
                if _listed_by(event, listing.field) == listing.value
                and listing.covers(encode_time(event.created_at))
            ),
            key=_sort_key,
            reverse=not listing.is_oldest_first,
        )


def _first(free: Sequence[Taken]) -> Taken:
    return free[0]


def _pair(event: BreakGlassEvent) -> tuple[str, str]:
    return event.invoker, event.profile


def _listed_by(event: BreakGlassEvent, field: str) -> str | None:
    """Return what an index over a field lists an event by."""
    if field == arguments.AWAITING_REVIEW:
        return awaited_review(event)
    value: str = getattr(event, field)
    return value


def _follows(event: BreakGlassEvent, after: Position, listing: Listing) -> bool:
    """Return whether an event is behind a position in the order of a listing."""
    place, position = _sort_key(event), (after.created_at, after.event_id)
    return place > position if listing.is_oldest_first else place < position


def _sort_key(event: BreakGlassEvent) -> tuple[str, str]:
    return encode_time(event.created_at), event.id


async def _simulate_network() -> None:
    await asyncio.sleep(0)
