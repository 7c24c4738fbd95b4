"""Lists and counts over the indexes: eventually consistent, as many pages as it takes."""

from __future__ import annotations

from aiobreakglass._arguments import Listing
from aiobreakglass._cursor import decode_cursor
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.calls import Calls
from aiobreakglass._dynamodb.codec import decode_event, decode_events
from aiobreakglass._dynamodb.cursor import cursor_after, start_key
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.recent import RecentRows
from aiobreakglass._dynamodb.requests import Request
from aiobreakglass._dynamodb.transaction import Item
from aiobreakglass._model import BreakGlassEvent
from aiobreakglass._store import EventPage


class Queries:
    """Follow the pages of one table's indexes."""

    def __init__(
        self, calls: Calls, table: Table, cursor_key: bytes | None, recent_rows: RecentRows
    ) -> None:
        self._calls = calls
        self._table = table
        self._cursor_key = cursor_key
        self._recent_rows = recent_rows

    async def page(self, listing: Listing, size: int, cursor: str | None) -> EventPage:
        """Return one page of events, newest first."""
        layout = self._table.layout
        position = None if cursor is None else decode_cursor(cursor, listing, self._cursor_key)
        start = None if position is None else start_key(position, listing, layout)
        # One more than asked for tells whether another page follows.
        wanted = size + 1
        items: list[Item] = []
        with self._calls.operation() as operation:
            if listing.is_empty:
                return EventPage(())
            request: Request | None = requests.list_page(self._table, listing, wanted, start)
            while request is not None and len(items) < wanted:
                answer = await self._calls.read(
                    operation, "Query", request, expected=requests.expected(listing)
                )
                items += answer["Items"]
                request = requests.following(request, answer)
        events = tuple(decode_events(items[:size], layout))
        for event, item in zip(events, items, strict=False):
            self._recent_rows.remember(event, item)
        if len(items) <= size:
            return EventPage(events)
        return EventPage(events, cursor_after(items[size - 1], listing, self._cursor_key))

    async def count(self, listing: Listing) -> int:
        """Return how many events a listing has."""
        total = 0
        request: Request | None = requests.count(self._table, listing)
        with self._calls.operation() as operation:
            while request is not None:
                answer = await self._calls.read(
                    operation, "Query", request, expected=requests.expected(listing)
                )
                total += int(answer["Count"])
                request = requests.following(request, answer)
        return total

    async def newest(self, listing: Listing, profile: str) -> BreakGlassEvent | None:
        """Return the newest event of a listing that is of this profile."""
        request: Request | None = requests.newest_of_profile(self._table, listing, profile)
        with self._calls.operation() as operation:
            while request is not None:
                answer = await self._calls.read(
                    operation, "Query", request, expected=requests.expected(listing)
                )
                if answer["Items"]:
                    return decode_event(answer["Items"][0], self._table.layout)
                request = requests.following(request, answer)
        return None
