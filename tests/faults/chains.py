"""The rules of a history, checked without the library's own verification."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from aiobreakglass import CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import event_values
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout

WEEK = 7 * 24 * 60 * 60
BEGINNINGS = ("created", "imported", "adopted", "deleted")
"""The actions of first entries. A row that is not an event can be deleted, and not adopted."""
HELD_IN_PART = "the event is held, and its history has a time to live"
"""The violation of a hold that took its first step alone."""


def chain_violations(
    key: str, row: Item | None, entries: Sequence[Item], layout: TableLayout
) -> list[str]:
    """Return how the history of one event is not complete, linked, and in line with its row.

    Args:
        key: The partition key of the event.
        row: The row of the event, or its tombstone.
        entries: The rows of its entries, by their keys.
        layout: The names that the table uses.
    """
    return [f"{key!r}: {problem}" for problem in _violations(key, row, entries, layout)]


def _violations(
    key: str, row: Item | None, entries: Sequence[Item], layout: TableLayout
) -> Iterator[str]:
    if row is None:
        yield f"there are {len(entries)} entries and no row"
        return
    if not entries:
        yield "there is no entry"
        return
    event_id = key.removeprefix(layout.event_prefix)
    texts = [json.loads(item["entry"]["S"]) for item in entries]
    previous: str | None = None
    for revision, (item, values) in enumerate(zip(entries, texts, strict=True), 1):
        for problem in _entry_violations(event_id, revision, item, values, previous, layout):
            yield f"entry {revision}: {problem}"
        previous = item["hash"]["S"]
    times = [values["at"] for values in texts]
    if times != sorted(set(times)):
        yield f"the times do not increase: {times}"
    actions = [values["action"] for values in texts]
    if actions[0] not in BEGINNINGS or "deleted" in actions[:-1]:
        yield f"the actions are {actions}"
    yield from _tip_violations(row, entries[-1], texts[-1], layout)
    if "held_by" in row and any(layout.ttl_attribute in item for item in entries):
        yield HELD_IN_PART
    if len({json.dumps(item.get("history_ttl")) for item in (row, *entries)}) > 1:
        yield "the history's time to live is not the same everywhere"


def _entry_violations(
    event_id: str,
    revision: int,
    item: Item,
    values: Mapping[str, Any],
    previous: str | None,
    layout: TableLayout,
) -> Iterator[str]:
    text = item["entry"]["S"]
    expected: Item = {
        layout.partition_key: {"S": layout.history_key(event_id, revision)},
        "event_id": {"S": event_id},
        "revision": {"N": str(revision)},
        "hash": {"S": sha256(text.encode()).hexdigest()},
    }
    for name, value in expected.items():
        if item.get(name) != value:
            yield f"{name} is {item.get(name)}, not {value}"
    others = {"entry", "history_ttl", layout.ttl_attribute, layout.write_id_attribute}
    if not set(item) <= set(expected) | others:
        yield f"the attributes are {sorted(item)}"
    written = (values["event_id"], values["revision"], values["previous"])
    if written != (event_id, revision, previous):
        yield f"event, revision and previous are {written}"
    if json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) != text:
        yield "the text is not canonical"
    if (values["event"] is None) != (values["action"] == "deleted"):
        yield f"{values['action']} with the event {values['event']}"


def _tip_violations(
    row: Item, newest: Item, values: Mapping[str, Any], layout: TableLayout
) -> Iterator[str]:
    expected: Item = {
        "revision": newest["revision"],
        "head": newest["hash"],
        "recorded_at": {"S": values["at"]},
    }
    if is_tombstone(row):
        stored = None
    else:
        try:
            stored = event_values(decode_event(row, layout))
        except CorruptItemError:
            return
        text = json.dumps(stored, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        expected["digest"] = {"S": sha256(text.encode()).hexdigest()}
    if stored != values["event"]:
        yield f"the row says {stored}, and the newest entry {values['event']}"
    for name, value in expected.items():
        if row.get(name) != value:
            yield f"{name} of the row is {row.get(name)}, not {value}"
    if "held_by" in row:
        if layout.ttl_attribute in row:
            yield "the row is held and has a time to live"
    elif "history_ttl" in row and not is_tombstone(row):
        ttl = row.get(layout.ttl_attribute)
        if ttl is None or int(ttl["N"]) > int(row["history_ttl"]["N"]) - WEEK:
            yield "the row may outlive its history"
