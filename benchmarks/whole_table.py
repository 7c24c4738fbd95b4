"""Measure the memory of the functions that read a whole table, by the size of the table.

`python -m benchmarks.whole_table` calls each of them on tables of 100,000 and 1,000,000 rows
(`--rows`), each time in a process of its own, and prints its peak memory. Every event is closed,
and has two entries in its history: three rows. A client makes the rows up as they are read, so no
server is needed.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from aiobreakglass import ScanProgress, adopt_table, audit_table, export_events, verify_anchor
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import canonical_json, event_values, hash_of, recorded
from aiobreakglass._domain.rules import decide_close, decide_create
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass._dynamodb.record import encode_entry, encode_record
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass.testing import make_event
from benchmarks.rows import LAYOUT, RETENTION

NAME: Final = "made-up"
CREATED_AT: Final = datetime(2024, 3, 1, 12, tzinfo=UTC)
NOW: Final = CREATED_AT + timedelta(days=30)
OPENED: Final = make_event(created_at=CREATED_AT)
ROWS_OF_AN_EVENT: Final = 3
EVENTS_OF_A_GAP: Final = 100
MEGABYTE: Final = 1024
"""In the kilobytes in which Linux counts memory."""


class Sample(NamedTuple):
    """The rows of one event, from which those of the others are made, because that is quicker."""

    event: str
    """The text that the digest in the event's row is of."""
    entries: tuple[str, ...]
    hashes: tuple[str, ...]
    rows: str
    """The rows as JSON, by their keys: the event's own, and those of its two entries."""


@cache
def sample() -> Sample:
    of_history = Retention(RETENTION).of_history
    created = recorded(OPENED.id, decide_create(OPENED, CREATED_AT), None, of_history)
    closing = decide_close(OPENED, "bob", "all done", CREATED_AT + timedelta(minutes=10))
    closed = recorded(OPENED.id, closing, created.tip, of_history)
    row = encode_event(closing.stored, LAYOUT, write_id="w") | encode_record(closed.tip)
    entries = [*created.entries, *closed.entries]
    rows = {LAYOUT.event_key(OPENED.id): row} | {
        LAYOUT.history_key(entry.event_id, entry.revision): encode_entry(
            entry, LAYOUT, write_id="w", ttl=entry.history_ttl
        )
        for entry in entries
    }
    return Sample(
        canonical_json(event_values(closing.stored)),
        tuple(entry.entry for entry in entries),
        tuple(entry.hash for entry in entries),
        json.dumps(rows),
    )


@lru_cache(maxsize=512)
def rows_of(number: int) -> dict[str, Item]:
    """Return the rows of an event by their keys: its own, and those of its two entries."""
    event_id = f"{number:016x}"
    made = sample()

    def replaced(text: str, hashes: Iterable[str]) -> str:
        text = text.replace(OPENED.id, event_id)
        for old, new in zip(made.hashes, hashes, strict=False):
            text = text.replace(old, new)
        return text

    hashes: list[str] = []
    for entry in made.entries:
        hashes.append(hash_of(replaced(entry, hashes)))
    text = replaced(made.rows, hashes)
    digest = hash_of(made.event.replace(OPENED.id, event_id))
    rows: dict[str, Item] = json.loads(text.replace(hash_of(made.event), digest))
    return rows


def damaged_rows_of(number: int) -> dict[str, Item]:
    """Return the rows of an event; of each hundredth, the first entry is missing."""
    rows = rows_of(number)
    if number % EVENTS_OF_A_GAP:
        return rows
    first = LAYOUT.history_key(f"{number:016x}", 1)
    return {key: row for key, row in rows.items() if key != first}


def old_rows_of(number: int) -> dict[str, Item]:
    """Return the row of an event as the release before histories wrote it."""
    event = OPENED.model_copy(update={"id": f"{number:016x}"})
    return {LAYOUT.event_key(event.id): encode_event(event, LAYOUT, write_id="w")}


class MadeUpTable:
    """A client whose table has events of the numbers up to one, and forgets what is written."""

    def __init__(self, events: int, rows: Callable[[int], dict[str, Item]]) -> None:
        self._events = events
        self._rows = rows
        self.meta = SimpleNamespace(
            events=SimpleNamespace(register=_ignore, register_first=_ignore),
            endpoint_url="http://127.0.0.1:1",
            service_model=SimpleNamespace(
                service_name="dynamodb",
                operation_names=["BatchGetItem", "Scan", "TransactWriteItems"],
            ),
        )

    async def scan(self, **request: Any) -> Any:
        await asyncio.sleep(0)
        start = request.get("ExclusiveStartKey")
        first = 0 if start is None else _number(start["pk"]["S"]) + 1
        end = min(first + request["Limit"] // ROWS_OF_AN_EVENT, self._events)
        items = [row for number in range(first, end) for row in self._rows(number).values()]
        last = {"LastEvaluatedKey": {"pk": items[-1]["pk"]}} if end < self._events else {}
        return {"Items": items, "Count": len(items), **last}

    async def batch_get_item(self, **request: Any) -> Any:
        await asyncio.sleep(0)
        ((name, asked),) = request["RequestItems"].items()
        keys = [key["pk"]["S"] for key in asked["Keys"]]
        found = [self._rows(_number(key)).get(key) for key in keys]
        return {"Responses": {name: [row for row in found if row]}, "UnprocessedKeys": {}}

    async def transact_write_items(self, **_: Any) -> Any:
        await asyncio.sleep(0)
        return {}


def _ignore(*_: object, **__: object) -> None:
    """Register no hook, because nothing here calls one."""


def _number(key: str) -> int:
    """Return the number of the event that a row belongs to."""
    return int(key.split("#")[1], 16)


async def audit(events: int, _folder: Path) -> None:
    client: Any = MadeUpTable(events, rows_of)
    assert await audit_table(client, NAME, now=NOW) == []


async def audit_handing_out(events: int, _folder: Path) -> None:
    client: Any = MadeUpTable(events, damaged_rows_of)
    last = ScanProgress(0)

    async def note(progress: ScanProgress) -> None:
        nonlocal last
        last = progress

    found = await audit_table(client, NAME, now=NOW, on_progress=note, keep_findings=False)
    assert found == []
    assert last.errors >= -(-events // EVENTS_OF_A_GAP)


async def export(events: int, folder: Path) -> None:
    client: Any = MadeUpTable(events, rows_of)
    await export_events(client, NAME, folder, now=NOW)


async def export_history(events: int, folder: Path) -> None:
    client: Any = MadeUpTable(events, rows_of)
    await export_events(client, NAME, folder, what="history", resumable=True, now=NOW)


async def verify(events: int, folder: Path) -> None:
    client: Any = MadeUpTable(events, rows_of)
    manifest = await export_events(client, NAME, folder, formats=[], now=NOW)
    assert await verify_anchor(client, NAME, manifest, now=NOW) == []


async def adopt(events: int, _folder: Path) -> None:
    client: Any = MadeUpTable(events, old_rows_of)
    adoption = await adopt_table(client, NAME)
    assert adoption.adopted == events


CALLS: Final[dict[str, Callable[[int, Path], Coroutine[Any, Any, None]]]] = {
    "audit_table": audit,
    "audit_table, handing out 1 % damaged": audit_handing_out,
    "export_events, of events": export,
    "export_events, of history, resumable": export_history,
    "export_events and verify_anchor": verify,
    "adopt_table": adopt,
}


def measure(name: str, rows: int) -> tuple[float, float]:
    """Return the seconds that a call takes in a process of its own, and its peak in megabytes."""
    answer = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.whole_table", "--one", name, "--rows", str(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kilobytes = answer.stdout.split()
    return float(seconds), int(kilobytes) / MEGABYTE


def run_one(name: str, events: int) -> None:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(CALLS[name](events, Path(folder) / "export"))
    seconds = time.perf_counter() - start
    print(f"{seconds:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_table")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=CALLS, action="append")
    parser.add_argument("--one", choices=CALLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, -(-options.rows // ROWS_OF_AN_EVENT))
        return
    print("| call | rows | time | peak memory |\n| --- | --: | --: | --: |")
    for name in options.only or CALLS:
        for rows in (options.rows // 10, options.rows):
            seconds, megabytes = measure(name, rows)
            print(f"| `{name}` | {rows:,} | {seconds:.0f} s | {megabytes:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
