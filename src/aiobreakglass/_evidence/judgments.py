"""Judge what a table says about an event; all pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.event import ACTIVE, BreakGlassEvent
from aiobreakglass._domain.finding import (
    Finding,
    Severity,
    error,
    expired,
    shown_entry,
    shown_event,
)
from aiobreakglass._domain.history import (
    HistoryEntry,
    Tip,
    earliest_history_ttl,
    seconds_since_1970,
)
from aiobreakglass._domain.verification import verify_history
from aiobreakglass._dynamodb.codec import decode_event, guarded_pair, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.parts.slot import read_use
from aiobreakglass._dynamodb.record import RECORD, decode_entry, decode_record, number_of
from aiobreakglass._evidence.holding import finished
from aiobreakglass._evidence.records import EventRecord

_ACTIVE: Final = {"S": ACTIVE.value}

Place = Literal["event", "guard", "history", "slot"]


def place_of(key: str, layout: TableLayout) -> Place | None:
    """Return what the row with this partition key must be; None if it is none of ours."""
    if key.startswith(layout.event_prefix):
        return "event"
    if key.startswith(layout.guard_prefix):
        return "guard"
    if key.startswith(layout.slot_prefix):
        return "slot"
    return "history" if key.startswith(layout.history_prefix) else None


def is_adopted(record: EventRecord) -> bool:
    """Return whether an event has a history; events from before histories existed have none."""
    return bool(record.chain) or (record.row is not None and decode_record(record.row) is not None)


def history_findings(record: EventRecord, layout: TableLayout, now: datetime) -> list[Finding]:
    """Return what is wrong with the history of an event, and with its row beside it."""
    record, unfinished = finished(record, layout)
    entries, findings = _entries(record, layout)
    findings += unfinished
    row, tip = record.row, None if record.row is None else decode_record(record.row)
    event = None
    if row is not None and not is_tombstone(row):
        event = _event(record.event_id, row, layout, findings)
        if event is None and entries:
            # The row has no event that could be compared with the last entry.
            event = entries[-1].event
    if entries:
        findings += verify_history(entries, event, at=now)
    if row is not None:
        findings += _tip_findings(record, tip, event, now)
    findings += _ttl_findings(record, event, layout)
    return findings


def guard_findings(record: EventRecord) -> list[Finding]:
    """Return whether the guard of an active event is missing."""
    row = record.row
    if row is None or row.get("status") != _ACTIVE:
        return []
    subject = shown_event(record.event_id)
    pair = guarded_pair(row)
    if pair is None:
        return [
            Finding(
                "warning",
                "without guard",
                subject,
                "an active event whose names no guard can have",
                "names that follow the rules, and a guard",
                "close it: no check sees it, so it grants nothing",
            )
        ]
    guard = record.guard
    if guard is None:
        return [
            Finding(
                "error",
                "without guard",
                subject,
                "an active event, and no guard of its pair",
                "a guard that points to it",
                "close it, and open a new event: nothing keeps a second one from being opened",
            )
        ]
    if guard.get("event_id") != {"S": record.event_id}:
        return [
            Finding(
                "error",
                "guard of another event",
                subject,
                "an active event, and a guard that points to another one",
                "a guard that points to it",
                "close it: its pair may have two active events",
            )
        ]
    return []


def stale_guard_findings(key: str, row: Item | None, layout: TableLayout) -> list[Finding]:
    """Return whether a guard points to no active event of its pair, given that event's row."""
    pair = None if row is None else guarded_pair(row)
    if pair is not None and layout.guard_key(*pair) == key:
        return []
    if row is None:
        found = "no event"
    elif is_tombstone(row):
        found = "a deleted event"
    else:
        found = "an event that is not active" if pair is None else "an event of another pair"
    return [
        Finding(
            "warning",
            "guard without event",
            shown_row(key),
            f"a guard that points to {found}",
            "a guard that points to an active event of its pair",
            "nothing needs to be done: it grants nothing, and the next event replaces it",
        )
    ]


def slot_findings(key: str, row: Item, layout: TableLayout) -> list[Finding]:
    """Return whether a slot, which limits are counted by, says nothing about its use."""
    try:
        read_use(row, layout)
    except CorruptItemError as error:
        return [not_understood(key, error.reason)]
    return []


def not_understood(key: str, found: str, severity: Severity = "error") -> Finding:
    """Return the finding for a row that is not what its key says."""
    return Finding(
        severity,
        "not understood",
        shown_row(key),
        found if found.isprintable() else repr(found),
        "a row as this library writes it",
        "mend it or delete it; if another program needs it, give that program a table of its own",
    )


def unsettled(event_id: str) -> Finding:
    """Return the finding for an event that changes faster than it can be read."""
    return Finding(
        "info",
        "unsettled",
        shown_event(event_id),
        "a row that changed whenever it was read",
        "a row that stays unchanged for a moment",
        "audit it again",
    )


def unlinked(subject: str) -> Finding:
    """Return the finding for an entry that no history reaches."""
    return error(
        "unlinked entry",
        subject,
        "an entry beyond the end of its history",
        "entries without gaps, up to the one that the event's row names",
        "entries were removed, or this one was added",
    )


def expired_record(subject: str) -> Finding:
    """Return the finding that retention has removed a record, or a part of it."""
    return expired(
        subject,
        "an incomplete record whose retention has ended",
        "nothing of it, as soon as DynamoDB has deleted the rest",
    )


def expired_records(table_name: str, found: str) -> Finding:
    """Return one finding for all records of a table whose retention has ended."""
    return expired(f"table {table_name}", found, "nothing of a record whose retention has ended")


def shown_row(key: str) -> str:
    """Return how a finding names a row; the key of another writer's row may hold anything."""
    return f"row {key!r}"


def is_past(ttl: int | None, now: datetime) -> bool:
    """Return whether TTL may have deleted a row by now."""
    return ttl is not None and ttl <= seconds_since_1970(now)


def _entries(record: EventRecord, layout: TableLayout) -> tuple[list[HistoryEntry], list[Finding]]:
    entries: list[HistoryEntry] = []
    findings: list[Finding] = []
    for revision in sorted(record.chain):
        key = layout.history_key(record.event_id, revision)
        try:
            entry = decode_entry(record.chain[revision], key)
        except CorruptItemError as error:
            findings.append(not_understood(key, error.reason))
            continue
        if (entry.event_id, entry.revision) == (record.event_id, revision):
            entries.append(entry)
        else:
            findings.append(not_understood(key, "the text of another entry than its key names"))
    return entries, findings


def _event(
    event_id: str, row: Item, layout: TableLayout, findings: list[Finding]
) -> BreakGlassEvent | None:
    try:
        return decode_event(row, layout)
    except CorruptItemError as error:
        findings.append(not_understood(layout.event_key(event_id), error.reason))
        return None


def _tip_findings(
    record: EventRecord, tip: Tip | None, event: BreakGlassEvent | None, now: datetime
) -> list[Finding]:
    """Compare the newest entry with what the event's row says about it."""
    subject = shown_event(record.event_id)
    last = max(record.chain, default=0)
    claimed = (None if record.row is None else number_of(record.row, "revision")) or 0
    if tip is None and claimed > last:
        return [_truncated(subject, last, f"entry {claimed}, which the event's row names")]
    if tip is None or tip.revision < last:
        if not last:
            is_old = record.row is None or not any(name in record.row for name in RECORD)
            return [] if is_old else [_truncated(subject, 0, "the history that the row is of")]
        return [
            Finding(
                "warning",
                "changed outside",
                subject,
                "a row that names no entry" if tip is None else f"a row that names {tip.revision}",
                f"a row that names entry {last}, the newest one",
                "another program replaced the row; the next change of the event records that",
            )
        ]
    ttls = {number_of(row, "history_ttl") for row in record.chain.values()}
    if tip.revision > last:
        is_over = is_past(tip.history_ttl, now) and ttls <= {tip.history_ttl}
        if is_over and _may_be_over(tip, event):
            return [expired_record(subject)]
        named = f"entry {tip.revision}, which the event's row names"
        return [_truncated(subject, last, named)]
    if record.chain[last].get("hash") != {"S": tip.head}:
        return [
            error(
                "altered",
                subject,
                f"another hash of entry {last} in the event's row than in the entry",
                "the hash of the newest entry",
                "the row or the entry was altered",
            )
        ]
    if ttls != {tip.history_ttl}:
        return [
            error(
                "altered",
                subject,
                "another history_ttl in an entry than in the event's row",
                "one history_ttl in the row and in all entries",
                "somebody changed how long the history is kept",
            )
        ]
    return []


def _truncated(subject: str, last: int, expected: str) -> Finding:
    found = f"a history that ends with entry {last}" if last else "no history"
    return error("truncated", subject, found, expected, "the newest entries were removed")


def _ttl_findings(
    record: EventRecord, event: BreakGlassEvent | None, layout: TableLayout
) -> list[Finding]:
    """Find rows that TTL would delete before their time; nothing of a held event has one."""
    is_held = event is not None and event.held_by is not None
    ttls = {
        shown_entry(record.event_id, revision): (
            number_of(row, layout.ttl_attribute),
            None if is_held else number_of(row, "history_ttl"),
        )
        for revision, row in record.chain.items()
    }
    if event is not None and record.row is not None:
        ttl = number_of(record.row, layout.ttl_attribute)
        earliest = None if is_held else seconds_since_1970(event.expires_at)
        ttls[shown_event(record.event_id)] = ttl, earliest
    return [
        error(
            "altered",
            subject,
            f"{layout.ttl_attribute} {ttl}, at which TTL deletes the row",
            "a later time, or none",
            "somebody shortened how long the row is kept: set it right before TTL deletes it",
        )
        for subject, (ttl, earliest) in ttls.items()
        if ttl is not None and (earliest is None or ttl < earliest)
    ]


def _may_be_over(tip: Tip, event: BreakGlassEvent | None) -> bool:
    """Return whether a store can have set this `history_ttl`, because no hash covers it."""
    if event is None:
        return True
    is_possible = (tip.history_ttl or 0) >= earliest_history_ttl(event.created_at)
    return is_possible and event.held_by is None
