"""Go through all pages of a list."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiobreakglass._contract.store import EventPage, OnCorrupt

if TYPE_CHECKING:
    from datetime import datetime

    from aiobreakglass._domain.event import BreakGlassEvent

_Key_contra = TypeVar("_Key_contra", contravariant=True)
_Key = TypeVar("_Key")


class ListMethod(Protocol[_Key_contra]):
    """One of a store's three list methods."""

    async def __call__(
        self,
        key: _Key_contra,
        /,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of the list."""
        ...


def iterate(
    list_method: ListMethod[_Key],
    key: _Key | None = None,
    limit: int | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    on_corrupt: OnCorrupt = "raise",
) -> AsyncGenerator[BreakGlassEvent, None]:
    """Yield the events of all pages of a list, as in `iterate(store.list_by_status, "active")`.

    It requests a page when the events of the previous page are used up; nothing runs in the
    background.

    Args:
        list_method: One of a store's three list methods.
        key: The invoker, status or profile to list by.
        limit: The largest number of events in each page, not in total.
        since: The earliest `created_at` to list.
        until: List only events with an earlier `created_at` than this.
        cursor: Where to begin: the `next_cursor` of a page of the same query.
        on_corrupt: What to do with a row that is not an event. "raise" raises `CorruptItemError`;
            "skip" leaves the row out without a report. To see the reports, call the list method
            yourself and read each page's `corrupt`.

    Raises:
        TypeError: `list_method` is the result of a list method instead of the method, or `key` is
            missing.
    """
    if not callable(list_method):
        if isinstance(list_method, Coroutine):
            # Nobody can await it now, so Python would warn about it.
            list_method.close()
        raise TypeError(
            "list_method must be a list method itself, not what it returns: "
            'iterate(store.list_by_status, "active")'
        )
    if key is None:
        raise TypeError(
            'key must be what to list by, as in iterate(store.list_by_status, "active")'
        )
    return _walk(list_method, key, limit, since, until, cursor, on_corrupt)


async def _walk(
    list_method: ListMethod[_Key],
    key: _Key,
    limit: int | None,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    on_corrupt: OnCorrupt,
) -> AsyncGenerator[BreakGlassEvent, None]:
    while True:
        page = await list_method(
            key, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
        )
        for event in page:
            yield event
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
