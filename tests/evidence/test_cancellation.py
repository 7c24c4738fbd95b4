from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import ScanProgress, audit_table, export_events, verify_anchor
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._evidence import export as exports
from aiobreakglass._evidence import files

from .table import NAME, NOW, Reader, removed, some_pasts, table_of

LATER = NOW + timedelta(days=1)

OnProgress = Callable[[ScanProgress], Awaitable[None]]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 3)


async def cancelled(_: ScanProgress | None = None) -> None:
    """Await something that was cancelled, although nobody cancels the caller."""
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    await gone


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("segments", [1, 3])
async def test_callback_that_ends_as_cancelled_ends_the_audit(segments: int) -> None:
    """An audit of a part of the table must not look like one of the whole table."""
    rows = table_of(*some_pasts())
    rows = removed(rows, [key for key in rows if key.startswith("HISTORY#")])
    options: dict[str, Any] = {"segments": segments, "now": LATER}
    assert await audit_table(Reader(rows).client, NAME, **options) != []
    with pytest.raises(asyncio.CancelledError):
        await audit_table(Reader(rows).client, NAME, on_progress=cancelled, **options)


async def test_callback_that_ends_as_cancelled_after_the_last_page_ends_the_audit() -> None:
    """The findings of the last page are not complete, either."""
    (past, *_) = some_pasts()
    reader = Reader({past.key: past.rows[past.key]})
    with pytest.raises(asyncio.CancelledError):
        await audit_table(reader.client, NAME, on_progress=cancelled, now=LATER)


async def test_read_that_ends_as_cancelled_ends_the_audit() -> None:
    reader = Reader(table_of(*some_pasts()))
    reader.before_answer = cancelled
    with pytest.raises(asyncio.CancelledError):
        await audit_table(reader.client, NAME, now=LATER)


async def test_callback_that_ends_as_cancelled_ends_the_search_for_added_events(
    tmp_path: Path,
) -> None:
    """The anchor has no line, so the callback is first awaited after a page of rows."""
    manifest = await export_events(Reader({}).client, NAME, tmp_path, formats=[], now=LATER)
    reader = Reader(table_of(*some_pasts()))
    with pytest.raises(asyncio.CancelledError):
        await verify_anchor(reader.client, NAME, manifest, on_progress=cancelled, now=LATER)


async def test_callback_that_ends_as_cancelled_leaves_no_file_of_an_export(
    tmp_path: Path,
) -> None:
    """A manifest would say that the files have every event."""
    reader = Reader(table_of(*some_pasts()))
    with pytest.raises(asyncio.CancelledError):
        await export_events(reader.client, NAME, tmp_path, on_progress=cancelled, now=LATER)
    assert names_in(tmp_path) == []


async def test_read_that_ends_as_cancelled_leaves_no_file_of_an_export(tmp_path: Path) -> None:
    reader = Reader(table_of(*some_pasts()))
    reader.before_answer = cancelled
    with pytest.raises(asyncio.CancelledError):
        await export_events(reader.client, NAME, tmp_path, now=LATER)
    assert names_in(tmp_path) == []


class Blocking:
    """Work in a thread, which ends some turns after the event loop cancels everything."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self._go_on = threading.Event()

    def work(self) -> None:
        """Block until the end of `release`."""
        self.started.set()
        self._go_on.wait()

    async def release(self) -> None:
        """Wait until this is cancelled, and let the others run before the work goes on."""
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(50):
                await asyncio.sleep(0)
            self._go_on.set()

    def run(self, caller: Callable[[], Awaitable[object]]) -> None:
        """Run a caller of the work in a program whose main function ends before the work."""

        async def wait_for(made: Awaitable[object]) -> None:
            await made

        async def main() -> list[asyncio.Task[None]]:
            tasks = [
                asyncio.create_task(wait_for(caller())),
                asyncio.create_task(self.release()),
            ]
            await asyncio.to_thread(self.started.wait)
            return tasks

        for task in asyncio.run(main()):
            assert task.cancelled()


def test_program_that_ends_waits_for_work_in_a_thread() -> None:
    """`asyncio.run` cancels every task before it returns, but no thread."""
    blocking, steps = Blocking(), list[str]()

    def work() -> None:
        blocking.work()
        steps.append("work ended")

    async def caller() -> None:
        try:
            await files.in_thread(work)
        finally:
            steps.append("caller ended")

    blocking.run(caller)
    assert steps == ["work ended", "caller ended"]


def test_program_that_ends_discards_an_export_after_the_write_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The write would otherwise fail, or write to whatever has its descriptor by then."""
    blocking, steps = Blocking(), list[str]()
    write, in_thread = files.UnfinishedFile.write, files.in_thread

    def slow_write(self: files.UnfinishedFile, content: bytes, count: int = 0) -> None:
        if count and not blocking.started.is_set():
            blocking.work()
            write(self, content, count)
            steps.append("written")
        else:
            write(self, content, count)

    async def noting(function: Callable[..., Any], *args: Any) -> Any:
        if function.__name__ == "discard":
            steps.append("discard")
        return await in_thread(function, *args)

    monkeypatch.setattr(files.UnfinishedFile, "write", slow_write)
    monkeypatch.setattr(exports, "in_thread", noting)
    reader = Reader(table_of(*some_pasts()))
    blocking.run(lambda: export_events(reader.client, NAME, tmp_path, now=LATER))
    assert steps == ["written", "discard"]
    assert names_in(tmp_path) == []
