"""Every method of the store as a call with a known result, for trying faults on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    EventPage,
)

READ, QUERY, WRITE = "GetItem", "Query", "TransactWriteItems"

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Scene:
    """An event, and the time of the call."""

    event: BreakGlassEvent
    now: datetime


Run = Callable[[AsyncDynamoDBStore, Scene], Awaitable[object]]


@dataclass(frozen=True)
class Call:
    """A call of a method, and the operation whose requests get the fault."""

    operation: str
    run: Run
    returns: Callable[[Scene], object]
    leaves: Callable[[Scene], BreakGlassEvent | None] = lambda scene: scene.event
    """The event as it is stored after the call has succeeded."""
    records: tuple[Action, ...] = ()
    """The entries that the history of the event gains."""
    is_new: bool = False
    """Whether the event is not stored before the call."""
    has_lapsed: bool = False
    """Whether the event stored before the call, this or another of its pair, has lapsed."""

    @property
    def is_write(self) -> bool:
        """Whether the fault concerns a write."""
        return self.operation == WRITE


def _page(scene: Scene) -> EventPage:
    return EventPage((scene.event,))


def _updated(scene: Scene) -> BreakGlassEvent:
    return scene.event.model_copy(update={"request_id": "r-1", "updated_at": scene.now})


def _closed(scene: Scene) -> BreakGlassEvent:
    closed = scene.event.close(closed_by="bob", closed_reason="done", at=scene.now)
    return closed.model_copy(update={"updated_at": scene.now})


def _expired(scene: Scene) -> BreakGlassEvent:
    return scene.event.expire(scene.now).model_copy(update={"updated_at": scene.now})


_CREATE = Call(
    WRITE,
    lambda store, scene: store.create(scene.event),
    returns=lambda scene: scene.event,
    records=(Action.CREATED,),
    is_new=True,
)
_UPDATE = Call(
    WRITE,
    lambda store, scene: store.update(scene.event.model_copy(update={"request_id": "r-1"})),
    returns=_updated,
    leaves=_updated,
    records=(Action.UPDATED,),
)
_EXPIRE = Call(
    WRITE,
    lambda store, scene: store.update(scene.event.expire(scene.now)),
    returns=_expired,
    leaves=_expired,
    records=(Action.EXPIRED,),
    has_lapsed=True,
)
_CLOSE = Call(
    WRITE,
    lambda store, scene: store.close(scene.event.id, closed_by="bob", closed_reason="done"),
    returns=_closed,
    leaves=_closed,
    records=(Action.CLOSED,),
)
_DELETE = Call(
    WRITE,
    lambda store, scene: store.delete(scene.event.id),
    returns=lambda scene: None,
    leaves=lambda scene: None,
    records=(Action.DELETED,),
)
_CREATE_OVER_LAPSED = replace(_CREATE, has_lapsed=True)

CALLS = {
    "create": _CREATE,
    "create where another has lapsed": _CREATE_OVER_LAPSED,
    "create where another has lapsed, its read": replace(_CREATE_OVER_LAPSED, operation=READ),
    "update": _UPDATE,
    "update, its read": replace(_UPDATE, operation=READ),
    "update to expired": _EXPIRE,
    "update to expired, its read": replace(_EXPIRE, operation=READ),
    "close": _CLOSE,
    "close, its read": replace(_CLOSE, operation=READ),
    "delete": _DELETE,
    "delete, its read": replace(_DELETE, operation=READ),
    "get": Call(
        READ,
        lambda store, scene: store.get(scene.event.id),
        returns=lambda scene: scene.event,
    ),
    "find_active_by_invoker_and_profile": Call(
        READ,
        lambda store, scene: store.find_active_by_invoker_and_profile(
            scene.event.invoker, scene.event.profile
        ),
        returns=lambda scene: scene.event,
    ),
    "list_by_invoker": Call(
        QUERY,
        lambda store, scene: store.list_by_invoker(scene.event.invoker),
        returns=_page,
    ),
    "list_by_profile": Call(
        QUERY,
        lambda store, scene: store.list_by_profile(scene.event.profile),
        returns=_page,
    ),
    "list_by_status": Call(
        QUERY,
        # Many events are active, so each has its own minute.
        lambda store, scene: store.list_by_status(
            BreakGlassStatus.ACTIVE,
            since=scene.event.created_at,
            until=scene.event.created_at + _MINUTE,
        ),
        returns=_page,
    ),
    "count_by_invoker_since": Call(
        QUERY,
        lambda store, scene: store.count_by_invoker_since(
            scene.event.invoker, scene.event.created_at
        ),
        returns=lambda scene: 1,
    ),
    "count_by_profile_since": Call(
        QUERY,
        lambda store, scene: store.count_by_profile_since(
            scene.event.profile, scene.event.created_at
        ),
        returns=lambda scene: 1,
    ),
    "get_last_by_invoker_and_profile": Call(
        QUERY,
        lambda store, scene: store.get_last_by_invoker_and_profile(
            scene.event.invoker, scene.event.profile
        ),
        returns=lambda scene: scene.event,
    ),
}
