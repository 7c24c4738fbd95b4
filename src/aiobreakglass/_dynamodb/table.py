"""Create the table, verify that it is ours, harden it. Every step can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from aiobreakglass._aws import outcomes
from aiobreakglass._aws.borrowing import check_client
from aiobreakglass._aws.failures import shorten_traceback
from aiobreakglass._contract import arguments
from aiobreakglass._domain.errors import BreakGlassError, StoreUnavailableError, TableError
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.layout import TableLayout, check_layout, check_table_name

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_POLL_SECONDS: Final = 0.25


async def create_table(
    client: DynamoDBClient,
    table_name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = False,
    deletion_protection: bool = False,
    timeout: timedelta = timedelta(minutes=5),  # noqa: ASYNC109 - what a caller expects here
) -> None:
    """Make the table with its indexes and TTL, billed on demand, and wait until it can be used.

    Safe to call again, and from several processes at once: what is there already is left, and what
    is missing of TTL, point-in-time recovery and deletion protection is switched on. The last two
    belong on a table whose rows are evidence; they are off unless asked for because they cost
    money, and because a test's table must be easy to remove.

    Raises `TableError` if a table of this name has other keys, indexes or another TTL attribute,
    and `StoreUnavailableError` if it is not ready within `timeout`, or if the endpoint is an
    emulator without transactions, which every write needs: then nothing is made. The client is
    borrowed. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
    """
    check_table_name(table_name)
    layout = TableLayout() if layout is None else check_layout(layout)
    arguments.check_interval("timeout", timeout, at_least=timedelta(milliseconds=1))
    check_client(client)
    with _translated(client, table_name):
        async with asyncio.timeout(timeout.total_seconds()):
            await _check_transactions(client, table_name, layout)
            await _ensure_exists(client, table_name, layout, deletion_protection)
            description = await _await_active(client, table_name)
            if differences := table_differences(description, layout):
                raise TableError(
                    f"table {table_name!r} is not laid out as a break-glass table: "
                    f"{'; '.join(differences)}. Choose another name, or the layout that it has"
                )
            await _ensure_time_to_live(client, table_name, layout)
            if deletion_protection and not description.get("DeletionProtectionEnabled", False):
                await client.update_table(TableName=table_name, DeletionProtectionEnabled=True)
                await _await_active(client, table_name)
            if point_in_time_recovery:
                await _ensure_point_in_time_recovery(client, table_name)


def table_definition(
    table_name: str, layout: TableLayout, deletion_protection: bool
) -> dict[str, Any]:
    """Return the parameters of CreateTable."""
    attributes = (layout.partition_key, *layout.indexes.values(), "created_at")
    return {
        "TableName": table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": deletion_protection,
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes
        ],
        "KeySchema": [{"AttributeName": layout.partition_key, "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": field, "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, field in layout.indexes.items()
        ],
    }


def table_differences(description: Mapping[str, Any], layout: TableLayout) -> list[str]:
    """Return what keeps a described table from being one of this layout; more indexes do not."""
    differences = []
    expected = table_definition("", layout, deletion_protection=False)
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in description["AttributeDefinitions"]
    }
    if _keys(description) != _keys(expected):
        differences.append(f"its only key must be {layout.partition_key}")
    indexes = {
        index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())
    }
    for index in expected["GlobalSecondaryIndexes"]:
        name = index["IndexName"]
        if name not in indexes:
            differences.append(f"index {name} is missing")
        elif _keys(indexes[name]) != _keys(index):
            differences.append(f"index {name} must have the keys {' and '.join(_keys(index))}")
        elif indexes[name]["Projection"]["ProjectionType"] != "ALL":
            differences.append(f"index {name} must project all attributes")
    differences += [
        f"{attribute['AttributeName']} must be of type S"
        for attribute in expected["AttributeDefinitions"]
        if types.get(attribute["AttributeName"], "S") != "S"
    ]
    return differences


def _keys(schema: Mapping[str, Any]) -> dict[str, str]:
    return {key["AttributeName"]: key["KeyType"] for key in schema["KeySchema"]}


async def _check_transactions(
    client: DynamoDBClient, table_name: str, layout: TableLayout
) -> None:
    """Raise if the endpoint does not know transactions."""
    try:
        await client.transact_write_items(**requests.probe(table_name, layout))
    except ClientError as error:
        # Whoever refuses it for another reason knows it, be the reason that access is denied.
        if error.response["Error"]["Code"] == "UnknownOperationException":
            raise


async def _ensure_exists(
    client: DynamoDBClient, table_name: str, layout: TableLayout, deletion_protection: bool
) -> None:
    try:
        await client.describe_table(TableName=table_name)
    except client.exceptions.ResourceNotFoundException:
        # In use: somebody else is making it at this moment.
        with _ignored("ResourceInUseException"):
            await client.create_table(**table_definition(table_name, layout, deletion_protection))


async def _await_active(client: DynamoDBClient, table_name: str) -> Mapping[str, Any]:
    while True:
        try:
            answer = await client.describe_table(TableName=table_name)
        except client.exceptions.ResourceNotFoundException:
            # Just made, it is not known everywhere yet.
            await asyncio.sleep(_POLL_SECONDS)
            continue
        description: Mapping[str, Any] = answer["Table"]
        if description["TableStatus"] == "DELETING":
            raise TableError(f"table {table_name!r} is being deleted; try again when it is gone")
        states = {description["TableStatus"]}
        # Emulators leave out the state of an index.
        states |= {
            index.get("IndexStatus", "ACTIVE")
            for index in description.get("GlobalSecondaryIndexes", ())
        }
        if states == {"ACTIVE"}:
            return description
        await asyncio.sleep(_POLL_SECONDS)


async def _ensure_time_to_live(
    client: DynamoDBClient, table_name: str, layout: TableLayout
) -> None:
    if await _has_time_to_live(client, table_name, layout):
        return
    try:
        await client.update_time_to_live(
            TableName=table_name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": layout.ttl_attribute},
        )
    except ClientError as error:
        # Invalid also where somebody else has switched it on at the same moment.
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        if not await _has_time_to_live(client, table_name, layout):
            raise TableError(
                f"TTL of table {table_name!r} cannot be switched on: "
                f"{error.response['Error']['Message']}"
            ) from error


async def _has_time_to_live(client: DynamoDBClient, table_name: str, layout: TableLayout) -> bool:
    while True:
        answer = await client.describe_time_to_live(TableName=table_name)
        state = answer["TimeToLiveDescription"]
        if state["TimeToLiveStatus"] == "DISABLED":
            return False
        if state["TimeToLiveStatus"] != "DISABLING":
            break
        await asyncio.sleep(_POLL_SECONDS)
    if state["AttributeName"] != layout.ttl_attribute:
        raise TableError(
            f"table {table_name!r} has its TTL on {state['AttributeName']!r}, not on "
            f"{layout.ttl_attribute!r}: rows would be deleted at the wrong time"
        )
    return True


async def _ensure_point_in_time_recovery(client: DynamoDBClient, table_name: str) -> None:
    while True:
        # A new table cannot have it yet for a while.
        with _ignored("ContinuousBackupsUnavailableException"):
            await client.update_continuous_backups(
                TableName=table_name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
            return
        await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def _ignored(code: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


@contextmanager
def _translated(client: DynamoDBClient, table_name: str) -> Iterator[None]:
    try:
        yield
    except BreakGlassError:
        raise
    except TimeoutError as error:
        shorten_traceback(error)
        raise StoreUnavailableError(
            f"table {table_name!r} was not ready in time; call create_table again to go on waiting"
        ) from error
    except Exception as error:
        shorten_traceback(error)
        raise outcomes.translate(
            error, client.meta.service_model.operation_names, table_name, outcome_unknown=False
        ) from error
