"""Audit a whole table: every history, every guard, and every row that does not belong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.arguments import check_async_callback, check_instant
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.event import utc_now
from aiobreakglass._domain.finding import EXPIRED, Finding, shown_entry
from aiobreakglass._dynamodb.layout import Table, TableLayout
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import decode_record, number_of
from aiobreakglass._dynamodb.scan import Scan
from aiobreakglass._evidence.judgments import (
    expired_record,
    expired_records,
    guard_findings,
    history_findings,
    is_adopted,
    is_past,
    not_understood,
    place_of,
    slot_findings,
    stale_guard_findings,
    unlinked,
    unsettled,
)
from aiobreakglass._evidence.progress import ROWS, OnProgress, Reports, check_keep_findings
from aiobreakglass._evidence.records import (
    EventRecord,
    Records,
    groups,
    open_table,
    revision_of_row,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_HISTORY_KEY: Final = re.compile(r"([0-9a-f]{16})#([0-9]{6})")

_UNADOPTED, _EXPIRED = "unadopted", "expired"
"""What an audit only counts, because a large table has many of them."""


async def audit_table(
    client: DynamoDBClient,
    name: str,
    *,
    layout: TableLayout | None = None,
    resume: str | None = None,
    on_progress: OnProgress | None = None,
    keep_findings: bool = True,
    segments: int = 1,
    now: datetime | None = None,
) -> list[Finding]:
    """Read every row of a table, and return everything that does not belong.

    The audit verifies the history of each event, and finds active events without their guard,
    guards without an active event, rows that are not understood, and rows that were changed
    outside the library. Whatever it finds between two rows, it confirms by reading both again,
    strongly consistently, so changes under way are not findings. It writes nothing.

    Between two pages it remembers counts and the keys to go on from, and nothing else. So its
    memory does not grow with the table, except by the findings, and not even by these with
    `keep_findings=False`. It reads each row once, each entry once more, and for each entry its
    event. Events without a history, and histories whose retention has ended, are only counted, in
    one finding each.

    An audit does not show that a whole event was removed, its history included; see
    `verify_anchor`.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name or the ARN of the table.
        layout: The names that the table uses; None means the default names.
        resume: The `resume` of an earlier progress, to go on after it. The findings before it are
            then not returned again.
        on_progress: Awaited after each page of rows, and once at the beginning of a resumed audit.
        keep_findings: Whether to return the findings. If not, only the progress has them, and the
            list has no more than the two that count. The last progress says how many there were.
        segments: How many pages are read side by side. More are faster, and take more of the
            table's capacity. moto ignores segments, so with more than one it returns rows twice.
        now: The instant to judge retention by; by default the current time.

    Raises:
        ValueError: `resume` is not of this table, or another argument is wrong.
        StoreUnavailableError: DynamoDB did not answer for a minute. Go on with `resume`.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    check_async_callback("on_progress", on_progress)
    keeps = check_keep_findings(keep_findings, on_progress)
    scan = Scan(calls, table, segments=segments, resume=resume)
    instant = utc_now() if now is None else check_instant("now", now)
    audit = _Audit(table, Records(calls, table), Reads(calls, table), instant)
    reports = Reports(on_progress, scan.counts, keep_findings=keeps)

    async def collect(page: _Page) -> None:
        reports.counts.update(page.counts)
        await reports.report(page.findings, scan.resume)

    if resume is not None:
        await reports.report([], scan.resume)
    await scan.run(audit.visit, collect)
    return reports.findings + _counted(name, reports.counts)


class _Page(NamedTuple):
    findings: list[Finding]
    counts: Mapping[str, int]


class _Audit:
    """Judges the rows of one table, page by page, and remembers none of them.

    Whatever a row must be compared with has a key that follows from the row: an event's guard and
    its history, also if that is on many pages; the event of a guard, and the event of an entry. If
    that event is gone, the history is judged once, from its first entry. Tombstones are events. A
    slot is judged alone, because its event may have been deleted since.
    """

    def __init__(self, table: Table, records: Records, reads: Reads, now: datetime) -> None:
        self._layout = table.layout
        self._records = records
        self._reads = reads
        self._now = now

    async def visit(self, rows: Sequence[Item]) -> _Page:
        """Judge the rows of a page."""
        events: list[tuple[str, Item]] = []
        guards: dict[str, Item] = {}
        entries: list[tuple[str, int]] = []
        found: list[Finding] = []
        for row in rows:
            key = row[self._layout.partition_key]["S"]
            match place_of(key, self._layout):
                case "event":
                    events.append((key.removeprefix(self._layout.event_prefix), row))
                case "guard":
                    guards[key] = row
                case "history":
                    place = _HISTORY_KEY.fullmatch(key.removeprefix(self._layout.history_prefix))
                    if place is None or not int(place[2]):
                        found.append(not_understood(key, "a key that is not that of an entry"))
                    else:
                        entries.append((place[1], int(place[2])))
                case "slot":
                    found += slot_findings(key, row, self._layout)
                case None:
                    found.append(not_understood(key, "a key of another kind", "warning"))
        counts = Counter({ROWS: len(rows)})
        found += await self._judge_events(events, counts)
        found += await self._judge_guards(guards)
        found += await self._judge_entries(entries)
        kept = [finding for finding in found if finding.kind != EXPIRED]
        counts[_EXPIRED] += len(found) - len(kept)
        return _Page(kept, counts)

    async def _judge_events(
        self, events: Sequence[tuple[str, Item]], counts: Counter[str]
    ) -> list[Finding]:
        found: list[Finding] = []
        for group in groups(events, revision_of_row):
            for record in await self._records.of_rows(group):
                counts[_UNADOPTED] += not is_adopted(record) and "status" in (record.row or {})
                if self._findings(record):
                    found += await self._judge_again(record.event_id)
        return found

    async def _judge_again(self, event_id: str) -> list[Finding]:
        record = await self._records.settled(event_id)
        if record is None:
            return [unsettled(event_id)]
        # If the row is gone by now, the event is judged where its first entry is read.
        return [] if record.row is None else self._findings(record)

    def _findings(self, record: EventRecord) -> list[Finding]:
        return [
            *history_findings(record, self._layout, self._now),
            *guard_findings(record),
        ]

    async def _judge_guards(self, guards: Mapping[str, Item]) -> list[Finding]:
        found: list[Finding] = []
        for group in groups(guards.items()):
            pointers: dict[str, str] = {}
            for key, guard in group:
                try:
                    pointers[key] = self._reads.event_id_of(guard)
                except CorruptItemError as error:
                    found.append(not_understood(key, error.reason))
            keys = {key: self._layout.event_key(pointers[key]) for key in pointers}
            rows = await self._records.rows(list(keys.values()))
            for key, event_key in keys.items():
                if stale_guard_findings(key, rows.get(event_key), self._layout):
                    found += await self._judge_guard_again(key, pointers[key])
        return found

    async def _judge_guard_again(self, key: str, event_id: str) -> list[Finding]:
        guard, row = await self._records.settled_guard(key, event_id)
        if guard is None or guard.get("event_id") != {"S": event_id}:
            return []
        return stale_guard_findings(key, row, self._layout)

    async def _judge_entries(self, entries: Sequence[tuple[str, int]]) -> list[Finding]:
        """Judge the entries whose event does not lead to them."""
        found: list[Finding] = []
        for group in groups(entries):
            keys = {event_id: self._layout.event_key(event_id) for event_id, _ in group}
            rows = await self._records.rows(list(keys.values()))
            for event_id, revision in group:
                row = rows.get(keys[event_id])
                tip = None if row is None else decode_record(row)
                if tip is None or tip.revision < revision:
                    found += await self._judge_entry_again(event_id, revision)
        return found

    async def _judge_entry_again(self, event_id: str, revision: int) -> list[Finding]:
        record = await self._records.settled(event_id, revision)
        if record is None:
            return [unsettled(event_id)]
        found: list[Finding] = []
        tip = None if record.row is None else decode_record(record.row)
        reached = 0 if tip is None else tip.revision
        if record.row is None:
            # The entries of an event are on many pages, and the first one speaks for all.
            reached = min(record.chain, default=0)
            if revision == reached:
                found += history_findings(record, self._layout, self._now)
        while reached + 1 in record.chain:
            reached += 1
        entry = record.chain.get(revision)
        if entry is not None and revision > reached:
            ttl = number_of(entry, "history_ttl")
            is_going = is_past(ttl, self._now)
            subject = shown_entry(event_id, revision)
            found.append(expired_record(subject) if is_going else unlinked(subject))
        return found


def _counted(name: str, counts: Mapping[str, int]) -> list[Finding]:
    findings: list[Finding] = []
    if unadopted := counts.get(_UNADOPTED):
        findings.append(
            Finding(
                "info",
                "no history",
                f"table {name}",
                f"{unadopted} events without a history",
                "a history of each event",
                "adopt_table gives them their first entry; until then their past is unknown",
            )
        )
    if expired := counts.get(_EXPIRED):
        found = f"{expired} events or entries that are gone or about to go"
        findings.append(expired_records(name, found))
    return findings
