"""Which failed requests the store repeats, and for how long."""

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
    async def test_read_survives_transient_faults(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock, fault: Fault
    ) -> None:
        """The store repeats a read until it is answered, and takes no fault for "no access"."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script("GetItem", fault, faults.none, fault)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        assert len(proxy.sent("GetItem")) == 4

    @table(TRANSIENT)
    async def test_list_survives_transient_faults(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock, fault: Fault
    ) -> None:
        """A list is complete or an error."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        proxy.script("Query", fault)
        assert list(await store.list_by_profile("prod")) == [event]

    @table(TRANSIENT_FOR_WRITES)
    async def test_write_survives_transient_faults(
        self,
        store: AsyncDynamoDBStore,
        proxy: FaultProxy,
        rows: Rows,
        clock: FakeClock,
        fault: Fault,
    ) -> None:
        """The store repeats a write with the same bytes and token, and it happens once."""
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

    async def test_each_write_has_its_own_token(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """Each logical write has its own token."""
        old = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(old.duration)
        new = await store.create(make_event(**PAIR, created_at=clock()))
        await store.close(new.id, closed_by="alice", closed_reason="done")
        sent = [json.loads(exchange.body) for exchange in proxy.sent(WRITE)]
        assert len(sent) >= 5
        assert len({request["ClientRequestToken"] for request in sent}) == len(sent)


class TestOwnWrites:
    """Writes without tokens, because DynamoDB remembers a token for only 10 minutes."""

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

    async def test_own_write_is_recognised_without_a_token(
        self, forgetful: AsyncDynamoDBStore, proxy: FaultProxy, clock: FakeClock
    ) -> None:
        """After a lost response the repeated write succeeds, because the row has its write id."""
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

    async def test_second_create_of_one_event_is_refused(
        self, forgetful: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """A second `create` with the same event is another write, and its id is taken."""
        event = await forgetful.create(make_event(**PAIR, created_at=clock()))
        with pytest.raises(EventExistsError):
            await forgetful.create(event)


class TestRefusedByAWS:
    @table(FATAL)
    async def test_refusal_by_aws_is_not_repeated(
        self, store: AsyncDynamoDBStore, proxy: FaultProxy, fault: Fault
    ) -> None:
        """The store does not repeat a refusal for missing rights, and names it."""
        proxy.script("GetItem", fault)
        with pytest.raises(StoreUnavailableError, match="Exception: ") as caught:
            await store.get("0123456789abcdef")
        assert len(proxy.sent("GetItem")) == 1
        assert not caught.value.outcome_unknown
        assert type(caught.value.__cause__).__name__.endswith(("ClientError", "Exception"))

    async def test_missing_credentials_are_named(
        self,
        open_store: Open,
        proxy: FaultProxy,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without credentials the store sends nothing, and the error says what is missing."""
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
    async def test_answer_that_stays_damaged_is_an_error(
        self,
        store: AsyncDynamoDBStore,
        few_attempts: None,
        proxy: FaultProxy,
        clock: FakeClock,
        fault: Fault,
        problem: str,
    ) -> None:
        """A damaged 200 is a failure, and never "no access"."""
        await store.create(make_event(**PAIR, created_at=clock()))
        proxy.plan = lambda exchange: fault
        with pytest.raises(StoreUnavailableError, match=problem):
            await store.find_active_by_invoker_and_profile("alice", "prod")
