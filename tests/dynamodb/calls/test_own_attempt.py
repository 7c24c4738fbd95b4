"""Writes whose first attempt landed unseen, and whose event has changed again since.

DynamoDB remembers a token for 10 minutes; in these tests it has forgotten the token.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows
from tests.faults import proxy as faults
from tests.faults.audit import audit
from tests.faults.proxy import AbortedError, Exchange, FaultProxy

from .failures import WRITE

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

Happening = Callable[[AsyncDynamoDBStore, Rows, BreakGlassEvent], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """A write, what happens after it has landed, and the history in the end."""

    write: Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[object]]
    happens: Happening
    recorded: list[tuple[str, str | None]]
    """The action and the author of each entry."""
    given: str = "recorded"
    """Whether the event is `new`, `recorded`, `closed`, `lapsed`, `held`, or `old`: without a
    history."""


def amended(event: BreakGlassEvent, request_id: str) -> BreakGlassEvent:
    return event.model_copy(update={"request_id": request_id})


async def create(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.create(event, by="us")


async def update(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.update(amended(event, "r-1"), by="us")


async def close(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.close(event.id, closed_by="us", closed_reason="Over")


async def delete(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    await store.delete(event.id, by="us")
    return None


async def extend(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    later = event.expires_at + timedelta(minutes=1)
    return await store.extend(event.id, expires_at=later, extended_by="us", reason="Not over")


async def review(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.review(event.id, reviewed_by="us", outcome="justified", comment="Fine")


async def hold(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.hold(event.id, held_by="us", reason="Case 7")


async def release(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> object:
    return await store.release_hold(event.id, released_by="us", reason="Case closed")


async def somebody_holds(store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent) -> None:
    await store.hold(event.id, held_by="them", reason="Case 8")


async def somebody_releases(store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent) -> None:
    await store.release_hold(event.id, released_by="them", reason="Case closed")


async def somebody_updates(store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent) -> None:
    await store.update(amended(await store.get(event.id), "r-2"), by="them")


async def somebody_closes(store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent) -> None:
    await store.close(event.id, closed_by="them", closed_reason="Over")


async def somebody_reopens(store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent) -> None:
    await rows.put_event(event)


CASES = {
    "create, then somebody closes": Case(
        create, somebody_closes, [("created", "us"), ("closed", "them")], given="new"
    ),
    "update, then somebody updates": Case(
        update,
        somebody_updates,
        [("created", "alice"), ("updated", "us"), ("updated", "them")],
    ),
    "update that adopts, then somebody updates": Case(
        update,
        somebody_updates,
        [("adopted", None), ("updated", "us"), ("updated", "them")],
        given="old",
    ),
    "extend, then somebody closes": Case(
        extend, somebody_closes, [("created", "alice"), ("extended", "us"), ("closed", "them")]
    ),
    "review, then somebody holds": Case(
        review,
        somebody_holds,
        [("created", "alice"), ("closed", "bob"), ("reviewed", "us"), ("held", "them")],
        given="closed",
    ),
    "review that marks first, then somebody holds": Case(
        review,
        somebody_holds,
        [("created", "alice"), ("expired", None), ("held", "them"), ("reviewed", "us")],
        given="lapsed",
    ),
    "hold, then somebody releases": Case(
        hold, somebody_releases, [("created", "alice"), ("held", "us"), ("released", "them")]
    ),
    "release, then somebody holds": Case(
        release,
        somebody_holds,
        [("created", "alice"), ("held", "bob"), ("released", "us"), ("held", "them")],
        given="held",
    ),
    "close, then somebody opens it again by hand": Case(
        close, somebody_reopens, [("created", "alice"), ("closed", "us")]
    ),
    "delete, then somebody restores it by hand": Case(
        delete, somebody_reopens, [("created", "alice"), ("deleted", "us")]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_write_that_landed_unseen_happens_once(
    store: AsyncDynamoDBStore,
    client: DynamoDBClient,
    table_name: str,
    proxy: FaultProxy,
    rows: Rows,
    clock: FakeClock,
    case: Case,
) -> None:
    """The history knows which entry is our own, even if others changed the event's row since."""
    others = AsyncDynamoDBStore(client, table_name, clock=clock)
    event = make_event(**PAIR, created_at=clock())
    if case.given not in ("new", "old"):
        await others.create(event)
    if case.given == "closed":
        await others.close(event.id, closed_by="bob", closed_reason="Over")
    elif case.given == "lapsed":
        clock.set(event.expires_at)
    elif case.given == "held":
        await others.hold(event.id, held_by="bob", reason="Case 7")
    elif case.given == "old":
        await rows.put_event(event)
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": event.id}})

    async def land_unseen(exchange: Exchange) -> Any:
        await exchange.forward()
        await case.happens(others, rows, event)
        raise AbortedError

    async def forget_the_token(exchange: Exchange) -> Any:
        body = {**json.loads(exchange.body), "ClientRequestToken": "another"}
        exchange.body = json.dumps(body).encode()
        return await exchange.forward()

    proxy.script(WRITE, land_unseen, forget_the_token)
    returned = await case.write(store, event)
    history = await others.history(event.id)
    assert returned in [entry.event for entry in history if entry.by == "us"]
    assert [(entry.action, entry.by) for entry in history] == case.recorded
    if case.happens is not somebody_reopens:
        assert audit(await rows.all()) == []


async def test_write_that_landed_in_an_earlier_round_returns_what_is_stored(
    store: AsyncDynamoDBStore, proxy: FaultProxy, rows: Rows, clock: FakeClock
) -> None:
    """A later round decides at a later instant, but what counts is the attempt that landed."""
    event = await store.create(make_event(**PAIR, created_at=clock()))
    guard = {"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": "f" * 16}}
    await rows.put(guard)
    first = len(proxy.sent(WRITE))

    async def refuse_and_go_on(exchange: Exchange) -> Any:
        answer = await exchange.forward()
        clock.advance(timedelta(seconds=1))
        return answer

    async def arrive_behind_the_first(exchange: Exchange) -> Any:
        await rows.remove(guard["pk"]["S"])
        await proxy.sent(WRITE)[first].forward()
        return await exchange.forward()

    proxy.script(WRITE, faults.reset, refuse_and_go_on, arrive_behind_the_first)
    closed = await store.close(event.id, closed_by="us", closed_reason="Over")
    assert closed == await store.get(event.id)
    assert [entry.event for entry in await store.history(event.id)] == [event, closed]
    assert audit(await rows.all()) == []
