"""Say what an event is, for people and for programs; all pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from aiobreakglass import BreakGlassEvent, HistoryEntry
from aiobreakglass._domain.history import event_values
from aiobreakglass.cli.durations import rough_duration, spelled_duration
from aiobreakglass.cli.tables import Column
from aiobreakglass.cli.texts import shown
from aiobreakglass.cli.times import spelled_time

LAPSED: Final = "lapsed"

EVENT_COLUMNS: Final = (
    Column("event"),
    Column("state"),
    Column("invoker", narrowest=8),
    Column("profile", narrowest=8),
    Column("until"),
    Column("left", rank=1),
    Column("opened", rank=3),
    Column("reason", rank=2),
    Column("review", rank=4),
    Column("justification", rank=5, narrowest=20),
)
HISTORY_COLUMNS: Final = (
    Column("entry"),
    Column("at"),
    Column("action"),
    Column("by", narrowest=8),
    Column("note", rank=1, narrowest=16),
)

_TEXTS: Final = frozenset({"justification", "closed_reason", "review_comment", "held_reason"})


def state_of(event: BreakGlassEvent, now: datetime) -> str:
    """Return the status of an event as a person should read it.

    An event that has run out grants nothing, although its row says "active" until it is marked.
    """
    return LAPSED if event.is_lapsed(now) else str(event.status)


def event_object(event: BreakGlassEvent, now: datetime) -> dict[str, Any]:
    """Return an event for a program: as in `events.jsonl`, and whether it grants access."""
    return {**event_values(event), "grants_access": event.is_active(now)}


def entry_object(entry: HistoryEntry) -> dict[str, Any]:
    """Return an entry of a history as a program reads it: as in `history.jsonl`."""
    return {
        "event_id": entry.event_id,
        "revision": entry.revision,
        "entry": entry.entry,
        "hash": entry.hash,
        "history_ttl": entry.history_ttl,
    }


def event_row(event: BreakGlassEvent, now: datetime, zone: tzinfo | None) -> Sequence[str]:
    """Return the cells of `EVENT_COLUMNS`."""
    end = event.expires_at if event.ended_at is None else event.ended_at
    return (
        event.id,
        state_of(event, now),
        shown(event.invoker),
        shown(event.profile),
        spelled_time(end, zone),
        rough_duration(event.remaining(now)) if event.is_active(now) else "-",
        spelled_time(event.created_at, zone),
        str(event.reason_code),
        _review(event),
        shown(event.justification),
    )


def entry_row(entry: HistoryEntry, zone: tzinfo | None) -> Sequence[str]:
    """Return the cells of `HISTORY_COLUMNS`."""
    return (
        str(entry.revision),
        spelled_time(entry.at, zone, exactly=True),
        str(entry.action),
        "-" if entry.by is None else shown(entry.by),
        "-" if entry.note is None else shown(entry.note),
    )


def event_lines(
    event: BreakGlassEvent, now: datetime, zone: tzinfo | None
) -> Sequence[tuple[str, str]]:
    """Return each field that an event has, with its value."""
    lines: list[tuple[str, str]] = []
    for name in BreakGlassEvent.model_fields:
        value = getattr(event, name)
        if name == "status":
            lines.append(("state", state_of(event, now)))
            if event.is_active(now):
                lines.append(("left", rough_duration(event.remaining(now))))
        elif name == "labels":
            lines.extend((f"label {shown(key)}", shown(text)) for key, text in value.items())
        elif value not in (None, False, 0):
            lines.append((name.replace("_", " "), _spelled(name, value, zone)))
    return lines


def _spelled(name: str, value: object, zone: tzinfo | None) -> str:
    match value:
        case datetime():
            return spelled_time(value, zone, exactly=True)
        case timedelta():
            return spelled_duration(value)
        case True:
            return "yes"
        case _:
            return shown(str(value), keep_lines=name in _TEXTS)


def _review(event: BreakGlassEvent) -> str:
    if not event.status.is_terminal:
        return "-"
    return "awaited" if event.review_outcome is None else str(event.review_outcome)
