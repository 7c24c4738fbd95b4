"""Record changes as a chain of entries, each with the hash of the entry before it; all pure.

Anybody can verify an entry with `sha256sum`: its text is canonical JSON (RFC 8785), and its hash
is the SHA-256 of the text's UTF-8 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.event import BreakGlassEvent, read_event
from aiobreakglass._domain.fields import MAX_DURATION
from aiobreakglass._domain.timestamps import decode_time, encode_time

HISTORY_MARGIN: Final = timedelta(days=8)
"""How much longer than its event a history is kept, because TTL may be days late."""

MAX_REVISION: Final = 999_999
"""The last revision, because the keys of entries have room for six digits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_RETENTION: Final = timedelta(0)
_MICROSECONDS: Final = 1_000_000
"""In a second."""

# For ASCII keys, and for texts, integers, booleans and null, this is RFC 8785; a test compares it
# with another implementation.
_encode: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode

_FIELDS: Final = frozenset(BreakGlassEvent.model_fields)
_TIMES: Final = (
    "created_at",
    "updated_at",
    "expires_at",
    "ended_at",
    "reviewed_at",
    "held_at",
)


def _nanoseconds(duration: timedelta) -> int:
    return duration // _MICROSECOND * 1000


_ENCODERS: Final[Mapping[str, Callable[[Any], object]]] = {
    **dict.fromkeys(_TIMES, encode_time),
    **dict.fromkeys(("reason_code", "status", "review_outcome"), str),
    "duration": _nanoseconds,
    "labels": dict,
}
"""How the values of these fields become JSON; those of all others are JSON already."""

_NO_EVENT: Final = '"event":null'

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What a text that is not that of an entry can raise."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of an event, as its history records it."""

    event_id: str
    revision: int
    """1 for the first entry, then counted up."""
    at: datetime
    """UTC; when the store made the change, and later than the entry before."""
    action: Action
    by: str | None
    """Who made the change, as the caller said; None if that is not known."""
    note: str | None
    """Why, in the caller's words."""
    event: BreakGlassEvent | None
    """The event after the change; None if the change deleted it."""
    previous: str | None
    """The hash of the entry before; None for the first entry."""
    entry: str
    """The text that `hash` is about: all of the above as canonical JSON (RFC 8785)."""
    hash: str
    """The SHA-256 of the text's UTF-8 bytes, in lower-case hexadecimal."""
    history_ttl: int | None = None
    """When DynamoDB's TTL may delete the entry, in seconds since 1970; None means never."""


class Tip(NamedTuple):
    """The newest entry of a history, as far as an event's row knows it."""

    revision: int
    head: str
    """The hash of the entry."""
    at: datetime
    """When the entry was recorded."""
    digest: str | None
    """The digest of the event in that entry; None if the row's content is not recorded."""
    history_ttl: int | None
    """When the history may be deleted, in seconds since 1970; None means never."""


class Recorded(NamedTuple):
    """What a change adds to a history."""

    entries: list[HistoryEntry]
    """The new entries; the last one is the change's own."""
    tip: Tip
    """The last entry, as the event's row will name it."""


def tip_of(entry: HistoryEntry) -> Tip:
    """Return an entry as the newest one of its history."""
    return _tip(entry, None if entry.event is None else digest_of(entry.event))


def event_values(event: BreakGlassEvent) -> dict[str, Any]:
    """Return an event as JSON values: times as in rows, the duration in nanoseconds.

    Absent values, `extensions` of 0 and empty labels are left out.
    """
    values = {
        name: encode(value) if (encode := _ENCODERS.get(name)) else value
        for name, value in vars(event).items()
        if value is not None
    }
    for name in ("extensions", "labels"):
        if not values[name]:
            del values[name]
    return values


def read_event_values(values: Mapping[str, Any]) -> BreakGlassEvent:
    """Return the event of JSON values, without the fields of a later release.

    Values that are not an event raise `ValueError`, `TypeError`, `KeyError` or `OverflowError`.
    """
    fields: dict[str, Any] = {name: value for name, value in values.items() if name in _FIELDS}
    for name in _TIMES:
        if name in fields:
            fields[name] = decode_time(fields[name])
    fields["duration"] = timedelta(microseconds=fields["duration"] // 1000)
    return read_event(fields)


def canonical_json(values: Mapping[str, Any]) -> str:
    """Return values as canonical JSON (RFC 8785): one text for equal values."""
    return _encode(values)


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in lower-case hexadecimal."""
    return sha256(text.encode()).hexdigest()


def digest_of(event: BreakGlassEvent) -> str:
    """Return the hash of an event, which shows later whether its row says the same."""
    return hash_of(canonical_json(event_values(event)))


def history_ttl(created_at: datetime, retention: timedelta | None) -> int | None:
    """Return when the history of an event may be deleted, in seconds since 1970, rounded up."""
    if retention is None:
        return None
    # Integers, because the sum may exceed the limits of `datetime` and `timedelta`.
    return seconds_since_1970(created_at) + sum(
        map(rounded_up, (MAX_DURATION, retention, HISTORY_MARGIN))
    )


def earliest_history_ttl(created_at: datetime) -> int:
    """Return the earliest `history_ttl` that a store sets; no hash covers what a row says."""
    return history_ttl(created_at, _NO_RETENTION) or 0


def seconds_since_1970(instant: datetime) -> int:
    """Return a Unix time, rounded up, so that TTL is never early."""
    return rounded_up(instant - _EPOCH)


def rounded_up(interval: timedelta) -> int:
    """Return an interval in whole seconds, rounded up."""
    return -(-(interval // _MICROSECOND) // _MICROSECONDS)


def recorded(
    event_id: str, change: Change, tip: Tip | None, new_ttl: Callable[[datetime], int | None]
) -> Recorded:
    """Return what a change adds to a history.

    If the history does not know the event as it was read, the first entry adopts that event.
    Without it, the entry of the change would hide what another writer did. A change that does
    nothing but adopt has one entry.

    Args:
        event_id: The id of the event.
        change: The change.
        tip: The newest entry of the history; None if there is none.
        new_ttl: Returns the `history_ttl` of an event that was created at an instant.
    """
    before = change.before
    is_adopted = (
        before is not None
        and change.action is not Action.ADOPTED
        and (tip is None or tip.digest != digest_of(before))
    )
    # The entry that adopts needs an instant between the entry before and this one.
    step = _MICROSECOND * (2 if is_adopted else 1)
    event = before or change.after
    created_at = change.at if event is None else event.created_at
    if tip is None:
        revision, previous, last_at = 0, None, _BEGINNING_OF_TIME
        ttl = new_ttl(created_at)
    else:
        revision, previous, last_at = tip.revision, tip.head, tip.at
        ttl = tip.history_ttl
        if event is not None and ttl is not None and ttl < earliest_history_ttl(created_at):
            # Another writer has set it, because no store sets such a time.
            ttl = new_ttl(created_at)
    at = max(change.at, _later(last_at, step))
    entries: list[HistoryEntry] = []
    if is_adopted:
        adopted, _ = _entry(
            event_id, revision + 1, at - _MICROSECOND, Action.ADOPTED, before, previous, ttl
        )
        entries.append(adopted)
        revision, previous = adopted.revision, adopted.hash
    newest, digest = _entry(
        event_id,
        revision + 1,
        at,
        change.action,
        change.after,
        previous,
        ttl,
        by=change.by,
        note=change.note,
    )
    entries.append(newest)
    return Recorded(entries, _tip(newest, digest))


def read_entry(text: str, entry_hash: str, history_ttl: int | None) -> HistoryEntry:
    """Return the entry with this text; raise `ValueError` if the text is not that of an entry.

    Whether the hash fits the text is left to `verify_history`.
    """
    try:
        values = json.loads(text)
        event = values["event"]
        return HistoryEntry(
            event_id=_text(values["event_id"]),
            revision=_revision(values["revision"]),
            at=decode_time(values["at"]),
            action=Action(values["action"]),
            by=None if values["by"] is None else _text(values["by"]),
            note=None if values["note"] is None else _text(values["note"]),
            event=None if event is None else read_event_values(event),
            previous=None if values["previous"] is None else _text(values["previous"]),
            entry=text,
            hash=entry_hash,
            history_ttl=history_ttl,
        )
    except _UNREADABLE as error:
        raise ValueError("is not the text of an entry") from error


def entry_values(entry: HistoryEntry) -> dict[str, Any]:
    """Return an entry as the JSON values of its text."""
    return _values(
        entry.event_id,
        entry.revision,
        entry.at,
        entry.action,
        entry.by,
        entry.note,
        entry.event,
        entry.previous,
    )


def _entry(
    event_id: str,
    revision: int,
    at: datetime,
    action: Action,
    event: BreakGlassEvent | None,
    previous: str | None,
    ttl: int | None,
    *,
    by: str | None = None,
    note: str | None = None,
) -> tuple[HistoryEntry, str | None]:
    """Return an entry, and the digest of the event in it."""
    values = _values(event_id, revision, at, action, by, note, None, previous)
    text, digest = canonical_json(values), None
    if event is not None:
        # The digest is of this very text, so the event is encoded once. No value contains the
        # placeholder, because quotes in values are escaped.
        event_text = canonical_json(event_values(event))
        text, digest = text.replace(_NO_EVENT, f'"event":{event_text}'), hash_of(event_text)
    entry = HistoryEntry(
        event_id, revision, at, action, by, note, event, previous, text, hash_of(text), ttl
    )
    return entry, digest


def _tip(entry: HistoryEntry, digest: str | None) -> Tip:
    return Tip(entry.revision, entry.hash, entry.at, digest, entry.history_ttl)


def _values(
    event_id: str,
    revision: int,
    at: datetime,
    action: Action,
    by: str | None,
    note: str | None,
    event: BreakGlassEvent | None,
    previous: str | None,
) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "revision": revision,
        "at": encode_time(at),
        "action": str(action),
        "by": by,
        "note": note,
        "event": None if event is None else event_values(event),
        "previous": previous,
    }


def _later(instant: datetime, step: timedelta) -> datetime:
    """Return the instant after a step, or the last one that there is."""
    try:
        return instant + step
    except OverflowError:
        # Only another writer records such a time, and it must not keep the event from changing.
        return _END_OF_TIME


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _revision(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not 1 <= value <= MAX_REVISION:
        raise ValueError
    return value
