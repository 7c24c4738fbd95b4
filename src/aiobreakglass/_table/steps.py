"""Read the state of a table, send repairs, and wait until they are in effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name
from botocore.exceptions import ClientError

from aiobreakglass._aws import outcomes
from aiobreakglass._aws.failures import shorten_traceback
from aiobreakglass._domain.errors import BreakGlassError, StoreUnavailableError, TableError
from aiobreakglass._table.problem import Repair, State

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_POLL_SECONDS: Final = 0.25

REFUSED_MEANWHILE: Final = (
    "ResourceInUseException",
    "LimitExceededException",
    "ValidationException",
)
"""How DynamoDB refuses a change that somebody else makes at the same moment."""


async def pause() -> None:
    """Wait before DynamoDB is asked again."""
    await asyncio.sleep(_POLL_SECONDS)


async def read_state(client: DynamoDBClient, table_name: str) -> State:
    """Return what DynamoDB says about a table."""
    description = (await client.describe_table(TableName=table_name))["Table"]
    time_to_live = await client.describe_time_to_live(TableName=table_name)
    return State(
        description,
        time_to_live["TimeToLiveDescription"],
        await _recovery(client, table_name),
        client.meta.region_name,
    )


async def _recovery(client: DynamoDBClient, table_name: str) -> str | None:
    try:
        answer = await client.describe_continuous_backups(TableName=table_name)
    except ClientError as error:
        # DynamoDB Local has no backups.
        if code_of(error) == "UnknownOperationException":
            return None
        raise
    backups = answer["ContinuousBackupsDescription"]
    recovery: Mapping[str, Any] = backups.get("PointInTimeRecoveryDescription", {})
    return str(recovery.get("PointInTimeRecoveryStatus", "DISABLED"))


async def await_active(client: DynamoDBClient, table_name: str) -> Mapping[str, Any]:
    """Wait until a table and its indexes are ready, and return the table's description."""
    while True:
        try:
            answer = await client.describe_table(TableName=table_name)
        except client.exceptions.ResourceNotFoundException:
            # Some hosts of DynamoDB do not know a new table yet.
            await pause()
            continue
        description: Mapping[str, Any] = answer["Table"]
        if description["TableStatus"] == "DELETING":
            raise TableError(f"table {table_name!r} is being deleted; try again when it is gone")
        if is_active(description):
            return description
        await pause()


def is_active(description: Mapping[str, Any]) -> bool:
    """Return whether a table and all its indexes are ready."""
    states = {description["TableStatus"]}
    # Emulators leave out the state of an index.
    states |= {
        index.get("IndexStatus", "ACTIVE")
        for index in description.get("GlobalSecondaryIndexes", ())
    }
    return states == {"ACTIVE"}


async def send(client: DynamoDBClient, repair: Repair) -> None:
    """Send a repair; a new table cannot have backups for a while, so wait for that."""
    method = getattr(client, xform_name(repair.operation))
    while True:
        with ignored("ContinuousBackupsUnavailableException"):
            await method(**repair.parameters)
            return
        await pause()


@contextmanager
def ignored(code: str) -> Iterator[None]:
    """Ignore one error of DynamoDB's."""
    try:
        yield
    except ClientError as error:
        if code_of(error) != code:
            raise


def code_of(error: ClientError) -> str:
    """Return DynamoDB's code of an error."""
    return error.response["Error"]["Code"]


def too_late(call: str) -> str:
    """Return what is said about a table that was not ready when the time of a call was up."""
    return f"was not ready in time; call {call} again to go on waiting"


@contextmanager
def translated(client: DynamoDBClient, table_name: str, too_late: str) -> Iterator[None]:
    """Translate failures into our exceptions.

    Args:
        client: The client that sends the requests.
        table_name: The name of the table.
        too_late: What is said about the table if the time was too short.
    """
    try:
        yield
    except BreakGlassError:
        raise
    except TimeoutError as error:
        shorten_traceback(error)
        raise StoreUnavailableError(f"table {table_name!r} {too_late}") from error
    except Exception as error:
        shorten_traceback(error)
        raise outcomes.translate(
            error, client.meta.service_model.operation_names, table_name, outcome_unknown=False
        ) from error
