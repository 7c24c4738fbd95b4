"""Follow who holds access now, for all watchers.

DynamoDB does not report changes (except through Streams), so one task of the process reads the
active events every few seconds. Each reading makes a new immutable state. A watcher gets the
latest state whenever it is ready, so a slow watcher skips states. There is no queue, and a watcher
that stops leaves nothing behind.

Lists are eventually consistent, and other replicas write too. Events that this process wrote are
shown at once. If the list of a reading does not have such an event yet, the reading gets that
event by its id, strongly consistent. So the record decides, not a list that lags behind and not
what this process remembers.

A row that is not an event hides no other. It may grant access, so a state counts such rows.
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
"""How far another writer's time may sort from its UTC time in an index, if it has an offset."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class State:
    """What the process knows at one moment."""

    revision: int = 0
    events: Mapping[str, BreakGlassEvent] = field(default_factory=lambda: MappingProxyType({}))
    """The events that grant access, by their id."""
    read_at: datetime | None = None
    """When the process last read all active events; None before the first reading."""
    is_current: bool = False
    """Whether the last reading succeeded."""
    unreadable: int = 0
    """How many rows with status active were not events; they may grant access."""


def pause_after(failures: int, interval: timedelta) -> timedelta:
    """Return how long to wait after this many failures in a row."""
    # Without the bound, a long outage would overflow a timedelta.
    factor: int = 2 ** min(failures, 20)
    return min(interval * factor, max(LONGEST_PAUSE, interval))


class Changes:
    """Follows the active events of a store. Its owner runs `follow` as a task."""

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
        """Show an event that the store just returned, before the next reading."""
        self._learn(event)
        self._show(self._clock(), self._state.read_at, is_current=self._state.is_current)

    async def follow(self) -> NoReturn:
        """Read the table repeatedly, until cancelled."""
        failures = 0
        while True:
            failures = 0 if await self.read() else failures + 1
            await asyncio.sleep(pause_after(failures, self._interval).total_seconds())

    async def read(self) -> bool:
        """Read the table once, and return whether that succeeded."""
        began = self._clock()
        try:
            # Every event that grants access now was created within MAX_DURATION.
            listed, unreadable = await self._list(since=began - MAX_DURATION - OFFSET)
            await self._confirm(listed, unreadable)
        except BreakGlassError as error:
            # Log each kind of failure once, because each kind needs another remedy.
            if self._failure is not type(error):
                logger.warning("the active events cannot be read: %s", error)
            self._failure = type(error)
        except Exception as error:
            # This task must survive any bug: if it ended, the task group would close the store,
            # and checks need the store.
            logger.exception("the active events could not be read")
            self._failure = type(error)
        else:
            if self._failure is not None:
                logger.info("the active events can be read again")
            self._failure = None
            for key in unreadable.keys() - self._unreadable.keys():
                logger.error("somebody may hold access unseen: %s", unreadable[key])
            self._listed, self._unreadable = listed, unreadable
            # Forget older events: readings do not list them any more, however far the list lags.
            self._own = {
                id_: own for id_, own in self._own.items() if own.created_at > began - MAX_DURATION
            }
            self._show(self._clock(), began, is_current=True)
            return True
        self._show(self._clock(), self._state.read_at, is_current=False)
        return False

    def end(self) -> None:
        """End every watch, because the process is about to stop."""
        self._ended = True
        self._news.set()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Count a watcher, from before its first state until after its last."""
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
        """Yield the current state, and then the latest state after each change, until `end`."""
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
        """Return the active events by id, and the corrupt rows by key."""
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
        """Read our own active events by id if the list does not have their latest version.

        An ended event needs no read, because it never becomes active again.
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
                # It was deleted.
                del self._own[own.id]
                listed.pop(own.id, None)
            except CorruptItemError as error:
                # Until it lapses, show the event as this process wrote it.
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
        # Wake the current waiters; later ones wait for the next state.
        news, self._news = self._news, asyncio.Event()
        news.set()
