"""Requests that random ones seldom are, so that no known difference depends on a seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.dynamodb.cases import TABLE_NAME, Case

_PUT: dict[str, dict[str, str]] = {
    "a number with zeros as a key": {"N": "0070.500"},
    "a long text as a key": {"S": "x" * 3000},
}


def rare() -> Iterator[Case]:
    """Yield each of them; none writes anything."""
    for label, key in _PUT.items():
        yield _case(label, "Put", Item={"pk": key})
    checked = {"ConditionExpression": "attribute_exists(pk)"}
    yield _case("a number as a key", "ConditionCheck", Key={"pk": {"N": "7"}}, **checked)
    yield _case(
        "null in an expression",
        "ConditionCheck",
        Key={"pk": {"S": "nobody"}},
        ConditionExpression="#missing = :null",
        ExpressionAttributeNames={"#missing": "missing"},
        ExpressionAttributeValues={":null": {"NULL": True}},
    )


def _case(label: str, kind: str, **parameters: Any) -> Case:
    action = {kind: {"TableName": TABLE_NAME, **parameters}}
    request = {"TransactItems": [action], "ClientRequestToken": label}
    return Case(label, "TransactWriteItems", request)
