"""Compare a table with its definition."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aiobreakglass._aws.borrowing import check_client
from aiobreakglass._contract import arguments
from aiobreakglass._domain.finding import Finding
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._table.definition import Definition, StreamView, check_definition
from aiobreakglass._table.judgments import judge
from aiobreakglass._table.steps import read_state, translated
from aiobreakglass._table.structure import is_ours

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_TOO_LATE: Final = "was not described in time"


async def verify_table(
    client: DynamoDBClient,
    name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = True,
    deletion_protection: bool = True,
    kms_key: str | None = None,
    stream: StreamView | None = None,
    timeout: timedelta = timedelta(seconds=30),  # noqa: ASYNC109 - what a caller expects here
) -> list[Finding]:
    """Compare a table with what it should be, and return each difference with its fix.

    The call looks at the keys, the indexes and their projections, TTL, point-in-time recovery,
    deletion protection, encryption, the stream, and replicas in other regions. It reads no rows,
    for which there is `audit_table`, and changes nothing. The fix is a command of the AWS command
    line if one request repairs the table, after a colon if there is something to know before. The
    commands that `harden_table` would send take nothing away.

    Additional indexes, tags, how the table is billed, and how many days recovery goes back are not
    judged. Findings of severity "error" keep the library from working, or delete evidence. A
    "warning" is a protection that is missing, and an "info" is something that you may want.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name of the table.
        layout: The names that the table uses; None means the default names.
        point_in_time_recovery: Whether the table should have point-in-time recovery.
        deletion_protection: Whether the table should have deletion protection.
        kms_key: The ARN of the KMS key that should encrypt the table; None means any.
        stream: What the stream of changes should show, such as `NEW_AND_OLD_IMAGES`. None means
            that there should be no stream.
        timeout: How long to wait for the answers.

    Raises:
        TableError: The table is missing.
        StoreUnavailableError: DynamoDB did not answer, or denied access.
    """
    definition = check_definition(
        name,
        layout,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
        kms_key=kms_key,
        stream=stream,
    )
    arguments.check_interval("timeout", timeout, at_least=timedelta(milliseconds=1))
    check_client(client)
    return (await compare_table(client, definition, timeout)).findings


class Comparison(NamedTuple):
    """How a table differs from its definition."""

    findings: list[Finding]
    is_ours: bool
    """Whether it is a break-glass table, perhaps an incomplete one."""


async def compare_table(
    client: DynamoDBClient, definition: Definition, within: timedelta
) -> Comparison:
    """Compare a table with its definition; see `verify_table`."""
    with translated(client, definition.name, _TOO_LATE):
        async with asyncio.timeout(within.total_seconds()):
            state = await read_state(client, definition.name)
    findings = [problem.finding for problem in judge(definition, state)]
    return Comparison(findings, is_ours(definition, state.description))


async def table_arn(client: DynamoDBClient, name: str, within: timedelta) -> str:
    """Return the ARN of a table.

    Raises:
        TableError: The table is missing.
        StoreUnavailableError: DynamoDB did not answer, or denied access.
    """
    with translated(client, name, _TOO_LATE):
        async with asyncio.timeout(within.total_seconds()):
            return (await client.describe_table(TableName=name))["Table"]["TableArn"]
