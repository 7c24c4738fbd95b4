"""All that the table has ever said, commit by commit; asked by key and by the span of a call."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiobreakglass import Action, BreakGlassEvent, CorruptItemError, HistoryEntry, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import decode_event, guarded_pair, is_tombstone
from aiobreakglass._dynamodb.record import decode_entry
from tests.simulation.dynamodb.database import Commit

LAYOUT: Final = TableLayout()

DELETED: Final = "deleted"
"""A tombstone."""
CORRUPT: Final = "corrupt"
"""A row that is not what its key says."""

Pair = tuple[str, str]


class Sight(NamedTuple):
    """A row as it is understood."""

    since: int
    """The commit that made it; 0 if there was never a row."""
    said: BreakGlassEvent | HistoryEntry | str | None
    """The event, or `DELETED`, or `CORRUPT`; of a guard or a slot, the id of its event; of a row
    of a history, its entry; None: no row."""
    item: Item | None
    claimed: Pair | None = None
    """The pair that it holds access for, by its own words."""

    @property
    def event(self) -> BreakGlassEvent | None:
        """The event that it is, if it is one."""
        return self.said if isinstance(self.said, BreakGlassEvent) else None

    @property
    def entry(self) -> HistoryEntry | None:
        """The entry of a history that it is, if it is one."""
        return self.said if isinstance(self.said, HistoryEntry) else None


NOTHING: Final = Sight(0, None, None)


class Timeline:
    """What each row was, from which commit on."""

    def __init__(self) -> None:
        self.serial = 0
        """How many commits there were."""
        self.has_corrupt = False
        """Whether there ever was a row that is not what its key says."""
        self._sights: defaultdict[str, list[Sight]] = defaultdict(lambda: [NOTHING])
        self._histories: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """The keys of each history's rows, by the id of the event."""

    def add(self, commit: Commit) -> dict[str, tuple[Sight, Sight]]:
        """Take down a commit, and return what each row was before and is now."""
        self.serial = commit.serial
        changes = {}
        for key, (_, item) in commit.changes.items():
            sights = self._sights[key]
            sight = _understood(commit.serial, key, item)
            changes[key] = sights[-1], sight
            sights.append(sight)
            self.has_corrupt |= sight.said == CORRUPT
            if key.startswith(LAYOUT.history_prefix):
                self._histories[event_id_of(key)][key] = None
        return changes

    def now(self, key: str) -> Sight:
        """Return what a row is."""
        return self._sights[key][-1] if key in self._sights else NOTHING

    def at(self, key: str, serial: int) -> Sight:
        """Return what a row was after a commit."""
        if key not in self._sights:
            return NOTHING
        sights = self._sights[key]
        return sights[bisect_right(sights, serial, key=_since) - 1]

    def during(self, key: str, began: int, ended: int) -> Iterator[Sight]:
        """Yield what a row was at any time from one commit to another."""
        yield self.at(key, began)
        for sight in self._sights.get(key, ()):
            if began < sight.since <= ended:
                yield sight

    def ever(self, key: str) -> list[Sight]:
        """Return all that a row ever was."""
        return self._sights.get(key, [NOTHING])

    def event(self, event_id: str) -> Sight:
        """Return what the row of an event is."""
        return self.now(LAYOUT.event_key(event_id))

    def events(self) -> Iterator[BreakGlassEvent]:
        """Yield the events that are in the table."""
        for sights in self._sights.values():
            event = sights[-1].event
            if event is not None:
                yield event

    def history_keys(self, event_id: str) -> list[str]:
        """Return the keys that a history ever had, in the order of its entries."""
        return sorted(self._histories.get(event_id, ()))

    def entries(self, event_id: str, serial: int) -> list[HistoryEntry]:
        """Return the entries of a history after a commit, oldest first."""
        sights = (self.at(key, serial) for key in self.history_keys(event_id))
        return [sight.entry for sight in sights if sight.entry is not None]

    def openings(self, event_id: str) -> list[datetime]:
        """Return each instant at which an event was opened, by its first entry, oldest first.

        It is opened again when a restore has removed it, and a caller creates it once more.
        """
        opened: dict[datetime, None] = {}
        for sight in self.ever(LAYOUT.history_key(event_id, 1)):
            if sight.entry is not None and sight.entry.action is Action.CREATED:
                opened[sight.entry.at] = None
        return list(opened)

    def event_ids(self) -> list[str]:
        """Return the ids of all events that ever had a row or an entry."""
        return list(dict.fromkeys(filter(None, map(event_id_of, self._sights))))

    def last(self) -> Iterator[tuple[str, Sight]]:
        """Yield what each row is at last."""
        for key, sights in self._sights.items():
            yield key, sights[-1]

    def number_of(self, field: str, value: str) -> int:
        """Return how many rows ever had a value."""
        wanted = {"S": value}
        return sum(
            any(sight.item is not None and sight.item.get(field) == wanted for sight in sights)
            for sights in self._sights.values()
        )

    def holdings(self, pair: Pair, began: int, ended: int) -> Iterator[Sight]:
        """Yield what a pair's guard led to, at any time from one commit to another."""
        guard_key = LAYOUT.guard_key(*pair)
        for guard in self.during(guard_key, began, ended):
            if guard.said is None:
                yield NOTHING
                continue
            since = max(began, guard.since)
            later = self._next(guard_key, guard)
            until = ended
            # Others alone put a guard in the place of another, and a check may follow that one.
            if later is not None and later.said is None:
                until = min(ended, later.since - 1)
            yield from self.during(LAYOUT.event_key(str(guard.said)), since, until)

    def _next(self, key: str, sight: Sight) -> Sight | None:
        """Return what a row was next; None if it has not changed since."""
        return next((later for later in self._sights[key] if later.since > sight.since), None)


def _since(sight: Sight) -> int:
    return sight.since


def _understood(serial: int, key: str, item: Item | None) -> Sight:
    if item is None:
        return Sight(serial, None, None)
    if key.startswith(LAYOUT.guard_prefix):
        return Sight(serial, _event_id(item), item)
    if key.startswith(LAYOUT.history_prefix):
        return Sight(serial, _entry(item, key), item)
    if key.startswith(LAYOUT.slot_prefix):
        return Sight(serial, _use(item), item)
    if is_tombstone(item):
        return Sight(serial, DELETED, item)
    try:
        event = decode_event(item, LAYOUT)
    except CorruptItemError:
        return Sight(serial, CORRUPT, item, guarded_pair(item))
    return Sight(serial, event, item, guarded_pair(item))


def event_id_of(key: str) -> str:
    """Return the id of the event that a row belongs to; empty for a guard."""
    if key.startswith(LAYOUT.history_prefix):
        return key.removeprefix(LAYOUT.history_prefix).partition("#")[0]
    return key.removeprefix(LAYOUT.event_prefix) if key.startswith(LAYOUT.event_prefix) else ""


def _entry(item: Item, key: str) -> HistoryEntry | str:
    try:
        return decode_entry(item, key)
    except CorruptItemError:
        return CORRUPT


def _use(slot: Mapping[str, Any]) -> str:
    if not {"used_at", "event_id"} <= slot.keys():
        return CORRUPT
    return str(slot["event_id"].get("S"))


def _event_id(guard: Mapping[str, Any]) -> str:
    if set(guard) != {LAYOUT.partition_key, "event_id"}:
        return CORRUPT
    return str(guard["event_id"].get("S"))
