"""The invariants of a whole table whenever no request is under way."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter

from aiobreakglass import CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from tests.faults.chains import chain_violations

_RECORD = ("revision", "head", "recorded_at", "history_ttl")


def audit(rows: list[Item], layout: TableLayout | None = None) -> list[str]:
    """Return each violation of the invariants in the rows of a table.

    At most one event of a pair is active, its guard points to it, and every guard points to the
    active event of its pair. Each row is an event, a guard, a tombstone or an entry, and nothing
    more. The history of each event and tombstone is complete and linked, and ends with what the
    row says.
    """
    layout = TableLayout() if layout is None else layout
    violations: list[str] = []
    guards: dict[str, str] = {}
    holders: defaultdict[str, list[str]] = defaultdict(list)
    recorded: dict[str, Item] = {}
    histories: defaultdict[str, list[Item]] = defaultdict(list)
    by_key = ((str(row[layout.partition_key].get("S")), row) for row in rows)
    for key, row in sorted(by_key, key=itemgetter(0)):
        if key.startswith(layout.event_prefix):
            recorded[key] = row
        if key.startswith(layout.history_prefix):
            event_id = key.removeprefix(layout.history_prefix).rpartition("#")[0]
            histories[layout.event_key(event_id)].append(row)
        elif key.startswith(layout.guard_prefix):
            if set(row) == {layout.partition_key, "event_id"}:
                guards[key] = str(row["event_id"].get("S"))
            else:
                violations.append(f"guard {key!r} has the attributes {sorted(row)}")
        elif not key.startswith(layout.event_prefix):
            violations.append(f"row {key!r} has nobody's key")
        elif is_tombstone(row):
            names = {layout.partition_key, layout.ttl_attribute, "deleted_at", *_RECORD}
            if not set(row) <= names:
                violations.append(f"tombstone {key!r} has the attributes {sorted(row)}")
        else:
            try:
                event = decode_event(row, layout)
            except CorruptItemError as error:
                violations.append(str(error))
                continue
            if not event.status.is_terminal:
                holders[layout.guard_key(event.invoker, event.profile)].append(event.id)
    for key, event_ids in holders.items():
        if len(event_ids) > 1:
            violations.append(f"stacked behind {key!r}: {sorted(event_ids)}")
        violations += [
            f"{event_id} is active, and the guard {key!r} points to {guards.get(key)}"
            for event_id in event_ids
            if guards.get(key) != event_id
        ]
    violations += [
        f"guard {key!r} points to {event_id}, which is not the active event of its pair"
        for key, event_id in guards.items()
        if event_id not in holders[key]
    ]
    for key in recorded | histories:
        violations += chain_violations(key, recorded.get(key), histories[key], layout)
    return violations
