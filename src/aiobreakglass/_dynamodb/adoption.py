"""Record events as they are stored, where their histories do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.client import OPERATION_TIMEOUT
from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract import arguments
from aiobreakglass._contract.arguments import AWAITING_REVIEW
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.errors import CorruptItemError, ItemTooLargeError
from aiobreakglass._domain.event import awaited_review, utc_now
from aiobreakglass._domain.history import digest_of
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.commit import Commits, contributors
from aiobreakglass._dynamodb.layout import Table, TableLayout, check_layout, check_table_name
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row, event_row
from aiobreakglass._dynamodb.scan import run_together, scan_page

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_CONCURRENCY: Final = 16
"""How many events are adopted at the same time."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """How far the adoption of a table has come."""

    adopted: int = 0
    """How many events have got an entry that records them as they are."""
    skipped: int = 0
    """How many rows have got none, because they are not events or their entry would be too large.
    `audit_table` names them."""
    resume: str | None = None
    """With this, `adopt_table` goes on from here; None at the end of the table. It is the key of a
    row."""


async def adopt_table(
    client: DynamoDBClient,
    name: str,
    *,
    layout: TableLayout | None = None,
    retention: timedelta | None = timedelta(days=365),
    resume: str | None = None,
    on_progress: Callable[[Adoption], Awaitable[object]] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Adoption:
    """Record each event that its history does not show as it is, and return how many.

    These are the events from before histories existed, and the events that another writer has
    changed. The history gets the entry `adopted`, with the event as it is stored. The difference
    to the entry before stays visible. It also adopts the ended events that wait for a
    review and that `list_awaiting_review` does not list, because they are from before reviews
    existed. From then on it lists them.

    Call it after all writers of the table have been upgraded. An event that is not adopted here is
    adopted by its next change. So the call matters for ended events, which seldom change again.

    Each entry is written in one transaction with the row of its event, and only if the row is as
    it was read. So it is safe beside other writers, in several processes at once, and to repeat.
    The fields of the events stay as they are, `updated_at` too. The call reads every row once, and
    its memory does not grow with the table.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name or the ARN of the table.
        layout: The names that the table uses; None means the default names.
        retention: The retention of the stores that use the table. Histories are kept as long as
            it says.
        resume: The `resume` of an earlier progress, to go on after it.
        on_progress: Awaited after each page of rows. It gets the counts of this call so far.
        clock: Returns the current time as an aware datetime.

    Raises:
        StoreUnavailableError: DynamoDB did not answer in time. Go on with `resume`.
        TableError: The table is missing, or is not laid out like this.
    """
    table = Table(
        check_table_name(name, or_arn=True),
        TableLayout() if layout is None else check_layout(layout),
    )
    if retention is not None:
        arguments.check_interval("retention", retention, at_least=timedelta(0))
    if resume is not None and not isinstance(resume, str):
        raise TypeError(f"resume must be a str or None, not {type(resume).__name__}")
    arguments.check_async_callback("on_progress", on_progress)

    def now() -> datetime:
        return arguments.check_instant("clock()", clock())

    now()
    pass_over = _Pass(Calls(client, name, OPERATION_TIMEOUT), table, Retention(retention), now)
    progress = Adoption(resume=resume)
    while True:
        progress = await pass_over.adopt_page(progress)
        if on_progress is not None:
            await on_progress(progress)
        if progress.resume is None:
            return progress


class _Pass:
    """One pass over a table."""

    def __init__(
        self, calls: Calls, table: Table, retention: Retention, clock: Callable[[], datetime]
    ) -> None:
        self._calls = calls
        self._table = table
        parts = contributors(table, retention)
        self._commits = Commits(calls, table, parts, retention, clock)

    async def adopt_page(self, progress: Adoption) -> Adoption:
        """Adopt the events of the next page of rows, and return the progress after it."""
        request = scan_page(self._table, progress.resume) | requests.only_events(self._table)
        with self._calls.operation() as operation:
            answer = await self._calls.read(operation, "Scan", request, is_asked=self._is_event)
        rows = [event_row(item, self._table.layout) for item in answer["Items"]]
        waiting = iter([row for row in rows if row is not None])
        outcomes: Counter[bool | None] = Counter()

        async def work() -> None:
            for row in waiting:
                outcomes[await self._adopt(row)] += 1

        await run_together(work() for _ in range(_CONCURRENCY))
        last = answer.get("LastEvaluatedKey")
        return replace(
            progress,
            adopted=progress.adopted + outcomes[True],
            skipped=progress.skipped + outcomes[None],
            resume=None if last is None else last[self._table.layout.partition_key]["S"],
        )

    async def _adopt(self, row: Row) -> bool | None:
        """Adopt an event; return False if there is no need, and None if it is not possible."""
        try:
            with self._calls.operation() as operation:
                change = await self._commits.commit(operation, row.event_id, _rule, row)
        except (CorruptItemError, ItemTooLargeError):
            return None
        return change is not None

    def _is_event(self, row: Item) -> bool:
        key = str(row[self._table.layout.partition_key]["S"])
        return key.startswith(self._table.layout.event_prefix)


def _rule(row: Row | None, now: datetime) -> Change | None:
    """Adopt an event unless it is gone, or its newest entry records it as it is.

    An ended event that the queue of reviews lacks is adopted too: a release before reviews has
    written it. An active event joins the queue when it ends.
    """
    if row is None:
        return None
    is_recorded = row.tip is not None and row.tip.digest == digest_of(row.event)
    if is_recorded and _is_queued_rightly(row):
        return None
    return Change(Action.ADOPTED, row.event, row.event, now)


def _is_queued_rightly(row: Row) -> bool:
    awaited = awaited_review(row.event)
    listed = None if awaited is None else {"S": awaited}
    return not row.event.status.is_terminal or row.item.get(AWAITING_REVIEW) == listed
