"""What a store says of a write when its requests fail or get lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    EventExistsError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy

from .conftest import Open
from .failures import FATAL, TRANSIENT, WRITE, table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class TestUnknownOutcomes:
    @pytest.mark.parametrize(
        "lost", [faults.lose_response, faults.hang_after], ids=["reset", "hang"]
    )
    @table(FATAL)
    async def test_a_lost_response_and_then_a_definite_error(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        lost: Fault,
        fault: Fault,
    ) -> None:
        """After an attempt that got lost, a final failure says that the write may be there."""
        proxy.script(WRITE, lost, fault)
        event = make_event(**PAIR, created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event

    async def test_the_same_within_the_sdks_own_attempts(
        self, open_store: Open, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """What the SDK tried before the error that it reports counts as well."""
        proxy.script(WRITE, faults.lose_response, FATAL["access denied"])
        async with open_store(config=PATIENT) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(make_event(created_at=clock()))
        assert caught.value.outcome_unknown
        assert len(proxy.sent(WRITE)) == 2

    async def test_a_definite_error_and_then_another(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """Where every attempt was refused, the write has not happened, and the error says so."""
        proxy.script(WRITE, TRANSIENT["throttled"], FATAL["access denied"])
        with pytest.raises(StoreUnavailableError, match="AccessDeniedException") as caught:
            await store.create(make_event(created_at=clock()))
        assert not caught.value.outcome_unknown

    async def test_a_lost_response_for_as_long_as_we_try(
        self, store: AsyncDynamoDBStore, few_attempts: None, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """Where no attempt is answered a lost write is an unknown outcome."""
        proxy.plan = lambda exchange: (
            faults.hang_after if exchange.operation == WRITE else faults.none
        )
        event = make_event(created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event

    async def test_a_response_that_does_not_come_before_the_time_limit(
        self, open_store: Open, proxy: FaultProxy, rows: Rows, clock: FakeClock
    ) -> None:
        """A write that the time limit cuts off is an unknown outcome."""

        async def carry_out(exchange: faults.Exchange) -> Any:
            await exchange.forward_after(0)
            return await faults.hang(exchange)

        proxy.script(WRITE, carry_out)
        event = make_event(created_at=clock())
        async with open_store(
            config=PATIENT,
            # Enough to send one request.
            operation_timeout=timedelta(seconds=3),
        ) as store:
            with pytest.raises(StoreUnavailableError, match="no answer in time") as caught:
                await store.create(event)
        assert caught.value.outcome_unknown
        await proxy.settle()
        assert await rows.event(event.id) is not None

    async def test_reads_have_no_outcome(
        self, store: AsyncDynamoDBStore, few_attempts: None, proxy: FaultProxy
    ) -> None:
        """A read that fails for good changes nothing, however it failed."""
        proxy.plan = lambda exchange: faults.reset
        with pytest.raises(StoreUnavailableError) as caught:
            await store.get("0123456789abcdef")
        assert not caught.value.outcome_unknown

    async def test_an_attempt_that_got_lost_and_then_stacking(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A refusal by a guard does not prove that a lost attempt will not succeed later.

        Once the holder has gone, the lost attempt could still be carried out.
        """
        holder = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script(WRITE, faults.hang)
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(make_event(**PAIR, created_at=clock()))
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, ActiveEventExistsError)
        assert caught.value.__cause__.event == holder

    async def test_stacking_refused_without_a_lost_attempt(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """An attempt that certainly was not carried out leaves no doubt about the next."""
        await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script(WRITE, TRANSIENT["throttled"])
        with pytest.raises(ActiveEventExistsError):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_an_attempt_that_got_lost_and_then_a_guard_without_right(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, rows: Rows, clock: FakeClock
    ) -> None:
        """Our own event may be changed by others before we know that it is there."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": "0" * 16}})

        async def reap(exchange: faults.Exchange) -> Any:
            """Only now is the first attempt carried out."""
            answer = await exchange.forward()
            await proxy.sent(WRITE)[0].forward()
            await rows.set(event.id, write_id={"S": "somebody else's"})
            return answer

        proxy.script(WRITE, faults.reset, faults.none, reap)
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, EventExistsError)

    async def test_a_mark_that_gets_lost(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """Closing what has lapsed is refused for certain, whatever becomes of the mark."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(event.duration)
        proxy.plan = lambda exchange: (
            FATAL["access denied"] if exchange.operation == WRITE else faults.none
        )
        with pytest.raises(InvalidStateTransitionError):
            await store.close(event.id, closed_by="alice", closed_reason="late")

    async def test_housekeeping_that_gets_lost(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """What was done to make way for an event says nothing of the event itself."""
        old = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(old.duration)
        proxy.script(WRITE, faults.none, faults.lose_response, FATAL["access denied"])
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(make_event(**PAIR, created_at=clock()))
        assert not caught.value.outcome_unknown

    async def test_a_success_that_a_hook_spoils(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """What fails on the way from DynamoDB's success to us may well have happened."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)

        def spoil(**_: Any) -> None:
            raise RuntimeError("a hook with a bug")

        client.meta.events.register(f"after-call.dynamodb.{WRITE}", spoil)
        event = make_event(**PAIR, created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event
