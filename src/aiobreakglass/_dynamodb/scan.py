"""Read every row of a table once: page by page, in segments side by side, strongly consistently.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.transaction import Item, Request
from aiobreakglass._domain.errors import TableError
from aiobreakglass._dynamodb.layout import Table

PAGE_ROWS: Final = 500
"""How many rows one page has at most; DynamoDB ends a page at 1 MB anyway."""

MAX_SEGMENTS: Final = 64

_Result = TypeVar("_Result")


class _Place(NamedTuple):
    """How far the scan of a segment has come."""

    after: str | None = None
    """The partition key of the last row; None at the beginning."""
    is_done: bool = False


class Scan:
    """One pass over all rows of a table.

    Each segment reads its next page only when the rows of its last page have been dealt with, so
    at most one page of each segment is in memory. The pass does not see the table at one instant,
    and a row that is written meanwhile may or may not be seen.
    """

    def __init__(
        self, calls: Calls, table: Table, *, segments: int, resume: str | None = None
    ) -> None:
        self._calls = calls
        self._table = table
        self._turn = asyncio.Lock()
        self._places = [_Place()] * check_segments(segments)
        self.counts: Mapping[str, int] = {}
        """The counts that `resume` was made with."""
        if resume is not None:
            self._places, self.counts = _read_resume(resume, table)

    @property
    def is_done(self) -> bool:
        """Whether every row has been visited."""
        return all(place.is_done for place in self._places)

    def resume(self, counts: Mapping[str, int]) -> str:
        """Return a text with which another scan can go on where this one is now.

        It has the keys of some rows.

        Args:
            counts: Kept in the text, for the scan that goes on.
        """
        return json.dumps(
            {"table": self._table.name, "places": self._places, "counts": dict(counts)}
        )

    async def run(
        self,
        visit: Callable[[Sequence[Item]], Awaitable[_Result]],
        on_page: Callable[[_Result], Awaitable[None]],
    ) -> None:
        """Visit all rows, page by page.

        Args:
            visit: Awaited with the rows of a page; several segments call it at the same time.
            on_page: Awaited with what `visit` returned, one page after the other. The page then
                counts as done, so `resume` goes on after it.
        """
        await run_together(
            self._run_segment(number, visit, on_page) for number in range(len(self._places))
        )

    async def _run_segment(
        self,
        number: int,
        visit: Callable[[Sequence[Item]], Awaitable[_Result]],
        on_page: Callable[[_Result], Awaitable[None]],
    ) -> None:
        while not self._places[number].is_done:
            rows, place = await self._page(number)
            result = await visit(rows)
            del rows
            async with self._turn:
                self._places[number] = place
                await on_page(result)

    async def _page(self, number: int) -> tuple[Sequence[Item], _Place]:
        with self._calls.operation() as operation:
            answer = await self._calls.read(
                operation, "Scan", self._request(number), is_asked=_is_any
            )
        rows: Sequence[Item] = answer["Items"]
        for row in rows:
            self._key(row)
        last = answer.get("LastEvaluatedKey")
        return rows, _Place(None, is_done=True) if last is None else _Place(self._key(last))

    def _request(self, number: int) -> Request:
        segment = {"Segment": number, "TotalSegments": len(self._places)}
        return scan_page(self._table, self._places[number].after) | segment

    def _key(self, row: Item) -> str:
        key: Any = row.get(self._table.layout.partition_key, {}).get("S")
        if not isinstance(key, str):
            raise TableError(
                f"table {self._table.name!r} is not the one that this layout names: its rows have "
                f"no text as {self._table.layout.partition_key!r}"
            )
        return key


def scan_page(table: Table, after: str | None) -> Request:
    """Return the request that reads a page of a table's rows, strongly consistently.

    Args:
        table: The table.
        after: The partition key of the last row of the page before; None for the first page.
    """
    request: Request = {"TableName": table.name, "ConsistentRead": True, "Limit": PAGE_ROWS}
    if after is not None:
        request["ExclusiveStartKey"] = {table.layout.partition_key: {"S": after}}
    return request


async def run_together(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines until all have ended, or until the first failure, which ends the others.

    The failure is raised as it is, because callers expect no group of exceptions.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    if any(task.cancelled() for task in tasks):
        # A task group ignores a task that ends as cancelled, such as one that has awaited
        # something that was cancelled. What it had to do is not done.
        raise asyncio.CancelledError


def check_segments(segments: int) -> int:
    """Return how many segments a scan has, or raise `TypeError` or `ValueError`."""
    if isinstance(segments, bool) or not isinstance(segments, int):
        raise TypeError(f"segments must be an integer, not {type(segments).__name__}")
    if not 1 <= segments <= MAX_SEGMENTS:
        raise ValueError(f"segments must be 1 to {MAX_SEGMENTS}")
    return segments


def _read_resume(resume: str, table: Table) -> tuple[list[_Place], dict[str, int]]:
    if not isinstance(resume, str):
        raise TypeError(f"resume must be a str, not {type(resume).__name__}")
    try:
        values = json.loads(resume)
        name, counts = values["table"], values["counts"]
        places = [_Place(*place) for place in values["places"]]
        is_well_formed = (
            bool(places)
            and all(isinstance(place.after, str | None) for place in places)
            and all(isinstance(place.is_done, bool) for place in places)
            and all(isinstance(count, int) for count in counts.values())
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("resume is not a text that a progress had") from error
    if not is_well_formed or len(places) > MAX_SEGMENTS:
        raise ValueError("resume is not a text that a progress had")
    if name != table.name:
        raise ValueError("resume is of another table")
    return places, counts


def _is_any(_: Item) -> bool:
    return True
