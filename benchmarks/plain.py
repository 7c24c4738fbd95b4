"""Convert events to plain rows and back, as one would with the models but without a store."""

import math
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter

from aiobreakglass import BreakGlassEvent, TableLayout
from benchmarks.stub import RETENTION

LAYOUT = TableLayout()
MICROSECOND = timedelta(microseconds=1)
FIELDS = tuple(BreakGlassEvent.model_fields)
TIMES = ("created_at", "updated_at", "expires_at")
EVENTS = TypeAdapter(list[BreakGlassEvent])


def fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event from a row's plain values, for pydantic to validate.

    This is faster than pydantic's own parser of times and the model's constructor.
    """
    values = {name: row[name] for name in FIELDS if name in row}
    for name in TIMES:
        values[name] = datetime.fromisoformat(values[name])
    values["duration"] = timedelta(microseconds=int(values["duration"]) // 1000)
    return values


def event_row(event: BreakGlassEvent) -> dict[str, Any]:
    """Return the plain values of an event's row, with a new `write_id`."""
    row = event.model_dump(exclude_none=True)
    for name in TIMES:
        row[name] = time_text(row[name])
    row["duration"] = nanoseconds(event.duration)
    row["pk"] = LAYOUT.event_key(event.id)
    row["ttl"] = time_to_live(event)
    row["write_id"] = uuid4().hex
    return row


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
