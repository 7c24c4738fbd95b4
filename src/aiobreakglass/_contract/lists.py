"""Check the arguments of the methods that list and count, and leave the rest to each store."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import NamedTuple

from aiobreakglass._contract import arguments
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._contract.cursor import Position, check_cursor_key, decode_cursor
from aiobreakglass._contract.store import BreakGlassStore, EventPage, OnCorrupt
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus, ReviewOutcome


class PageRequest(NamedTuple):
    """A checked request for one page of a list."""

    listing: Listing
    size: int
    """How many events the page may have."""
    after: Position | None
    """The last event of the previous page; None for the first page."""
    skips_corrupt: bool
    ended_by: datetime | None = None
    """Leave out events that are active at this instant; None means to list them, too."""


class Lists(BreakGlassStore):
    """The lists and counts of a store: this class checks the arguments, the subclass looks up."""

    def __init__(self, cursor_key: bytes | None) -> None:
        self._cursor_key = check_cursor_key(cursor_key)

    async def list_by_invoker(
        self,
        invoker: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("invoker", invoker, since, until)
        return await self._page(self._page_request(listing, limit, cursor, on_corrupt))

    async def list_by_status(
        self,
        status: BreakGlassStatus | str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("status", status, since, until)
        return await self._page(self._page_request(listing, limit, cursor, on_corrupt))

    async def list_by_profile(
        self,
        profile: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("profile", profile, since, until)
        return await self._page(self._page_request(listing, limit, cursor, on_corrupt))

    async def list_awaiting_review(
        self,
        limit: int | None = None,
        *,
        outcome: ReviewOutcome | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of the events that wait for a review, as `GovernedStore` says."""
        awaited = arguments.check_awaited(outcome)
        listing = arguments.check_listing(arguments.AWAITING_REVIEW, awaited, since, until)
        request = self._page_request(listing, limit, cursor, on_corrupt)
        return await self._page(request._replace(ended_by=self._now()))

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        listing = _listing_since("invoker", invoker, since)
        return await self._count(listing, arguments.check_at_most(at_most))

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        listing = _listing_since("profile", profile, since)
        return await self._count(listing, arguments.check_at_most(at_most))

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        listing = arguments.check_listing("invoker", invoker)
        return await self._newest(listing, arguments.check_name("profile", profile))

    @abstractmethod
    def _now(self) -> datetime:
        """Return the time by the store's clock, or raise if the clock is wrong."""

    @abstractmethod
    async def _page(self, request: PageRequest) -> EventPage:
        """Return one page of events, in the order of the listing."""

    @abstractmethod
    async def _count(self, listing: Listing, at_most: int | None) -> int:
        """Return how many events a listing has, or `at_most` if it has more."""

    @abstractmethod
    async def _newest(self, listing: Listing, profile: str) -> BreakGlassEvent | None:
        """Return a listing's newest event that has this profile."""

    def _page_request(
        self, listing: Listing, limit: int | None, cursor: str | None, on_corrupt: OnCorrupt
    ) -> PageRequest:
        return PageRequest(
            listing,
            arguments.check_limit(limit),
            None if cursor is None else decode_cursor(cursor, listing, self._cursor_key),
            skips_corrupt=arguments.check_on_corrupt(on_corrupt) == "skip",
        )


def _listing_since(field: str, value: str, since: datetime) -> Listing:
    # Checked here, because `since` is optional for a list and required for a count.
    return arguments.check_listing(field, value, arguments.check_instant("since", since))
