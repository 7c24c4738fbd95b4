"""What a store does when requests fail, get lost, or are no longer waited for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassStatus,
    EventExistsError,
    InvalidStateTransitionError,
    StoreUnavailableError,
    TableError,
    _shielding,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT, PATIENT_AND_SENDING_ONCE, lose_patience
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy, fault_proxy

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PAIR = {"invoker": "alice", "profile": "prod"}
WRITE = "TransactWriteItems"

# None that a call comes near: a slow answer would be one more attempt, or an unknown outcome.
LONG_ENOUGH = timedelta(minutes=5)

Transport = Literal["fast", "standard"]
Open = Callable[..., AbstractAsyncContextManager[AsyncDynamoDBStore]]

TRANSIENT = {
    "500": faults.answer(500, "InternalServerError"),
    "503 of a proxy": faults.answer(503, "ServiceUnavailable"),
    "throttled": faults.answer(400, "ThrottlingException"),
    "over capacity": faults.answer(400, "ProvisionedThroughputExceededException"),
    "over the limit": faults.answer(400, "RequestLimitExceeded"),
    "reset": faults.reset,
    "hang": faults.hang,
    "response lost": faults.lose_response,
    "body cut": faults.cut_body,
    "wrong crc32": faults.wrong_checksum,
    "not JSON": faults.invalid_json,
}
TRANSIENT_FOR_WRITES = {
    **TRANSIENT,
    "conflict": faults.cancelled("TransactionConflict", "None"),
    "conflict and refusal": faults.cancelled("TransactionConflict", "ConditionalCheckFailed"),
    "throttled within": faults.cancelled("None", "ThrottlingError"),
    "in progress": faults.answer(400, "TransactionInProgressException"),
    "replicated": faults.answer(400, "ReplicatedWriteConflictException"),
}
FATAL = {
    "access denied": faults.answer(400, "AccessDeniedException", "not authorized"),
    "expired token": faults.answer(400, "ExpiredTokenException", "the token is expired"),
    "bad signature": faults.answer(400, "UnrecognizedClientException", "the key is unknown"),
}


def nothing() -> None:
    """Do nothing when a request hangs."""


def table(cases: dict[str, Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", cases.values(), ids=cases.keys())


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    """Faults are tried on DynamoDB Local: moto ignores `ClientRequestToken`."""
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


@pytest.fixture
def endpoint_url(dynamodb_local_endpoint: str) -> str:
    return dynamodb_local_endpoint


@pytest.fixture
def rows(client: DynamoDBClient, table_name: str) -> Rows:
    return Rows(client, table_name)


@pytest.fixture
def transport() -> Transport:
    return "fast"


@pytest.fixture
def open_store(proxy: FaultProxy, table_name: str, clock: FakeClock) -> Open:
    """Open a store behind the proxy."""
    return partial(
        AsyncDynamoDBStore.open,
        table_name,
        region_name=REGION,
        endpoint_url=proxy.url,
        clock=clock,
    )


@pytest.fixture
async def store(
    proxy: FaultProxy, open_store: Open, transport: Transport
) -> AsyncIterator[AsyncDynamoDBStore]:
    """One whose attempts time out where they hang, and nowhere else."""
    async with open_store(
        config=PATIENT_AND_SENDING_ONCE,
        operation_timeout=LONG_ENOUGH,
        transport=transport,
    ) as store:
        proxy.on_hang = partial(lose_patience, store._calls._client)
        yield store


@pytest.fixture
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the store pause twice, and then until after any time limit.

    So it tries for as long as it may without taking as long, and no attempt is cut off, of which
    less is known.
    """
    longest = LONG_ENOUGH.total_seconds()
    monkeypatch.setattr("random.uniform", lambda least, most: most if most < 0.1 else longest)


class TestTransientFaults:
    @table(TRANSIENT)
    async def test_on_a_read_are_invisible(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock, fault: Fault
    ) -> None:
        """A read is repeated until it is answered, and never takes a fault for "no access"."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script("GetItem", fault, faults.none, fault)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        assert len(proxy.sent("GetItem")) == 4

    @table(TRANSIENT)
    async def test_on_a_list_are_invisible(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock, fault: Fault
    ) -> None:
        """A list is whole or an error."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script("Query", fault)
        assert list(await store.list_by_profile("prod")) == [event]

    @table(TRANSIENT_FOR_WRITES)
    async def test_on_a_write_are_invisible(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        rows: Rows,
        clock: FakeClock,
        fault: Fault,
    ) -> None:
        """A write is repeated as the same bytes under the same token, and happens once."""
        proxy.script(WRITE, fault, fault)
        event = await store.create(make_event(**PAIR, created_at=clock()))
        assert len({exchange.body for exchange in proxy.sent(WRITE)}) == 1
        assert json.loads(proxy.sent(WRITE)[0].body)["ClientRequestToken"]
        assert await store.get(event.id) == event
        assert await rows.guards() == {"ACTIVE#5#alice#prod": event.id}

        proxy.script(WRITE, fault)
        updated = await store.update(event.model_copy(update={"request_id": "r-1"}))
        proxy.script(WRITE, fault)
        closed = await store.close(updated.id, closed_by="alice", closed_reason="done")
        assert await store.get(event.id) == closed
        proxy.script(WRITE, fault)
        await store.delete(event.id)
        assert await rows.guards() == {}

    async def test_a_token_is_never_used_for_other_bytes(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """Each logical write has a token of its own."""
        old = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(old.duration)
        new = await store.create(make_event(**PAIR, created_at=clock()))
        await store.close(new.id, closed_by="alice", closed_reason="done")
        sent = [json.loads(exchange.body) for exchange in proxy.sent(WRITE)]
        assert len(sent) >= 5
        assert len({request["ClientRequestToken"] for request in sent}) == len(sent)


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


class TestOwnWrites:
    """Tried without tokens, as after the 10 minutes that DynamoDB remembers them."""

    @pytest.fixture
    async def forgetful(self, open_store: Open) -> AsyncIterator[AsyncDynamoDBStore]:
        async with open_store(
            config=PATIENT_AND_SENDING_ONCE,
            operation_timeout=LONG_ENOUGH,
            transport="standard",
        ) as store:

            def forget(params: dict[str, Any], **_: Any) -> None:
                request = json.loads(params["body"])
                request.pop("ClientRequestToken", None)
                params["body"] = json.dumps(request).encode()

            events = store._calls._client.meta.events
            events.register(f"before-call.dynamodb.{WRITE}", forget)
            yield store

    async def test_are_recognised(
        self, forgetful: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A write whose response was lost succeeds on its repetition: the row has our write id."""
        proxy.script(WRITE, faults.lose_response)
        event = await forgetful.create(make_event(**PAIR, created_at=clock()))
        proxy.script(WRITE, faults.lose_response)
        updated = await forgetful.update(event.model_copy(update={"request_id": "r-1"}))
        proxy.script(WRITE, faults.lose_response)
        closed = await forgetful.close(updated.id, closed_by="alice", closed_reason="done")
        assert await forgetful.get(event.id) == closed
        proxy.script(WRITE, faults.lose_response)
        await forgetful.delete(event.id)
        assert len(proxy.sent(WRITE)) == 8
        assert b"ClientRequestToken" not in b"".join(sent.body for sent in proxy.sent(WRITE))

    async def test_a_repeated_create_by_the_caller_is_another_write(
        self, forgetful: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """Calling create twice with one event is not a retry of ours: its id is taken."""
        event = await forgetful.create(make_event(**PAIR, created_at=clock()))
        with pytest.raises(EventExistsError):
            await forgetful.create(event)


class TestRefusedByAWS:
    @table(FATAL)
    async def test_is_not_tried_again(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, fault: Fault
    ) -> None:
        """Missing rights do not come with patience: the first answer is the last, and is named."""
        proxy.script("GetItem", fault)
        with pytest.raises(StoreUnavailableError, match="Exception: ") as caught:
            await store.get("0123456789abcdef")
        assert len(proxy.sent("GetItem")) == 1
        assert not caught.value.outcome_unknown
        assert type(caught.value.__cause__).__name__.endswith(("ClientError", "Exception"))

    async def test_credentials_that_cannot_be_had(
        self,
        open_store: Open,
        proxy: FaultProxy,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without credentials nothing is sent, and the error says what is missing."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        async with open_store() as store:
            with pytest.raises(StoreUnavailableError, match="NoCredentialsError") as caught:
                await store.create(make_event(created_at=clock()))
        assert not caught.value.outcome_unknown
        assert proxy.exchanges == []


class TestTimeLimits:
    async def test_an_endpoint_that_nobody_listens_at(
        self, closed_port: int, few_attempts: None, clock: FakeClock
    ) -> None:
        """An unreachable endpoint is reported within the limit, and nothing has happened."""
        async with (
            asyncio.timeout(LONG_ENOUGH.total_seconds() / 2),
            AsyncDynamoDBStore.open(
                "breakglass",
                region_name=REGION,
                endpoint_url=f"http://127.0.0.1:{closed_port}",
                config=PATIENT_AND_SENDING_ONCE,
                operation_timeout=LONG_ENOUGH,
            ) as store,
        ):
            with pytest.raises(StoreUnavailableError, match="Could not connect") as caught:
                await store.create(make_event())
        assert not caught.value.outcome_unknown

    async def test_a_borrowed_client_with_legacy_retries(
        self, closed_port: int, few_attempts: None, session: AioSession
    ) -> None:
        """What never left is known not to have happened, whatever retries the client makes."""
        async with session.create_client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{closed_port}",
            config=AioConfig(retries={"mode": "legacy", "max_attempts": 1}),
        ) as client:
            store = AsyncDynamoDBStore(client, "breakglass", operation_timeout=LONG_ENOUGH)
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(make_event())
        assert not caught.value.outcome_unknown

    async def test_retries_of_the_callers_own(self, table_name: str) -> None:
        """A configuration that says how often says nothing of the mode, which stays standard."""
        async with AsyncDynamoDBStore.open(
            table_name, region_name=REGION, config=AioConfig(retries={"max_attempts": 5})
        ) as store:
            config: Any = store._calls._client.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 6}

    async def test_an_endpoint_that_is_no_url(self) -> None:
        """The error names the argument, and does not quote a password that the URL may hold."""
        with pytest.raises(ValueError, match="endpoint_url") as caught:
            async with AsyncDynamoDBStore.open(
                "breakglass", region_name=REGION, endpoint_url="http://user:hunter2@no host"
            ):
                raise AssertionError("never entered")
        assert "hunter2" not in str(caught.value)

    async def test_an_endpoint_that_never_answers(
        self, open_store: Open, proxy: FaultProxy
    ) -> None:
        """The operation's limit holds over the SDK's own limits for each attempt."""
        proxy.plan = lambda exchange: faults.hang
        async with (
            asyncio.timeout(60),
            open_store(operation_timeout=timedelta(milliseconds=300)) as store,
        ):
            with pytest.raises(StoreUnavailableError, match="no answer in time"):
                await store.get("0123456789abcdef")


class TestIntegrity:
    @pytest.mark.parametrize(
        ("fault", "problem"),
        [(faults.wrong_checksum, "crc32"), (faults.invalid_json, "not JSON")],
    )
    async def test_a_false_answer_for_as_long_as_we_try(
        self,
        store: AsyncDynamoDBStore,
        few_attempts: None,
        proxy: FaultProxy,
        clock: FakeClock,
        fault: Fault,
        problem: str,
    ) -> None:
        """A 200 that is not what DynamoDB sent is a fault, not "no access"."""
        await store.create(make_event(**PAIR, created_at=clock()))
        proxy.plan = lambda exchange: fault
        with pytest.raises(StoreUnavailableError, match=problem):
            await store.find_active_by_invoker_and_profile("alice", "prod")


class TestCancellation:
    @pytest.fixture(params=["fast", "standard"])
    def transport(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def test_a_write_under_way_is_let_finish(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A cancelled caller waits for the write that is under way, and is cancelled then."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", LONG_ENOUGH)
        arrived, leave = asyncio.Event(), asyncio.Event()

        async def held(exchange: faults.Exchange) -> Any:
            arrived.set()
            await leave.wait()
            return await exchange.forward()

        proxy.script(WRITE, held)
        event = make_event(**PAIR, created_at=clock())
        call = asyncio.create_task(store.create(event))
        await arrived.wait()
        call.cancel()
        gone, _ = await asyncio.wait({call}, timeout=0.1)
        assert not gone
        leave.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event

    async def test_a_write_that_does_not_come_back(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """A cancelled caller waits for a bounded time only, and no task is left behind."""
        # It would wait for longer than this test does.
        proxy.on_hang = nothing
        proxy.script(WRITE, faults.hang)
        others = asyncio.all_tasks()
        call = asyncio.create_task(store.create(make_event(**PAIR, created_at=clock())))
        await proxy.arrival(WRITE)
        call.cancel()
        await asyncio.wait({call}, timeout=30)
        assert call.cancelled()
        left = {repr(task.get_coro()) for task in asyncio.all_tasks() - others}
        assert not [coroutine for coroutine in left if "RequestHandler." not in coroutine]
        created = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == created


class TestLifetimes:
    async def test_a_closed_store_says_so_at_once(
        self, open_store: Open, proxy: FaultProxy
    ) -> None:
        """After `async with` nothing is sent any more."""
        async with open_store() as store:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await store.get("0123456789abcdef")
        assert proxy.exchanges == []

    async def test_leaving_waits_for_what_is_under_way(
        self, open_store: Open, proxy: FaultProxy, clock: FakeClock, rows: Rows
    ) -> None:
        """Leaving `open` drains the calls of other tasks, then closes the client."""
        arrived, leave = asyncio.Event(), asyncio.Event()

        async def held(exchange: faults.Exchange) -> Any:
            arrived.set()
            await leave.wait()
            return await exchange.forward()

        proxy.script(WRITE, held)
        event = make_event(**PAIR, created_at=clock())
        async with asyncio.TaskGroup() as tasks:
            async with open_store() as store:
                call = tasks.create_task(store.create(event))
                await arrived.wait()
                asyncio.get_running_loop().call_later(0.05, leave.set)
            assert call.done()
        assert call.result() == event
        assert await rows.guards() == {"ACTIVE#5#alice#prod": event.id}

    async def test_another_event_loop(self, store: AsyncDynamoDBStore) -> None:
        """A store serves the loop that first used it, and tells any other so at once."""
        await store.delete("0123456789abcdef")
        caught: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(store.delete("0123456789abcdef"))
            except RuntimeError as error:
                caught.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "another event loop" in str(caught[0])

    async def test_a_borrowed_client_is_left_open(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """Two stores on one client work side by side, and the client outlives them."""
        one, other = (AsyncDynamoDBStore(client, table_name, clock=clock) for _ in range(2))
        event = await one.create(make_event(created_at=clock()))
        closed = await other.close(event.id, closed_by="alice", closed_reason="done")
        assert closed.status is BreakGlassStatus.CLOSED
        assert (await client.describe_table(TableName=table_name))["Table"][
            "TableName"
        ] == table_name

    async def test_no_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no region is given or configured, the error names the argument."""
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        with pytest.raises(ValueError, match="region_name"):
            async with AsyncDynamoDBStore.open("breakglass"):
                raise AssertionError("never entered")

    async def test_a_table_that_is_missing(self, endpoint_url: str) -> None:
        """A missing table is a `TableError` that names it and says how to make it."""
        async with AsyncDynamoDBStore.open(
            "no-such-table", region_name=REGION, endpoint_url=endpoint_url
        ) as store:
            with pytest.raises(TableError, match=r"'no-such-table'.*create_table"):
                await store.find_active_by_invoker_and_profile("alice", "prod")
            with pytest.raises(TableError, match="no-such-table"):
                await store.create(make_event())
            with pytest.raises(TableError, match="no-such-table"):
                await store.list_by_invoker("alice")
