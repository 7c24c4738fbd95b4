"""Requests that show moto's known differences for certain: random ones show some by luck alone."""

from __future__ import annotations

from typing import Any, Final

from tests.simulation.dynamodb.cases import TABLE_NAME, Case
from tests.simulation.dynamodb.edges import number, text

_ABSENT: Final = {"pk": text("absent")}
_ODD: Final = {"pk": number("7")}
_EXISTS: Final = {"ConditionExpression": "attribute_exists(pk)"}


def _write(label: str, kind: str, **parameters: Any) -> Case:
    entry = {kind: {"TableName": TABLE_NAME} | parameters}
    return Case(label, "TransactWriteItems", {"TransactItems": [entry]})


_NULL: Final = {
    "ConditionExpression": "event_id = :event_id",
    "ExpressionAttributeValues": {":event_id": {"NULL": True}},
}
_UNKNOWN_INDEX: Final = {
    "TableName": TABLE_NAME,
    "IndexName": "unknown-index",
    "KeyConditionExpression": "invoker = :invoker",
    "ExpressionAttributeValues": {":invoker": text("alice")},
}

SHOWN_BY_MOTO: Final[tuple[Case, ...]] = (
    _write("null in an expression", "ConditionCheck", Key=_ABSENT, **_NULL),
    _write("a number as a key", "ConditionCheck", Key=_ODD, **_EXISTS),
    _write("a number as a key", "Delete", Key=_ODD),
    _write("a number as a key", "Put", Item=_ODD),
    _write("an unknown table", "ConditionCheck", TableName="unknown", Key=_ABSENT, **_EXISTS),
    Case("an unknown index", "Query", _UNKNOWN_INDEX),
)
