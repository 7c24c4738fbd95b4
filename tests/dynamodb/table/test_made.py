"""What `create_table` creates, and what it accepts as it is."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.session import get_session

from aiobreakglass import TableError, TableLayout, create_table
from aiobreakglass._table.definition import Definition

from .definition import DEFINITION, LAYOUT

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef


async def described(client: DynamoDBClient, name: str) -> TableDescriptionTypeDef:
    return (await client.describe_table(TableName=name))["Table"]


class TestWhatIsMade:
    def test_definition_of_the_table(self) -> None:
        """The table has one key and four full indexes, all of type S, and is billed on demand."""
        assert Definition("breakglass", LAYOUT, False, False).creation == DEFINITION
        protected = {**DEFINITION, "DeletionProtectionEnabled": True}
        assert Definition("breakglass", LAYOUT, False, True).creation == protected

    async def test_created_table_has_the_definition(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """The table has the definition's keys and indexes only, and is ready for use."""
        await create_table(client, name)
        table = await described(client, name)
        assert table["TableStatus"] == "ACTIVE"
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["KeySchema"] == DEFINITION["KeySchema"]
        assert by(table["AttributeDefinitions"], "AttributeName") == by(
            DEFINITION["AttributeDefinitions"], "AttributeName"
        )
        indexes = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in map(dict, table["GlobalSecondaryIndexes"])
        ]
        assert by(indexes, "IndexName") == by(DEFINITION["GlobalSecondaryIndexes"], "IndexName")
        assert not table.get("LocalSecondaryIndexes")

    async def test_created_table_has_ttl_on_its_attribute(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """TTL is not on `expires_at`, because events are kept longer than access."""
        await create_table(client, name)
        answer = await client.describe_time_to_live(TableName=name)
        assert answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
        assert answer["TimeToLiveDescription"]["AttributeName"] == "ttl"

    async def test_create_table_again_changes_nothing(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """`create_table` leaves an existing table and its rows as they are."""
        await create_table(client, name)
        await client.put_item(TableName=name, Item={"pk": {"S": "x"}})
        before = await described(client, name)
        await create_table(client, name)
        after = await described(client, name)
        assert after["CreationDateTime"] == before["CreationDateTime"]
        assert (await client.scan(TableName=name))["Count"] == 1

    async def test_several_create_the_table_at_once(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """If several callers create the same table at once, all succeed."""
        await asyncio.gather(*(create_table(client, name) for _ in range(4)))
        assert (await described(client, name))["TableStatus"] == "ACTIVE"

    async def test_half_made_table_is_completed(self, client: DynamoDBClient, name: str) -> None:
        """`create_table` completes a table whose creation was interrupted."""
        await client.create_table(**{**deepcopy(DEFINITION), "TableName": name})
        await create_table(client, name)
        answer = await client.describe_time_to_live(TableName=name)
        assert answer["TimeToLiveDescription"]["AttributeName"] == "ttl"

    async def test_table_with_additional_indexes_is_accepted(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """`create_table` accepts a table with additional indexes."""
        definition = deepcopy(DEFINITION)
        definition["GlobalSecondaryIndexes"].append(index_over("request_id"))
        definition["AttributeDefinitions"].append(
            {"AttributeName": "request_id", "AttributeType": "S"}
        )
        await client.create_table(**{**definition, "TableName": name})
        await create_table(client, name)

    @pytest.mark.parametrize("before", [False, True], ids=["new table", "table that is there"])
    async def test_protection_and_recovery_are_turned_on(
        self, moto_endpoint: str, name: str, before: bool
    ) -> None:
        """`create_table` turns on deletion protection and point-in-time recovery if asked.

        Only moto has them: the DynamoDB Local at hand is of 2020, and has neither.
        """
        async with get_session().create_client(
            "dynamodb", region_name="eu-central-1", endpoint_url=moto_endpoint
        ) as client:
            if before:
                await create_table(client, name)
                assert await hardening(client, name) == (False, "DISABLED")
            await create_table(client, name, deletion_protection=True, point_in_time_recovery=True)
            assert await hardening(client, name) == (True, "ENABLED")
            await create_table(client, name)
            assert await hardening(client, name) == (True, "ENABLED")

    async def test_client_stays_open_after_a_refusal(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """`create_table` leaves the client open, also after a refusal."""
        await create_table(client, name)
        with pytest.raises(TableError):
            await create_table(client, name, layout=TableLayout(partition_key="key"))
        assert (await described(client, name))["TableName"] == name


async def hardening(client: DynamoDBClient, name: str) -> tuple[bool, str]:
    protected = (await described(client, name))["DeletionProtectionEnabled"]
    backups = await client.describe_continuous_backups(TableName=name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    return protected, recovery["PointInTimeRecoveryStatus"]


def by(entries: Any, name: str) -> dict[str, Any]:
    return {entry[name]: entry for entry in entries}


def index_over(field: str) -> dict[str, Any]:
    return {
        "IndexName": f"{field}-index",
        "KeySchema": [{"AttributeName": field, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
