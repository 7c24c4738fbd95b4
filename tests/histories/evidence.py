"""What a table must hold after a history, and what no call may have seen during it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from operator import attrgetter
from typing import Any

from aiobreakglass import CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import read_event_values
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from tests.faults.audit import audit
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

LAYOUT = TableLayout()


def final_versions(rows: list[Item]) -> dict[str, Version | None]:
    """Return events by id; None is a tombstone. The audit reports rows that are neither."""
    versions: dict[str, Version | None] = {}
    for row in rows:
        key = row["pk"]["S"]
        if not key.startswith(LAYOUT.event_prefix):
            continue
        with suppress(CorruptItemError):
            versions[key.removeprefix(LAYOUT.event_prefix)] = (
                None if is_tombstone(row) else Version.of(decode_event(row, LAYOUT))
            )
    return versions


def inspect(calls: list[Call], rows: list[Item]) -> list[str]:
    """Return what is wrong with a table after these calls, whatever their order."""
    final = final_versions(rows)
    versions = _seen_versions(calls, final)
    return [
        *audit(rows),
        *_losses(calls, final),
        *_rewritings(versions),
        *_denials(calls, versions),
        *_omissions(calls, rows),
    ]


def _losses(calls: list[Call], final: Mapping[str, Version | None]) -> Iterator[str]:
    """Yield every acknowledged create whose event is gone although nobody deleted it."""
    deleted = {
        call.event_id for call in calls if call.kind == "delete" and call.answer != UNAVAILABLE
    }
    for call in calls:
        if call.kind == "create" and call.answer == OK:
            if call.event_id not in final:
                yield f"{call.caller} created {call.event_id}, and nothing is left of it"
            elif final[call.event_id] is None and call.event_id not in deleted:
                yield f"{call.caller} created {call.event_id}, and nobody deleted it"


def _seen_versions(
    calls: list[Call], final: Mapping[str, Version | None]
) -> dict[str, list[Version]]:
    """Return every version of every event that anybody saw, in the order of `updated_at`."""
    seen: defaultdict[str, set[Version]] = defaultdict(set)
    for call in calls:
        if call.seen_id is not None and call.seen is not None:
            seen[call.seen_id].add(call.seen)
    for event_id, version in final.items():
        if version is not None:
            seen[event_id].add(version)
    return {
        event_id: sorted(versions, key=attrgetter("updated_at"))
        for event_id, versions in seen.items()
    }


def _rewritings(seen: Mapping[str, list[Version]]) -> Iterator[str]:
    """Yield every event that changed under one version, after its end, or in its evidence."""
    for event_id, versions in seen.items():
        if len({version.evidence for version in versions}) > 1:
            yield f"the evidence of {event_id} was rewritten"
        for earlier, later in pairwise(versions):
            if earlier.status != "active":
                yield f"{event_id} had ended, and changed: {earlier} became {later}"
            if earlier.updated_at == later.updated_at:
                yield f"{event_id} has two versions of one updated_at: {earlier} and {later}"


def _denials(calls: list[Call], seen: Mapping[str, list[Version]]) -> Iterator[str]:
    """Yield every change that was reported as not done, but left its sign."""
    for call in calls:
        if call.asked is None or call.kind == "create" or call.answer in (OK, UNKNOWN):
            continue
        for version in seen.get(call.event_id, ()):
            if call.caller in (version.request_id, version.closed_by):
                yield f"{call.caller} was told {call.answer}, and {call.event_id} is {version}"


def _omissions(calls: list[Call], rows: list[Item]) -> Iterator[str]:
    """Yield every change that its history does not record once, as its caller knows it."""
    signed: defaultdict[str | None, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["pk"]["S"].startswith(LAYOUT.history_prefix):
            entry = json.loads(row["entry"]["S"])
            signed[entry["by"]].append(entry)
    for entry in signed.pop(None, []):
        if entry["action"] != "expired":
            yield f"{entry['event_id']} is {entry['action']}, unsigned"
    for call in calls:
        entries, history = signed.pop(call.caller, []), f"the history of {call.event_id}"
        if len(entries) > 1:
            yield f"{history} says {len(entries)} times what {call.caller} did"
        if call.answer == OK and call.kind in ("create", "update", "close"):
            if [_version(entry) for entry in entries] != [call.seen]:
                yield f"{history} does not say what {call.caller} did"
        elif entries and call.answer not in (OK, UNKNOWN):
            yield f"{call.caller} was told {call.answer}, and is in {history}"
    yield from (f"a history says what {caller} did, who is nobody" for caller in signed)


def _version(entry: Mapping[str, Any]) -> Version | None:
    values = entry["event"]
    return None if values is None else Version.of(read_event_values(values))
