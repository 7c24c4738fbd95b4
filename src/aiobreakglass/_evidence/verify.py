"""Compare a table with an anchor: what was altered, removed or added since it was made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import check_async_callback, check_instant
from aiobreakglass._domain.event import utc_now
from aiobreakglass._domain.finding import EXPIRED, Finding, error, shown_entry, shown_event
from aiobreakglass._domain.history import digest_of, hash_of
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import decode_record, number_of
from aiobreakglass._dynamodb.scan import Scan
from aiobreakglass._evidence.added import Ids, Search
from aiobreakglass._evidence.anchor import Anchored, decode_line, read_manifest, readable_event
from aiobreakglass._evidence.files import in_thread, sha256_of
from aiobreakglass._evidence.holding import finished, was_released_after
from aiobreakglass._evidence.judgments import (
    expired_record,
    expired_records,
    history_findings,
    is_past,
    unsettled,
)
from aiobreakglass._evidence.progress import OnProgress, ScanProgress
from aiobreakglass._evidence.records import (
    EventRecord,
    Records,
    groups,
    open_table,
    readable_entry,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_LINES: Final = 500
"""How many lines of an anchor are read at once."""


async def verify_anchor(
    client: DynamoDBClient,
    name: str,
    manifest: str | os.PathLike[str],
    *,
    layout: TableLayout | None = None,
    on_progress: OnProgress | None = None,
    segments: int = 1,
    now: datetime | None = None,
) -> list[Finding]:
    """Return everything in a table that contradicts an anchor which was made earlier.

    That is a record that is gone before its retention has ended, an entry with another hash than
    the anchor has, an event that is behind the anchor, an event that was altered since, and an
    event that claims to be older than the anchor but is not in it. What retention has removed
    since is counted in one finding.

    The anchor must have the SHA-256 that the manifest names, so keep the manifest where nobody
    who can write to the table can write. Everything is read strongly consistently. In memory it
    keeps the ids of the anchor, in 8 bytes each.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name or the ARN of the table. It may be another table than the exported one, such
            as one restored from a backup.
        manifest: The `manifest.json` of an export, with its `anchor.jsonl` beside it.
        layout: The names that the table uses; None means the default names.
        on_progress: Awaited after each group of the anchor's lines, and after each page of rows;
            it counts both.
        segments: As for `audit_table`.
        now: The instant to judge retention by; by default the current time.

    Raises:
        ValueError: The manifest is not that of an export, or another argument is wrong.
        OSError: A file cannot be read.
        StoreUnavailableError: DynamoDB did not answer for a minute.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    check_async_callback("on_progress", on_progress)
    scan = Scan(calls, table, segments=segments)
    instant = utc_now() if now is None else check_instant("now", now)
    made = await in_thread(read_manifest, Path(manifest))
    if await in_thread(sha256_of, made.anchor) != made.sha256:
        return [_of_another_manifest(made.anchor)]
    known = Ids()
    findings: list[Finding] = []
    removed = done = 0

    async def report(count: int, found: list[Finding]) -> None:
        nonlocal done
        findings.extend(found)
        done += count
        if on_progress is not None:
            await on_progress(ScanProgress(done, tuple(found)))

    records = Records(calls, table)
    comparison = _Comparison(records, table.layout, instant)
    with await in_thread(made.anchor.open, "rb") as file:
        while lines := await in_thread(_read_lines, file):
            for group in groups(lines, lambda line: line.revision or 1):
                known.add(line.event_id for line in group)
                found = await comparison.compare(group)
                kept = [
                    [finding for finding in of_one if finding.kind != EXPIRED] for of_one in found
                ]
                removed += sum(
                    len(some) < len(all_) for some, all_ in zip(kept, found, strict=True)
                )
                await report(len(group), [finding for of_one in kept for finding in of_one])
    known.sort()
    search = Search(records, table.layout, known, made.started_at)

    async def count(page: tuple[int, list[Finding]]) -> None:
        await report(*page)

    await scan.run(search.visit, count)
    return findings + _counted(name, removed)


class _Comparison:
    """Compares events with the lines of an anchor."""

    def __init__(self, records: Records, layout: TableLayout, now: datetime) -> None:
        self._records = records
        self._layout = layout
        self._now = now

    async def compare(self, lines: Iterable[Anchored]) -> list[list[Finding]]:
        """Return what contradicts each line."""
        anchored = {line.event_id: line for line in lines}
        revisions = {line.event_id: line.revision or 1 for line in anchored.values()}
        compared: list[list[Finding]] = []
        for record in await self._records.of_ids(revisions):
            line = anchored[record.event_id]
            found = self._findings(line, record)
            if found:
                again = await self._records.settled(line.event_id, line.revision or 1)
                found = (
                    [unsettled(line.event_id)] if again is None else self._findings(line, again)
                )
            compared.append(found)
        return compared

    def _findings(self, line: Anchored, record: EventRecord) -> list[Finding]:
        # As it will be once a hold or a release is repeated that did not reach all entries.
        record, unfinished = finished(record, self._layout)
        record = _kept(record, line, self._layout)
        return [
            *unfinished,
            *anchored_findings(line, record, self._layout, self._now),
            *history_findings(record, self._layout, self._now),
        ]


def anchored_findings(
    line: Anchored, record: EventRecord, layout: TableLayout, now: datetime
) -> list[Finding]:
    """Return what in a record contradicts its line of an anchor."""
    is_over, whole = is_past(line.ttl, now), shown_event(line.event_id)
    if record.row is None and not record.chain:
        return [expired_record(whole) if is_over else _removed(whole)]
    if line.revision is None:
        return _unadopted_findings(line, record, layout)
    found: list[Finding] = []
    subject = shown_entry(line.event_id, line.revision)
    item = record.chain.get(line.revision)
    if item is None:
        found.append(expired_record(subject) if is_over else _removed(subject))
    elif not _has_hash(item, line.head):
        found.append(
            error(
                "altered",
                subject,
                "an entry with another hash",
                f"{line.head}, the hash in the anchor",
                "the history was altered",
            )
        )
    tip = None if record.row is None else decode_record(record.row)
    if tip is not None and tip.revision < line.revision:
        found.append(
            error(
                "reverted",
                whole,
                f"a row that names entry {tip.revision}",
                f"entry {line.revision}, which the anchor has, or a later one",
                "the row was restored from an older state",
            )
        )
    return found


def _unadopted_findings(line: Anchored, record: EventRecord, layout: TableLayout) -> list[Finding]:
    """Compare an event that had no history when the anchor was made."""
    event = None
    first = readable_entry(record.chain.get(1), layout.history_key(line.event_id, 1))
    if first is not None:
        event = first.event
    elif record.row is not None:
        event = readable_event(record.row, layout)
    is_as_anchored = event is not None and line.digest == digest_of(event)
    is_judged_elsewhere = record.row is None and first is None
    if line.digest is None or is_as_anchored or is_judged_elsewhere:
        return []
    return [
        Finding(
            "warning",
            "changed outside",
            shown_event(line.event_id),
            "another content than when the anchor was made, and no entry that says why",
            "the content that the anchor has the digest of",
            "it had no history then; adopt_table gives events their first entry",
        )
    ]


def _kept(record: EventRecord, line: Anchored, layout: TableLayout) -> EventRecord:
    """Return a record with the retention of the anchor, unless it has a longer one.

    No hash covers `history_ttl`, so any writer of the table can make it look over.
    """
    if line.revision is None:
        return record
    if line.ttl is None and was_released_after(record, line.revision, layout):
        # It was held when the anchor was made, and the release began its retention.
        return record

    def kept(row: Item) -> Item:
        ttl = number_of(row, "history_ttl")
        rest = {name: value for name, value in row.items() if name != "history_ttl"}
        if ttl is None or line.ttl is None:
            return rest
        return {**rest, "history_ttl": {"N": str(max(ttl, line.ttl))}}

    return record._replace(
        row=None if record.row is None else kept(record.row),
        chain={revision: kept(row) for revision, row in record.chain.items()},
    )


def _removed(subject: str) -> Finding:
    return error(
        "removed",
        subject,
        "nothing",
        "what the anchor has, because its retention has not ended",
        "it was removed outside the library, unless a hold that the anchor has was released since",
    )


def _of_another_manifest(anchor: Path) -> Finding:
    return Finding(
        "error",
        "altered",
        str(anchor),
        "a file with another SHA-256",
        "the SHA-256 in the manifest",
        "verify with the anchor as it was exported; nothing was compared with this one",
    )


def _counted(name: str, removed: int) -> list[Finding]:
    if not removed:
        return []
    found = f"{removed} events of the anchor that are gone or about to go"
    return [expired_records(name, found)]


def _has_hash(item: Item, head: str | None) -> bool:
    """Return whether an entry's text, and not only what its row says, has this hash."""
    text = item.get("entry", {}).get("S")
    try:
        return item.get("hash") == {"S": head} and isinstance(text, str) and hash_of(text) == head
    except UnicodeEncodeError:
        return False


def _read_lines(file: BinaryIO) -> list[Anchored]:
    return list(_decoded(islice(file, _LINES)))


def _decoded(lines: Iterable[bytes]) -> Iterator[Anchored]:
    for line in lines:
        yield decode_line(line)
