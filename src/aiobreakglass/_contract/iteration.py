"""Go through all pages of a list."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from aiobreakglass._contract.store import EventPage, OnCorrupt

if TYPE_CHECKING:
    from datetime import datetime

    from aiobreakglass._domain.event import BreakGlassEvent, ReviewOutcome

_Key_contra = TypeVar("_Key_contra", contravariant=True)
_Key = TypeVar("_Key")


class ListMethod(Protocol[_Key_contra]):
    """One of a store's three lists that have a key."""

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


class QueueMethod(Protocol):
    """The list of events that wait for a review, which has no key."""

    async def __call__(
        self,
        limit: int | None = None,
        *,
        outcome: ReviewOutcome | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        """Return one page of the list."""
        ...


@overload
def iterate(
    list_method: ListMethod[_Key],
    key: _Key,
    limit: int | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    on_corrupt: OnCorrupt = "raise",
) -> AsyncGenerator[BreakGlassEvent, None]: ...
@overload
def iterate(
    list_method: QueueMethod,
    *,
    limit: int | None = None,
    outcome: ReviewOutcome | str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    on_corrupt: OnCorrupt = "raise",
) -> AsyncGenerator[BreakGlassEvent, None]: ...
def iterate(
    list_method: Callable[..., Awaitable[EventPage]],
    key: object = None,
    limit: int | None = None,
    *,
    outcome: ReviewOutcome | str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    on_corrupt: OnCorrupt = "raise",
) -> AsyncGenerator[BreakGlassEvent, None]:
    """Yield the events of all pages of a list, as in `iterate(store.list_by_status, "active")`.

    It requests a page when the events of the previous page are used up; nothing runs in the
    background.

    Args:
        list_method: One of a store's list methods.
        key: The invoker, status or profile to list by. `list_awaiting_review` has no key.
        limit: The largest number of events in each page, not in total.
        outcome: As for `list_awaiting_review`, the only method that takes it.
        since: The earliest `created_at` to list.
        until: List only events with an earlier `created_at` than this.
        cursor: Where to begin: the `next_cursor` of a page of the same query.
        on_corrupt: What to do with a row that is not an event. "raise" raises `CorruptItemError`;
            "skip" leaves the row out without a report. To see the reports, call the list method
            yourself and read each page's `corrupt`.

    Raises:
        TypeError: `list_method` is the result of a list method instead of the method, `key` is
            missing, or the method does not take `key` or `outcome`.
    """
    if not callable(list_method):
        if isinstance(list_method, Coroutine):
            # Nobody can await it now, so Python would warn about it.
            list_method.close()
        raise TypeError(
            "list_method must be a list method itself, not what it returns: "
            'iterate(store.list_by_status, "active")'
        )
    query: dict[str, Any] = {"since": since, "until": until, "on_corrupt": on_corrupt}
    if _has_no_key(list_method):
        if key is not None:
            raise TypeError("key must be left out for list_awaiting_review, which has none")
        return _walk(partial(list_method, limit, outcome=outcome, **query), cursor)
    if key is None:
        raise TypeError(
            'key must be what to list by, as in iterate(store.list_by_status, "active")'
        )
    if outcome is not None:
        raise TypeError("outcome must be left out, except for list_awaiting_review")
    return _walk(partial(list_method, key, limit, **query), cursor)


def _has_no_key(list_method: Callable[..., Awaitable[EventPage]]) -> bool:
    try:
        parameters = inspect.signature(list_method).parameters
    except ValueError:
        return False
    return next(iter(parameters), None) == "limit"


async def _walk(
    request_page: Callable[..., Awaitable[EventPage]], cursor: str | None
) -> AsyncGenerator[BreakGlassEvent, None]:
    while True:
        page = await request_page(cursor=cursor)
        for event in page:
            yield event
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
