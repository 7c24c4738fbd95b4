"""What DynamoDB returns for the queries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aiobreakglass._contract.arguments import Listing, check_listing
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass.testing import make_event
from tests.dynamodb.example import BY_INVOKER, BY_INVOKER_SINCE, LAYOUT, SINCE, UNTIL, row
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class TestAgainstDynamoDB:
    @pytest.fixture
    def table(self, table_name: str) -> Table:
        return Table(table_name, LAYOUT)

    @pytest.mark.parametrize(
        ("listing", "expected"),
        [
            pytest.param(BY_INVOKER, [4, 3, 2, 1, 0], id="all, newest first"),
            pytest.param(BY_INVOKER_SINCE, [4, 3, 2, 1], id="since, that instant included"),
            pytest.param(
                check_listing("invoker", "alice", None, UNTIL),
                [2, 1, 0],
                id="until, that instant excluded",
            ),
            pytest.param(check_listing("invoker", "alice", SINCE, UNTIL), [2, 1], id="both"),
            pytest.param(
                check_listing("invoker", "alice", SINCE, SINCE + timedelta(microseconds=1)),
                [1],
                id="one instant",
            ),
            pytest.param(check_listing("invoker", "bob"), [], id="nobody's"),
        ],
    )
    async def test_range_includes_since_and_excludes_until(
        self,
        client: DynamoDBClient,
        table: Table,
        rows: Rows,
        listing: Listing,
        expected: list[int],
    ) -> None:
        """Lists and counts include `since` and exclude `until`."""
        instant = timedelta(microseconds=1)
        times = [SINCE - instant, SINCE, UNTIL - instant, UNTIL, UNTIL + instant]
        events = [make_event(created_at=time, status="expired") for time in times]
        for event in events:
            await rows.put(row(event))
        page = await client.query(**requests.list_page(table, listing, 9))
        listed = [item["id"]["S"] for item in page["Items"]]
        assert listed == [events[index].id for index in expected]
        counted = await client.query(**requests.count(table, listing))
        assert counted["Count"] == len(expected)

    async def test_newest_event_of_a_profile(
        self, client: DynamoDBClient, table: Table, rows: Rows
    ) -> None:
        """The filter passes over newer events of other profiles."""
        wanted = make_event(created_at=SINCE, status="expired")
        await rows.put(row(wanted))
        for profile in ("dev", "staging"):
            newer = make_event(profile=profile, created_at=UNTIL, status="expired")
            await rows.put(row(newer))
        request = requests.newest_of_profile(table, BY_INVOKER, "prod", 3)
        page = await client.query(**request)
        assert [item["id"]["S"] for item in page["Items"]] == [wanted.id]
