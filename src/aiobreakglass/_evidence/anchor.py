"""Spell the lines of an anchor, which shows later that no event was removed or altered."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.fields import is_hash
from aiobreakglass._domain.history import canonical_json, digest_of
from aiobreakglass._domain.timestamps import decode_time
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import decode_record, number_of

MANIFEST: Final = "manifest.json"
ANCHOR: Final = "anchor.jsonl"
FORMAT: Final = "aiobreakglass export 1"


class Anchored(NamedTuple):
    """What an anchor says about one event or tombstone."""

    event_id: str
    revision: int | None
    """The newest entry; None for an event without a history."""
    head: str | None
    """The hash of that entry."""
    ttl: int | None
    """From when on retention may have removed the record; None means never."""
    digest: str | None
    """The digest of an event without a history."""


def anchored(event_id: str, row: Item, layout: TableLayout) -> Anchored:
    """Return what an anchor says about a row, which may be another writer's."""
    tip = decode_record(row)
    if tip is not None:
        # A held event has no retention.
        ttl = None if "held_by" in row else tip.history_ttl
        return Anchored(event_id, tip.revision, tip.head, ttl, None)
    event = readable_event(row, layout)
    digest = None if event is None else digest_of(event)
    return Anchored(event_id, None, None, number_of(row, layout.ttl_attribute), digest)


def readable_event(row: Item, layout: TableLayout) -> BreakGlassEvent | None:
    """Return the event of a row; None if it is a tombstone, or not an event."""
    try:
        return None if is_tombstone(row) else decode_event(row, layout)
    except CorruptItemError:
        return None


def encode_line(line: Anchored) -> bytes:
    """Return a line of `anchor.jsonl`."""
    values: dict[str, Any] = {
        "id": line.event_id,
        "revision": line.revision,
        "head": line.head,
        "history_ttl": line.ttl,
    }
    if line.digest is not None:
        values["digest"] = line.digest
    return canonical_json(values).encode() + b"\n"


def decode_line(line: bytes) -> Anchored:
    """Return what a line says; raise `ValueError` if it is not a line of an anchor."""
    try:
        values = json.loads(line)
        event_id, revision = values["id"], values["revision"]
        head, ttl = values["head"], values["history_ttl"]
        digest = values.get("digest")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("is not a line of an anchor") from error
    is_right = (
        isinstance(event_id, str)
        and all(map(_is_number, (revision, ttl)))
        and all(value is None or is_hash(value) for value in (head, digest))
        and (revision is None) == (head is None)
    )
    if not is_right:
        raise ValueError("is not a line of an anchor")
    return Anchored(event_id, revision, head, ttl, digest)


class Manifest(NamedTuple):
    """What a manifest says, as far as its anchor needs it."""

    started_at: datetime
    """When the export began: the anchor has every event from before."""
    anchor: Path
    sha256: str


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest says; raise `ValueError` if it is not that of an export."""
    try:
        values = json.loads(path.read_bytes())
        is_ours = values["format"] == FORMAT
        manifest = Manifest(
            decode_time(values["started_at"]), path.parent / ANCHOR, values["anchor"]["sha256"]
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"manifest must be the {MANIFEST} of an export") from error
    if not is_ours or not is_hash(manifest.sha256):
        raise ValueError(f"manifest must be the {MANIFEST} of an export")
    return manifest


def _is_number(value: object) -> bool:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return value is None or (is_integer and isinstance(value, int) and value > 0)
