"""Events that lapse during a write that relies on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._domain.change import EXTENSION_MARGIN
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT
from tests.faults import proxy as faults
from tests.faults.proxy import Exchange, Fault, FaultProxy

from .conftest import LONG_ENOUGH, Open, Transport
from .failures import TRANSIENT, WRITE, table

HOUR = timedelta(hours=1)
NOT_CARRIED_OUT = {"throttled": TRANSIENT["throttled"]}
LOST = {name: TRANSIENT[name] for name in ("500", "503 of a proxy", "reset", "hang")}


def extended(event: BreakGlassEvent) -> BreakGlassEvent:
    return event.model_copy(update={"expires_at": event.expires_at + HOUR})


def extensions(proxy: FaultProxy) -> int:
    """Count the requests that would change `expires_at`."""
    return sum(b":new_expires_at" in exchange.body for exchange in proxy.sent(WRITE))


def once_lapsed(fault: Fault, clock: FakeClock, event: BreakGlassEvent) -> Fault:
    """Let the event lapse, and then fail as this fault does."""

    async def lapse(exchange: Exchange) -> Any:
        clock.set(event.expires_at)
        return await fault(exchange)

    return lapse


@pytest.fixture(params=["fast", "standard"])
def transport(request: pytest.FixtureRequest) -> Transport:
    transport: Transport = request.param
    return transport


@pytest.fixture
async def event(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    return await store.create(make_event(**PAIR, created_at=clock()))


class TestExtension:
    @table(NOT_CARRIED_OUT)
    async def test_extension_that_is_throttled_until_the_lapse(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
        fault: Fault,
    ) -> None:
        """After the lapse the store sends no attempt, and marks the event expired."""
        proxy.script(WRITE, once_lapsed(fault, clock, event))
        with pytest.raises(InvalidStateTransitionError):
            await store.update(extended(event))
        assert extensions(proxy) == 1
        stored = await store.get(event.id)
        assert (stored.status, stored.expires_at) == (BreakGlassStatus.EXPIRED, event.expires_at)

    @table(LOST)
    async def test_extension_that_is_lost_before_the_lapse(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
        fault: Fault,
    ) -> None:
        """The store does not repeat a lost attempt after the lapse, and tells the caller of it."""
        proxy.script(WRITE, once_lapsed(fault, clock, event))
        with pytest.raises(StoreUnavailableError) as caught:
            await store.update(extended(event))
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, InvalidStateTransitionError)
        assert extensions(proxy) == 1

    async def test_extension_that_the_sdk_would_repeat_after_the_lapse(
        self,
        open_store: Open,
        transport: Transport,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The SDK's own attempts end at the lapse as well."""
        proxy.script(WRITE, once_lapsed(TRANSIENT["throttled"], clock, event))
        async with open_store(config=PATIENT, transport=transport) as store:
            with pytest.raises(InvalidStateTransitionError):
                await store.update(extended(event))
        assert extensions(proxy) == 1

    async def test_extension_without_an_answer_before_the_lapse(
        self,
        open_store: Open,
        transport: Transport,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """An attempt waits until the lapse at most, even if a call may take longer."""
        # Enough time for the request to arrive, even on a busy machine.
        clock.set(event.expires_at - 5 * EXTENSION_MARGIN)

        async def never(exchange: Exchange) -> Any:
            await asyncio.Event().wait()

        proxy.script(WRITE, once_lapsed(never, clock, event))
        async with open_store(
            config=PATIENT, operation_timeout=LONG_ENOUGH, transport=transport
        ) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await store.update(extended(event))
        assert caught.value.outcome_unknown

    async def test_extension_in_the_last_second_is_refused(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """If less than a second is left, the store sends nothing."""
        clock.set(event.expires_at - EXTENSION_MARGIN + timedelta(microseconds=1))
        with pytest.raises(InvalidStateTransitionError, match="too soon to be extended"):
            await store.update(extended(event))
        assert extensions(proxy) == 0

    async def test_last_second_that_begins_between_two_attempts(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The margin applies to every attempt, not only to the first."""

        async def later(exchange: Exchange) -> Any:
            clock.set(event.expires_at - EXTENSION_MARGIN / 2)
            return await TRANSIENT["throttled"](exchange)

        proxy.script(WRITE, later)
        with pytest.raises(InvalidStateTransitionError, match="too soon to be extended"):
            await store.update(extended(event))
        assert extensions(proxy) == 1
        assert (await store.get(event.id)).expires_at == event.expires_at


class TestOtherWrites:
    async def test_close_that_is_throttled_until_the_lapse(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The store does not close a lapsed event, even if the call began before the lapse."""
        proxy.script(WRITE, once_lapsed(TRANSIENT["throttled"], clock, event))
        with pytest.raises(InvalidStateTransitionError):
            await store.close(event.id, closed_by="alice", closed_reason="late")
        assert (await store.get(event.id)).status is BreakGlassStatus.EXPIRED

    async def test_create_that_is_throttled_until_the_lapse(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, rows: Rows, clock: FakeClock
    ) -> None:
        """The store does not create an event that no longer grants anything."""
        event = make_event(**PAIR, created_at=clock())
        proxy.script(WRITE, once_lapsed(TRANSIENT["throttled"], clock, event))
        with pytest.raises(ValueError, match="expires_at of an active event"):
            await store.create(event)
        assert await rows.all() == []

    async def test_create_that_is_lost_before_the_lapse(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A refusal because of the time does not hide a lost attempt."""
        event = make_event(**PAIR, created_at=clock())
        proxy.script(WRITE, once_lapsed(faults.reset, clock, event))
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, ValueError)


class TestInstant:
    """The time that a change records."""

    @pytest.fixture
    def change_of_others(self, rows: Rows, clock: FakeClock) -> Callable[[str], Fault]:
        """Let another writer change the row, a minute later, before our write arrives."""

        def change(event_id: str) -> Fault:
            async def arrive(exchange: Exchange) -> Any:
                clock.advance(timedelta(minutes=1))
                await rows.set(event_id, request_id={"S": "theirs"})
                return await exchange.forward()

            return arrive

        return change

    async def test_close_with_new_bytes_records_the_present(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
        change_of_others: Callable[[str], Fault],
    ) -> None:
        """A close that starts over records the present, because checks said "yes" until then."""
        proxy.script(WRITE, change_of_others(event.id))
        closed = await store.close(event.id, closed_by="alice", closed_reason="done")
        assert closed.updated_at == clock() == event.created_at + timedelta(minutes=1)

    async def test_repeated_close_keeps_its_time(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """Repeated bytes keep their time, because the first attempt may have succeeded."""

        async def lose(exchange: Exchange) -> Any:
            clock.advance(timedelta(minutes=1))
            return await faults.lose_response(exchange)

        proxy.script(WRITE, lose)
        begun = clock() + timedelta(minutes=0)
        closed = await store.close(event.id, closed_by="alice", closed_reason="done")
        assert closed.updated_at == begun + timedelta(microseconds=1)
        first, second = (json.loads(exchange.body) for exchange in proxy.sent(WRITE)[-2:])
        assert first == second
        assert await store.get(event.id) == closed

    async def test_shortening_that_comes_too_late_is_refused(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The store does not record an earlier end for access that it granted until now."""

        async def later(exchange: Exchange) -> Any:
            clock.advance(timedelta(minutes=2))
            await rows.set(event.id, ticket={"S": "INC-7"}, mfa_verified={"BOOL": True})
            await rows.set(event.id, mfa_verified={"BOOL": False}, request_id={"S": "theirs"})
            return await exchange.forward()

        proxy.script(WRITE, later)
        shortened = event.model_copy(update={"expires_at": clock() + timedelta(minutes=1)})
        with pytest.raises(ValueError, match="to the present at the earliest"):
            await store.update(shortened)
        assert (await store.get(event.id)).expires_at == event.expires_at
