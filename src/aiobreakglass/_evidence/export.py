"""Export events or histories to files, with a manifest and an anchor."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import check_async_callback, check_instant
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.event import utc_now
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import decode_entry
from aiobreakglass._dynamodb.scan import Scan
from aiobreakglass._evidence.anchor import ANCHOR, FORMAT, MANIFEST, anchored, encode_line
from aiobreakglass._evidence.files import UnfinishedFile, in_thread, make_folder, sync_folder
from aiobreakglass._evidence.formats import Format, Record, Spelling
from aiobreakglass._evidence.judgments import place_of
from aiobreakglass._evidence.progress import OnProgress, ScanProgress
from aiobreakglass._evidence.records import open_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

What = Literal["events", "history"]

_ALL_FORMATS: Final[tuple[Format, ...]] = get_args(Format)


async def export_events(
    client: DynamoDBClient,
    name: str,
    folder: str | os.PathLike[str],
    *,
    layout: TableLayout | None = None,
    what: What = "events",
    since: datetime | None = None,
    until: datetime | None = None,
    formats: Collection[Format] = _ALL_FORMATS,
    justifications: bool = True,
    on_progress: OnProgress | None = None,
    segments: int = 1,
    now: datetime | None = None,
) -> Path:
    """Export the events of a table, or the entries of their histories; return the manifest's path.

    The folder gets `events.jsonl` and `events.csv` (or `history.jsonl` and `history.csv`),
    `anchor.jsonl`, and `manifest.json`, which has each file's size, SHA-256 and number of records.
    The anchor has a line for every event and every tombstone of the whole table, whatever the
    range. Keep the manifest and the anchor where nobody who can write to the table can write, and
    `verify_anchor` can show later what was altered or removed.

    The records are in no order, and they are not from one instant: a record that changes
    during the export appears in its old or its new state. Its memory does not grow with the table.

    The files get their names only when all of them are complete, and the manifest comes last. A
    folder without `manifest.json` has no export. Only the files' owner can read them.

    In CSV files, an apostrophe precedes each text that begins with a character with which a
    spreadsheet's formula can begin, or with an apostrophe. That holds with the comma as separator.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name or the ARN of the table.
        folder: Where to put the files; it is made if it is missing. It must have no export.
        layout: The names that the table uses; None means the default names.
        what: "events", as they are now, or "history", with each of their changes.
        since: The earliest `created_at` of the events, or the earliest time of the entries.
        until: Export only what has an earlier time than this.
        formats: "jsonl" and "csv", or one of them; with none, there is only the anchor.
        justifications: Whether to export them. Without them, nobody can verify the hashes of the
            exported entries. Other texts, such as `closed_reason` and notes, are exported anyway.
        on_progress: Awaited after each page of rows.
        segments: As for `audit_table`.
        now: When the export begins; by default the current time.

    Raises:
        FileExistsError: The folder has an export.
        OSError: A file could not be written. Nothing is left that looks like an export.
        ValueError: An argument is wrong.
        StoreUnavailableError: DynamoDB did not answer for a minute.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    check_async_callback("on_progress", on_progress)
    plan = _Plan(
        table.layout,
        _check_what(what),
        None if since is None else check_instant("since", since),
        None if until is None else check_instant("until", until),
        _check_formats(formats),
        Spelling(justifications),
    )
    scan = Scan(calls, table, segments=segments)
    started_at = utc_now() if now is None else check_instant("now", now)
    export = _Export(plan, Path(folder))
    turn = asyncio.Lock()
    rows = 0

    async def visit(page: Sequence[Item]) -> int:
        async with turn:
            await in_thread(export.add, page)
        return len(page)

    async def count(visited: int) -> None:
        nonlocal rows
        rows += visited
        if on_progress is not None:
            await on_progress(ScanProgress(rows))

    try:
        await in_thread(export.begin)
        await scan.run(visit, count)
        about = {
            "format": FORMAT,
            "table": name,
            "started_at": encode_time(started_at),
            "rows": rows,
        }
        return await in_thread(export.complete, about)
    except BaseException:
        await in_thread(export.discard)
        raise


class _Plan(NamedTuple):
    """What an export has."""

    layout: TableLayout
    what: What
    since: datetime | None
    until: datetime | None
    formats: Sequence[Format]
    spelling: Spelling

    def covers(self, instant: datetime) -> bool:
        """Return whether the range has an instant."""
        return (self.since is None or self.since <= instant) and (
            self.until is None or instant < self.until
        )


class _Export:
    """Writes the files of one export; every method blocks."""

    def __init__(self, plan: _Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._files: list[UnfinishedFile] = []
        """In the order in which they get their names."""
        self._data: dict[Format, UnfinishedFile] = {}
        self._anchor: UnfinishedFile
        self._unreadable = 0

    def begin(self) -> None:
        """Make the folder and the files, except the manifest."""
        make_folder(self._folder)
        self._check_folder()
        self._anchor = self._file(ANCHOR)
        for kind in self._plan.formats:
            self._data[kind] = self._file(f"{self._plan.what}.{kind}")
        if "csv" in self._data:
            header = self._plan.spelling.header(of_history=self._plan.what == "history")
            self._data["csv"].write(header)

    def add(self, rows: Sequence[Item]) -> None:
        """Write what belongs to the export."""
        lines: list[bytes] = []
        records: list[Record] = []
        for row in rows:
            key = row[self._plan.layout.partition_key]["S"]
            place = place_of(key, self._plan.layout)
            if place == "event":
                event_id = key.removeprefix(self._plan.layout.event_prefix)
                lines.append(encode_line(anchored(event_id, row, self._plan.layout)))
            record = self._record(key, row, place)
            if record is not None:
                records.append(record)
        self._anchor.write(b"".join(lines), len(lines))
        if "jsonl" in self._data:
            self._data["jsonl"].write(self._plan.spelling.lines(records), len(records))
        if "csv" in self._data:
            self._data["csv"].write(self._plan.spelling.rows(records), len(records))

    def complete(self, about: dict[str, Any]) -> Path:
        """Give all files their names, the manifest last, and return its path."""
        for file in self._files:
            file.finish()
        self._check_folder()
        data = [file.description() for file in self._data.values()]
        manifest = self._file(MANIFEST)
        manifest.write(json.dumps(self._manifest(about, data), indent=2).encode() + b"\n")
        manifest.finish()
        for file in self._files:
            if file is manifest:
                sync_folder(self._folder)
            file.publish()
        sync_folder(self._folder)
        return manifest.path

    def _check_folder(self) -> None:
        if (self._folder / MANIFEST).exists():
            raise FileExistsError(f"{self._folder} has an export; choose another folder")

    def discard(self) -> None:
        """Remove all files, the manifest first."""
        for file in reversed(self._files):
            file.discard()

    def _manifest(self, about: dict[str, Any], data: list[dict[str, Any]]) -> dict[str, Any]:
        plan = self._plan
        return {
            **about,
            "what": plan.what,
            "since": None if plan.since is None else encode_time(plan.since),
            "until": None if plan.until is None else encode_time(plan.until),
            "justifications": plan.spelling.has_justifications,
            "unreadable": self._unreadable,
            "files": data,
            "anchor": self._anchor.description(),
        }

    def _record(self, key: str, row: Item, place: str | None) -> Record | None:
        """Return the event or the entry of a row, if the export has it."""
        plan = self._plan
        try:
            if place == "event" and plan.what == "events" and not is_tombstone(row):
                event = decode_event(row, plan.layout)
                return event if plan.covers(event.created_at) else None
            if place == "history" and plan.what == "history":
                entry = decode_entry(row, key)
                # Other writers' texts may have what no file can have.
                entry.entry.encode()
                return entry if plan.covers(entry.at) else None
        except (CorruptItemError, UnicodeEncodeError):
            self._unreadable += 1
        return None

    def _file(self, name: str) -> UnfinishedFile:
        file = UnfinishedFile(self._folder, name)
        self._files.append(file)
        return file


def _check_what(what: What) -> What:
    if what not in get_args(What):
        raise ValueError('what must be "events" or "history"')
    return what


def _check_formats(formats: Collection[Format]) -> Sequence[Format]:
    if isinstance(formats, str) or not isinstance(formats, Collection):
        raise TypeError(f"formats must be a collection of names, not {type(formats).__name__}")
    if not set(formats) <= {*_ALL_FORMATS}:
        raise ValueError('formats must be "jsonl" and "csv", or one of them')
    return [kind for kind in _ALL_FORMATS if kind in formats]
