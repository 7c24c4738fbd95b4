"""GetItem, BatchGetItem and Query on a table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.simulation.dynamodb import queries
from tests.simulation.dynamodb.actions import check_members, check_placeholders, check_used
from tests.simulation.dynamodb.conditions import Compiled, Names, compile_condition
from tests.simulation.dynamodb.grammar import Parser
from tests.simulation.dynamodb.indexes import Index
from tests.simulation.dynamodb.keys import only_key
from tests.simulation.dynamodb.refusals import NotModelledError, invalid
from tests.simulation.dynamodb.table import Table
from tests.simulation.dynamodb.values import Item, canonical_item, item_size

Request = Mapping[str, Any]
Attributes = tuple[str, ...]

MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 16 << 20

_PROJECTED: Final = frozenset(
    {"ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
)
_GET_MEMBERS: Final = _PROJECTED | {"TableName", "Key"}
_KEYS_MEMBERS: Final = _PROJECTED | {"Keys"}
_SELECTS: Final = frozenset(
    {"ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT", "SPECIFIC_ATTRIBUTES"}
)
_BATCH_MEMBERS: Final = frozenset({"RequestItems"})
_QUERY_MEMBERS: Final = _PROJECTED | {
    "TableName",
    "IndexName",
    "Select",
    "Limit",
    "ScanIndexForward",
    "ExclusiveStartKey",
    "KeyConditionExpression",
    "FilterExpression",
    "ExpressionAttributeValues",
}


def get_item(table: Table, request: Request) -> dict[str, Any]:
    """Read one row."""
    check_members("GetItem", tuple(request), _GET_MEMBERS)
    table.check_name(request["TableName"])
    attributes = _projection_alone(request)
    key = only_key(request["Key"], table.schema)
    row = table.row(key, consistent=request.get("ConsistentRead", False))
    return {} if row is None else {"Item": _projected(row, attributes)}


def batch_get_item(table: Table, request: Request, at_most: int = MAX_BATCH) -> dict[str, Any]:
    """Read up to 100 rows, in no order; what does not fit is left for another request."""
    check_members("BatchGetItem", tuple(request), _BATCH_MEMBERS)
    asked = request["RequestItems"]
    for name in asked:
        table.check_name(name)
    if not asked:
        raise invalid("RequestItems must have length greater than or equal to 1")
    ((name, wanted),) = asked.items()
    check_members("BatchGetItem", tuple(wanted), _KEYS_MEMBERS)
    attributes = _projection_alone(wanted)
    keys = [only_key(key, table.schema) for key in wanted["Keys"]]
    if not 1 <= len(keys) <= MAX_BATCH:
        raise invalid(f"Keys must have 1 to {MAX_BATCH} members")
    if len(set(keys)) != len(keys):
        raise invalid("Provided list of item keys contains duplicates")
    table.random.shuffle(keys)
    rows: list[Item] = []
    left: list[Item] = []
    room = MAX_BATCH_BYTES
    for number, key in enumerate(keys):
        row = table.row(key, consistent=wanted.get("ConsistentRead", False))
        room -= 0 if row is None else item_size(row)
        if room < 0 or number >= at_most:
            left.append({table.schema.key: {"S": key}})
        elif row is not None:
            rows.append(_projected(row, attributes))
    unprocessed = {name: {**wanted, "Keys": left}} if left else {}
    return {"Responses": {name: rows}, "UnprocessedKeys": unprocessed}


def query(table: Table, request: Request, at_most: float = float("inf")) -> dict[str, Any]:
    """Read a page of an index; it may end before `Limit`, after `at_most` rows."""
    check_members("Query", tuple(request), _QUERY_MEMBERS)
    table.check_name(request["TableName"])
    index = _index(table, request)
    keys = (index.partition, index.range)
    plan = _plan_of(request, keys)
    values = canonical_item(request["ExpressionAttributeValues"])
    for compiled in (plan.condition.compiled, plan.filter):
        for check in () if compiled is None else compiled.checks:
            check(values)
    span = plan.condition.span(values)
    start_key = request.get("ExclusiveStartKey")
    after = (
        None
        if start_key is None
        else queries.start_place(start_key, span, table.schema.key, *keys)
    )
    forward = request.get("ScanIndexForward", True)
    index.spread(table.now())
    places = queries.ordered(index.places(span.partition), span, after, forward=forward)
    items: list[Item] = []
    looked_at = size = 0
    answer: dict[str, Any] = {}
    last = min(request.get("Limit", at_most), at_most)
    for place in places:
        row = index.row(span.partition, place)
        looked_at += 1
        size += index.size(span.partition, place)
        if plan.filter is None or plan.filter.test(row, values):
            items.append(_projected(row, plan.attributes))
        if looked_at == last or size > queries.MAX_PAGE:
            answer["LastEvaluatedKey"] = {name: row[name] for name in (table.schema.key, *keys)}
            break
    if not plan.is_count:
        answer["Items"] = items
    return answer | {"Count": len(items), "ScannedCount": looked_at}


class _Plan(NamedTuple):
    """The part of a query that does not depend on its values."""

    condition: queries.KeyCondition
    filter: Compiled | None
    attributes: Attributes | None
    is_count: bool


def _plan_of(request: Request, keys: tuple[str, str]) -> _Plan:
    names = request.get("ExpressionAttributeNames")
    values = request.get("ExpressionAttributeValues")
    return _plan(
        request.get("KeyConditionExpression", ""),
        request.get("FilterExpression"),
        request.get("ProjectionExpression"),
        request.get("Select"),
        None if names is None else tuple(names.items()),
        None if values is None else tuple(values),
        keys,
    )


@lru_cache(maxsize=1 << 10)
def _plan(
    condition_text: str,
    filter_text: str | None,
    projection: str | None,
    select: str | None,
    names: Names | None,
    values: tuple[str, ...] | None,
    keys: tuple[str, str],
) -> _Plan:
    condition = queries.compile_key_condition(condition_text, names or (), *keys)
    filter_ = (
        None
        if filter_text is None
        else compile_condition(filter_text, "FilterExpression", names or ())
    )
    if filter_ is not None and (filtered := filter_.attributes & set(keys)):
        raise invalid(
            "Filter Expression can only contain non-primary key attributes: Primary key "
            f"attribute: {min(filtered)}"
        )
    attributes, projected = _projection(projection, names or ())
    check_placeholders(names, values, condition.compiled, filter_, projected=projected)
    if select is not None and select not in _SELECTS:
        raise invalid(f"Select must be one of {sorted(_SELECTS)}")
    if select is not None and (select == "SPECIFIC_ATTRIBUTES") != (projection is not None):
        raise invalid(f"Select {select} does not go with the projection")
    return _Plan(condition, filter_, attributes, select == "COUNT")


def _index(table: Table, request: Request) -> Index:
    if "IndexName" not in request:
        raise NotModelledError("Query without IndexName")
    index = table.indexes.get(request["IndexName"])
    if index is None:
        raise invalid("The table does not have the specified index")
    if request.get("ConsistentRead", False):
        raise invalid("Consistent reads are not supported on global secondary indexes")
    if request.get("Limit", 1) < 1:
        raise invalid("Limit must be greater than or equal to 1")
    return index


def _projected(row: Item, attributes: Attributes | None) -> Item:
    if attributes is None:
        return dict(row)
    return {name: row[name] for name in attributes if name in row}


def _projection_alone(request: Request) -> Attributes | None:
    """Return the attributes that are wanted where there is no other expression; None is all."""
    names = request.get("ExpressionAttributeNames")
    text = request.get("ProjectionExpression")
    if text is None and names is None:
        return None
    attributes, placeholders = _projection(text, tuple((names or {}).items()))
    check_used("ExpressionAttributeNames", None if names is None else set(names), placeholders)
    return attributes


def _projection(text: str | None, names: Names) -> tuple[Attributes | None, set[str]]:
    """Return the attributes that a projection names, and the placeholders in it."""
    if text is None:
        return None, set()
    parser = Parser(text, "ProjectionExpression", dict(names))
    attributes = [parser.path().attribute]
    while parser.takes(","):
        attributes.append(parser.path().attribute)
    parser.end()
    if len(set(attributes)) != len(attributes):
        raise parser.wrong("Two document paths overlap with each other;")
    return tuple(attributes), parser.names
