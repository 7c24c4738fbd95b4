"""GetItem, BatchGetItem and Query on a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulation.dynamodb import queries
from tests.simulation.dynamodb.actions import check_members, only_key, read_placeholders, used_by
from tests.simulation.dynamodb.conditions import Compiled, Names, compile_condition
from tests.simulation.dynamodb.indexes import Index
from tests.simulation.dynamodb.refusals import NotModelledError, invalid
from tests.simulation.dynamodb.table import Table
from tests.simulation.dynamodb.values import Item, item_size

Request = Mapping[str, Any]

MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 16 << 20

_PROJECTED: Final = frozenset(
    {"ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
)
_GET_MEMBERS: Final = _PROJECTED | {"TableName", "Key"}
_KEYS_MEMBERS: Final = _PROJECTED | {"Keys"}
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
    check_members("GetItem", request, _GET_MEMBERS)
    table.check_name(request["TableName"])
    attributes = _projection(request)
    key = only_key(request["Key"], table.schema)
    row = table.row(key, consistent=request.get("ConsistentRead", False))
    return {} if row is None else {"Item": queries.project(row, attributes)}


def batch_get_item(table: Table, request: Request, at_most: int = MAX_BATCH) -> dict[str, Any]:
    """Read up to 100 rows, in no order; what does not fit is left for another request."""
    check_members("BatchGetItem", request, _BATCH_MEMBERS)
    asked = request["RequestItems"]
    for name in asked:
        table.check_name(name)
    if not asked:
        raise invalid("RequestItems must have length greater than or equal to 1")
    ((name, wanted),) = asked.items()
    check_members("BatchGetItem", wanted, _KEYS_MEMBERS)
    attributes = _projection(wanted)
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
            rows.append(queries.project(row, attributes))
    unprocessed = {name: {**wanted, "Keys": left}} if left else {}
    return {"Responses": {name: rows}, "UnprocessedKeys": unprocessed}


def query(table: Table, request: Request, at_most: float = float("inf")) -> dict[str, Any]:
    """Read a page of an index; it may end before `Limit`, after `at_most` rows."""
    check_members("Query", request, _QUERY_MEMBERS)
    table.check_name(request["TableName"])
    index = _index(table, request)
    condition = queries.compile_key_condition(request.get("KeyConditionExpression", ""))
    filter_ = _filter(request)
    paths = _paths(request)
    used_names, used_values = used_by(condition.compiled, filter_)
    names, values = read_placeholders(request, used_names | _placeholders(paths), used_values)
    for compiled in (condition.compiled, filter_):
        for check in () if compiled is None else compiled.checks:
            check(names, values)
    keys = (index.partition, index.range)
    span = queries.resolve(condition, names, values, *keys)
    _check_filter(filter_, names, keys)
    is_count = _is_count(request)
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
    attributes = None if paths is None else [names.get(path, path) for path in paths]
    last = min(request.get("Limit", at_most), at_most)
    for place in places:
        row = index.row(span.partition, place)
        looked_at += 1
        size += item_size(row)
        if filter_ is None or filter_.test(row, names, values):
            items.append(queries.project(row, attributes))
        if looked_at == last or size > queries.MAX_PAGE:
            answer["LastEvaluatedKey"] = {name: row[name] for name in (table.schema.key, *keys)}
            break
    if not is_count:
        answer["Items"] = items
    return answer | {"Count": len(items), "ScannedCount": looked_at}


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


def _filter(request: Request) -> Compiled | None:
    text = request.get("FilterExpression")
    return None if text is None else compile_condition(text, "FilterExpression")


def _check_filter(filter_: Compiled | None, names: Names, keys: tuple[str, ...]) -> None:
    for path in () if filter_ is None else filter_.paths:
        if names.get(path, path) in keys:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes: Primary key "
                f"attribute: {names.get(path, path)}"
            )


def _is_count(request: Request) -> bool:
    """Tell whether only a number is wanted, or refuse a contradiction."""
    projected = "ProjectionExpression" in request
    select = request.get("Select", "SPECIFIC_ATTRIBUTES" if projected else "ALL_ATTRIBUTES")
    if (select == "SPECIFIC_ATTRIBUTES") != projected:
        raise invalid(f"Select {select} does not go with the projection")
    return bool(select == "COUNT")


def _projection(request: Request) -> list[str] | None:
    paths = _paths(request)
    names, _ = read_placeholders(request, _placeholders(paths), frozenset())
    return None if paths is None else [names.get(path, path) for path in paths]


def _paths(request: Request) -> tuple[str, ...] | None:
    text = request.get("ProjectionExpression")
    return None if text is None else queries.compile_projection(text)


def _placeholders(paths: tuple[str, ...] | None) -> frozenset[str]:
    return frozenset(path for path in paths or () if path[0] == "#")
