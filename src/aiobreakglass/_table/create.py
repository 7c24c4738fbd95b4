"""Create the table, or complete one that is there; every step can be repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aiobreakglass._aws.borrowing import check_client
from aiobreakglass._contract import arguments
from aiobreakglass._domain.errors import TableError
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._table.definition import Definition, check_definition, index_creation
from aiobreakglass._table.judgments import (
    deletion_protection_repair,
    recovery_repair,
    time_to_live_repair,
)
from aiobreakglass._table.steps import (
    REFUSED_MEANWHILE,
    await_active,
    code_of,
    ignored,
    pause,
    send,
    too_late,
    translated,
)
from aiobreakglass._table.structure import differences

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

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
    definition = check_definition(
        table_name,
        layout,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
    )
    arguments.check_interval("timeout", timeout, at_least=timedelta(milliseconds=1))
    check_client(client)
    with translated(client, table_name, too_late("create_table")):
        async with asyncio.timeout(timeout.total_seconds()):
            await _check_transactions(client, definition)
            await _ensure_exists(client, definition)
            description = await await_active(client, table_name)
            if _lacks_only_review_index(definition, description):
                description = await _add_review_index(client, definition, description)
            if found := differences(definition, description):
                raise TableError(
                    f"table {table_name!r} is not laid out as a break-glass table: "
                    f"{'; '.join(found)}. Choose another name, or the layout that it has"
                )
            await _ensure_time_to_live(client, definition)
            if deletion_protection and not description.get("DeletionProtectionEnabled", False):
                await send(client, deletion_protection_repair(definition))
                await await_active(client, table_name)
            if point_in_time_recovery:
                await send(client, recovery_repair(definition))


async def _check_transactions(client: DynamoDBClient, definition: Definition) -> None:
    """Raise if the endpoint does not know transactions."""
    try:
        await client.transact_write_items(**requests.probe(definition.name, definition.layout))
    except ClientError as error:
        # An endpoint that refuses for any other reason, even denied access, knows the operation.
        if code_of(error) == "UnknownOperationException":
            raise


async def _ensure_exists(client: DynamoDBClient, definition: Definition) -> None:
    try:
        await client.describe_table(TableName=definition.name)
    except client.exceptions.ResourceNotFoundException:
        # "In use" means that somebody else is creating it at this moment.
        with ignored("ResourceInUseException"):
            await client.create_table(**definition.creation)


def _lacks_only_review_index(definition: Definition, description: Mapping[str, Any]) -> bool:
    missing = f"index {definition.layout.review_index} is missing"
    return differences(definition, description) == [missing]


async def _add_review_index(
    client: DynamoDBClient, definition: Definition, description: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Add the index of reviews, wait for it, and return the table's description."""
    index = definition.layout.review_index
    about = {"table": definition.name, "index": index}
    _logger.info("adding index %s to table %s", index, definition.name, extra=about)
    request = index_creation(definition, index, description)
    is_adding = False
    while _lacks_only_review_index(definition, description):
        refusal: ClientError | None = None
        if is_adding:
            # Some hosts of DynamoDB do not know the new index yet.
            await pause()
        else:
            try:
                await client.update_table(**request)
                is_adding = True
            except ClientError as error:
                # The request is also refused, in any of these ways, if somebody else is adding
                # the index.
                if code_of(error) not in REFUSED_MEANWHILE:
                    raise
                refusal = error
        description = await await_active(client, definition.name)
        if refusal is not None and _lacks_only_review_index(definition, description):
            if code_of(refusal) != "ResourceInUseException":
                raise refusal
            # Somebody else was changing something else.
            await pause()
    return description


async def _ensure_time_to_live(client: DynamoDBClient, definition: Definition) -> None:
    if await _has_time_to_live(client, definition):
        return
    try:
        await send(client, time_to_live_repair(definition))
    except ClientError as error:
        # The request is also invalid if somebody else turned TTL on at the same moment.
        if code_of(error) != "ValidationException":
            raise
        if not await _has_time_to_live(client, definition):
            raise TableError(
                f"TTL of table {definition.name!r} cannot be turned on: "
                f"{error.response['Error']['Message']}"
            ) from error


async def _has_time_to_live(client: DynamoDBClient, definition: Definition) -> bool:
    while True:
        answer = await client.describe_time_to_live(TableName=definition.name)
        state = answer["TimeToLiveDescription"]
        if state["TimeToLiveStatus"] == "DISABLED":
            return False
        if state["TimeToLiveStatus"] != "DISABLING":
            break
        await pause()
    if state["AttributeName"] != definition.layout.ttl_attribute:
        raise TableError(
            f"table {definition.name!r} has its TTL on {state['AttributeName']!r}, not on "
            f"{definition.layout.ttl_attribute!r}: rows would be deleted at the wrong time"
        )
    return True
