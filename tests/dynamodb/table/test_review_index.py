"""The index of reviews, which tables from before reviews lack."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError, TableError, create_table
from aiobreakglass.testing import FakeClock, make_event

from .definition import DEFINITION, Definition
from .scripted import ScriptedClient, failure, make, table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


def without_review_index(name: str = "breakglass") -> Definition:
    """Return the definition of a table as the release before reviews made it."""
    definition = {**deepcopy(DEFINITION), "TableName": name}
    definition["GlobalSecondaryIndexes"].pop()
    definition["AttributeDefinitions"] = [
        attribute
        for attribute in definition["AttributeDefinitions"]
        if attribute["AttributeName"] != "awaiting_review"
    ]
    return definition


async def index_names(client: DynamoDBClient, name: str) -> list[str]:
    described = (await client.describe_table(TableName=name))["Table"]
    return sorted(index["IndexName"] for index in described["GlobalSecondaryIndexes"])


ALL = ["invoker-index", "profile-index", "review-index", "status-index"]


class TestTableWithoutIt:
    async def test_index_is_added_and_lists_the_events_that_are_there(
        self, client: DynamoDBClient, name: str, clock: FakeClock
    ) -> None:
        """The call waits until the index is ready, and can be repeated."""
        await client.create_table(**without_review_index(name))
        store = AsyncDynamoDBStore(client, name, clock=clock)
        event = await store.create(make_event(created_at=clock()))
        event = await store.close(event.id, closed_by="bob", closed_reason="Over")
        for _ in range(2):
            await create_table(client, name)
            assert await index_names(client, name) == ALL
        assert list(await store.list_awaiting_review()) == [event]

    async def test_everything_but_the_queue_works_without_it(
        self, client: DynamoDBClient, name: str, clock: FakeClock
    ) -> None:
        """The list of reviews says what is missing, and what to do."""
        await client.create_table(**without_review_index(name))
        store = AsyncDynamoDBStore(client, name, clock=clock)
        event = await store.create(make_event(created_at=clock()))
        await store.close(event.id, closed_by="bob", closed_reason="Over")
        reviewed = await store.review(
            event.id, reviewed_by="rev", outcome="needs_follow_up", comment="Which ticket?"
        )
        assert list(await store.list_by_status("closed")) == [reviewed]
        with pytest.raises(TableError, match=r"no index 'review-index'.*call create_table"):
            await store.list_awaiting_review()

    async def test_missing_table_is_another_problem(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """Without a table the list does not speak of its index."""
        with pytest.raises(TableError, match="not the one that this layout names"):
            await AsyncDynamoDBStore(client, name).list_awaiting_review()

    async def test_table_that_lacks_more_is_left_alone(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """Such a table is somebody else's."""
        definition = without_review_index(name)
        del definition["GlobalSecondaryIndexes"][1]
        definition["AttributeDefinitions"] = [
            attribute
            for attribute in definition["AttributeDefinitions"]
            if attribute["AttributeName"] != "status"
        ]
        await client.create_table(**definition)
        with pytest.raises(TableError, match="status-index is missing; index review-index"):
            await create_table(client, name)
        assert await index_names(client, name) == ["invoker-index", "profile-index"]

    async def test_index_gets_the_throughput_of_a_table_that_has_one(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """DynamoDB refuses an index without one there."""
        throughput = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 9}
        definition = without_review_index(name)
        definition |= {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
        for index in definition["GlobalSecondaryIndexes"]:
            index["ProvisionedThroughput"] = throughput
        await client.create_table(**definition)
        await create_table(client, name)
        described = (await client.describe_table(TableName=name))["Table"]
        (added,) = (
            index
            for index in map(dict, described["GlobalSecondaryIndexes"])
            if index["IndexName"] == "review-index"
        )
        found: Any = added["ProvisionedThroughput"]
        assert {key: found[key] for key in throughput} == throughput


class TestSeveralCallers:
    @pytest.fixture
    def endpoint_url(self, dynamodb_local_endpoint: str) -> str:
        """Use DynamoDB Local, because moto breaks down over an index that exists already."""
        return dynamodb_local_endpoint

    async def test_index_is_added_by_several_processes_at_once(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """Whoever comes second waits for the index of the first."""
        await client.create_table(**without_review_index(name))
        await asyncio.gather(*(create_table(client, name) for _ in range(4)))
        assert await index_names(client, name) == ALL


def old_table(status: str = "ACTIVE") -> dict[str, Any]:
    described = table(status, BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"})
    return {"Table": described["Table"] | without_review_index()}


class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Poll without a pause."""
        monkeypatch.setattr("aiobreakglass._table.steps._POLL_SECONDS", 0)

    @pytest.mark.parametrize(
        "states",
        [
            pytest.param([table("UPDATING"), table("ACTIVE", *["ACTIVE"] * 4)], id="at work"),
            pytest.param(
                [table("ACTIVE", *["ACTIVE"] * 3, "CREATING"), table("ACTIVE")], id="being filled"
            ),
            pytest.param([old_table(), table("ACTIVE")], id="not known at first"),
        ],
    )
    async def test_waits_until_the_index_is_active(self, states: list[dict[str, Any]]) -> None:
        """Filling the index of a large table takes a while."""
        client = ScriptedClient(
            describe_table=[old_table(), old_table(), *states], update_table=[{}]
        )
        await make(client)
        assert client.calls[1:-2] == [
            *["describe_table"] * 2,
            "update_table",
            *["describe_table"] * len(states),
        ]

    @pytest.mark.parametrize(
        "code", ["ResourceInUseException", "LimitExceededException", "ValidationException"]
    )
    async def test_index_that_another_caller_adds_is_accepted(self, code: str) -> None:
        """DynamoDB refuses the second request in different ways."""
        client = ScriptedClient(
            describe_table=[old_table(), old_table(), table("ACTIVE")],
            update_table=[failure(code, "UpdateTable")],
        )
        await make(client)
        assert client.calls.count("update_table") == 1

    async def test_index_is_asked_for_again_after_another_change_of_the_table(self) -> None:
        """DynamoDB makes one change of a table at a time."""
        client = ScriptedClient(
            describe_table=[
                *[old_table()] * 2,
                old_table("UPDATING"),
                old_table(),
                table("ACTIVE"),
            ],
            update_table=[failure("ResourceInUseException", "UpdateTable"), {}],
        )
        await make(client)
        assert client.calls.count("update_table") == 2

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("LimitExceededException", StoreUnavailableError),
            ("ValidationException", TableError),
            ("AccessDeniedException", StoreUnavailableError),
        ],
    )
    async def test_index_that_cannot_be_added_is_an_error(
        self, code: str, error: type[Exception]
    ) -> None:
        """The error quotes DynamoDB."""
        client = ScriptedClient(
            describe_table=[old_table()], update_table=[failure(code, "UpdateTable")]
        )
        client.meta.service_model.operation_names.append("UpdateTable")
        with pytest.raises(error, match="DynamoDB's words"):
            await make(client)
