"""Compare what a table says about events with what an anchor says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.finding import Finding, error, shown_entry, shown_event
from aiobreakglass._domain.history import digest_of, hash_of
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import decode_record, number_of
from aiobreakglass._evidence.anchor import Anchored, readable_event
from aiobreakglass._evidence.holding import finished, was_released_after
from aiobreakglass._evidence.judgments import (
    expired_record,
    history_findings,
    is_past,
    unsettled,
)
from aiobreakglass._evidence.records import EventRecord, Records, readable_entry


class Comparison:
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


def _has_hash(item: Item, head: str | None) -> bool:
    """Return whether an entry's text, and not only what its row says, has this hash."""
    text = item.get("entry", {}).get("S")
    try:
        return item.get("hash") == {"S": head} and isinstance(text, str) and hash_of(text) == head
    except UnicodeEncodeError:
        return False
