"""Every exception of a write, after a lost attempt and after a refused one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ReviewRefusedError,
    StoreUnavailableError,
)
from aiobreakglass._dynamodb.commit import ROUNDS
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows
from tests.faults.proxy import Exchange, Fault, FaultProxy

from .failures import TRANSIENT, TRANSIENT_FOR_WRITES, WRITE

LOST = {
    **{name: TRANSIENT[name] for name in ("500", "503 of a proxy", "reset", "hang")},
    "in progress": TRANSIENT_FOR_WRITES["in progress"],
}


async def create(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.create(event)


async def ended(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    at = event.created_at
    await store.create(event.close(closed_by="alice", closed_reason="done", at=at))


async def held(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.create(event)
    await store.hold(event.id, held_by="bob", reason="A case")


@dataclass(frozen=True)
class Case:
    """A write, and what happens in the table before its second attempt arrives."""

    write: Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[object]]
    happens: Callable[[Rows, BreakGlassEvent, FakeClock], Awaitable[object]]
    error: type[Exception]
    is_new: bool = False
    attempts: int = 2
    given: Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[object]] = create
    """What was done with the event before, unless it is new."""


async def update(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.update(event.model_copy(update={"request_id": "r-1"}))


async def close(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.close(event.id, closed_by="alice", closed_reason="done")


async def delete(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.delete(event.id)


async def extend(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    later = event.expires_at + timedelta(minutes=1)
    await store.extend(event.id, expires_at=later, extended_by="alice", reason="not done")


async def review(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.review(event.id, reviewed_by="carol", outcome="justified", comment="It was")


async def hold(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.hold(event.id, held_by="carol", reason="A case")


async def release(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> None:
    await store.release_hold(event.id, released_by="carol", reason="The case is over")


async def id_is_taken(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.put_event(make_event(id=event.id, invoker="bob", created_at=clock()))


async def _hold(rows: Rows, event: BreakGlassEvent, clock: FakeClock, **attributes: Any) -> None:
    holder = make_event(id="f" * 16, created_at=clock(), **PAIR)
    await rows.put_event(holder, **attributes)
    await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": holder.id}})


async def pair_is_held(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await _hold(rows, event, clock)


async def holder_is_corrupt(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await _hold(rows, event, clock, expires_at={"S": "tomorrow"})


async def guard_is_corrupt(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": "nonsense"}})


async def row_is_deleted(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.remove_event(event.id)


async def row_is_changed(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    later = (event.updated_at + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    await rows.set(event.id, updated_at={"S": later})


async def row_keeps_changing(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    clock.advance(timedelta(microseconds=1))
    await rows.set(event.id, request_id={"S": f"r-{clock().microsecond}"})


async def row_is_corrupt(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.set(event.id, expires_at={"S": "tomorrow"})


async def evidence_is_changed(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.set(event.id, justification={"S": "Something else altogether has happened"})


async def event_is_closed(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.set(
        event.id,
        status={"S": "closed"},
        closed_by={"S": "bob"},
        closed_reason={"S": "faster"},
    )


async def event_is_reviewed(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    at = {"S": event.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    await rows.set(
        event.id,
        reviewed_by={"S": "bob"},
        reviewed_at=at,
        review_outcome={"S": "unjustified"},
        review_comment={"S": "faster"},
    )


async def event_is_held(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    at = {"S": clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    await rows.set(event.id, held_by={"S": "bob"}, held_at=at, held_reason={"S": "faster"})


async def event_is_released(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await rows.unset(event.id, "held_by", "held_at", "held_reason")


async def event_lapses(rows: Rows, event: BreakGlassEvent, clock: FakeClock) -> None:
    await row_keeps_changing(rows, event, clock)
    clock.set(event.expires_at)


CASES = {
    "create, id taken": Case(create, id_is_taken, EventExistsError, is_new=True),
    "create, pair held": Case(create, pair_is_held, ActiveEventExistsError, is_new=True),
    "create, holder corrupt": Case(create, holder_is_corrupt, CorruptItemError, is_new=True),
    "create, guard corrupt": Case(create, guard_is_corrupt, CorruptItemError, is_new=True),
    "update, deleted": Case(update, row_is_deleted, EventNotFoundError),
    "update, changed": Case(update, row_is_changed, ConcurrentModificationError),
    "update, corrupt": Case(update, row_is_corrupt, CorruptItemError),
    "update, evidence changed": Case(update, evidence_is_changed, ImmutableFieldError),
    "update, closed": Case(update, event_is_closed, InvalidStateTransitionError),
    "update, lapsed": Case(update, event_lapses, InvalidStateTransitionError),
    "update, contended": Case(
        update, row_keeps_changing, StoreUnavailableError, attempts=ROUNDS + 1
    ),
    "close, deleted": Case(close, row_is_deleted, EventNotFoundError),
    "close, corrupt": Case(close, row_is_corrupt, CorruptItemError),
    "close, closed": Case(close, event_is_closed, InvalidStateTransitionError),
    "close, lapsed": Case(close, event_lapses, InvalidStateTransitionError),
    "close, contended": Case(
        close, row_keeps_changing, StoreUnavailableError, attempts=ROUNDS + 1
    ),
    "delete, held": Case(delete, event_is_held, EventHeldError),
    "extend, lapsed": Case(extend, event_lapses, InvalidStateTransitionError),
    "review, reviewed": Case(review, event_is_reviewed, ReviewRefusedError, given=ended),
    "hold, held": Case(hold, event_is_held, EventHeldError),
    "release, released": Case(release, event_is_released, InvalidStateTransitionError, given=held),
    "delete, contended": Case(
        delete, row_keeps_changing, StoreUnavailableError, attempts=ROUNDS + 1
    ),
}

# What comes of a loss does not depend on its kind, so one change and one create meet all kinds.
LOSSES = {
    **{name: (case, LOST["reset"]) for name, case in CASES.items()},
    **{
        f"{name}: {kind}": (CASES[name], loss)
        for name in ("close, closed", "create, id taken")
        for kind, loss in LOST.items()
        if kind != "reset"
    },
}

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
async def event(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    return make_event(**PAIR, created_at=clock())


async def attempt(
    case: Case,
    first: Fault,
    store: AsyncDynamoDBStore,
    proxy: FaultProxy,
    rows: Rows,
    clock: FakeClock,
    event: BreakGlassEvent,
) -> Exception:
    """Write with this first fault, and return the exception that the caller gets."""
    if not case.is_new:
        await case.given(store, event)

    async def arrive(exchange: Exchange) -> Any:
        await case.happens(rows, event, clock)
        return await exchange.forward()

    proxy.script(WRITE, first, *[arrive] * (case.attempts - 1))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each test checks the type
        await case.write(store, event)
    return caught.value


class TestEveryException:
    @pytest.mark.parametrize(("case", "loss"), LOSSES.values(), ids=LOSSES)
    async def test_exception_after_lost_attempt_is_unknown_outcome(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
        case: Case,
        loss: Fault,
    ) -> None:
        """A refusal does not hide that an earlier, lost attempt may have succeeded."""
        error = await attempt(case, loss, store, proxy, rows, clock, event)
        assert isinstance(error, StoreUnavailableError)
        assert error.outcome_unknown
        assert type(error.__cause__) is case.error

    @each_case
    async def test_exception_after_refused_attempt_is_the_reason(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
        case: Case,
    ) -> None:
        """If every attempt was refused, the caller gets the reason itself."""
        error = await attempt(case, TRANSIENT["throttled"], store, proxy, rows, clock, event)
        assert type(error) is case.error
        assert not getattr(error, "outcome_unknown", False)
