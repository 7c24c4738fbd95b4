from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from aiobreakglass import export_events
from aiobreakglass._evidence import files

from .table import NAME, NOW, Past, Reader, some_pasts, table_of

LATER = NOW + timedelta(days=1)


@asynccontextmanager
async def begun_earlier(folder: Path) -> AsyncIterator[asyncio.Task[Path]]:
    """Begin an export into a folder; it goes on at the end of the block."""
    reader, reading, go_on = Reader(Past(invoker="other").rows), asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reading.set()
        await go_on.wait()

    reader.before_answer = wait
    task = asyncio.create_task(export_events(reader.client, NAME, folder, now=LATER))
    await reading.wait()
    yield task
    go_on.set()
    await asyncio.wait({task})


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def finished_export(folder: Path) -> dict[str, bytes]:
    """Export into a folder, and return the files that have their names."""
    await export_events(Reader(table_of(*some_pasts())).client, NAME, folder, now=LATER)
    return {name: file for name, file in contents_of(folder).items() if name[0] != "."}


def check_whole(folder: Path) -> None:
    """Assert that the files of an export are as its manifest says, and that no other is there."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    described = [*manifest["files"], manifest["anchor"]]
    for file in described:
        content = (folder / file["name"]).read_bytes()
        assert sha256(content).hexdigest() == file["sha256"]
    assert {*contents_of(folder)} == {"manifest.json", *(file["name"] for file in described)}


async def test_export_that_finishes_second_leaves_the_first_one_whole(tmp_path: Path) -> None:
    """Both found an empty folder when they began."""
    async with begun_earlier(tmp_path) as second:
        first = await finished_export(tmp_path)
    with pytest.raises(FileExistsError, match="has an export"):
        await second
    assert contents_of(tmp_path) == first
    check_whole(tmp_path)


@pytest.mark.parametrize("fails_at", ["anchor.jsonl", "events.csv", "manifest.json"])
async def test_export_that_finishes_second_on_a_full_disk_leaves_the_first_one_whole(
    fails_at: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It must not have replaced a file when it fails, because it then removes its files."""
    publish = files.UnfinishedFile.publish

    def fail(self: files.UnfinishedFile) -> None:
        if self.path.name == fails_at:
            raise OSError("disk full")
        publish(self)

    async with begun_earlier(tmp_path) as second:
        first = await finished_export(tmp_path)
        monkeypatch.setattr(files.UnfinishedFile, "publish", fail)
    with pytest.raises(FileExistsError, match="has an export"):
        await second
    assert contents_of(tmp_path) == first
    check_whole(tmp_path)
