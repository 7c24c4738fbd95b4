"""What a table must hold after a history, and what no call may have seen during it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any

from aiobreakglass import CorruptItemError, EventHeldError, Limits
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import read_event_values
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from tests.faults.audit import audit
from tests.faults.chains import HELD_IN_PART
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

LAYOUT = TableLayout()
_CHANGES = ("create", "update", "close", "prolong", "review", "hold", "release")


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


def inspect(calls: list[Call], rows: list[Item], limits: Limits | None = None) -> list[str]:
    """Return what is wrong with a table after these calls, whatever their order."""
    final = final_versions(rows)
    versions = _seen_versions(calls, final)
    return [
        *(problem for problem in audit(rows) if problem not in _holds_in_part(calls, final)),
        *_losses(calls, final),
        *_rewritings(versions),
        *_denials(calls, versions),
        *_omissions(calls, rows),
        *([] if limits is None else exceeded(rows, limits)),
    ]


def _holds_in_part(calls: list[Call], final: Mapping[str, Version | None]) -> set[str]:
    """Return what the audit may say about holds with an unknown outcome.

    A hold changes the event first, and its history in a later transaction, which may be missing
    until another caller is told that the event is held.
    """
    holders = {
        event_id: version.held_by for event_id, version in final.items() if version is not None
    }
    told = {
        call.event_id
        for call in calls
        if call.kind == "hold"
        and call.answer == EventHeldError.__name__
        and call.seen is not None
        and call.seen.held_by == holders.get(call.event_id)
    }
    return {
        f"{LAYOUT.event_key(call.event_id)!r}: {HELD_IN_PART}"
        for call in calls
        if call.kind == "hold"
        and call.answer == UNKNOWN
        and call.caller == holders.get(call.event_id)
        and call.event_id not in told
    }


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
            if earlier.status != "active" and earlier.ending != later.ending:
                yield f"{event_id} had ended, and changed: {earlier} became {later}"
            if earlier.updated_at == later.updated_at:
                yield f"{event_id} has two versions of one updated_at: {earlier} and {later}"


def _denials(calls: list[Call], seen: Mapping[str, list[Version]]) -> Iterator[str]:
    """Yield every change that was reported as not done, but left its sign."""
    for call in calls:
        if call.asked is None or call.kind == "create" or call.answer in (OK, UNKNOWN):
            continue
        for version in seen.get(call.event_id, ()):
            signs = (version.request_id, version.closed_by)
            if call.caller in (*signs, version.reviewed_by, version.held_by):
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
        if call.answer == OK and call.kind in _CHANGES:
            if [_version(entry) for entry in entries] != [call.seen]:
                yield f"{history} does not say what {call.caller} did"
        elif entries and call.answer not in (OK, UNKNOWN):
            yield f"{call.caller} was told {call.answer}, and is in {history}"
    yield from (f"a history says what {caller} did, who is nobody" for caller in signed)


def exceeded(rows: list[Item], limits: Limits) -> Iterator[str]:
    """Yield each limit that was exceeded, by the clocks of the hosts that decided."""
    created = [
        entry
        for row in rows
        if row["pk"]["S"].startswith(LAYOUT.history_prefix)
        for entry in [json.loads(row["entry"]["S"])]
        if entry["action"] == "created"
    ]
    for field, quota in (("profile", limits.per_profile), ("invoker", limits.per_invoker)):
        by_name: defaultdict[str, list[datetime]] = defaultdict(list)
        for entry in created:
            by_name[entry["event"][field]].append(datetime.fromisoformat(entry["at"]))
        for name, instants in by_name.items():
            instants.sort()
            for first, last in zip(instants, instants[quota.uses if quota else 0 :], strict=False):
                if quota is not None and last < first + quota.within:
                    yield f"{name} was opened {quota.uses + 1} times from {first} to {last}"
    events = {row["pk"]["S"]: row for row in rows}
    debts = Counter(
        entry["event"]["invoker"]
        for entry in created
        if events.get(LAYOUT.event_key(entry["event_id"]), {}).get("review_outcome", {}).get("S")
        not in ("justified", "unjustified")
    )
    for name, number in debts.items():
        if limits.max_unreviewed is not None and number > limits.max_unreviewed:
            yield f"{name} has {number} events without a review"
    slots = Counter(
        (key.split("#")[1], row["event_id"]["S"])
        for key, row in events.items()
        if key.startswith(LAYOUT.slot_prefix)
    )
    yield from (f"{use} was counted {number} times" for use, number in slots.items() if number > 1)


def _version(entry: Mapping[str, Any]) -> Version | None:
    values = entry["event"]
    return None if values is None else Version.of(read_event_values(values))
