"""Find holds and releases that did not reach the whole history of their event; all pure.

A hold first changes the event, and then the time to live of each entry. If a call fails in
between, the rest follows when the call is repeated. Until then nothing was altered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Action
from aiobreakglass._domain.finding import Finding, shown_event
from aiobreakglass._domain.history import HistoryEntry, earliest_history_ttl
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import number_of
from aiobreakglass._evidence.records import EventRecord, readable_entry


def finished(record: EventRecord, layout: TableLayout) -> tuple[EventRecord, list[Finding]]:
    """Return a record as it will be once its last hold or release is repeated.

    If that differs from the record, a finding says so. Entries that no store can have left behind
    stay as they are, so that they are found to be altered.
    """
    row = record.row
    entries = [] if row is None else list(_entries(record, layout))
    last = _last_hold_or_release(entries)
    if row is None or last is None or (last.action is Action.HELD) != ("held_by" in row):
        return record, []
    expected = _Times(
        None if "held_by" in row else number_of(row, "history_ttl"),
        number_of(row, "history_ttl"),
    )
    behind = {
        revision: item
        for revision, item in record.chain.items()
        if revision < last.revision and _is_behind(_times(item, layout), expected)
    }
    if not behind or not _are_possible(behind, expected, entries):
        return record, []
    chain = {**record.chain} | {
        revision: _with_times(item, expected, layout) for revision, item in behind.items()
    }
    return record._replace(chain=chain), [_unfinished(record.event_id, last.action, len(behind))]


def was_released_after(record: EventRecord, revision: int, layout: TableLayout) -> bool:
    """Return whether an event was released from a hold after an entry."""
    return any(
        entry.action is Action.RELEASED and entry.revision > revision
        for entry in _entries(record, layout)
    )


class _Times(NamedTuple):
    ttl: int | None
    history_ttl: int | None


def _entries(record: EventRecord, layout: TableLayout) -> Iterable[HistoryEntry]:
    for revision, item in record.chain.items():
        entry = readable_entry(item, layout.history_key(record.event_id, revision))
        if entry is not None and entry.revision == revision:
            yield entry


def _last_hold_or_release(entries: Iterable[HistoryEntry]) -> HistoryEntry | None:
    found = [entry for entry in entries if entry.action in (Action.HELD, Action.RELEASED)]
    return max(found, key=lambda entry: entry.revision, default=None)


def _times(item: Item, layout: TableLayout) -> _Times:
    return _Times(number_of(item, layout.ttl_attribute), number_of(item, "history_ttl"))


def _is_behind(found: _Times, expected: _Times) -> bool:
    """Return whether an entry has times that a store can have left: its own, or no `ttl`."""
    is_possible = found.ttl in (None, found.history_ttl)
    is_shorter = found.history_ttl is not None and (
        expected.history_ttl is None or found.history_ttl < expected.history_ttl
    )
    return (
        found != expected
        and is_possible
        and (is_shorter or found.history_ttl == expected.history_ttl)
    )


def _are_possible(
    behind: Mapping[int, Item], expected: _Times, entries: Iterable[HistoryEntry]
) -> bool:
    """Return whether releases can have left these entries with the times that they have.

    Otherwise somebody could shorten how long an entry is kept, and it would look like a release.
    """
    kept = {number_of(item, "history_ttl") for item in behind.values()} - {expected.history_ttl}
    earliest = [
        earliest_history_ttl(entry.event.created_at)
        for entry in entries
        if entry.event is not None
    ]
    releases = sum(entry.action is Action.RELEASED for entry in entries)
    # Each release leaves at most one time behind: that from before it.
    return len(kept) <= releases and all(
        ttl is not None and ttl >= max(earliest, default=0) for ttl in kept
    )


def _with_times(item: Item, times: _Times, layout: TableLayout) -> Item:
    names = {layout.ttl_attribute: times.ttl, "history_ttl": times.history_ttl}
    rest = {name: value for name, value in item.items() if name not in names}
    return rest | {name: {"N": str(value)} for name, value in names.items() if value is not None}


def _unfinished(event_id: str, action: Action, count: int) -> Finding:
    is_hold = action is Action.HELD
    call, error = ("hold", "EventHeldError") if is_hold else ("release_hold", "an error")
    return Finding(
        "warning",
        "unfinished hold" if is_hold else "unfinished release",
        shown_event(event_id),
        f"{count} entries with the time to live from before the event was {action}",
        "no time to live while the event is held" if is_hold else "that of the event's row",
        f"call {call} again: it finishes this, and then raises {error}",
    )
