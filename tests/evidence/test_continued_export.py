"""Exports that are interrupted, and continued by another call."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import ScanProgress, StoreUnavailableError, export_events, verify_anchor
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._evidence import writing

from .disk import Disk, StoppedError
from .table import NAME, NOW, Past, Reader, Rows, some_pasts, table_of

LATER = NOW + timedelta(days=1)
LATER_STILL = LATER + timedelta(hours=1)
HIDDEN = ".unfinished.json"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 2)
    monkeypatch.setattr(writing, "PAGES", 2)


async def exported(rows: Rows | Reader, folder: Path, **options: Any) -> Path:
    reader = rows if isinstance(rows, Reader) else Reader(rows)
    options = {"resumable": True, "now": LATER_STILL, **options}
    return await export_events(reader.client, NAME, folder, **options)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def in_one_run(rows: Rows, folder: Path, **options: Any) -> dict[str, bytes]:
    """Return the files of an export that nothing interrupts."""
    await exported(rows, folder, resumable=False, now=LATER, **options)
    return contents_of(folder)


async def interrupted(rows: Rows, folder: Path, pages: int = 3, **options: Any) -> Reader:
    """Interrupt an export after some pages."""
    reader = Reader(rows)

    async def stop(progress: ScanProgress) -> None:
        if progress.rows >= pages * 2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        await exported(reader, folder, now=LATER, on_progress=stop, **options)
    assert not (folder / "manifest.json").exists()
    return reader


def check_interrupted(folder: Path, whole: dict[str, bytes]) -> None:
    """Assert that no file in the folder looks whole unless it is, and that others cannot read."""
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        if not path.name.startswith("."):
            assert path.read_bytes() == whole[path.name]


@pytest.mark.slow
@pytest.mark.parametrize("stays_broken", [False, True], ids=["call fails", "process dies"])
async def test_export_goes_on_wherever_the_disk_stopped_it(
    stays_broken: bool, disk: Callable[..., Disk], tmp_path: Path
) -> None:
    """The next call completes it, byte for byte as one run would, and leaves nothing else."""
    rows = table_of(*some_pasts()[:2])
    whole = await in_one_run(rows, tmp_path / "whole")
    working = disk(0)
    await exported(rows, tmp_path / "counted", now=LATER)
    assert contents_of(tmp_path / "counted") == whole
    assert working.names.count("replace") > 5
    for at in range(1, working.calls + 1):
        folder = tmp_path / str(at)
        broken = disk(at, stays_broken=stays_broken)
        with suppress(StoppedError):
            await exported(rows, folder, now=LATER)
        check_interrupted(folder, whole)
        disk(0)
        if contents_of(folder) != whole:
            await exported(rows, folder, now=LATER)
        assert contents_of(folder) == whole, broken.names[at - 4 : at]


@pytest.mark.slow
@pytest.mark.parametrize("stays_broken", [False, True], ids=["call fails", "process dies"])
async def test_export_goes_on_when_a_call_that_continues_it_stops(
    stays_broken: bool, disk: Callable[..., Disk], tmp_path: Path
) -> None:
    """Wherever that one stops, also while it takes the files over: nothing is lost or left."""
    rows = table_of(*some_pasts()[:3])
    whole = await in_one_run(rows, tmp_path / "whole")
    await interrupted(rows, tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "counted")
    working = disk(0)
    await exported(rows, tmp_path / "counted")
    assert contents_of(tmp_path / "counted") == whole
    for at in range(1, working.calls + 1):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "first", folder)
        broken = disk(at, stays_broken=stays_broken)
        with suppress(StoppedError):
            await exported(rows, folder)
        check_interrupted(folder, whole)
        disk(0)
        reader = Reader(rows)
        if contents_of(folder) != whole:
            await exported(reader, folder)
        assert contents_of(folder) == whole, broken.names[at - 4 : at]
        assert len(reader.requests) <= len(rows) // 2 - 3 + 1


@pytest.mark.parametrize("segments", [1, 3])
async def test_no_page_is_read_twice_unless_it_was_not_whole(
    segments: int, tmp_path: Path
) -> None:
    """Wherever a read fails, the next call goes on with that page."""
    rows = table_of(*some_pasts())
    whole = Reader(rows)
    await exported(whole, tmp_path / "whole", segments=segments, now=LATER)
    expected = {name: sorted(file.splitlines()) for name, file in _records(tmp_path / "whole")}
    for failing in range(1, len(whole.requests) + 1):
        folder = tmp_path / str(failing)
        first, second = Reader(rows), Reader(rows)

        def fail() -> None:
            if len(first.requests) == failing:  # noqa: B023 - it runs within this round
                raise RuntimeError("no network")

        first.before_answer = fail
        with pytest.raises(StoreUnavailableError):
            await exported(first, folder, segments=segments, now=LATER)
        await exported(second, folder)
        answered = len(first.requests) + len(second.requests) - segments
        assert answered <= len(whole.requests) <= answered + segments
        found = {name: sorted(file.splitlines()) for name, file in _records(folder)}
        assert found == expected
        if segments == 1:
            assert contents_of(folder) == contents_of(tmp_path / "whole")


def _records(folder: Path) -> list[tuple[str, bytes]]:
    return [item for item in contents_of(folder).items() if item[0] != "manifest.json"]


@pytest.mark.parametrize("steps", range(0, 60, 7))
async def test_cancelled_export_goes_on(steps: int, tmp_path: Path) -> None:
    rows = table_of(*some_pasts())
    whole = await in_one_run(rows, tmp_path / "whole")
    folder = tmp_path / "folder"
    task = asyncio.create_task(exported(rows, folder, now=LATER))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await exported(rows, folder, now=LATER)
    assert contents_of(folder) == whole


async def test_progress_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = table_of(*some_pasts())
    await interrupted(rows, tmp_path)
    counted: list[int] = []

    async def note(progress: ScanProgress) -> None:
        counted.append(progress.rows)

    await exported(rows, tmp_path, on_progress=note)
    assert counted[0] == 6
    assert counted[-1] == len(rows)


@pytest.mark.parametrize("what", ["events", "history"])
async def test_what_the_export_has_counts_over_all_calls(what: str, tmp_path: Path) -> None:
    """The manifest's counts, and the rows that it calls unreadable, are those of one run."""
    rows = {
        key: row if number % 3 else {"pk": row["pk"]}
        for number, (key, row) in enumerate(sorted(table_of(*some_pasts()).items()))
    }
    whole = await in_one_run(rows, tmp_path / "whole", what=what)
    assert json.loads(whole["manifest.json"])["unreadable"] > 1
    await interrupted(rows, tmp_path / "folder", what=what)
    await exported(rows, tmp_path / "folder", what=what)
    assert contents_of(tmp_path / "folder") == whole


async def test_table_may_change_between_the_calls(tmp_path: Path) -> None:
    """Each row is there once, as it was when it was read, and the anchor agrees with the table."""
    pasts = [Past(invoker=f"invoker-{number}", id=f"{number:016x}") for number in range(8)]
    before = table_of(*pasts)
    await interrupted(before, tmp_path, pages=6)
    for past in pasts:
        past.close()
    new = Past(invoker="new", created_at=LATER + timedelta(minutes=1))
    after = table_of(*pasts, new)
    manifest = await exported(after, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in lines if line["id"] != new.id) == [
        past.id for past in pasts
    ]
    assert {line["status"] for line in lines} == {"active", "closed"}
    later = LATER + timedelta(days=1)
    assert await verify_anchor(Reader(after).client, NAME, manifest, now=later) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"what": "history"}, "what"),
        ({"since": NOW, "until": LATER}, "since and until"),
        ({"formats": ["csv"]}, "formats"),
        ({"justifications": False}, "justifications"),
    ],
)
async def test_other_arguments_do_not_continue_an_export(
    options: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """Its files would have what nobody asked for. It stays, and can be continued."""
    rows = table_of(*some_pasts())
    await interrupted(rows, tmp_path)
    before = contents_of(tmp_path)
    with pytest.raises(ValueError, match=f"unfinished export with another {named};"):
        await exported(rows, tmp_path, **options)
    assert contents_of(tmp_path) == before
    with pytest.raises(ValueError, match="with another name;"):
        await export_events(Reader(rows).client, "another", tmp_path, resumable=True)
    await exported(rows, tmp_path)


def _partial(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f".{name}.*.partial")
    return path


def cut(folder: Path) -> None:
    path = _partial(folder, "events.csv")
    path.write_bytes(path.read_bytes()[:-1])


def alter(folder: Path) -> None:
    path = _partial(folder, "anchor.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"id"', b'"ID"', 1))


def remove_one(folder: Path) -> None:
    _partial(folder, "events.jsonl").unlink()


def link(folder: Path) -> None:
    (folder / HIDDEN).rename(folder.parent / "moved")
    (folder / HIDDEN).symlink_to(folder.parent / "moved")


def with_value(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        saved = json.loads((folder / HIDDEN).read_bytes())
        (folder / HIDDEN).write_text(json.dumps({**saved, **values}))

    return change


def with_text(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / HIDDEN).write_text(text)

    return change


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a file is shorter": cut,
    "a file was altered": alter,
    "a file is missing": remove_one,
    "the state is a link": link,
    "the state is empty": with_text(""),
    "the state is another text": with_text("[1]"),
    "the state has another format": with_value(format="aiobreakglass unfinished export 2"),
    "the state has no files": with_value(files=[]),
    "the state has other files": with_value(
        files=[{"name": "../x", "size": 0, "sha256": "0" * 64, "records": 0}]
    ),
    "the state has a file of no size": with_value(
        files=[{"name": "anchor.jsonl", "size": "0", "sha256": "0" * 64, "records": 0}]
    ),
    "the state has another token": with_value(token="../x"),  # noqa: S106 - no secret
    "the state has other tokens": with_value(others=["../x"]),
    "the state has a wrong place": with_value(scan="{}"),
    "the state has a wrong time": with_value(started_at="yesterday"),
    "the state has another member": with_value(more=1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_export_that_was_damaged_begins_again(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    """What is there cannot be trusted, so it is not continued, and its files have every row."""
    rows = table_of(*some_pasts())
    whole = await in_one_run(rows, tmp_path / "whole")
    folder = tmp_path / "folder"
    await interrupted(rows, folder)
    damage(folder)
    reader = Reader(rows)
    await exported(reader, folder, now=LATER)
    found = contents_of(folder)
    assert {name: found[name] for name in whole} == whole
    assert len(reader.requests) == -(-len(rows) // 2)


async def test_state_that_another_user_wrote_does_not_count(
    disk: Callable[..., Disk], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a folder that others can write to, they could begin the export with their records."""
    rows = table_of(*some_pasts())
    await interrupted(rows, tmp_path)
    working = disk(0)
    owner = (tmp_path / HIDDEN).stat().st_uid
    monkeypatch.setattr(working, "geteuid", lambda: owner + 1, raising=False)
    reader = Reader(rows)
    await exported(reader, tmp_path)
    assert len(reader.requests) == -(-len(rows) // 2)


async def test_complete_files_keep_their_place(disk: Callable[..., Disk], tmp_path: Path) -> None:
    """A call that stopped between two names has nothing to read and nothing to write again."""
    rows = table_of(*some_pasts())
    working = disk(0)
    await exported(rows, tmp_path / "counted", now=LATER)
    places = [at for at, name in enumerate(working.names, 1) if name == "replace"]
    for at in places[-3:]:
        folder = tmp_path / str(at)
        disk(at, stays_broken=True)
        with pytest.raises(StoppedError):
            await exported(rows, folder, now=LATER)
        before = {path.stat().st_ino for path in folder.iterdir() if "events" in path.name}
        disk(0)
        reader = Reader(rows)
        await exported(reader, folder)
        assert reader.requests == []
        assert {(folder / f"events.{kind}").stat().st_ino for kind in ("jsonl", "csv")} == before
        assert contents_of(folder) == contents_of(tmp_path / "counted")


async def test_earlier_call_that_is_at_work_still_does_no_harm(tmp_path: Path) -> None:
    """It writes to files of its own, so the later call's files are as its manifest says."""
    rows = table_of(*some_pasts())
    whole = await in_one_run(rows, tmp_path / "whole")
    folder = tmp_path / "folder"
    for answers in range(1, 11):
        for path in folder.glob("*"):
            path.unlink()
        reader, reading, go_on = Reader(rows), asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            if len(reader.requests) == answers:  # noqa: B023 - it runs within this round
                reading.set()  # noqa: B023 - as above
                await go_on.wait()  # noqa: B023 - as above

        reader.before_answer = wait
        earlier = asyncio.create_task(exported(reader, folder, now=LATER))
        await reading.wait()
        await exported(rows, folder)
        assert contents_of(folder) == whole
        go_on.set()
        with pytest.raises((FileExistsError, FileNotFoundError)):
            await earlier
        assert contents_of(folder) == whole


async def test_finished_export_is_not_continued(tmp_path: Path) -> None:
    rows = table_of(*some_pasts())
    await exported(rows, tmp_path)
    before = contents_of(tmp_path)
    with pytest.raises(FileExistsError, match="has an export"):
        await exported(rows, tmp_path)
    assert contents_of(tmp_path) == before


async def test_export_that_cannot_be_continued_leaves_the_unfinished_one(tmp_path: Path) -> None:
    """It does not know of it; the unfinished one can no longer be completed in this folder."""
    rows = table_of(*some_pasts())
    await interrupted(rows, tmp_path)
    before = contents_of(tmp_path)
    await exported(rows, tmp_path, resumable=False)
    assert contents_of(tmp_path).items() >= before.items()
    with pytest.raises(FileExistsError, match="has an export"):
        await exported(rows, tmp_path)


async def test_resumable_must_be_a_bool(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="resumable must be a bool"):
        await exported({}, tmp_path / "new", resumable="yes")
    assert not (tmp_path / "new").exists()
