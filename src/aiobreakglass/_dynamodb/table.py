"""Create the table, and add to it what it lacks; every step can be repeated."""

from __future__ import annotations

import asyncio
import logging
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
from aiobreakglass._dynamodb.definition import (
    index_definition,
    table_definition,
    table_differences,
)
from aiobreakglass._dynamodb.layout import TableLayout, check_layout, check_table_name

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_POLL_SECONDS: Final = 0.25

_REFUSED_MEANWHILE: Final = (
    "ResourceInUseException",
    "LimitExceededException",
    "ValidationException",
)

_logger = logging.getLogger("aiobreakglass.table")


async def create_table(
    client: DynamoDBClient,
    table_name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = False,
    deletion_protection: bool = False,
    timeout: timedelta = timedelta(minutes=5),  # noqa: ASYNC109 - what a caller expects here
) -> None:
    """Create the table with its indexes and TTL, billed on demand, and wait until it is ready.

    It is safe to call this again, and from several processes at once. It keeps an existing table,
    and turns on TTL and the requested protections if they are off. Both protections belong on a
    table whose rows are evidence. They are off by default because they cost money and because a
    test's table must be easy to remove.

    If an existing table lacks only the index of reviews, because it is from before reviews
    existed, the call adds the index and waits until DynamoDB has filled it. The table stays in use
    meanwhile. A large table may take longer than `timeout`; call this again to go on waiting. The
    call logs that it adds the index.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html

    Args:
        client: An open aiobotocore client, which is borrowed.
        table_name: The name of the table.
        layout: The names that the table uses; None means the default names.
        point_in_time_recovery: Whether to turn on point-in-time recovery.
        deletion_protection: Whether to turn on deletion protection.
        timeout: How long to wait for the table.

    Raises:
        TableError: The existing table has other keys, other indexes or another TTL attribute.
        StoreUnavailableError: The table was not ready within `timeout`; or the endpoint is an
            emulator without transactions, which every write needs. In the second case nothing is
            created.
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
            if _lacks_only_review_index(description, layout):
                description = await _add_review_index(client, table_name, layout, description)
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


async def _check_transactions(
    client: DynamoDBClient, table_name: str, layout: TableLayout
) -> None:
    """Raise if the endpoint does not know transactions."""
    try:
        await client.transact_write_items(**requests.probe(table_name, layout))
    except ClientError as error:
        # An endpoint that refuses for any other reason, even denied access, knows the operation.
        if error.response["Error"]["Code"] == "UnknownOperationException":
            raise


async def _ensure_exists(
    client: DynamoDBClient, table_name: str, layout: TableLayout, deletion_protection: bool
) -> None:
    try:
        await client.describe_table(TableName=table_name)
    except client.exceptions.ResourceNotFoundException:
        # "In use" means that somebody else is creating it at this moment.
        with _ignored("ResourceInUseException"):
            await client.create_table(**table_definition(table_name, layout, deletion_protection))


def _lacks_only_review_index(description: Mapping[str, Any], layout: TableLayout) -> bool:
    return table_differences(description, layout) == [f"index {layout.review_index} is missing"]


async def _add_review_index(
    client: DynamoDBClient, table_name: str, layout: TableLayout, description: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Add the index of reviews, wait for it, and return the table's description."""
    field = layout.indexes[layout.review_index]
    index = index_definition(layout.review_index, field)
    if not _is_billed_on_demand(description):
        # Such a table needs a throughput for each index; all of ours see the same writes.
        throughput = description["ProvisionedThroughput"]
        units = ("ReadCapacityUnits", "WriteCapacityUnits")
        index["ProvisionedThroughput"] = {name: throughput[name] for name in units}
    _logger.info("adding index %s to table %s", layout.review_index, table_name)
    is_adding = False
    while _lacks_only_review_index(description, layout):
        refusal: ClientError | None = None
        if is_adding:
            # Some hosts of DynamoDB do not know the new index yet.
            await asyncio.sleep(_POLL_SECONDS)
        else:
            try:
                await client.update_table(
                    TableName=table_name,
                    AttributeDefinitions=[
                        {"AttributeName": attribute, "AttributeType": "S"}
                        for attribute in (layout.partition_key, field, "created_at")
                    ],
                    GlobalSecondaryIndexUpdates=[{"Create": index}],  # type: ignore[typeddict-item] # the same as in CreateTable
                )
                is_adding = True
            except ClientError as error:
                # The request is also refused, in any of these ways, if somebody else is adding
                # the index.
                if error.response["Error"]["Code"] not in _REFUSED_MEANWHILE:
                    raise
                refusal = error
        description = await _await_active(client, table_name)
        if refusal is not None and _lacks_only_review_index(description, layout):
            if refusal.response["Error"]["Code"] != "ResourceInUseException":
                raise refusal
            # Somebody else was changing something else.
            await asyncio.sleep(_POLL_SECONDS)
    return description


def _is_billed_on_demand(description: Mapping[str, Any]) -> bool:
    billing = description.get("BillingModeSummary", {})
    return bool(billing.get("BillingMode") == "PAY_PER_REQUEST")


async def _await_active(client: DynamoDBClient, table_name: str) -> Mapping[str, Any]:
    while True:
        try:
            answer = await client.describe_table(TableName=table_name)
        except client.exceptions.ResourceNotFoundException:
            # Some hosts of DynamoDB do not know a new table yet.
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
        # The request is also invalid if somebody else turned TTL on at the same moment.
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        if not await _has_time_to_live(client, table_name, layout):
            raise TableError(
                f"TTL of table {table_name!r} cannot be turned on: "
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
        # A new table cannot have it for a while.
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
