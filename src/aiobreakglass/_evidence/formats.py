"""Spell events and history entries as lines of JSON and as rows of CSV; all pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.history import HistoryEntry, canonical_json, event_values
from aiobreakglass._domain.timestamps import encode_time

Format = Literal["jsonl", "csv"]

_JUSTIFICATION: Final = "justification"
_ENTRY_COLUMNS: Final = (
    "event_id",
    "revision",
    "at",
    "action",
    "by",
    "note",
    "previous",
    "hash",
    "history_ttl",
)
_SECONDS: Final = timedelta(seconds=1)

# https://owasp.org/www-community/attacks/CSV_Injection names those of the first line. In
# spreadsheets of East Asian languages, wide characters mean the same. The apostrophe itself is
# there so that every cell can be read back.
_DANGEROUS: Final = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
    "'",
)

Record = BreakGlassEvent | HistoryEntry


class Spelling(NamedTuple):
    """How records are spelled in the files of an export."""

    has_justifications: bool

    def lines(self, records: Iterable[Record]) -> bytes:
        """Return records as JSON Lines (https://jsonlines.org)."""
        return "".join(canonical_json(self._json(record)) + "\n" for record in records).encode(
            errors="backslashreplace"
        )

    def rows(self, records: Iterable[Record]) -> bytes:
        """Return records as rows of CSV (RFC 4180)."""
        return _csv(map(self._cells, records))

    def header(self, *, of_history: bool) -> bytes:
        """Return the first row of a CSV file, with the names of the columns."""
        fields = [_column(field) for field in self._event_fields]
        if of_history:
            fields = [*_ENTRY_COLUMNS, *(f"event.{field}" for field in fields)]
        return _csv([fields])

    @property
    def _event_fields(self) -> list[str]:
        left_out: Collection[str] = () if self.has_justifications else (_JUSTIFICATION,)
        return [field for field in BreakGlassEvent.model_fields if field not in left_out]

    def _json(self, record: Record) -> Mapping[str, Any]:
        if isinstance(record, BreakGlassEvent):
            return self._without(event_values(record))
        return {
            "event_id": record.event_id,
            "revision": record.revision,
            "entry": record.entry if self.has_justifications else self._shortened(record),
            "hash": record.hash,
            "history_ttl": record.history_ttl,
        }

    def _shortened(self, record: HistoryEntry) -> str:
        values = json.loads(record.entry)
        if isinstance(values["event"], dict):
            values["event"] = self._without(values["event"])
        return canonical_json(values)

    def _without(self, values: dict[str, Any]) -> dict[str, Any]:
        if not self.has_justifications:
            values.pop(_JUSTIFICATION, None)
        return values

    def _cells(self, record: Record) -> list[str]:
        if isinstance(record, BreakGlassEvent):
            return [_cell(getattr(record, field)) for field in self._event_fields]
        cells = [_cell(getattr(record, column)) for column in _ENTRY_COLUMNS[:-1]]
        cells.append(_cell(_instant(record.history_ttl)))
        if record.event is None:
            return [*cells, *[""] * len(self._event_fields)]
        return [*cells, *self._cells(record.event)]


def defused(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula; `read_cell` is the inverse."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def read_cell(cell: str) -> str:
    """Return the text of a cell that `defused` returned."""
    return cell.removeprefix("'")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return encode_time(value)
        case timedelta():
            seconds, rest = divmod(value, _SECONDS)
            return f"{seconds}.{rest.microseconds:06d}" if rest else str(seconds)
        case Mapping():
            return canonical_json(dict(value)) if value else ""
        case _:
            return defused(str(value))


def _instant(seconds: int | None) -> datetime | int | None:
    """Return a Unix time as an instant, or unchanged if no calendar has it."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return seconds


def _column(field: str) -> str:
    return "duration_seconds" if field == "duration" else field


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")
