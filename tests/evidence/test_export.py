from __future__ import annotations

import asyncio
import csv
import gc
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import BreakGlassEvent, ScanProgress, StoreUnavailableError, export_events
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._evidence import files

from .disk import Disk, StoppedError
from .table import NAME, NOW, Past, Reader, Rows, some_pasts, table_of

LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 3)


async def exported(rows: Rows, folder: Path, **options: Any) -> dict[str, Any]:
    """Export, and return the manifest."""
    path = await export_events(Reader(rows).client, NAME, folder, **{"now": LATER, **options})
    assert path == folder / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_events_are_exported_with_a_manifest_and_an_anchor(tmp_path: Path) -> None:
    pasts = some_pasts()
    manifest = await exported(table_of(*pasts), tmp_path)
    present = {past.id for past in pasts if past.event is not None}
    assert {line["id"] for line in lines_of(tmp_path / "events.jsonl")} == present
    with (tmp_path / "events.csv").open(newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == present
    assert {tuple(line.values()) for line in lines_of(tmp_path / "anchor.jsonl")} == {
        (past.entries[-1].hash, past.entries[-1].history_ttl, past.id, past.entries[-1].revision)
        for past in pasts
    }
    described = [*manifest.pop("files"), manifest.pop("anchor")]
    assert [file["name"] for file in described] == ["events.jsonl", "events.csv", "anchor.jsonl"]
    assert [file["count"] for file in described] == [len(present), len(present), len(pasts)]
    for file in described:
        content = (tmp_path / file["name"]).read_bytes()
        assert file["size"] == len(content)
        assert file["sha256"] == sha256(content).hexdigest()
    assert manifest == {
        "format": "aiobreakglass export 1",
        "table": NAME,
        "started_at": "2024-03-02T12:00:00.000000Z",
        "rows": len(table_of(*pasts)),
        "what": "events",
        "since": None,
        "until": None,
        "justifications": True,
        "unreadable": 0,
    }
    assert sorted(contents_of(tmp_path)) == [
        "anchor.jsonl",
        "events.csv",
        "events.jsonl",
        "manifest.json",
    ]


async def test_history_is_exported(tmp_path: Path) -> None:
    pasts = some_pasts()
    manifest = await exported(table_of(*pasts), tmp_path, what="history", segments=3)
    entries = {entry.hash for past in pasts for entry in past.entries}
    assert {line["hash"] for line in lines_of(tmp_path / "history.jsonl")} == entries
    assert [file["count"] for file in manifest["files"]] == [len(entries)] * 2
    assert manifest["anchor"]["count"] == len(pasts)


async def test_range_is_half_open_and_leaves_the_anchor_whole(tmp_path: Path) -> None:
    """Events count by `created_at`, entries by their time; the anchor has all events."""
    tick = timedelta(microseconds=1)
    times = [NOW - tick, NOW, NOW + timedelta(hours=1) - tick, NOW + timedelta(hours=1)]
    pasts = [Past(invoker=f"i-{number}", created_at=at) for number, at in enumerate(times)]
    asked = {"since": NOW, "until": NOW + timedelta(hours=1), "formats": ["jsonl"]}
    for what in ("events", "history"):
        folder = tmp_path / what
        manifest = await exported(table_of(*pasts), folder, what=what, **asked)
        found = {
            line.get("id", line.get("event_id")) for line in lines_of(folder / f"{what}.jsonl")
        }
        assert found == {pasts[1].id, pasts[2].id}
        assert manifest["since"] == "2024-03-01T12:00:00.000000Z"
        assert manifest["until"] == "2024-03-01T13:00:00.000000Z"
        assert manifest["anchor"]["count"] == 4


@pytest.mark.parametrize("formats", [[], ["csv"], {"jsonl"}, ("csv", "jsonl")])
async def test_only_asked_formats_are_written(formats: Any, tmp_path: Path) -> None:
    await exported(table_of(*some_pasts()), tmp_path, formats=formats)
    names = {*contents_of(tmp_path)}
    assert names == {"anchor.jsonl", "manifest.json", *(f"events.{kind}" for kind in formats)}


async def test_events_without_history_are_in_the_anchor(tmp_path: Path) -> None:
    """Their line has the digest of their content instead of a revision."""
    past = Past()
    await exported(past.old_rows, tmp_path)
    (line,) = lines_of(tmp_path / "anchor.jsonl")
    assert past.event is not None
    assert line["id"] == past.id
    assert line["revision"] is line["head"] is line["history_ttl"] is None
    assert len(line["digest"]) == 64


async def test_row_that_is_no_event_is_counted_and_anchored(tmp_path: Path) -> None:
    past = Past().close()
    row: Item = {**past.rows[past.key], "status": {"S": "unheard of"}}
    manifest = await exported({**past.rows, past.key: row}, tmp_path)
    assert manifest["unreadable"] == 1
    assert manifest["files"][0]["count"] == 0
    (line,) = lines_of(tmp_path / "anchor.jsonl")
    assert line["revision"] == 2


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    mask = os.umask(0)
    try:
        await exported(Past().rows, folder)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_finished_export_is_never_replaced(tmp_path: Path) -> None:
    await exported(Past().rows, tmp_path)
    before = contents_of(tmp_path)
    with pytest.raises(FileExistsError, match="has an export"):
        await exported({}, tmp_path)
    assert contents_of(tmp_path) == before


async def test_progress_counts_rows(tmp_path: Path) -> None:
    reports: list[ScanProgress] = []

    async def note(progress: ScanProgress) -> None:
        reports.append(progress)

    rows = table_of(*some_pasts())
    await exported(rows, tmp_path, on_progress=note, segments=2)
    assert reports[-1] == ScanProgress(len(rows))
    assert len(reports) > 5


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"what": "guards"}, ValueError),
        ({"formats": "csv"}, TypeError),
        ({"formats": ["xml"]}, ValueError),
        ({"since": "2024"}, TypeError),
        ({"until": 7}, TypeError),
        ({"segments": 0}, ValueError),
        ({"layout": "pk"}, TypeError),
        ({"on_progress": print}, TypeError),
        ({"now": 7}, TypeError),
    ],
)
async def test_wrong_argument_is_refused_before_anything_is_done(
    options: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    with pytest.raises(error):
        await exported({}, folder, **options)
    assert not folder.exists()


def looks_whole(folder: Path) -> list[str]:
    """Return the names in a folder that a reader could take for an export's."""
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


async def test_failure_of_any_call_leaves_nothing(
    disk: Callable[..., Disk], tmp_path: Path
) -> None:
    """Whichever call of the operating system fails, no file is left, not even a hidden one."""
    rows = table_of(*some_pasts()[:2])
    calls = await _calls_of_whole_export(disk, rows, tmp_path / "whole")
    for at in range(1, calls + 1):
        folder = tmp_path / str(at)
        broken = disk(at)
        with pytest.raises(StoppedError):
            await exported(rows, folder)
        assert contents_of(folder) == {}, broken.names[-3:]


async def test_process_that_dies_leaves_no_manifest(
    disk: Callable[..., Disk], tmp_path: Path
) -> None:
    """Nothing works after a call, so nothing is cleaned up: no file but whole ones has a name."""
    rows = table_of(*some_pasts()[:2])
    whole = tmp_path / "whole"
    calls = await _calls_of_whole_export(disk, rows, whole)
    for at in range(1, calls + 1):
        folder = tmp_path / str(at)
        disk(at, stays_broken=True)
        with pytest.raises(StoppedError):
            await exported(rows, folder)
        names = looks_whole(folder)
        if "manifest.json" in names:
            # What is left to do is to write the names in the folder to the disk.
            assert at > calls - 3
            assert sorted(names) == sorted(looks_whole(whole))
        for name in names:
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
        # And the folder can be used again.
        if "manifest.json" not in names:
            disk(0)
            await exported(rows, folder)
            assert (folder / "manifest.json").read_bytes() == (
                whole / "manifest.json"
            ).read_bytes()


async def _calls_of_whole_export(disk: Callable[..., Disk], rows: Rows, folder: Path) -> int:
    """Return how many calls of the operating system an export needs."""
    working = disk(0)
    await exported(rows, folder)
    assert working.names.count("replace") == 4
    assert working.names.count("fsync") >= 4
    # The manifest gets its name when the names of the others are on the disk.
    assert working.names[-7:] == ["open", "fsync", "close", "replace", "open", "fsync", "close"]
    return working.calls


async def test_failed_read_leaves_nothing(tmp_path: Path) -> None:
    reader = Reader(table_of(*some_pasts()))

    def fail() -> None:
        if len(reader.requests) == 4:
            raise RuntimeError("no network")

    reader.before_answer = fail
    with pytest.raises(StoreUnavailableError):
        await export_events(reader.client, NAME, tmp_path)
    assert contents_of(tmp_path) == {}


async def test_cancelled_export_leaves_nothing(tmp_path: Path) -> None:
    """Wherever it is cancelled; a write under way ends before its file is removed."""
    rows = table_of(*some_pasts())
    for steps in range(0, 60, 3):
        task = asyncio.create_task(exported(rows, tmp_path / str(steps), segments=2))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if (tmp_path / str(steps)).exists():
            assert contents_of(tmp_path / str(steps)) == {}


async def test_cancelled_export_waits_for_a_write_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A thread cannot be cancelled, and its file must not be closed under it."""
    writing, go_on = threading.Event(), threading.Event()
    steps: list[str] = []
    write, discard = files.UnfinishedFile.write, files.UnfinishedFile.discard

    def slow_write(self: files.UnfinishedFile, content: bytes, count: int = 0) -> None:
        if count and not steps:
            writing.set()
            go_on.wait()
            steps.append("written")
        write(self, content, count)

    def noted_discard(self: files.UnfinishedFile) -> None:
        steps.append("discarded")
        discard(self)

    monkeypatch.setattr(files.UnfinishedFile, "write", slow_write)
    monkeypatch.setattr(files.UnfinishedFile, "discard", noted_discard)
    task = asyncio.create_task(exported(table_of(*some_pasts()), tmp_path))
    await asyncio.to_thread(writing.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.wait({task}, timeout=0)
    assert not task.done()
    assert steps == []
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps[:2] == ["written", "discarded"]
    assert contents_of(tmp_path) == {}


async def test_file_work_is_done_in_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A slow disk does not stop the event loop."""
    here = threading.get_ident()
    threads: set[int] = set()
    write = files.UnfinishedFile.write

    def noting(self: files.UnfinishedFile, content: bytes, count: int = 0) -> None:
        threads.add(threading.get_ident())
        write(self, content, count)

    monkeypatch.setattr(files.UnfinishedFile, "write", noting)
    await exported(table_of(*some_pasts()), tmp_path)
    assert threads
    assert here not in threads


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """However many events are exported, those of one page of each segment are alive."""
    monkeypatch.setattr(scans, "PAGE_ROWS", 20)
    rows = table_of(*(Past(invoker=f"invoker-{number}").close() for number in range(100)))
    most = 0
    gc.collect()
    before = _events_alive()

    async def count(_: ScanProgress) -> None:
        nonlocal most
        most = max(most, _events_alive() - before)

    await exported(rows, tmp_path, on_progress=count, segments=2)
    assert len(lines_of(tmp_path / "events.jsonl")) == 100
    assert most <= 2 * 20


def _events_alive() -> int:
    return sum(type(found) is BreakGlassEvent for found in gc.get_objects())
