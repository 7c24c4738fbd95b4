from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from weakref import ref

import pytest

from aiobreakglass import StoreUnavailableError, TableError
from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.scan import Scan

from .table import LAYOUT, NAME, Reader

TABLE = Table(NAME, LAYOUT)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 3)


def reader_of(number: int) -> Reader:
    return Reader(
        {f"row-{place:06d}": {"pk": {"S": f"row-{place:06d}"}} for place in range(number)}
    )


def scan_of(reader: Reader, *, segments: int = 1, resume: str | None = None) -> Scan:
    calls = Calls(reader.client, NAME, timedelta(seconds=10))
    return Scan(calls, TABLE, segments=segments, resume=resume)


async def keys_of(rows: Sequence[Item]) -> list[str]:
    return [row["pk"]["S"] for row in rows]


class Collected:
    """The keys of the pages that are done."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def add(self, keys: list[str]) -> None:
        self.keys += keys


@pytest.mark.parametrize("segments", [1, 2, 7])
@pytest.mark.parametrize("number", [0, 1, 3, 4, 20])
async def test_every_row_is_visited_once(number: int, segments: int) -> None:
    reader, collected = reader_of(number), Collected()
    await scan_of(reader, segments=segments).run(keys_of, collected.add)
    assert sorted(collected.keys) == sorted(reader.rows)
    assert all(request["ConsistentRead"] for _, request in reader.requests)
    assert {request["TotalSegments"] for _, request in reader.requests} == {segments}


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("segments", [1, 3])
async def test_pass_that_stops_anywhere_can_be_resumed(segments: int) -> None:
    """Together, both passes visit every row once, wherever the first one stopped."""
    for pages in range(9):
        reader, collected = reader_of(20), Collected()
        resume = scan_of(reader, segments=segments).resume({"rows": 0})
        done = 0
        first = scan_of(reader, segments=segments)

        async def add(keys: list[str]) -> None:
            nonlocal resume, done
            if done == pages:  # noqa: B023 - it runs within this round
                raise StoppedError
            done += 1
            await collected.add(keys)  # noqa: B023 - as above
            resume = first.resume({"rows": len(collected.keys)})  # noqa: B023 - as above

        with suppress(StoppedError):
            await first.run(keys_of, add)
        second = scan_of(reader, segments=1, resume=resume)
        assert second.counts == {"rows": len(collected.keys)}
        await second.run(keys_of, collected.add)
        assert sorted(collected.keys) == sorted(reader.rows)


async def test_segment_reads_no_page_before_the_last_one_is_dealt_with() -> None:
    """A slow visitor slows the reads down, so at most one page of each segment is in memory."""
    reader = reader_of(60)
    at_work = most = 0

    async def visit(rows: Sequence[Item]) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        asked = len(reader.requests)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(reader.requests) - asked <= 3
        at_work -= 1

    async def ignore(_: None) -> None:
        pass

    await scan_of(reader, segments=4).run(visit, ignore)
    assert most == 4


class Page(list[Item]):
    """A list that a test can refer to weakly."""


async def test_memory_does_not_grow_with_the_table() -> None:
    """However many pages there are, a segment has one of them alive at a time."""
    most = 0
    pages: list[ref[Page]] = []

    class Counting(Reader):
        async def scan(self, **request: Any) -> Any:
            nonlocal most
            answer = await super().scan(**request)
            page = Page(answer["Items"])
            pages.append(ref(page))
            most = max(most, sum(found() is not None for found in pages))
            return {**answer, "Items": page}

    async def visit(rows: Sequence[Item]) -> None:
        assert rows

    async def ignore(_: None) -> None:
        pass

    reader = Counting(reader_of(300).rows)
    await scan_of(reader).run(visit, ignore)
    assert len(reader.requests) == 100
    assert most == 1


async def test_failure_of_one_segment_ends_all_and_is_raised_as_it_is() -> None:
    reader = reader_of(30)

    def fail() -> None:
        if len(reader.requests) > 4:
            raise RuntimeError("no network")

    reader.before_answer = fail
    with pytest.raises(StoreUnavailableError) as failure:
        await scan_of(reader, segments=3).run(keys_of, Collected().add)
    assert isinstance(failure.value.__cause__, RuntimeError)
    asked = len(reader.requests)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(reader.requests) == asked


async def test_cancelled_pass_leaves_no_task() -> None:
    reader, started = reader_of(1000), asyncio.Event()
    reader.before_answer = started.set
    task = asyncio.create_task(scan_of(reader, segments=3).run(keys_of, Collected().add))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_table_with_other_keys_is_named_as_the_problem() -> None:
    reader = Reader({"x": {"id": {"S": "x"}}})
    with pytest.raises(TableError, match="no text as 'pk'"):
        await scan_of(reader).run(keys_of, Collected().add)


@pytest.mark.parametrize(
    "resume",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"table": "breakglass", "places": [], "counts": {}}',
        '{"table": "breakglass", "places": [[1, true]], "counts": {}}',
        '{"table": "breakglass", "places": [["a", 1]], "counts": {}}',
        '{"table": "breakglass", "places": [[null, false, 1]], "counts": {}}',
        '{"table": "breakglass", "places": [[null, false]], "counts": {"rows": "1"}}',
        '{"table": "breakglass", "places": [[null, false]]}',
        '{"table": "other", "places": [[null, false]], "counts": {}}',
        "[" * 100_000,
    ],
)
def test_resume_that_is_not_ours_is_refused(resume: str) -> None:
    with pytest.raises(ValueError, match="resume is "):
        scan_of(reader_of(0), resume=resume)


@pytest.mark.parametrize(
    ("segments", "error"), [(0, ValueError), (65, ValueError), (True, TypeError), ("2", TypeError)]
)
def test_wrong_number_of_segments_is_refused(segments: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="segments must be"):
        scan_of(reader_of(0), segments=segments)
