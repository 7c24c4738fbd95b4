"""Tables that cannot be created."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from aiobreakglass import StoreUnavailableError, TableError, create_table

from .scripted import ScriptedClient, failure, make, not_found, table


class TestFailures:
    async def test_table_that_is_being_deleted_is_refused(self) -> None:
        """`create_table` does not wait for the end of a deletion."""
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
    async def test_denied_access_is_unavailable(self, script: dict[str, Any]) -> None:
        """If DynamoDB denies access, the error quotes it."""
        expected = "^DynamoDB refused: AccessDeniedException: DynamoDB's words$"
        with pytest.raises(StoreUnavailableError, match=expected) as caught:
            await make(
                ScriptedClient(**script),
                deletion_protection=True,
                point_in_time_recovery=True,
            )
        assert isinstance(caught.value.__cause__, ClientError)

    async def test_table_that_is_deleted_meanwhile_is_missing(self) -> None:
        """A table that is deleted during `create_table` is a `TableError`."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")], describe_time_to_live=[not_found()]
        )
        with pytest.raises(TableError, match="ResourceNotFoundException"):
            await make(client)

    async def test_unreachable_endpoint_is_unavailable(self, closed_port: int) -> None:
        """If nothing listens at the endpoint, the error names it."""
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
        """Hold a port at which nothing listens."""
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
    async def test_wrong_argument_is_refused_before_any_request(
        self, arguments: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """The error names the argument, and nothing is sent."""
        client = ScriptedClient()
        with pytest.raises(error, match=message):
            await make(client, **arguments)
        assert client.calls == []
