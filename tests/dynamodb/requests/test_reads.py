"""The exact requests of reads."""

from __future__ import annotations

import pytest

from aiobreakglass._aws.transaction import Item, Request
from aiobreakglass._contract.arguments import check_listing
from aiobreakglass._dynamodb import requests
from tests.dynamodb.example import BY_INVOKER, BY_INVOKER_SINCE, ID, SINCE, TABLE, UNTIL

START_KEY: Item = {
    "pk": {"S": f"BREAKGLASS#{ID}"},
    "invoker": {"S": "alice"},
    "created_at": {"S": "2024-03-01T12:00:00.000000Z"},
}
# An answer that has more pages.
UNFINISHED = {"Items": [{}, {}], "LastEvaluatedKey": START_KEY}

QUERY: Request = {
    "TableName": "breakglass",
    "IndexName": "invoker-index",
    "KeyConditionExpression": "#invoker = :value",
    "ExpressionAttributeNames": {"#invoker": "invoker"},
    "ExpressionAttributeValues": {":value": {"S": "alice"}},
    "ScanIndexForward": False,
}
QUERY_SINCE: Request = {
    **QUERY,
    "KeyConditionExpression": "#invoker = :value AND #created_at >= :since",
    "ExpressionAttributeNames": {"#invoker": "invoker", "#created_at": "created_at"},
    "ExpressionAttributeValues": {
        ":value": {"S": "alice"},
        ":since": {"S": "2024-03-01T12:00:00.000000"},
    },
}

READS = [
    pytest.param(
        requests.get_row(TABLE, "ACTIVE#5#alice#prod"),
        {
            "TableName": "breakglass",
            "Key": {"pk": {"S": "ACTIVE#5#alice#prod"}},
            "ConsistentRead": True,
        },
        id="a row",
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER, 7), {**QUERY, "Limit": 7}, id="a first page"
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER, 1, START_KEY),
        {**QUERY, "Limit": 1, "ExclusiveStartKey": START_KEY},
        id="a later page",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("status", "active"), 7),
        {
            **QUERY,
            "IndexName": "status-index",
            "KeyConditionExpression": "#status = :value",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":value": {"S": "active"}},
            "Limit": 7,
        },
        id="a page by status",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("profile", "prod", None, UNTIL), 7),
        {
            **QUERY,
            "IndexName": "profile-index",
            "KeyConditionExpression": "#profile = :value AND #created_at < :until",
            "ExpressionAttributeNames": {"#profile": "profile", "#created_at": "created_at"},
            "ExpressionAttributeValues": {
                ":value": {"S": "prod"},
                ":until": {"S": "2024-03-02T12:00:00.000000"},
            },
            "Limit": 7,
        },
        id="a page by profile until",
    ),
    pytest.param(
        requests.list_page(TABLE, BY_INVOKER_SINCE, 7),
        {**QUERY_SINCE, "Limit": 7},
        id="a page since",
    ),
    pytest.param(
        requests.list_page(TABLE, check_listing("invoker", "alice", SINCE, UNTIL), 7, START_KEY),
        {
            **QUERY,
            "KeyConditionExpression": (
                "#invoker = :value AND #created_at BETWEEN :since AND :until"
            ),
            "ExpressionAttributeNames": {"#invoker": "invoker", "#created_at": "created_at"},
            "ExpressionAttributeValues": {
                ":value": {"S": "alice"},
                ":since": {"S": "2024-03-01T12:00:00.000000"},
                ":until": {"S": "2024-03-02T12:00:00.000000"},
            },
            "ExclusiveStartKey": START_KEY,
            "Limit": 7,
        },
        id="a page since and until",
    ),
    pytest.param(
        requests.count(TABLE, BY_INVOKER_SINCE),
        {**QUERY_SINCE, "Select": "COUNT"},
        id="a count",
    ),
    pytest.param(
        requests.following(requests.count(TABLE, BY_INVOKER_SINCE), UNFINISHED),
        {**QUERY_SINCE, "Select": "COUNT", "ExclusiveStartKey": START_KEY},
        id="the rest of a count",
    ),
    pytest.param(
        requests.following(requests.list_page(TABLE, BY_INVOKER, 7), UNFINISHED, 5),
        {**QUERY, "Limit": 5, "ExclusiveStartKey": START_KEY},
        id="the rest of a page, as much of it as is missing",
    ),
    pytest.param(
        requests.count(TABLE, BY_INVOKER_SINCE, 7),
        {**QUERY_SINCE, "Select": "COUNT", "Limit": 7},
        id="a count up to a number",
    ),
    pytest.param(
        requests.count(TABLE, BY_INVOKER_SINCE, 10**30),
        {**QUERY_SINCE, "Select": "COUNT", "Limit": 2**31 - 1},
        id="a count up to more than DynamoDB takes for a limit",
    ),
    pytest.param(
        requests.newest_of_profile(TABLE, BY_INVOKER, "prod", 16),
        {
            **QUERY,
            "Limit": 16,
            "FilterExpression": "#profile = :profile",
            "ExpressionAttributeNames": {"#invoker": "invoker", "#profile": "profile"},
            "ExpressionAttributeValues": {":value": {"S": "alice"}, ":profile": {"S": "prod"}},
        },
        id="the newest of a profile",
    ),
]


class TestToTheLetter:
    @pytest.mark.parametrize(("request_", "expected"), READS)
    def test_read_requests(self, request_: Request, expected: Request) -> None:
        """Rows are read consistently; lists are read from an index, newest first."""
        assert request_ == expected

    def test_last_page_has_no_following_request(self) -> None:
        """If an answer has no `LastEvaluatedKey`, no request follows."""
        request = requests.list_page(TABLE, BY_INVOKER, 7)
        assert requests.following(request, {"Items": [{}]}) is None

    def test_page_size_grows_until_an_event_is_found(self) -> None:
        """The first page is small; later pages grow to what DynamoDB reads at once."""
        looks = [requests.FIRST_PAGE]
        for _ in range(9):
            looks.append(requests.next_page_size(looks[-1]))
        assert looks == [16, 256, *[4096] * 8]
