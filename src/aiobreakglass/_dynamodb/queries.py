"""List and count events over the indexes, which are eventually consistent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiobreakglass._aws.calls import Calls, Operation
from aiobreakglass._aws.transaction import Item, Request
from aiobreakglass._contract.arguments import AWAITING_REVIEW, Listing
from aiobreakglass._contract.lists import PageRequest
from aiobreakglass._contract.store import EventPage
from aiobreakglass._domain.errors import CorruptItemError, TableError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.codec import decode_event, decode_events
from aiobreakglass._dynamodb.cursor import cursor_after, start_key
from aiobreakglass._dynamodb.layout import Table, TableLayout
from aiobreakglass._dynamodb.recent import RecentRows


class Queries:
    """Queries one table's indexes, and follows their pages."""

    def __init__(
        self, calls: Calls, table: Table, cursor_key: bytes | None, recent_rows: RecentRows
    ) -> None:
        self._calls = calls
        self._table = table
        self._cursor_key = cursor_key
        self._recent_rows = recent_rows

    async def page(self, asked: PageRequest) -> EventPage:
        """Return one page of events, in the order of the listing."""
        layout, listing = self._table.layout, asked.listing
        start = None if asked.after is None else start_key(asked.after, listing, layout)
        rows = _Rows(layout, self._recent_rows, asked.size, asked.skips_corrupt, asked.ended_by)
        growth = 1
        with self._calls.operation() as operation:
            if listing.is_empty:
                return EventPage(())
            request: Request | None = requests.list_page(self._table, listing, rows.wanted, start)
            while request is not None and rows.wanted:
                answer = await self._query(operation, listing, request)
                rows.add(answer["Items"])
                if asked.ended_by is not None:
                    # The index may have any number of active events in a row.
                    growth *= 2
                request = requests.following(request, answer, rows.wanted * growth)
        following = (
            cursor_after(rows.last, listing, self._cursor_key)
            if rows.has_more and rows.last is not None
            else None
        )
        return EventPage(tuple(rows.events), following, tuple(rows.corrupt))

    async def count(self, listing: Listing, at_most: int | None) -> int:
        """Return how many events a listing has, or `at_most` if it has more."""
        total = 0
        request: Request | None = requests.count(self._table, listing, at_most)
        with self._calls.operation() as operation:
            while request is not None and total != at_most:
                answer = await self._query(operation, listing, request)
                total += int(answer["Count"])
                missing = None if at_most is None else at_most - total
                request = requests.following(request, answer, missing)
        return total

    async def newest(self, listing: Listing, profile: str) -> BreakGlassEvent | None:
        """Return a listing's newest event that has this profile."""
        page_size = requests.FIRST_PAGE
        request: Request | None = requests.newest_of_profile(
            self._table, listing, profile, page_size
        )
        with self._calls.operation() as operation:
            while request is not None:
                answer = await self._query(operation, listing, request)
                if answer["Items"]:
                    return decode_event(answer["Items"][0], self._table.layout)
                page_size = requests.next_page_size(page_size)
                request = requests.following(request, answer, page_size)
        return None

    async def _query(
        self, operation: Operation, listing: Listing, request: Request
    ) -> dict[str, Any]:
        is_listed = requests.has({listing.field: {"S": listing.value}})
        try:
            return await self._calls.read(operation, "Query", request, is_asked=is_listed)
        except TableError as error:
            index = request["IndexName"]
            if listing.field != AWAITING_REVIEW or index not in str(error.__cause__):
                raise
            raise TableError(
                f"table {self._table.name!r} has no index {index!r}, which reviews are listed by, "
                "or has not filled it yet: call create_table, which adds it and waits; all other "
                "calls work without it"
            ) from error


@dataclass(slots=True)
class _Rows:
    """The rows of one page, collected from DynamoDB's pages."""

    layout: TableLayout
    recent_rows: RecentRows
    size: int
    skips: bool
    ended_by: datetime | None
    events: list[BreakGlassEvent] = field(default_factory=list)
    corrupt: list[CorruptItemError] = field(default_factory=list)
    last: Item | None = None
    """The row of the last event; the cursor names it, because a corrupt row may have no id."""
    has_more: bool = False

    @property
    def wanted(self) -> int:
        """How many more rows to request; 0 when the page is complete."""
        # One row beyond the page shows whether another page follows.
        return 0 if self.has_more else self.size - len(self.events) + 1

    def add(self, items: Sequence[Item]) -> None:
        """Add rows until the page is full; leave the rest to the next page."""
        while items and len(self.events) < self.size:
            room = self.size - len(self.events)
            for item, event in zip(items, self._decoded(items[:room]), strict=False):
                if isinstance(event, CorruptItemError):
                    self.corrupt.append(event)
                elif self._is_listed(event):
                    self.events.append(event)
                    self.recent_rows.remember(event, item)
                    self.last = item
            items = items[room:]
        self.has_more = any(map(self._may_be_listed, items))

    def _is_listed(self, event: BreakGlassEvent) -> bool:
        return self.ended_by is None or not event.is_active(self.ended_by)

    def _may_be_listed(self, item: Item) -> bool:
        """Return whether the next page has a row: its event, or an error."""
        if self.ended_by is None:
            return True
        event = _event_or_error(item, self.layout)
        return isinstance(event, CorruptItemError) or self._is_listed(event)

    def _decoded(self, items: Sequence[Item]) -> Sequence[BreakGlassEvent | CorruptItemError]:
        try:
            return decode_events(items, self.layout)
        except CorruptItemError:
            if not self.skips:
                raise
        return [_event_or_error(item, self.layout) for item in items]


def _event_or_error(item: Item, layout: TableLayout) -> BreakGlassEvent | CorruptItemError:
    try:
        return decode_event(item, layout)
    except CorruptItemError as error:
        return error
