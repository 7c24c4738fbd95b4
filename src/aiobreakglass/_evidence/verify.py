"""Compare a table with an anchor: what was altered, removed or added since it was made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from aiobreakglass._contract.arguments import check_async_callback, check_instant
from aiobreakglass._domain.event import utc_now
from aiobreakglass._domain.finding import EXPIRED, Finding
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.scan import Scan
from aiobreakglass._evidence.added import Ids, Search
from aiobreakglass._evidence.anchor import Anchored, decode_line, read_manifest
from aiobreakglass._evidence.comparison import Comparison
from aiobreakglass._evidence.files import in_thread, sha256_of
from aiobreakglass._evidence.judgments import expired_records
from aiobreakglass._evidence.progress import ROWS, OnProgress, Reports, check_keep_findings
from aiobreakglass._evidence.records import Records, groups, open_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_LINES: Final = 500
"""How many lines of an anchor are read at once."""

_REMOVED, _COMPARED = "removed", "lines"
"""What is counted: what retention has removed, and how many lines have been compared."""


async def verify_anchor(
    client: DynamoDBClient,
    name: str,
    manifest: str | os.PathLike[str],
    *,
    layout: TableLayout | None = None,
    resume: str | None = None,
    on_progress: OnProgress | None = None,
    keep_findings: bool = True,
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
        resume: The `resume` of an earlier progress with the same manifest, to go on after it. The
            anchor is read again, because its ids are needed, but nothing that was compared is read
            from the table again. The findings before it are not returned again.
        on_progress: Awaited after each group of the anchor's lines, and after each page of rows;
            it counts both. And once at the beginning of a resumed verification.
        keep_findings: As for `audit_table`; the list then has no more than the finding that counts
            what retention has removed.
        segments: As for `audit_table`.
        now: The instant to judge retention by; by default the current time.

    Raises:
        ValueError: The manifest is not that of an export, `resume` is of another table or of
            another anchor, or another argument is wrong.
        OSError: A file cannot be read.
        StoreUnavailableError: DynamoDB did not answer for a minute. Go on with `resume`.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    check_async_callback("on_progress", on_progress)
    keeps = check_keep_findings(keep_findings, on_progress)
    earlier = None if resume is None else _read_resume(resume)
    scan = Scan(calls, table, segments=segments, resume=None if earlier is None else earlier.scan)
    instant = utc_now() if now is None else check_instant("now", now)
    made = await in_thread(read_manifest, Path(manifest))
    if earlier is not None and earlier.anchor != made.sha256:
        raise ValueError("resume is of another anchor")
    reports = Reports(on_progress, scan.counts, keep_findings=keeps)

    def resume_after(counts: Mapping[str, int]) -> str:
        return json.dumps(_Resume(made.sha256, scan.resume(counts))._asdict())

    if await in_thread(sha256_of, made.anchor) != made.sha256:
        await reports.report([_of_another_manifest(made.anchor)], resume_after)
        return reports.findings
    if resume is not None:
        await reports.report([], resume_after)
    known = Ids()
    records = Records(calls, table)
    comparison = Comparison(records, table.layout, instant)
    already = reports.counts[_COMPARED]
    with await in_thread(made.anchor.open, "rb") as file:
        while lines := await in_thread(_read_lines, file):
            known.add(line.event_id for line in lines)
            compared, already = min(already, len(lines)), max(already - len(lines), 0)
            for group in groups(lines[compared:], lambda line: line.revision or 1):
                findings: list[Finding] = []
                for found in await comparison.compare(group):
                    kept = [finding for finding in found if finding.kind != EXPIRED]
                    reports.counts[_REMOVED] += len(kept) < len(found)
                    findings += kept
                reports.counts.update({_COMPARED: len(group), ROWS: len(group)})
                await reports.report(findings, resume_after)
    known.sort()
    search = Search(records, table.layout, known, made.started_at)

    async def count(page: tuple[int, list[Finding]]) -> None:
        rows, findings = page
        reports.counts[ROWS] += rows
        await reports.report(findings, resume_after)

    await scan.run(search.visit, count)
    return reports.findings + _counted(name, reports.counts[_REMOVED])


class _Resume(NamedTuple):
    """Where a verification goes on."""

    anchor: str
    """The SHA-256 of the anchor."""
    scan: str
    """Where the search for added events goes on, with how many lines were compared before."""


def _read_resume(resume: str) -> _Resume:
    if not isinstance(resume, str):
        raise TypeError(f"resume must be a str, not {type(resume).__name__}")
    try:
        values = _Resume(**json.loads(resume))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("resume is not a text that a progress had") from error
    if not all(isinstance(value, str) for value in values):
        raise ValueError("resume is not a text that a progress had")
    return values


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


def _read_lines(file: BinaryIO) -> list[Anchored]:
    return list(_decoded(islice(file, _LINES)))


def _decoded(lines: Iterable[bytes]) -> Iterator[Anchored]:
    for line in lines:
        yield decode_line(line)
