"""Who holds access now, followed for everybody who watches.

DynamoDB tells nobody of a change (short of Streams), so one task for the whole process reads the
active events every few seconds. What comes of that is a sequence of states, each a value that
never changes. A watcher is given the latest state whenever it is ready for one, so one that is
slow skips states instead of letting them pile up: there is no queue, and whoever stops watching
leaves nothing behind.

Lists are eventually consistent, and other replicas write as well. What this process wrote is
therefore shown at once. A reading whose list does not have it yet gets that event itself, strongly
consistent: neither a list that lags behind nor what was written here is believed against the
record.

A row that is not an event hides no other. Nobody can say whether it grants access, so a state says
how many such rows there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NoReturn

from aiobreakglass import (
    MAX_DURATION,
    MAX_QUERY_LIMIT,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    CorruptItemError,
    EventNotFoundError,
)

logger = logging.getLogger("web_backend")

LONGEST_PAUSE: Final = timedelta(seconds=10)
OFFSET: Final = timedelta(days=1)
"""How far a time of another writer, in a zone of its own, may lie from UTC in an index's order."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class State:
    """What is known at one moment."""

    revision: int = 0
    events: Mapping[str, BreakGlassEvent] = field(default_factory=lambda: MappingProxyType({}))
    """Those that grant access, by their id."""
    read_at: datetime | None = None
    """When the table was last read in whole; None before the first time."""
    is_current: bool = False
    """Whether the last attempt to read it has worked."""
    unreadable: int = 0
    """How many rows that say active were no events then: somebody may hold access by them."""


def pause_after(failures: int, interval: timedelta) -> timedelta:
    """Return how long to wait after so many failures in a row."""
    # An outage may be long: without the bound the power would leave what a timedelta can hold.
    factor: int = 2 ** min(failures, 20)
    return min(interval * factor, max(LONGEST_PAUSE, interval))


class Changes:
    """Follows the active events of a store; `follow` is to be run as a task by whoever owns it."""

    def __init__(
        self,
        store: BreakGlassStore,
        *,
        interval: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._interval = interval
        self._clock = clock
        self._listed: dict[str, BreakGlassEvent] = {}
        self._own: dict[str, BreakGlassEvent] = {}
        self._state = State()
        self._unreadable: Mapping[str, CorruptItemError] = {}
        self._failure: type[Exception] | None = None
        self._news = asyncio.Event()
        self._ended = False
        self._places: Counter[str] = Counter()

    def publish(self, event: BreakGlassEvent) -> None:
        """Show an event as the store has just returned it, before the next reading."""
        self._learn(event)
        self._show(self._clock(), self._state.read_at, is_current=self._state.is_current)

    async def follow(self) -> NoReturn:
        """Read the table again and again, until cancelled."""
        failures = 0
        while True:
            failures = 0 if await self.read() else failures + 1
            await asyncio.sleep(pause_after(failures, self._interval).total_seconds())

    async def read(self) -> bool:
        """Read the table once, and tell whether that worked."""
        began = self._clock()
        try:
            # What grants access now was created within MAX_DURATION; nothing older need be read.
            listed, unreadable = await self._list(since=began - MAX_DURATION - OFFSET)
            await self._confirm(listed, unreadable)
        except BreakGlassError as error:
            # Said once for each kind: a store and a table that cannot be used call for others.
            if self._failure is not type(error):
                logger.warning("the active events cannot be read: %s", error)
            self._failure = type(error)
        except Exception as error:
            # This task must outlive any mistake: its end would take down the store that answers
            # checks, and those need none of this.
            logger.exception("the active events could not be read")
            self._failure = type(error)
        else:
            if self._failure is not None:
                logger.info("the active events can be read again")
            self._failure = None
            for key in unreadable.keys() - self._unreadable.keys():
                logger.error("somebody may hold access unseen: %s", unreadable[key])
            self._listed, self._unreadable = listed, unreadable
            # What is older is listed no more, however far the list lags behind.
            self._own = {
                id_: own for id_, own in self._own.items() if own.created_at > began - MAX_DURATION
            }
            self._show(self._clock(), began, is_current=True)
            return True
        self._show(self._clock(), self._state.read_at, is_current=False)
        return False

    def end(self) -> None:
        """End every watching: this process is about to stop."""
        self._ended = True
        self._news.set()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Count somebody who watches, from before the first state until after the last."""
        self._places[name] += 1
        try:
            yield
        finally:
            self._places[name] -= 1
            if not self._places[name]:
                del self._places[name]

    @property
    def places_taken(self) -> int:
        return self._places.total()

    def places_taken_by(self, name: str) -> int:
        return self._places[name]

    async def watch(self) -> AsyncGenerator[State, None]:
        """Yield the present state, then each time the latest one, until `end`."""
        seen: State | None = None
        while not self._ended:
            if self._state is seen:
                await self._news.wait()
            else:
                seen = self._state
                yield seen

    def _learn(self, event: BreakGlassEvent) -> None:
        known = self._own.get(event.id)
        if known is None or known.updated_at <= event.updated_at:
            self._own[event.id] = event

    async def _list(
        self, *, since: datetime
    ) -> tuple[dict[str, BreakGlassEvent], dict[str, CorruptItemError]]:
        """Return the active events by id, and the rows that are no events by key."""
        listed: dict[str, BreakGlassEvent] = {}
        unreadable: dict[str, CorruptItemError] = {}
        cursor = None
        while True:
            page = await self._store.list_by_status(
                BreakGlassStatus.ACTIVE,
                MAX_QUERY_LIMIT,
                since=since,
                cursor=cursor,
                on_corrupt="skip",
            )
            listed |= {event.id: event for event in page}
            unreadable |= {error.key: error for error in page.corrupt}
            if (cursor := page.next_cursor) is None:
                return listed, unreadable

    async def _confirm(
        self, listed: dict[str, BreakGlassEvent], unreadable: dict[str, CorruptItemError]
    ) -> None:
        """Ask for what was active when this process wrote it, where the list has not come so far.

        An end needs no asking: it is for ever.
        """
        now = self._clock()
        for own in tuple(self._own.values()):
            if not own.is_active(now):
                continue
            if own.id in listed and listed[own.id].updated_at >= own.updated_at:
                continue
            try:
                self._learn(await self._store.get(own.id))
            except EventNotFoundError:
                # Deleted since.
                del self._own[own.id]
                listed.pop(own.id, None)
            except CorruptItemError as error:
                # Until it runs out it is shown as it was written.
                unreadable[error.key] = error

    def _show(self, now: datetime, read_at: datetime | None, *, is_current: bool) -> None:
        events = dict(self._listed)
        for id_, own in self._own.items():
            listed = events.get(id_)
            if listed is None or listed.updated_at < own.updated_at:
                events[id_] = own
        self._state = replace(
            self._state,
            revision=self._state.revision + 1,
            events=MappingProxyType(
                {id_: event for id_, event in events.items() if event.is_active(now)}
            ),
            read_at=read_at,
            is_current=is_current,
            unreadable=len(self._unreadable),
        )
        # Those who wait now are woken; those who come later wait for the next.
        news, self._news = self._news, asyncio.Event()
        news.set()
