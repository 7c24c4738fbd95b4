"""Answer who held emergency access at an instant of the past."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiobreakglass._contract.arguments import check_instant, check_name
from aiobreakglass._contract.iteration import ListMethod, iterate
from aiobreakglass._contract.store import MAX_QUERY_LIMIT, BreakGlassStore
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus, utc_now
from aiobreakglass._domain.fields import MAX_DURATION

_LARGEST_OFFSET: Final = timedelta(days=1)
"""Lists compare `created_at` as text, and other writers spell it with an offset from UTC."""

_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


async def access_at(
    store: BreakGlassStore,
    at: datetime,
    *,
    profile: str | None = None,
    invoker: str | None = None,
    now: datetime | None = None,
) -> list[BreakGlassEvent]:
    """Return the events that granted access at an instant, newest first.

    These are the events with `created_at <= at < end`, where the end is `ended_at`, or
    `expires_at` for an event that is not marked ended. The answer comes from the store's lists
    alone, so it needs no history. An event lasts at most `MAX_DURATION`, so the lists are read
    only around the instant, however many events there are.

    The answer lacks deleted events, and for a moment events that were created or changed just now,
    because lists are eventually consistent.

    Args:
        store: Any store.
        at: The instant.
        profile: Return only the events of this profile; None means any.
        invoker: Return only the events of this invoker; None means any.
        now: The present, which `at` must not be after; by default the current time.

    Raises:
        ValueError: `at` is in the future, for which nobody can know the answer.
        CorruptItemError: A row that the lists have is not an event, so it cannot be judged.
    """
    at = check_instant("at", at)
    profile = None if profile is None else check_name("profile", profile)
    invoker = None if invoker is None else check_name("invoker", invoker)
    if at > (utc_now() if now is None else check_instant("now", now)):
        raise ValueError("at must not be in the future")
    found: dict[str, BreakGlassEvent] = {}
    async for event in _listed(store, at, profile, invoker):
        # A later list is a later state, if the event has changed since the earlier list.
        found[event.id] = event
    held = [
        event
        for event in found.values()
        if _granted_access(event, at)
        and profile in (None, event.profile)
        and invoker in (None, event.invoker)
    ]
    return sorted(held, key=lambda event: (event.created_at, event.id), reverse=True)


async def _listed(
    store: BreakGlassStore, at: datetime, profile: str | None, invoker: str | None
) -> AsyncGenerator[BreakGlassEvent, None]:
    """Yield all events that may have granted access at an instant, and others."""
    lists: list[tuple[ListMethod[Any], str]]
    if invoker is not None:
        lists = [(store.list_by_invoker, invoker)]
    elif profile is not None:
        lists = [(store.list_by_profile, profile)]
    else:
        # Active ones first. In another order, an event that ends meanwhile could be in no list.
        lists = [(store.list_by_status, status) for status in BreakGlassStatus]
    since, until = _around(at)
    for method, key in lists:
        async for event in iterate(method, key, MAX_QUERY_LIMIT, since=since, until=until):
            yield event


def _around(at: datetime) -> tuple[datetime, datetime]:
    """Return the range of `created_at`, as lists compare it, that events around `at` have."""
    before = MAX_DURATION + _LARGEST_OFFSET
    since = at - before if at - _BEGINNING_OF_TIME > before else _BEGINNING_OF_TIME
    until = at + _LARGEST_OFFSET if _END_OF_TIME - at > _LARGEST_OFFSET else _END_OF_TIME
    return since, until


def _granted_access(event: BreakGlassEvent, at: datetime) -> bool:
    end = event.expires_at if event.ended_at is None else event.ended_at
    return event.created_at <= at < end
