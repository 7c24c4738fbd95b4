"""Encode and decode what rows say about histories: entries, and an event's newest entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiobreakglass._aws.transaction import AttributeValue, Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.fields import is_hash
from aiobreakglass._domain.history import MAX_REVISION, HistoryEntry, Tip, hash_of, read_entry
from aiobreakglass._domain.timestamps import decode_time, encode_time
from aiobreakglass._dynamodb.layout import TableLayout

_INTEGER: Final = re.compile("0|-?[1-9][0-9]{0,17}")
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

RECORD: Final = ("revision", "head", "digest", "recorded_at", "history_ttl")
"""The attributes of an event's row that say what its newest entry is."""


def encode_record(tip: Tip) -> Item:
    """Return the attributes that name the newest entry of an event; a tombstone has them, too."""
    item: Item = {
        "revision": {"N": str(tip.revision)},
        "head": {"S": tip.head},
        "recorded_at": {"S": encode_time(tip.at)},
    }
    if tip.digest is not None:
        item["digest"] = {"S": tip.digest}
    if tip.history_ttl is not None:
        item["history_ttl"] = {"N": str(tip.history_ttl)}
    return item


def decode_record(item: Mapping[str, AttributeValue]) -> Tip | None:
    """Return what a row says about its newest entry; None if it names no entry.

    The row may be another writer's. A wrong revision or hash makes a write start over, and the
    next entry records what the row says.
    """
    revision, head = number_of(item, "revision"), _hash(item, "head")
    # A change adds up to two entries.
    if revision is None or not 1 <= revision <= MAX_REVISION - 2 or head is None:
        return None
    at = _time(item, "recorded_at") or _time(item, "updated_at") or _BEGINNING
    return Tip(revision, head, at, _hash(item, "digest"), number_of(item, "history_ttl"))


def decode_tip(revision: int, item: Mapping[str, AttributeValue]) -> Tip:
    """Return the newest entry of a history from its own row, which may be another writer's.

    The entry does not vouch for the event's row, so the tip has no digest.
    """
    head, ttl = _hash(item, "hash"), number_of(item, "history_ttl")
    text = _attribute(item, "entry", "S") or ""
    try:
        at = read_entry(text, "", ttl).at
    except ValueError:
        at = _BEGINNING
    return Tip(revision, head or hash_of(text), at, None, ttl)


def encode_entry(
    entry: HistoryEntry, layout: TableLayout, *, write_id: str, ttl: int | None
) -> Item:
    """Return the row of an entry; no index of events lists it."""
    item: Item = {
        layout.partition_key: {"S": layout.history_key(entry.event_id, entry.revision)},
        "event_id": {"S": entry.event_id},
        "revision": {"N": str(entry.revision)},
        "entry": {"S": entry.entry},
        "hash": {"S": entry.hash},
        layout.write_id_attribute: {"S": write_id},
    }
    if entry.history_ttl is not None:
        item["history_ttl"] = {"N": str(entry.history_ttl)}
    if ttl is not None:
        item[layout.ttl_attribute] = {"N": str(ttl)}
    return item


def decode_entry(item: Mapping[str, AttributeValue], key: str) -> HistoryEntry:
    """Return the entry of a row; raise `CorruptItemError` if the row is not an entry."""
    text, entry_hash = (_attribute(item, name, "S") for name in ("entry", "hash"))
    if text is None or entry_hash is None:
        raise CorruptItemError(key, "entry or hash is missing")
    try:
        return read_entry(text, entry_hash, number_of(item, "history_ttl"))
    except ValueError as error:
        raise CorruptItemError(key, f"entry {error}") from error


def number_of(item: Mapping[str, AttributeValue], name: str) -> int | None:
    """Return an integer of a row; None if there is none."""
    text = _attribute(item, name, "N")
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def _time(item: Mapping[str, AttributeValue], name: str) -> datetime | None:
    text = _attribute(item, name, "S")
    try:
        return None if text is None else decode_time(text)
    except ValueError:
        return None


def _hash(item: Mapping[str, AttributeValue], name: str) -> str | None:
    text = _attribute(item, name, "S")
    return text if is_hash(text) else None


def _attribute(item: Mapping[str, AttributeValue], name: str, wire_type: str) -> str | None:
    attribute: Any = item.get(name)
    value = attribute.get(wire_type) if isinstance(attribute, dict) else None
    return value if isinstance(value, str) else None
