"""What happens to limited openings between their reads, and between reading and writing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    EventExistsError,
    LimitExceededError,
    Limits,
    Quota,
    StoreUnavailableError,
    _shielding,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.cancellation.test_at_any_point import cancelled_at
from tests.dynamodb.modelled import Modelled, Send

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
LIMITS = Limits(cooldown=HOUR, per_profile=Quota(3, DAY))

Act = Callable[[], Awaitable[object]]


@pytest.fixture
def table(clock: FakeClock) -> Modelled:
    return Modelled(clock)


def between_rows(table: Modelled, act: Act) -> Send:
    """Act once in the middle of a `BatchGetItem`, which reads its rows one after the other."""
    waiting = [act]

    async def send(operation: str, request: dict[str, Any]) -> Any:
        if operation != "BatchGetItem" or not waiting:
            return await table.send(operation, request)
        ((name, asked),) = request["RequestItems"].items()
        answers = []
        for keys in (asked["Keys"][:3], asked["Keys"][3:]):
            batch = {"RequestItems": {name: {**asked, "Keys": keys}}}
            answers.append(await table.send(operation, batch))
            if waiting:
                await waiting.pop()()
        rows = [row for answer in answers for row in answer["Responses"][name]]
        return {"Responses": {name: rows}, "UnprocessedKeys": {}}

    return send


def before_writing(table: Modelled, act: Act) -> Send:
    """Act once before a transaction."""
    waiting = [act]

    async def send(operation: str, request: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems" and waiting:
            await waiting.pop()()
        return await table.send(operation, request)

    return send


async def test_event_that_another_call_creates_between_the_reads(
    table: Modelled, clock: FakeClock
) -> None:
    """A repeated create is told that its event exists, although its slots are taken."""
    event = make_event(created_at=clock())
    other = table.store(limits=LIMITS)
    store = table.store(between_rows(table, lambda: other.create(event)), limits=LIMITS)
    with pytest.raises(EventExistsError):
        await store.create(event)


async def test_access_that_opens_between_the_reads(table: Modelled, clock: FakeClock) -> None:
    """Whoever holds access is told so, before any limit that this opening has used up."""
    event = make_event(created_at=clock())
    other = table.store(limits=LIMITS)
    store = table.store(between_rows(table, lambda: other.create(event)), limits=LIMITS)
    with pytest.raises(ActiveEventExistsError) as refusal:
        await store.create(make_event(created_at=clock()))
    assert refusal.value.event == event


async def test_slot_that_a_longer_limit_takes_after_it_was_read(
    table: Modelled, clock: FakeClock
) -> None:
    """A host whose clock is behind keeps its use, although its time looks over to others."""
    behind = FakeClock(clock() - 2 * HOUR)
    weekly = table.store(clock=behind, limits=Limits(per_invoker=Quota(1, WEEK)))

    async def opens() -> None:
        event = await weekly.create(make_event(created_at=behind()))
        await weekly.close(event.id, closed_by="bob", closed_reason="Over")

    hourly = Limits(per_invoker=Quota(1, HOUR))
    store = table.store(before_writing(table, opens), limits=hourly)
    await store.create(make_event(created_at=clock(), profile="dev"))
    begin = clock()
    clock.set(begin + WEEK - 2 * HOUR)
    behind.set(clock())
    with pytest.raises(LimitExceededError):
        await weekly.create(make_event(created_at=clock()))


async def test_slot_that_others_take_in_every_round(table: Modelled, clock: FakeClock) -> None:
    """After 16 rounds the store gives up: nothing was written, and a repetition may succeed."""
    row = {"pk": {"S": "SLOT#P#prod#00"}, "event_id": {"S": "0" * 16}}
    free, taken = clock() - HOUR, clock()

    def slot(used_at: str) -> None:
        table.database.put({**row, "used_at": {"S": used_at}})

    writes = 0

    async def send(operation: str, request: dict[str, Any]) -> Any:
        nonlocal writes
        is_write = operation == "TransactWriteItems"
        writes += is_write
        slot(f"{taken if is_write else free:%Y-%m-%dT%H:%M:%S.%fZ}")
        return await table.send(operation, request)

    store = table.store(send, limits=Limits(per_profile=Quota(1, HOUR)))
    with pytest.raises(StoreUnavailableError, match="16 times in a row; try again") as failure:
        await store.create(make_event(created_at=clock()))
    assert not failure.value.outcome_unknown
    assert writes == 16
    assert list(table.database.rows) == ["SLOT#P#prod#00"]


async def test_opening_that_is_cancelled_at_any_point_counts_once(
    table: Modelled, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slots and its event are written together or not at all, so a repetition finds both."""
    # Cut nothing off on a slow machine.
    monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", HOUR)

    async def send(operation: str, request: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        answer = await table.send(operation, request)
        await asyncio.sleep(0)
        return answer

    limits = Limits(cooldown=HOUR, per_profile=Quota(90, DAY), max_unreviewed=1)
    store = table.store(send, limits=limits)
    for suspension in count(1):
        event = make_event(invoker=f"user-{suspension}", created_at=clock())
        task = asyncio.create_task(cancelled_at(suspension, "before", store.create(event)))
        await asyncio.wait({task})
        with suppress(EventExistsError):
            await store.create(event)
        uses = [row["event_id"] for key, row in table.database.rows.items() if key[:4] == "SLOT"]
        assert uses.count({"S": event.id}) == 3
        if not task.cancelled():
            break
    assert suspension > 3
