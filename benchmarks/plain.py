"""Convert events to plain rows and back, as one would with the models but without a store."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter

from aiobreakglass import MAX_DURATION, BreakGlassEvent
from benchmarks.rows import LAYOUT, RETENTION

MICROSECOND = timedelta(microseconds=1)
FIELDS = tuple(BreakGlassEvent.model_fields)
TIMES = ("created_at", "updated_at", "expires_at", "ended_at")
HISTORY_MARGIN = timedelta(days=8)
EVENTS = TypeAdapter(list[BreakGlassEvent])


def fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event from a row's plain values, for pydantic to validate.

    This is faster than pydantic's own parser of times and the model's constructor.
    """
    values = {name: row[name] for name in FIELDS if name in row}
    for name in TIMES:
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    values["duration"] = timedelta(microseconds=int(values["duration"]) // 1000)
    return values


def rows_of(event: BreakGlassEvent) -> list[dict[str, Any]]:
    """Return the plain values of the rows that open access: entry, event and guard.

    They have the same new `write_id`.
    """
    write_id = uuid4().hex
    values = json_values(event)
    entry = {
        "action": "created",
        "at": time_text(datetime.now(UTC)),
        "by": event.invoker,
        "event": values,
        "event_id": event.id,
        "note": None,
        "previous": None,
        "revision": 1,
    }
    text = canonical_json(entry)
    head = sha256(text)
    history_ttl = math.ceil(
        (event.created_at + MAX_DURATION + RETENTION + HISTORY_MARGIN).timestamp()
    )
    history = {
        "pk": LAYOUT.history_key(event.id, 1),
        "event_id": event.id,
        "revision": 1,
        "entry": text,
        "hash": head,
        "write_id": write_id,
        "history_ttl": history_ttl,
        "ttl": history_ttl,
    }
    row = {
        **values,
        "pk": LAYOUT.event_key(event.id),
        "ttl": time_to_live(event),
        "write_id": write_id,
        "revision": 1,
        "head": head,
        "digest": sha256(canonical_json(values)),
        "recorded_at": entry["at"],
        "awaiting_review": "unreviewed",
        "history_ttl": history_ttl,
    }
    return [history, row, guard_row(event)]


def json_values(event: BreakGlassEvent) -> dict[str, Any]:
    """Return an event as in its history: without what it has not."""
    values = event.model_dump(exclude_defaults=True) | {
        "status": event.status,
        "mfa_verified": event.mfa_verified,
        "duration": nanoseconds(event.duration),
    }
    for name in TIMES:
        if name in values:
            values[name] = time_text(values[name])
    return values


def canonical_json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def guard_row(event: BreakGlassEvent) -> dict[str, Any]:
    """Return the plain values of the guard of the event's pair."""
    return {"pk": LAYOUT.guard_key(event.invoker, event.profile), "event_id": event.id}


def time_text(instant: datetime) -> str:
    """Format a UTC time with six decimals."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def nanoseconds(duration: timedelta) -> int:
    return duration // MICROSECOND * 1000


def time_to_live(event: BreakGlassEvent) -> int:
    return math.ceil((event.expires_at + RETENTION).timestamp())
