"""Making the table: what is made, what is accepted, what is refused, and what is waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from aiobreakglass import StoreUnavailableError, TableError, TableLayout, create_table
from aiobreakglass._dynamodb.table import table_definition, table_differences

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef

LAYOUT = TableLayout()
Definition = dict[str, Any]

DEFINITION: Definition = {
    "TableName": "breakglass",
    "BillingMode": "PAY_PER_REQUEST",
    "DeletionProtectionEnabled": False,
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "invoker", "AttributeType": "S"},
        {"AttributeName": "status", "AttributeType": "S"},
        {"AttributeName": "profile", "AttributeType": "S"},
        {"AttributeName": "created_at", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": f"{field}-index",
            "KeySchema": [
                {"AttributeName": field, "KeyType": "HASH"},
                {"AttributeName": "created_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for field in ("invoker", "status", "profile")
    ],
}


@pytest.fixture
def name() -> str:
    """The name of a table that is not there yet."""
    return f"breakglass-{uuid4().hex}"


async def described(client: DynamoDBClient, name: str) -> TableDescriptionTypeDef:
    return (await client.describe_table(TableName=name))["Table"]


class TestWhatIsMade:
    def test_the_definition(self) -> None:
        """One key, three indexes that project everything, all of text, billed on demand."""
        assert table_definition("breakglass", LAYOUT, deletion_protection=False) == DEFINITION
        protected = {**DEFINITION, "DeletionProtectionEnabled": True}
        assert table_definition("breakglass", LAYOUT, deletion_protection=True) == protected

    async def test_the_table(self, client: DynamoDBClient, name: str) -> None:
        """The table has the definition's keys and indexes, no other, and can be used at once."""
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

    async def test_its_time_to_live(self, client: DynamoDBClient, name: str) -> None:
        """TTL goes by retention, not by `expires_at`: evidence outlives access."""
        await create_table(client, name)
        answer = await client.describe_time_to_live(TableName=name)
        assert answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
        assert answer["TimeToLiveDescription"]["AttributeName"] == "ttl"

    async def test_again(self, client: DynamoDBClient, name: str) -> None:
        """What is there already is left as it is, with its rows."""
        await create_table(client, name)
        await client.put_item(TableName=name, Item={"pk": {"S": "x"}})
        before = await described(client, name)
        await create_table(client, name)
        after = await described(client, name)
        assert after["CreationDateTime"] == before["CreationDateTime"]
        assert (await client.scan(TableName=name))["Count"] == 1

    async def test_by_two_at_once(self, client: DynamoDBClient, name: str) -> None:
        """Several can make the same table at once, and each finds it made."""
        await asyncio.gather(*(create_table(client, name) for _ in range(4)))
        assert (await described(client, name))["TableStatus"] == "ACTIVE"

    async def test_the_rest_of_a_table_half_made(self, client: DynamoDBClient, name: str) -> None:
        """A table that somebody was interrupted in making gets what it lacks."""
        await client.create_table(**{**deepcopy(DEFINITION), "TableName": name})
        await create_table(client, name)
        answer = await client.describe_time_to_live(TableName=name)
        assert answer["TimeToLiveDescription"]["AttributeName"] == "ttl"

    async def test_with_more_indexes_than_ours(self, client: DynamoDBClient, name: str) -> None:
        """Other indexes on the table are nobody's harm."""
        definition = deepcopy(DEFINITION)
        definition["GlobalSecondaryIndexes"].append(index_over("request_id"))
        definition["AttributeDefinitions"].append(
            {"AttributeName": "request_id", "AttributeType": "S"}
        )
        await client.create_table(**{**definition, "TableName": name})
        await create_table(client, name)

    @pytest.mark.parametrize("before", [False, True], ids=["new table", "table that is there"])
    async def test_hardened(self, moto_endpoint: str, name: str, before: bool) -> None:
        """Deletion protection and point-in-time recovery are switched on where asked for.

        On moto alone: the DynamoDB Local at hand is of 2020, and knows neither.
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

    async def test_the_client_is_borrowed(self, client: DynamoDBClient, name: str) -> None:
        """The client goes on working, also after a refusal."""
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
    table["GlobalSecondaryIndexes"][-1]["Projection"] = {"ProjectionType": "KEYS_ONLY"}


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
        [f"index {field}-index is missing" for field in ("invoker", "status", "profile")],
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
    def test_differences(self, difference: Callable[[Definition], None], found: list[str]) -> None:
        """Each difference from our layout is found and named, and nothing else."""
        table = deepcopy(DEFINITION)
        assert table_differences(table, LAYOUT) == []
        difference(table)
        assert table_differences(table, LAYOUT) == found

    def test_several_differences(self) -> None:
        """All differences are told at once."""
        table = deepcopy(DEFINITION)
        for difference in (other_key, no_status_index, keys_only):
            difference(table)
        assert table_differences(table, LAYOUT) == [
            "its only key must be pk",
            "index status-index is missing",
            "index profile-index must project all attributes",
        ]

    def test_our_table_in_another_layout(self) -> None:
        """A table is compared with the layout that is asked for."""
        layout = TableLayout(partition_key="key", status_index="by-status")
        assert table_differences(DEFINITION, layout) == [
            "its only key must be key",
            "index by-status is missing",
        ]

    @pytest.mark.parametrize(("difference", "found"), DIFFERENCES)
    async def test_refused(
        self,
        client: DynamoDBClient,
        name: str,
        difference: Callable[[Definition], None],
        found: list[str],
    ) -> None:
        """A table that is laid out otherwise is refused, with the differences, and left alone."""
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

    async def test_time_to_live_on_another_attribute(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """A table whose TTL goes by another attribute would lose evidence: it is refused."""
        await client.create_table(**{**deepcopy(DEFINITION), "TableName": name})
        await client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )
        with pytest.raises(TableError, match="has its TTL on 'expires_at', not on 'ttl'"):
            await create_table(client, name)


class ScriptedClient:
    """A client that gives, of each method, one answer after the other; the last one for ever."""

    class exceptions:  # noqa: N801 - as a client has it
        class ResourceNotFoundException(ClientError):  # noqa: N818 - as DynamoDB names it
            pass

    meta = SimpleNamespace(service_model=SimpleNamespace(operation_names=["DescribeTable"]))

    def __init__(self, **answers: list[Any]) -> None:
        self._answers: dict[str, list[Any]] = {
            "create_table": [{}],
            "describe_time_to_live": [time_to_live("DISABLED")],
            "update_time_to_live": [{}],
            **answers,
        }
        self.calls: list[str] = []

    def __getattr__(self, method: str) -> Any:
        answers = self._answers[method]

        async def call(**_: Any) -> Any:
            self.calls.append(method)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


async def make(client: Any, **arguments: Any) -> None:
    await create_table(
        client, **{"table_name": "breakglass", "timeout": timedelta(seconds=5), **arguments}
    )


def table(status: str, *index_statuses: str, **attributes: Any) -> dict[str, Any]:
    description = {**deepcopy(DEFINITION), "TableStatus": status, **attributes}
    indexes = description["GlobalSecondaryIndexes"]
    for index, index_status in zip(indexes, index_statuses, strict=False):
        index["IndexStatus"] = index_status
    return {"Table": description}


def time_to_live(status: str, attribute: str | None = None) -> dict[str, Any]:
    state = {"TimeToLiveStatus": status}
    return {"TimeToLiveDescription": state | ({"AttributeName": attribute} if attribute else {})}


def failure(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "DynamoDB's words"}}, "DescribeTable")


def not_found() -> ClientError:
    response: Any = failure("ResourceNotFoundException").response
    return ScriptedClient.exceptions.ResourceNotFoundException(response, "DescribeTable")


class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ask again at once."""
        monkeypatch.setattr("aiobreakglass._dynamodb.table._POLL_SECONDS", 0)

    @pytest.mark.parametrize(
        "states",
        [
            pytest.param([table("CREATING"), table("CREATING")], id="table being made"),
            pytest.param([table("UPDATING")], id="table being changed"),
            pytest.param([table("ACTIVE", "ACTIVE", "CREATING")], id="index being made"),
            pytest.param(
                [table("CREATING", "CREATING"), table("ACTIVE", "ACTIVE", "ACTIVE", "UPDATING")],
                id="one after the other",
            ),
        ],
    )
    async def test_until_the_table_and_its_indexes_are_active(
        self, states: list[dict[str, Any]]
    ) -> None:
        """The table is ready when it and each of its indexes are."""
        ready = table("ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE")
        client = ScriptedClient(describe_table=[not_found(), *states, ready, failure("TooMany")])
        await make(client)
        assert client.calls == [
            "describe_table",
            "create_table",
            *["describe_table"] * (len(states) + 1),
            "describe_time_to_live",
            "update_time_to_live",
        ]

    async def test_until_a_new_table_is_known_everywhere(self) -> None:
        """Just made, a table may not be found yet: DescribeTable is eventually consistent.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
        """
        client = ScriptedClient(describe_table=[not_found(), not_found(), table("ACTIVE")])
        await make(client)
        assert client.calls.count("describe_table") == 3

    async def test_for_somebody_else_who_is_making_it(self) -> None:
        """Where somebody was faster, their table is waited for."""
        client = ScriptedClient(
            describe_table=[not_found(), table("CREATING"), table("ACTIVE")],
            create_table=[failure("ResourceInUseException")],
        )
        await make(client)
        assert client.calls[-1] == "update_time_to_live"

    async def test_for_time_to_live_that_is_being_switched_off(self) -> None:
        """TTL that is on its way off can be switched on only when it is off."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            describe_time_to_live=[
                time_to_live("DISABLING", "old"),
                time_to_live("DISABLED"),
            ],
        )
        await make(client)
        assert client.calls[-3:] == [*["describe_time_to_live"] * 2, "update_time_to_live"]

    async def test_for_somebody_else_who_switches_time_to_live_on(self) -> None:
        """Where somebody was faster, what TTL is then is what counts."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            describe_time_to_live=[time_to_live("DISABLED"), time_to_live("ENABLING", "ttl")],
            update_time_to_live=[failure("ValidationException")],
        )
        await make(client)
        assert client.calls[-1] == "describe_time_to_live"

    async def test_for_time_to_live_that_cannot_be_switched_on(self) -> None:
        """What DynamoDB says against it is passed on: it allows few changes an hour."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            update_time_to_live=[failure("ValidationException")],
        )
        with pytest.raises(TableError, match="cannot be switched on: DynamoDB's words"):
            await make(client)

    async def test_for_deletion_protection(self) -> None:
        """Protection changes the table, which is ready again before this ends."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE"), table("ACTIVE"), table("UPDATING"), table("ACTIVE")],
            update_table=[{}],
        )
        await make(client, deletion_protection=True)
        assert client.calls[-3:] == ["update_table", "describe_table", "describe_table"]

    async def test_not_for_deletion_protection_that_is_on_already(self) -> None:
        """What is on is not switched on again."""
        client = ScriptedClient(describe_table=[table("ACTIVE", DeletionProtectionEnabled=True)])
        await make(client, deletion_protection=True)
        assert "update_table" not in client.calls

    async def test_for_point_in_time_recovery(self) -> None:
        """A table that is new cannot have backups yet: they are asked for again."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            update_continuous_backups=[failure("ContinuousBackupsUnavailableException"), {}],
        )
        await make(client, point_in_time_recovery=True)
        assert client.calls[-2:] == ["update_continuous_backups"] * 2

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param({"describe_table": [table("CREATING")]}, id="table"),
            pytest.param({"describe_table": [table("ACTIVE", "CREATING")]}, id="index"),
            pytest.param(
                {
                    "describe_table": [table("ACTIVE")],
                    "update_continuous_backups": [
                        failure("ContinuousBackupsUnavailableException")
                    ],
                },
                id="point-in-time recovery",
            ),
        ],
    )
    async def test_in_vain(self, script: dict[str, Any]) -> None:
        """What is not ready in time is unavailable, and asking again goes on waiting."""
        with pytest.raises(StoreUnavailableError, match="'breakglass' was not ready in time"):
            await make(
                ScriptedClient(**script),
                point_in_time_recovery=True,
                timeout=timedelta(milliseconds=20),
            )


class TestFailures:
    async def test_a_table_that_is_being_deleted(self) -> None:
        """A table that is on its way out is not ours to wait for."""
        client = ScriptedClient(describe_table=[table("DELETING")])
        with pytest.raises(TableError, match="'breakglass' is being deleted; try again"):
            await make(client)

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param({"describe_table": [failure("AccessDeniedException")]}, id="describe"),
            pytest.param(
                {
                    "describe_table": [not_found()],
                    "create_table": [failure("AccessDeniedException")],
                },
                id="create",
            ),
            pytest.param(
                {
                    "describe_table": [table("ACTIVE")],
                    "describe_time_to_live": [failure("AccessDeniedException")],
                },
                id="describe TTL",
            ),
            pytest.param(
                {
                    "describe_table": [table("ACTIVE")],
                    "update_time_to_live": [failure("AccessDeniedException")],
                },
                id="update TTL",
            ),
            pytest.param(
                {
                    "describe_table": [table("ACTIVE")],
                    "update_table": [failure("AccessDeniedException")],
                },
                id="deletion protection",
            ),
            pytest.param(
                {
                    "describe_table": [table("ACTIVE")],
                    "update_table": [{}],
                    "update_continuous_backups": [failure("AccessDeniedException")],
                },
                id="point-in-time recovery",
            ),
        ],
    )
    async def test_access_denied(self, script: dict[str, Any]) -> None:
        """What DynamoDB refuses is unavailable, in DynamoDB's words."""
        expected = "^DynamoDB refused: AccessDeniedException: DynamoDB's words$"
        with pytest.raises(StoreUnavailableError, match=expected) as caught:
            await make(
                ScriptedClient(**script),
                deletion_protection=True,
                point_in_time_recovery=True,
            )
        assert isinstance(caught.value.__cause__, ClientError)

    async def test_a_table_that_goes_away_meanwhile(self) -> None:
        """A table that is deleted while it is being prepared is missing."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")], describe_time_to_live=[not_found()]
        )
        with pytest.raises(TableError, match="ResourceNotFoundException"):
            await make(client)

    async def test_an_endpoint_that_cannot_be_reached(self, closed_port: int) -> None:
        """An endpoint that nobody listens on is unavailable."""
        async with get_session().create_client(
            "dynamodb",
            region_name="eu-central-1",
            endpoint_url=f"http://127.0.0.1:{closed_port}",
            config=AioConfig(retries={"total_max_attempts": 1}),
        ) as client:
            with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{closed_port}"):
                await create_table(client, "breakglass")

    @pytest.fixture
    def closed_port(self) -> Iterator[int]:
        """A port that is taken, and that nobody listens on."""
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            yield holder.getsockname()[1]

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"table_name": ""}, ValueError, "^table_name must be 3 to 255"),
            ({"table_name": "a b c"}, ValueError, "^table_name must be 3 to 255"),
            (
                {"table_name": "arn:aws:dynamodb:eu-central-1:123456789012:table/breakglass"},
                ValueError,
                "^table_name must be 3 to 255 of a-z A-Z 0-9 _ . -$",
            ),
            ({"table_name": None}, TypeError, "^table_name must be a str"),
            ({"layout": {}}, TypeError, "^layout must be a TableLayout"),
            ({"timeout": 5}, TypeError, "^timeout must be a timedelta"),
            ({"timeout": timedelta(0)}, ValueError, "^timeout must be at least"),
            ({"timeout": timedelta(seconds=-1)}, ValueError, "^timeout must be at least"),
        ],
    )
    async def test_arguments(
        self, arguments: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """Wrong use is told by the argument's name, before anything is sent."""
        client = ScriptedClient()
        with pytest.raises(error, match=message):
            await make(client, **arguments)
        assert client.calls == []
