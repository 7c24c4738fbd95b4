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
    Limits,
    Quota,
    ReviewOutcome,
)

READ, BATCH, QUERY, WRITE = "GetItem", "BatchGetItem", "Query", "TransactWriteItems"

_MINUTE = timedelta(minutes=1)
_LIMITS = Limits(cooldown=_MINUTE, per_invoker=Quota(3, _MINUTE), per_profile=Quota(3, _MINUTE))


@dataclass(frozen=True)
class Scene:
    """An event, and the time of the call."""

    event: BreakGlassEvent
    now: datetime


Run = Callable[[AsyncDynamoDBStore, Scene], Awaitable[object]]
Given = Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[BreakGlassEvent]]


@dataclass(frozen=True)
class Call:
    """A call of a method, and the operation whose requests get the fault."""

    operation: str
    run: Run
    returns: Callable[[Scene], object]
    leaves: Callable[[Scene], BreakGlassEvent | None] = lambda scene: scene.event
    """The event as it is stored after the call has succeeded."""
    given: Given = AsyncDynamoDBStore.create
    """Makes the event that is stored before the call, from one that was just opened."""
    recorded: tuple[Action, ...] = (Action.CREATED,)
    """The entries that the history of the event has before the call."""
    records: tuple[Action, ...] = ()
    """The entries that the history of the event gains."""
    is_new: bool = False
    """Whether the event is not stored before the call."""
    limits: Limits | None = None
    has_lapsed: bool = False
    """Whether the event stored before the call, this or another of its pair, has lapsed."""

    has_second_step: bool = False
    """Whether an unknown outcome can leave rows that a repetition brings in line."""

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


def _extended(scene: Scene) -> BreakGlassEvent:
    return scene.event.model_copy(
        update={"expires_at": _later(scene), "extensions": 1, "updated_at": scene.now}
    )


def _later(scene: Scene) -> datetime:
    return scene.event.expires_at + _MINUTE


async def _imported(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    at = event.created_at
    return await store.create(event.close(closed_by="bob", closed_reason="done", at=at))


async def _created_and_held(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    await store.create(event)
    return await store.hold(event.id, held_by="dave", reason="a case")


def _reviewed(scene: Scene) -> BreakGlassEvent:
    return scene.event.model_copy(
        update={
            "reviewed_by": "carol",
            "reviewed_at": scene.now,
            "review_outcome": ReviewOutcome.JUSTIFIED,
            "review_comment": "as it should be",
            "updated_at": scene.now,
        }
    )


def _held(scene: Scene) -> BreakGlassEvent:
    hold = {"held_by": "dave", "held_at": scene.now, "held_reason": "a case"}
    return scene.event.model_copy(update=hold | {"updated_at": scene.now})


def _released(scene: Scene) -> BreakGlassEvent:
    no_hold = dict.fromkeys(("held_by", "held_at", "held_reason"))
    return scene.event.model_copy(update=no_hold | {"updated_at": scene.now})


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
_EXTEND = Call(
    WRITE,
    lambda store, scene: store.extend(
        scene.event.id, expires_at=_later(scene), extended_by="carol", reason="not done"
    ),
    returns=_extended,
    leaves=_extended,
    records=(Action.EXTENDED,),
)
_REVIEW = Call(
    WRITE,
    lambda store, scene: store.review(
        scene.event.id, reviewed_by="carol", outcome="justified", comment="as it should be"
    ),
    returns=_reviewed,
    leaves=_reviewed,
    given=_imported,
    recorded=(Action.IMPORTED,),
    records=(Action.REVIEWED,),
)
_HOLD = Call(
    WRITE,
    lambda store, scene: store.hold(scene.event.id, held_by="dave", reason="a case"),
    returns=_held,
    leaves=_held,
    records=(Action.HELD,),
    has_second_step=True,
)
_RELEASE = Call(
    WRITE,
    lambda store, scene: store.release_hold(
        scene.event.id, released_by="dave", reason="the case is over"
    ),
    returns=_released,
    leaves=_released,
    given=_created_and_held,
    recorded=(Action.CREATED, Action.HELD),
    records=(Action.RELEASED,),
    has_second_step=True,
)
_CREATE_OVER_LAPSED = replace(_CREATE, has_lapsed=True)

CALLS = {
    "create": _CREATE,
    "create where another has lapsed": _CREATE_OVER_LAPSED,
    "create where another has lapsed, its read": replace(_CREATE_OVER_LAPSED, operation=READ),
    # All changes read their event in the same way, so the read of one stands for most.
    "update": _UPDATE,
    "update, its read": replace(_UPDATE, operation=READ),
    "update to expired": _EXPIRE,
    "close": _CLOSE,
    "delete": _DELETE,
    "delete, its read": replace(_DELETE, operation=READ),
    "extend": _EXTEND,
    "review": _REVIEW,
    "hold": _HOLD,
    "release_hold": _RELEASE,
    "create with limits": replace(_CREATE, limits=_LIMITS),
    "create with limits, its read": replace(_CREATE, limits=_LIMITS, operation=BATCH),
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
    "list_awaiting_review": Call(
        QUERY,
        # All events wait for a review, so each has its own minute.
        lambda store, scene: store.list_awaiting_review(
            since=scene.event.created_at, until=scene.event.created_at + _MINUTE
        ),
        returns=_page,
        has_lapsed=True,
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
