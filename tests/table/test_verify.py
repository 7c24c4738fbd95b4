"""What `verify_table` asks, and how it fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import Finding, StoreUnavailableError, TableError, verify_table
from tests.dynamodb.table.scripted import failure

from .control_plane import ControlPlane
from .states import described, good


async def verify(client: ControlPlane, **options: Any) -> list[Finding]:
    return await verify_table(client, "break-glass", **options)  # type: ignore[arg-type] # a fake


async def test_verification_reads_three_answers_and_changes_nothing() -> None:
    """The findings are those of the table as it is described."""
    client = ControlPlane(described(good(), DeletionProtectionEnabled=False))
    (finding,) = await verify(client)
    assert (finding.severity, finding.kind) == ("warning", "deletion protection")
    assert await verify(client, deletion_protection=False) == []
    assert set(client.requests) == {
        "describe_table",
        "describe_time_to_live",
        "describe_continuous_backups",
    }


async def test_endpoint_without_backups_is_not_a_failure() -> None:
    """Emulators do not know backups."""
    client = ControlPlane(good())
    client.fails_at, client.error = 3, failure("UnknownOperationException")
    (finding,) = await verify(client)
    assert (finding.kind, finding.found) == (
        "point-in-time recovery",
        "not known to this endpoint",
    )


async def test_missing_table_is_an_error() -> None:
    """There is nothing to compare."""
    client = ControlPlane(good())
    response: Any = failure("ResourceNotFoundException").response
    client.error = ControlPlane.exceptions.ResourceNotFoundException(response, "DescribeTable")
    client.fails_at = 1
    with pytest.raises(TableError, match="make it with create_table"):
        await verify(client)


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_denied_access_is_unavailable(number: int) -> None:
    """A verification that did not see everything gives no findings."""
    client = ControlPlane(good())
    client.fails_at, client.error = number, failure("AccessDeniedException")
    with pytest.raises(StoreUnavailableError, match="AccessDeniedException: DynamoDB's words"):
        await verify(client)


async def test_answer_that_takes_too_long_is_unavailable() -> None:
    """The error does not say that the table is at fault."""

    class Silent(ControlPlane):
        async def describe_table(self, **_: Any) -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(StoreUnavailableError, match=r"'break-glass' was not described in time$"):
        await verify(Silent(good()), timeout=timedelta(milliseconds=1))


async def test_wrong_argument_is_refused_before_any_request() -> None:
    """The error names the argument."""
    client = ControlPlane(good())
    with pytest.raises(TypeError, match=r"^timeout must be a timedelta"):
        await verify(client, timeout=5)
    with pytest.raises(ValueError, match=r"^timeout must be at least"):
        await verify(client, timeout=timedelta(0))
    assert client.requests == []
