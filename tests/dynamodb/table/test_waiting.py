"""What making the table waits for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import StoreUnavailableError, TableError

from .scripted import ScriptedClient, failure, make, not_found, table, time_to_live


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
            "transact_write_items",
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
        with pytest.raises(TableError, match="cannot be turned on: DynamoDB's words"):
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
