"""Tables with another layout: `create_table` refuses them and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import TableError, TableLayout, create_table
from aiobreakglass._table.definition import Definition as Defined
from aiobreakglass._table.structure import differences

from .definition import DEFINITION, LAYOUT, Definition

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


def table_differences(table: Definition, layout: TableLayout) -> list[str]:
    return differences(Defined("breakglass", layout, False, False), table)


def other_key(table: Definition) -> None:
    table["KeySchema"][0]["AttributeName"] = "id"
    table["AttributeDefinitions"][0]["AttributeName"] = "id"


def sort_key(table: Definition) -> None:
    table["KeySchema"].append({"AttributeName": "created_at", "KeyType": "RANGE"})


def number_key(table: Definition) -> None:
    table["AttributeDefinitions"][0]["AttributeType"] = "N"


def number_in_indexes(table: Definition) -> None:
    table["AttributeDefinitions"][-1]["AttributeType"] = "N"


def no_indexes(table: Definition) -> None:
    del table["GlobalSecondaryIndexes"]
    del table["AttributeDefinitions"][1:]


def no_status_index(table: Definition) -> None:
    del table["GlobalSecondaryIndexes"][1]
    del table["AttributeDefinitions"][2]


def index_over_another_field(table: Definition) -> None:
    table["GlobalSecondaryIndexes"][2]["KeySchema"][0]["AttributeName"] = "invoker"
    del table["AttributeDefinitions"][3]


def index_in_another_order(table: Definition) -> None:
    table["GlobalSecondaryIndexes"][0]["KeySchema"][1]["AttributeName"] = "status"


def index_without_order(table: Definition) -> None:
    del table["GlobalSecondaryIndexes"][0]["KeySchema"][1]


def keys_only(table: Definition) -> None:
    table["GlobalSecondaryIndexes"][2]["Projection"] = {"ProjectionType": "KEYS_ONLY"}


def some_attributes(table: Definition) -> None:
    table["GlobalSecondaryIndexes"][0]["Projection"] = {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["profile", "expires_at"],
    }


DIFFERENCES: list[Any] = [
    pytest.param(other_key, ["its only key must be pk"], id="another key"),
    pytest.param(sort_key, ["its only key must be pk"], id="a sort key"),
    pytest.param(number_key, ["pk must be of type S"], id="numbers for keys"),
    pytest.param(number_in_indexes, ["created_at must be of type S"], id="numbers in indexes"),
    pytest.param(
        no_indexes,
        [
            f"index {field}-index is missing"
            for field in ("invoker", "status", "profile", "review")
        ],
        id="no indexes",
    ),
    pytest.param(no_status_index, ["index status-index is missing"], id="an index is missing"),
    pytest.param(
        index_over_another_field,
        ["index profile-index must have the keys profile and created_at"],
        id="an index over another field",
    ),
    pytest.param(
        index_in_another_order,
        ["index invoker-index must have the keys invoker and created_at"],
        id="an index in another order",
    ),
    pytest.param(
        index_without_order,
        ["index invoker-index must have the keys invoker and created_at"],
        id="an index without order",
    ),
    pytest.param(keys_only, ["index profile-index must project all attributes"], id="keys only"),
    pytest.param(
        some_attributes, ["index invoker-index must project all attributes"], id="some attributes"
    ),
]


class TestTablesThatAreNotOurs:
    @pytest.mark.parametrize(("difference", "found"), DIFFERENCES)
    def test_each_difference_is_named_alone(
        self, difference: Callable[[Definition], None], found: list[str]
    ) -> None:
        """Each difference from the layout is named, and nothing else."""
        table = deepcopy(DEFINITION)
        assert table_differences(table, LAYOUT) == []
        difference(table)
        assert table_differences(table, LAYOUT) == found

    def test_all_differences_are_named(self) -> None:
        """The check names all differences at once."""
        table = deepcopy(DEFINITION)
        for difference in (other_key, no_status_index, keys_only):
            difference(table)
        assert table_differences(table, LAYOUT) == [
            "its only key must be pk",
            "index status-index is missing",
            "index review-index must project all attributes",
        ]

    def test_table_is_compared_with_the_given_layout(self) -> None:
        """The check compares the table with the layout that the caller gives."""
        layout = TableLayout(partition_key="key", status_index="by-status")
        assert table_differences(DEFINITION, layout) == [
            "its only key must be key",
            "index by-status is missing",
        ]

    @pytest.mark.parametrize(("difference", "found"), DIFFERENCES)
    async def test_table_with_another_layout_is_refused(
        self,
        client: DynamoDBClient,
        name: str,
        difference: Callable[[Definition], None],
        found: list[str],
    ) -> None:
        """The error names the differences, and the table stays as it is."""
        definition = {**deepcopy(DEFINITION), "TableName": name}
        difference(definition)
        await client.create_table(**definition)
        with pytest.raises(TableError) as caught:
            await create_table(client, name)
        assert str(caught.value) == (
            f"table {name!r} is not laid out as a break-glass table: {'; '.join(found)}. "
            "Choose another name, or the layout that it has"
        )
        ttl = (await client.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
        assert ttl["TimeToLiveStatus"] == "DISABLED"

    async def test_table_with_ttl_on_another_attribute_is_refused(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """TTL on another attribute would delete evidence."""
        await client.create_table(**{**deepcopy(DEFINITION), "TableName": name})
        await client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )
        with pytest.raises(TableError, match="has its TTL on 'expires_at', not on 'ttl'"):
            await create_table(client, name)
