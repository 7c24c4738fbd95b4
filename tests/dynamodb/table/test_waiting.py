"""What `create_table` waits for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import StoreUnavailableError, TableError

from .scripted import ScriptedClient, failure, make, not_found, table, time_to_live


class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Poll without a pause."""
        monkeypatch.setattr("aiobreakglass._table.steps._POLL_SECONDS", 0)

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
    async def test_waits_until_table_and_indexes_are_active(
        self, states: list[dict[str, Any]]
    ) -> None:
        """A table is ready if it and all its indexes are active."""
        ready = table("ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE")
        client = ScriptedClient(describe_table=[not_found(), *states, ready, failure("TooMany")])
        await make(client)
        assert client.calls == [
            "transact_write_items",
            "describe_table",
            "create_table",
            *["describe_table"] * (len(states) + 1),
            "describe_time_to_live",
            "update_time_to_live",
        ]

    async def test_waits_until_a_new_table_is_described(self) -> None:
        """DescribeTable is eventually consistent, so it may not find a new table at first."""
        client = ScriptedClient(describe_table=[not_found(), not_found(), table("ACTIVE")])
        await make(client)
        assert client.calls.count("describe_table") == 3

    async def test_waits_for_a_table_that_another_caller_creates(self) -> None:
        """If another caller was faster, `create_table` waits for their table."""
        client = ScriptedClient(
            describe_table=[not_found(), table("CREATING"), table("ACTIVE")],
            create_table=[failure("ResourceInUseException")],
        )
        await make(client)
        assert client.calls[-1] == "update_time_to_live"

    async def test_waits_for_ttl_that_is_being_turned_off(self) -> None:
        """DynamoDB turns TTL on only after it is completely off."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            describe_time_to_live=[
                time_to_live("DISABLING", "old"),
                time_to_live("DISABLED"),
            ],
        )
        await make(client)
        assert client.calls[-3:] == [*["describe_time_to_live"] * 2, "update_time_to_live"]

    async def test_ttl_that_another_caller_turns_on_is_accepted(self) -> None:
        """If another caller was faster, their TTL counts."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            describe_time_to_live=[time_to_live("DISABLED"), time_to_live("ENABLING", "ttl")],
            update_time_to_live=[failure("ValidationException")],
        )
        await make(client)
        assert client.calls[-1] == "describe_time_to_live"

    async def test_ttl_that_cannot_be_turned_on_is_an_error(self) -> None:
        """The error quotes DynamoDB, which limits how often TTL may change."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE")],
            update_time_to_live=[failure("ValidationException")],
        )
        with pytest.raises(TableError, match="cannot be turned on: DynamoDB's words"):
            await make(client)

    async def test_waits_for_deletion_protection(self) -> None:
        """Deletion protection updates the table, so it must become active again."""
        client = ScriptedClient(
            describe_table=[table("ACTIVE"), table("ACTIVE"), table("UPDATING"), table("ACTIVE")],
            update_table=[{}],
        )
        await make(client, deletion_protection=True)
        assert client.calls[-3:] == ["update_table", "describe_table", "describe_table"]

    async def test_deletion_protection_that_is_on_is_left_alone(self) -> None:
        """`create_table` does not turn on deletion protection twice."""
        client = ScriptedClient(describe_table=[table("ACTIVE", DeletionProtectionEnabled=True)])
        await make(client, deletion_protection=True)
        assert "update_table" not in client.calls

    async def test_waits_for_point_in_time_recovery(self) -> None:
        """A new table cannot have backups yet, so `create_table` asks again."""
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
    async def test_table_that_is_not_ready_in_time_is_unavailable(
        self, script: dict[str, Any]
    ) -> None:
        """If something is not ready in time, the caller may call `create_table` again."""
        with pytest.raises(StoreUnavailableError, match="'breakglass' was not ready in time"):
            await make(
                ScriptedClient(**script),
                point_in_time_recovery=True,
                timeout=timedelta(milliseconds=20),
            )
