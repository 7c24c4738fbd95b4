"""Calls of every method: the state before each, and how to tell whether it has happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    Action,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    ConcurrentModificationError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    GovernedStore,
    InvalidStateTransitionError,
    ReviewRefusedError,
)
from aiobreakglass.testing import FakeClock, make_event


@dataclass(frozen=True)
class Case:
    """One call, and how to tell whether it has happened."""

    given: Callable[[GovernedStore, FakeClock, str], Awaitable[BreakGlassEvent]]
    """Prepares the state before the call, for the given invoker."""
    call: Callable[[GovernedStore, BreakGlassEvent], Coroutine[Any, Any, object]]
    has_happened: Callable[[GovernedStore, BreakGlassEvent], Awaitable[bool]]
    recorded: tuple[Action, ...] = (Action.CREATED,)
    """The actions in the history of the event once the call has happened."""
    refused_at_first: type[BreakGlassError] | None = None
    refused_again: type[Exception] | None = None
    """The error of the same call if it has already happened."""
    has_two_steps: bool = False
    """Whether only a repetition finishes the call if it ends between its steps."""

    @property
    def is_write(self) -> bool:
        """Whether the call changes rows."""
        return self.has_happened is not always


async def new(store: GovernedStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return make_event(invoker=invoker, created_at=clock())


async def opened(store: GovernedStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await store.create(await new(store, clock, invoker))


async def lapsed(store: GovernedStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    event = await opened(store, clock, invoker)
    clock.set(event.expires_at)
    return event


async def held(store: GovernedStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await holding(store, await opened(store, clock, invoker))


async def new_after_lapsed(
    store: GovernedStore, clock: FakeClock, invoker: str
) -> BreakGlassEvent:
    await lapsed(store, clock, invoker)
    return await new(store, clock, invoker)


async def over(store: GovernedStore, clock: FakeClock, invoker: str) -> BreakGlassEvent:
    return await closing(store, await opened(store, clock, invoker))


def closing(store: GovernedStore, event: BreakGlassEvent) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.close(event.id, closed_by="bob", closed_reason="Over")


def amending(store: GovernedStore, event: BreakGlassEvent) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.update(event.model_copy(update={"request_id": "c0ffee"}))


def expiring(store: GovernedStore, event: BreakGlassEvent) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.update(event.expire(at=event.expires_at))


async def always(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return True


async def is_there(store: GovernedStore, event: BreakGlassEvent) -> bool:
    try:
        return (await store.get(event.id)).id == event.id
    except EventNotFoundError:
        return False


async def is_gone(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return not await is_there(store, event)


async def is_amended(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).request_id == "c0ffee"


async def is_closed(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.CLOSED


async def is_expired(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).status is BreakGlassStatus.EXPIRED


def extending(
    store: GovernedStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    later = event.expires_at + timedelta(minutes=30)
    return store.extend(event.id, expires_at=later, extended_by="carol", reason="Not done")


def reviewing(
    store: GovernedStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.review(event.id, reviewed_by="rev", outcome="justified", comment="Fine")


def holding(store: GovernedStore, event: BreakGlassEvent) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.hold(event.id, held_by="counsel", reason="Case 7")


def releasing(
    store: GovernedStore, event: BreakGlassEvent
) -> Coroutine[Any, Any, BreakGlassEvent]:
    return store.release_hold(event.id, released_by="counsel", reason="Case closed")


async def is_extended(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).extensions == 1


async def is_reviewed(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).reviewed_by == "rev"


async def is_held(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return (await store.get(event.id)).held_by == "counsel"


async def is_released(store: GovernedStore, event: BreakGlassEvent) -> bool:
    return not await is_held(store, event)


CREATED, UPDATED, CLOSED, EXPIRED, DELETED = (
    Action.CREATED,
    Action.UPDATED,
    Action.CLOSED,
    Action.EXPIRED,
    Action.DELETED,
)
EXTENDED, REVIEWED, HELD, RELEASED = (
    Action.EXTENDED,
    Action.REVIEWED,
    Action.HELD,
    Action.RELEASED,
)
WRITES = {
    "create": Case(
        new, lambda s, e: s.create(e), is_there, (CREATED,), refused_again=EventExistsError
    ),
    "create after one that has lapsed": Case(
        new_after_lapsed,
        lambda s, e: s.create(e),
        is_there,
        (CREATED,),
        refused_again=EventExistsError,
    ),
    "update": Case(
        opened,
        amending,
        is_amended,
        (CREATED, UPDATED),
        refused_again=ConcurrentModificationError,
    ),
    "update of what has lapsed": Case(
        lapsed,
        amending,
        is_expired,
        (CREATED, EXPIRED),
        InvalidStateTransitionError,
        InvalidStateTransitionError,
    ),
    "expire": Case(
        lapsed,
        expiring,
        is_expired,
        (CREATED, EXPIRED),
        refused_again=InvalidStateTransitionError,
    ),
    "close": Case(
        opened,
        closing,
        is_closed,
        (CREATED, CLOSED),
        refused_again=InvalidStateTransitionError,
    ),
    "close of what has lapsed": Case(
        lapsed,
        closing,
        is_expired,
        (CREATED, EXPIRED),
        InvalidStateTransitionError,
        InvalidStateTransitionError,
    ),
    "extend": Case(
        opened,
        extending,
        is_extended,
        (CREATED, EXTENDED),
        # The end that was asked for is no longer a later one.
        refused_again=ValueError,
    ),
    "review": Case(
        over,
        reviewing,
        is_reviewed,
        (CREATED, CLOSED, REVIEWED),
        refused_again=ReviewRefusedError,
    ),
    "hold": Case(
        opened,
        holding,
        is_held,
        (CREATED, HELD),
        refused_again=EventHeldError,
        has_two_steps=True,
    ),
    "release_hold": Case(
        held,
        releasing,
        is_released,
        (CREATED, HELD, RELEASED),
        refused_again=InvalidStateTransitionError,
        has_two_steps=True,
    ),
    "delete": Case(opened, lambda s, e: s.delete(e.id), is_gone, (CREATED, DELETED)),
    "delete of what is over": Case(
        over, lambda s, e: s.delete(e.id), is_gone, (CREATED, CLOSED, DELETED)
    ),
}
READS = {
    "get": Case(opened, lambda s, e: s.get(e.id), always),
    "history": Case(opened, lambda s, e: s.history(e.id), always),
    "find_active": Case(
        opened, lambda s, e: s.find_active_by_invoker_and_profile(e.invoker, e.profile), always
    ),
    "list_by_invoker": Case(opened, lambda s, e: s.list_by_invoker(e.invoker), always),
    "list_awaiting_review": Case(
        over, lambda s, e: s.list_awaiting_review(), always, (CREATED, CLOSED)
    ),
    "list_by_status": Case(opened, lambda s, e: s.list_by_status(e.status), always),
    "list_by_profile": Case(opened, lambda s, e: s.list_by_profile(e.profile), always),
    "count_by_invoker": Case(
        opened, lambda s, e: s.count_by_invoker_since(e.invoker, e.created_at), always
    ),
    "count_by_profile": Case(
        opened, lambda s, e: s.count_by_profile_since(e.profile, e.created_at), always
    ),
    "get_last": Case(
        opened, lambda s, e: s.get_last_by_invoker_and_profile(e.invoker, e.profile), always
    ),
}
CASES = WRITES | READS

# An empty range needs no request, but it does need a usable store.
SENDING_NOTHING = {
    "list of nothing": Case(
        opened,
        lambda s, e: s.list_by_invoker(e.invoker, since=e.created_at, until=e.created_at),
        always,
    )
}


def table(cases: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases.values(), ids=cases)


every_case = table(CASES)
every_kind = table(
    {name: CASES[name] for name in ("create", "update", "delete", "get", "get_last")}
)
