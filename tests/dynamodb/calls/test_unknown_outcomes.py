"""What a store says about a write whose requests fail or get lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
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
    async def test_lost_response_then_final_error(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        lost: Fault,
        fault: Fault,
    ) -> None:
        """After a lost attempt, a final error says that the write may have happened."""
        proxy.script(WRITE, lost, fault)
        event = make_event(**PAIR, created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event

    async def test_lost_response_then_final_error_within_the_sdk(
        self, open_store: Open, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A lost attempt within the SDK's own retries counts as well."""
        proxy.script(WRITE, faults.lose_response, FATAL["access denied"])
        async with open_store(config=PATIENT) as store:
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(make_event(created_at=clock()))
        assert caught.value.outcome_unknown
        assert len(proxy.sent(WRITE)) == 2

    async def test_refusal_then_final_error(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """If every attempt was refused, the error says that the write did not happen."""
        proxy.script(WRITE, TRANSIENT["throttled"], FATAL["access denied"])
        with pytest.raises(StoreUnavailableError, match="AccessDeniedException") as caught:
            await store.create(make_event(created_at=clock()))
        assert not caught.value.outcome_unknown

    async def test_write_that_is_never_answered(
        self, store: AsyncDynamoDBStore, few_attempts: None, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """If no attempt is answered, the outcome is unknown."""
        proxy.plan = lambda exchange: (
            faults.hang_after if exchange.operation == WRITE else faults.none
        )
        event = make_event(created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event

    async def test_write_that_the_time_limit_cuts_off(
        self, open_store: Open, proxy: FaultProxy, rows: Rows, clock: FakeClock
    ) -> None:
        """If the time limit cuts off a write, its outcome is unknown."""

        async def carry_out(exchange: faults.Exchange) -> Any:
            await exchange.forward_after(0)
            return await faults.hang(exchange)

        proxy.script(WRITE, carry_out)
        event = make_event(created_at=clock())
        async with open_store(
            config=PATIENT,
            # Enough time to send one request.
            operation_timeout=timedelta(seconds=3),
        ) as store:
            with pytest.raises(StoreUnavailableError, match="no answer in time") as caught:
                await store.create(event)
        assert caught.value.outcome_unknown
        await proxy.settle()
        assert await rows.event(event.id) is not None

    async def test_failed_read_has_no_unknown_outcome(
        self, store: AsyncDynamoDBStore, few_attempts: None, proxy: FaultProxy
    ) -> None:
        """A failed read has changed nothing."""
        proxy.plan = lambda exchange: faults.reset
        with pytest.raises(StoreUnavailableError) as caught:
            await store.get("0123456789abcdef")
        assert not caught.value.outcome_unknown

    async def test_lost_create_then_held_pair(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A refusal by a guard does not prove that a lost attempt will never succeed.

        Once the holder has gone, the lost attempt could still succeed.
        """
        holder = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script(WRITE, faults.hang)
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(make_event(**PAIR, created_at=clock()))
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, ActiveEventExistsError)
        assert caught.value.__cause__.event == holder

    async def test_throttled_create_then_held_pair(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """An attempt that certainly did not happen leaves no doubt about the next one."""
        await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script(WRITE, TRANSIENT["throttled"])
        with pytest.raises(ActiveEventExistsError):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_lost_create_then_stale_guard(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, rows: Rows, clock: FakeClock
    ) -> None:
        """The history shows that an event is our own, even if others have changed it since."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": "0" * 16}})

        async def reap(exchange: faults.Exchange) -> Any:
            """Carry out the first attempt only now."""
            answer = await exchange.forward()
            await proxy.sent(WRITE)[0].forward()
            await rows.set(event.id, write_id={"S": "somebody else's"})
            return answer

        proxy.script(WRITE, faults.reset, faults.none, reap)
        assert await store.create(event) == event
        assert [entry.action for entry in await store.history(event.id)] == ["created"]

    async def test_close_of_lapsed_event_whose_mark_is_refused(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """The event has lapsed whether or not the store can mark it."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(event.duration)
        proxy.plan = lambda exchange: (
            FATAL["access denied"] if exchange.operation == WRITE else faults.none
        )
        with pytest.raises(InvalidStateTransitionError):
            await store.close(event.id, closed_by="alice", closed_reason="late")

    async def test_lost_clearing_of_a_stale_guard(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A lost request that clears a guard says nothing about the event to create."""
        old = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(old.duration)
        proxy.script(WRITE, faults.none, faults.lose_response, FATAL["access denied"])
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(make_event(**PAIR, created_at=clock()))
        assert not caught.value.outcome_unknown

    async def test_success_that_a_hook_spoils(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """If a hook fails after DynamoDB's success, the outcome is unknown."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)

        def spoil(**_: Any) -> None:
            raise RuntimeError("a hook with a bug")

        client.meta.events.register(f"after-call.dynamodb.{WRITE}", spoil)
        event = make_event(**PAIR, created_at=clock())
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        assert await store.get(event.id) == event
