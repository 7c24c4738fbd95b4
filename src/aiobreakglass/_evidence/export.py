"""Export events or histories to files, with a manifest and an anchor."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import check_async_callback, check_instant
from aiobreakglass._domain.event import utc_now
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.scan import Scan, check_segments
from aiobreakglass._evidence.files import in_thread
from aiobreakglass._evidence.formats import Format, Spelling
from aiobreakglass._evidence.plan import ALL_FORMATS, Plan, What
from aiobreakglass._evidence.progress import ROWS, OnProgress, ScanProgress
from aiobreakglass._evidence.records import open_table
from aiobreakglass._evidence.writing import Export

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def export_events(
    client: DynamoDBClient,
    name: str,
    folder: str | os.PathLike[str],
    *,
    layout: TableLayout | None = None,
    what: What = "events",
    since: datetime | None = None,
    until: datetime | None = None,
    formats: Collection[Format] = ALL_FORMATS,
    justifications: bool = True,
    on_progress: OnProgress | None = None,
    segments: int = 1,
    resumable: bool = False,
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
    folder without `manifest.json` has no export. Only the files' owner can read them. If the
    export fails or is cancelled, its files are removed.

    With `resumable=True` they are kept instead, under hidden names, with `.unfinished.json`, which
    has the keys of some rows. Call it again with the same folder and the same arguments: it checks
    what is there, goes on behind the last whole page, and returns the manifest even if that was
    complete already. If what is there is not as it was left, it begins again. A table that changes
    between the calls is like one that changes during a single call: each row is read once, and
    appears as it was when it was read.

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
        on_progress: Awaited after each page of rows, and once at the beginning of a continued
            export.
        segments: As for `audit_table`. With one, a continued export has the same bytes as one
            that was never interrupted, if the table has not changed. With more, the order of the
            records depends on which answer comes first.
        resumable: Whether to continue the export that an earlier call left in the folder, and to
            leave this one in it if it is interrupted.
        now: When the export begins; by default the current time. A continued export began when
            its first call did.

    Raises:
        FileExistsError: The folder has an export.
        OSError: A file could not be written. Nothing is left that looks like an export.
        ValueError: An argument is wrong, or the folder has an unfinished export with others.
        StoreUnavailableError: DynamoDB did not answer for a minute.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    check_async_callback("on_progress", on_progress)
    plan = Plan(
        name,
        table.layout,
        _check_what(what),
        None if since is None else check_instant("since", since),
        None if until is None else check_instant("until", until),
        _check_formats(formats),
        Spelling(justifications),
    )
    check_segments(segments)
    started_at = utc_now() if now is None else check_instant("now", now)
    export = Export(plan, Path(folder), started_at, is_resumable=_check_resumable(resumable))

    def scan_from(resume: str | None) -> Scan:
        return Scan(calls, table, segments=segments, resume=resume)

    async def visit(page: Sequence[Item]) -> Sequence[Item]:
        return page

    async def add(page: Sequence[Item]) -> None:
        # Here and not in `visit`, so that the pages that are written are those that are done.
        await in_thread(export.add, page)
        await report()

    async def report() -> None:
        if on_progress is not None:
            await on_progress(ScanProgress(export.counts[ROWS]))

    try:
        scan = await in_thread(export.begin, scan_from)
        if scan is not None:
            if scan.counts:
                await report()
            await scan.run(visit, add)
            await in_thread(export.complete)
    except FileExistsError:
        # The folder has another export by now, so this one can never be completed.
        await in_thread(export.discard)
        raise
    except BaseException:
        await in_thread(export.keep if resumable else export.discard)
        raise
    return export.manifest


def _check_what(what: What) -> What:
    if what not in get_args(What):
        raise ValueError('what must be "events" or "history"')
    return what


def _check_formats(formats: Collection[Format]) -> Sequence[Format]:
    if isinstance(formats, str) or not isinstance(formats, Collection):
        raise TypeError(f"formats must be a collection of names, not {type(formats).__name__}")
    if not set(formats) <= {*ALL_FORMATS}:
        raise ValueError('formats must be "jsonl" and "csv", or one of them')
    return [kind for kind in ALL_FORMATS if kind in formats]


def _check_resumable(resumable: bool) -> bool:
    if not isinstance(resumable, bool):
        raise TypeError(f"resumable must be a bool, not {type(resumable).__name__}")
    return resumable
