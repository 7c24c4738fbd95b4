"""Is the history of each event whole? Judged from the rows alone, by no code of the library."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item

_LAYOUT: Final = TableLayout()
_MEMBERS: Final = {"event_id", "revision", "at", "action", "by", "note", "event", "previous"}


class Entry(NamedTuple):
    """One entry, as anybody can read it from its row."""

    row: Item
    values: Mapping[str, Any]
    """The members of its text."""

    @property
    def hash(self) -> str:
        """The hash of its text, which its row need not say."""
        return sha256(self.row["entry"]["S"].encode()).hexdigest()


@dataclass
class Chain:
    """What a table holds of one event."""

    row: Item | None = None
    """The row of the event, or its tombstone."""
    entries: list[Item] = field(default_factory=list)


def chains(rows: Iterable[Item]) -> dict[str, Chain]:
    """Return the chains of a table, by the id of the event."""
    found: defaultdict[str, Chain] = defaultdict(Chain)
    for row in rows:
        key = str(row["pk"]["S"])
        if key.startswith(_LAYOUT.event_prefix):
            found[key.removeprefix(_LAYOUT.event_prefix)].row = row
        elif key.startswith(_LAYOUT.history_prefix):
            event_id = key.removeprefix(_LAYOUT.history_prefix).partition("#")[0]
            found[event_id].entries.append(row)
    return found


def flaws(event_id: str, chain: Chain, *, may_be_gone: bool = False) -> Iterator[str]:
    """Yield all that is wrong with the history of an event, and with what its row says of it.

    The row of an event goes before its history, if TTL deletes both.
    """
    yield from story_flaws(event_id, chain, may_be_gone=may_be_gone)
    newest = read(max(chain.entries, key=_key)) if chain.entries else None
    if newest is None:
        return
    if chain.row is not None:
        yield from (f"{event_id} {flaw}" for flaw in _of_tip(chain.row, newest))
    elif newest.values["event"] is None and not may_be_gone:
        yield f"{event_id} was deleted, and its tombstone has gone"


def story_flaws(event_id: str, chain: Chain, *, may_be_gone: bool = False) -> Iterator[str]:
    """Yield what keeps the history of an event from being whole, and from being the event's."""
    newest: Entry | None = None
    for revision, row in enumerate(sorted(chain.entries, key=_key), 1):
        name = f"entry {revision} of {event_id}"
        if _key(row) != f"HISTORY#{event_id}#{revision:06d}":
            yield f"{name} is missing"
            return
        entry = read(row)
        if entry is None:
            yield f"{name} is unreadable"
            return
        yield from (f"{name} {flaw}" for flaw in _of_text(entry, event_id, revision))
        yield from (f"{name} {flaw}" for flaw in _of_link(newest, entry))
        newest = entry
    if newest is None:
        if chain.row is not None:
            yield f"{event_id} has no history"
        return
    if chain.row is not None or not may_be_gone:
        yield from (f"{event_id} {flaw}" for flaw in _of_event(chain.row, newest))


def read(row: Item) -> Entry | None:
    """Return the entry of a row, if that can be read."""
    try:
        return Entry(row, _members(row["entry"]["S"]))
    except (KeyError, TypeError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _members(text: str) -> Mapping[str, Any]:
    """Return the members of an entry's text, or raise if nobody can read it."""
    values: Mapping[str, Any] = json.loads(text)
    datetime.fromisoformat(values["at"])
    return values


def _of_text(entry: Entry, event_id: str, revision: int) -> Iterator[str]:
    row, values = entry
    if values.keys() != _MEMBERS:
        yield f"has the members {sorted(values)}"
    if (values["event_id"], values["revision"]) != (event_id, revision):
        yield f"says that it is entry {values['revision']} of {values['event_id']}"
    if (row["event_id"], row["revision"]) != ({"S": event_id}, {"N": str(revision)}):
        yield "has a row that says something else"
    if _canonical(values) != row["entry"]["S"]:
        yield "is not canonical"
    if row["hash"] != {"S": entry.hash}:
        yield "has another hash than its text"


def _of_link(before: Entry | None, entry: Entry) -> Iterator[str]:
    if entry.values["previous"] != (None if before is None else before.hash):
        yield "is not linked to the entry before"
    if before is None:
        return
    times = [datetime.fromisoformat(each.values["at"]) for each in (before, entry)]
    if times[0] >= times[1]:
        yield "is not later than the entry before"
    if before.values["event"] is None:
        yield "follows a deletion"


def _of_event(row: Item | None, newest: Entry) -> Iterator[str]:
    snapshot = newest.values["event"]
    if row is None:
        if snapshot is not None:
            yield "has gone, and its history has not"
        return
    if snapshot != stated(row):
        yield "is not what its newest entry says"


def _of_tip(row: Item, newest: Entry) -> Iterator[str]:
    if row.get("revision") != {"N": str(newest.values["revision"])}:
        yield "says another revision than its newest entry"
    if row.get("head") != {"S": newest.hash}:
        yield "does not say the hash of its newest entry"
    snapshot = newest.values["event"]
    digest = None if snapshot is None else {"S": _hash(_canonical(snapshot))}
    if row.get("digest") != digest:
        yield "has a digest of something else"


def stated(row: Item) -> Mapping[str, Any] | None:
    """Return what a row says of its event as JSON; None for a tombstone."""
    if "deleted_at" in row:
        return None
    return {name: _plain(row[name]) for name in BreakGlassEvent.model_fields if name in row}


def _plain(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "M":
            return {name: _plain(each) for name, each in value.items()}
        case _:
            return value


def _key(row: Item) -> str:
    return str(row["pk"]["S"])


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
