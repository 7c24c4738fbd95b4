"""Requests that fail: which of them are sent again, and for how long."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, EventExistsError, StoreUnavailableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows
from tests.dynamodb.waiting import PATIENT_AND_SENDING_ONCE
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy

from .conftest import LONG_ENOUGH, Open
from .failures import FATAL, TRANSIENT, TRANSIENT_FOR_WRITES, WRITE, table


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
            with pytest.raises(StoreUnavailableError, match="no credentials were found") as caught:
                await store.create(make_event(created_at=clock()))
        assert not caught.value.outcome_unknown
        assert proxy.exchanges == []


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
