"""Requests at the edges of what DynamoDB takes, written out: each a case of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.simulation.dynamodb.cases import TABLE_NAME, Case
from tests.simulation.dynamodb.values import Item

Value = dict[str, Any]


def text(content: str) -> Value:
    """Return a text."""
    return {"S": content}


def number(content: str) -> Value:
    """Return a number."""
    return {"N": content}


def nested(depth: int) -> Value:
    """Return lists within lists."""
    value = text("x")
    for _ in range(depth):
        value = {"L": [value]}
    return value


ROW: Final[Item] = {
    "pk": text("row"),
    "number": number("5"),
    "status": text("active"),
    "invoker": text("alice"),
    "profile": text("prod"),
    "created_at": text("2001"),
    "texts": {"SS": ["b", "a"]},
    "numbers": {"NS": ["10", "9"]},
    "list": {"L": [text("x")]},
    "truth": {"BOOL": True},
    "nothing": {"NULL": True},
    "map": {"M": {"a": text("b")}},
    "bytes": {"B": b"\x01\xff"},
}
"""`number`, `list`, `map` and others are reserved words, so their names are given."""

_NAMES: Final = {f"#{name}": name for name in ROW}

CONDITIONS: Final[tuple[tuple[str, dict[str, Value]], ...]] = (
    ("absent <> :v", {":v": text("x")}),
    ("absent = :v", {":v": text("x")}),
    ("absent <> absent2", {}),
    ("absent = absent2", {}),
    ("absent < :v", {":v": number("1")}),
    ("NOT absent < :v", {":v": number("1")}),
    ("#number <> :v", {":v": text("5")}),
    ("#number = :v", {":v": number("5.00")}),
    ("#number < :v", {":v": number("10")}),
    ("#number < :v", {":v": text("6")}),
    ("#number < :v", {":v": {"BOOL": True}}),
    ("#number BETWEEN :v AND :w", {":v": number("4"), ":w": number("6")}),
    ("#number BETWEEN :v AND :w", {":v": number("6"), ":w": number("4")}),
    ("#number BETWEEN :v AND :w", {":v": number("4"), ":w": text("6")}),
    ("#number between :v and :w", {":v": number("5"), ":w": number("5")}),
    ("#number IN (:v, :w)", {":v": text("5"), ":w": number("5")}),
    ("#number IN (:v)", {":v": number("6")}),
    ("#number IN ()", {}),
    (":v IN (#number)", {":v": number("5")}),
    (":v = :w", {":v": text("a"), ":w": text("a")}),
    (":v = :v", {":v": text("a")}),
    ("#number = #number", {}),
    ("pk = pk", {}),
    ("#number IN (#number)", {}),
    ("begins_with(pk, pk)", {}),
    ("size(#texts) = size(#texts)", {}),
    ("size(pk) = :v", {":v": number("3")}),
    ("size(#texts) = :v", {":v": number("2")}),
    ("size(#list) = :v", {":v": number("1")}),
    ("size(#map) = :v", {":v": number("1")}),
    ("size(#bytes) = :v", {":v": number("2")}),
    ("size(#number) > :v", {":v": number("0")}),
    ("size(#truth) <> :v", {":v": number("0")}),
    ("size(#nothing) = :v", {":v": number("1")}),
    ("size(absent) <> :v", {":v": number("0")}),
    ("size(:v) > :w", {":v": text("x"), ":w": number("0")}),
    ("size(:v) > :w", {":v": number("1"), ":w": number("0")}),
    ("size(size(pk)) = :v", {":v": number("1")}),
    ("size(pk)", {}),
    ("#texts = :v", {":v": {"SS": ["a", "b"]}}),
    ("#numbers = :v", {":v": {"NS": ["9.0", "10"]}}),
    ("#list = :v", {":v": {"L": [text("x")]}}),
    ("#map = :v", {":v": {"M": {"a": text("b")}}}),
    ("#truth = :v", {":v": {"BOOL": True}}),
    ("#nothing = :v", {":v": {"NULL": True}}),
    ("#bytes > :v", {":v": {"B": b"\x01\xfe"}}),
    ("contains(#texts, :v)", {":v": text("a")}),
    ("contains(#texts, :v)", {":v": number("1")}),
    ("contains(#numbers, :v)", {":v": number("9.0")}),
    ("contains(#list, :v)", {":v": text("x")}),
    ("contains(pk, :v)", {":v": text("o")}),
    ("contains(#number, :v)", {":v": text("5")}),
    ("contains(#map, :v)", {":v": text("a")}),
    ("begins_with(pk, :v)", {":v": text("r")}),
    ("begins_with(pk, :v)", {":v": number("1")}),
    ("begins_with(#number, :v)", {":v": text("5")}),
    ("begins_with(#bytes, :v)", {":v": {"B": b"\x01"}}),
    ("attribute_type(#number, :v)", {":v": text("N")}),
    ("attribute_type(absent, :v)", {":v": text("N")}),
    ("attribute_type(#number, :v)", {":v": text("X")}),
    ("attribute_type(#number, :v)", {":v": number("1")}),
    ("attribute_exists(pk)", {}),
    ("attribute_not_exists(absent)", {}),
    ("attribute_exists(:v)", {":v": text("pk")}),
    ("attribute_exists(#number, pk)", {}),
    ("attribute_exists()", {}),
    ("attribute_exists(pk) = :v", {":v": {"BOOL": True}}),
    ("Attribute_Exists(pk)", {}),
    ("nonsense(pk)", {}),
    ("status = :v", {":v": text("active")}),
    ("STATUS = :v", {":v": text("active")}),
    ("_under = :v", {":v": text("x")}),
    ("event_id = :v", {":v": text("x")}),
    ("1a = :v", {":v": text("x")}),
    ("a1 = :v", {":v": text("x")}),
    ("(pk) = :v", {":v": text("row")}),
    ("pk = (:v)", {":v": text("row")}),
    ("(pk = :v)", {":v": text("row")}),
    ("((pk = :v))", {":v": text("row")}),
    ("((pk = :v) AND (pk = :v))", {":v": text("row")}),
    ("NOT NOT pk = :v", {":v": text("row")}),
    ("NOT pk = :v OR pk = :v", {":v": text("row")}),
    ("NOT (pk = :v OR pk = :v)", {":v": text("row")}),
    ("pk = :v OR pk = :w AND pk = :w", {":v": text("row"), ":w": text("x")}),
    ("pk = :v AND", {":v": text("row")}),
    ("pk == :v", {":v": text("row")}),
    ("pk != :v", {":v": text("row")}),
    ("pk = 'row'", {}),
    ("pk = :v pk = :v", {":v": text("row")}),
    ("pk", {}),
    ("", {}),
    ("   ", {}),
    ("pk=:v", {":v": text("row")}),
    ("pk = :v", {":v": text("row"), ":w": text("x")}),
    ("pk = :v", {}),
    ("#undefined = :v", {":v": text("row")}),
    ("pk = :v", {":v": {}}),
    ("pk = :v", {":v": {"S": "row", "N": "1"}}),
    ("pk = :v", {":v": number("")}),
    ("pk = :v", {":v": number(" 5")}),
    ("pk = :v", {":v": number("1_0")}),
    ("pk = :v", {":v": number("NaN")}),
    ("pk = :v", {":v": number("+5")}),
    ("pk = :v", {":v": number(".5")}),
    ("pk = :v", {":v": number("5.")}),
    ("pk = :v", {":v": number("1e5")}),
    ("pk = :v", {":v": number("1" * 38)}),
    ("pk = :v", {":v": number("1" * 39)}),
    ("pk = :v", {":v": number("1" * 38 + "000")}),
    ("pk = :v", {":v": number("9." + "9" * 37 + "E125")}),
    ("pk = :v", {":v": number("1E126")}),
    ("pk = :v", {":v": number("-1E-130")}),
    ("pk = :v", {":v": number("1E-131")}),
    ("pk = :v", {":v": {"NULL": False}}),
    ("pk = :v", {":v": {"SS": []}}),
    ("pk = :v", {":v": {"SS": ["a", "a"]}}),
    ("pk = :v", {":v": {"NS": ["1", "1.0"]}}),
    ("pk IN (" + ", ".join([":v"] * 99) + ")", {":v": text("row")}),
    ("pk IN (" + ", ".join([":v"] * 100) + ")", {":v": text("row")}),
    ("pk = :v" + " AND pk = :v" * 149, {":v": text("row")}),
    ("pk = :v" + " AND pk = :v" * 150, {":v": text("row")}),
    ("NOT " * 299 + "pk = :v", {":v": text("row")}),
    ("NOT " * 300 + "pk = :v", {":v": text("row")}),
    ("(pk = :v) AND " * 149 + "size(pk) = :n", {":v": text("row"), ":n": number("3")}),
    ("pk = :v" + " AND pk = :v" * 400, {":v": text("row")}),
)

UPDATES: Final[tuple[tuple[str, dict[str, Value]], ...]] = (
    ("SET #number = #number + :v", {":v": number("2.5")}),
    ("SET #number = :v - #number", {":v": number("2.5")}),
    ("SET #number = #number + :v", {":v": number("1" * 38)}),
    ("SET #number = #number + :v", {":v": number("1E-37")}),
    ("SET fresh = if_not_exists(absent, :v) + :v", {":v": number("2.5")}),
    ("SET fresh = (#number + :v)", {":v": number("1")}),
    ("SET fresh = (#number) + (:v)", {":v": number("1")}),
    ("SET fresh = #number + :v + :v", {":v": number("1")}),
    ("SET fresh = pk", {}),
    ("SET fresh = size(pk)", {}),
    ("SET fresh = nonsense(pk)", {}),
    ("SET #number = if_not_exists(#number, :v)", {":v": number("1")}),
    ("SET #list = list_append(#list, :v)", {":v": {"L": [text("y")]}}),
    ("SET #list = list_append(:v, #list)", {":v": {"L": [text("y")]}}),
    ("SET pk = :v", {":v": text("x")}),
    ("SET #created_at = :v", {":v": text("2002")}),
    ("SET #invoker = :v", {":v": text("i" * 2048)}),
    ("SET #created_at = :v", {":v": text("i" * 1024)}),
    ("SET #nothing = :v", {":v": {"NULL": True}}),
    ("SET fresh = :v, fresh = :v", {":v": text("x")}),
    ("SET fresh = :v REMOVE fresh", {":v": text("x")}),
    ("SET fresh = :v SET another = :v", {":v": text("x")}),
    ("SET fresh = :v REMOVE #texts ADD #number :n", {":v": text("x"), ":n": number("1")}),
    ("set fresh = :v remove #texts", {":v": text("x")}),
    ("SET fresh = :v,", {":v": text("x")}),
    ("SET fresh :v", {":v": text("x")}),
    ("SET", {}),
    ("", {}),
    ("CHANGE fresh = :v", {":v": text("x")}),
    ("REMOVE #texts, #numbers", {}),
    ("REMOVE absent", {}),
    ("REMOVE pk", {}),
    ("REMOVE #texts, #texts", {}),
    ("ADD #number :v", {":v": number("-7.5")}),
    ("ADD fresh :v", {":v": number("1")}),
    ("ADD #texts :v", {":v": {"SS": ["b", "c"]}}),
    ("ADD fresh :v", {":v": {"SS": ["c"]}}),
    ("ADD #number :v", {":v": text("1")}),
    ("ADD fresh #number", {}),
    ("ADD #number = :v", {":v": number("1")}),
    ("DELETE #texts :v", {":v": {"SS": ["b", "c"]}}),
    ("DELETE #texts :v", {":v": {"SS": ["a", "b"]}}),
    ("DELETE absent :v", {":v": {"SS": ["a"]}}),
    ("DELETE #texts :v", {":v": number("1")}),
    ("DELETE #texts :v, #numbers :w", {":v": {"SS": ["a"]}, ":w": {"NS": ["9.0"]}}),
)

# A transaction is refused as a whole for these by DynamoDB Local.
UPDATES_THAT_MEET: Final[tuple[tuple[str, dict[str, Value]], ...]] = (
    ("SET #number = #texts + :v", {":v": number("2.5")}),
    ("SET #number = :v + :v", {":v": number("9E125")}),
    ("ADD #number :v", {":v": number("1E-100")}),
    ("SET #number = #number + :v", {":v": number("1E-38")}),
    ("SET fresh = absent", {}),
    ("SET fresh = absent + :v", {":v": number("2.5")}),
    ("SET fresh = if_not_exists(absent, absent2)", {}),
    ("SET #list = list_append(absent, :v)", {":v": {"L": [text("y")]}}),
    ("ADD #truth :v", {":v": number("1")}),
    ("DELETE #number :v", {":v": {"SS": ["a"]}}),
)

# The limit for items is 409,600 bytes.
ITEMS: Final[tuple[tuple[str, Item], ...]] = (
    ("an item as large as may be", {"pk": text("row"), "x": text("y" * (409_600 - 6))}),
    ("an item a byte too large", {"pk": text("row"), "x": text("y" * (409_600 - 5))}),
    (
        "an item as large as may be, of letters of two bytes",
        {"pk": text("row"), "x": text("\u00e9" * (204_800 - 3))},
    ),
    (
        "an item a letter too large, of letters of two bytes",
        {"pk": text("row"), "x": text("\u00e9" * (204_800 - 2))},
    ),
    (
        "an item with a list as large as may be",
        {
            "pk": text("row"),
            "l": {"L": [text("a"), {"M": {"k": {"BOOL": True}}}]},
            "x": text("y" * (409_600 - 19)),
        },
    ),
    (
        "an item with a list a byte too large",
        {
            "pk": text("row"),
            "l": {"L": [text("a"), {"M": {"k": {"BOOL": True}}}]},
            "x": text("y" * (409_600 - 18)),
        },
    ),
    ("an empty text in an item", {"pk": text("row"), "x": text("")}),
    ("a key as long as may be", {"pk": text("k" * 2048)}),
    ("an attribute without a name", {"pk": text("row"), "": text("x")}),
    ("numbers in sets", {"pk": text("row"), "x": {"NS": ["1e1", "9.0", "-0"]}}),
    ("an empty map and list", {"pk": text("row"), "x": {"M": {}}, "y": {"L": []}}),
    ("lists as deep as may be", {"pk": text("row"), "x": nested(31)}),
    ("lists too deep", {"pk": text("row"), "x": nested(32)}),
)

_LARGE: Final = (380_000, 380_000, 300_000, 300_000, 300_000)


def edges() -> Iterator[Case]:
    """Yield every case, and between them what brings the row back."""
    yield _reset()
    for condition, values in CONDITIONS:
        yield _transaction(condition, _check(condition, values))
    no_text = {":v": text("")}
    yield _transaction("an empty text in an expression", _check("invoker <> :v", no_text))
    for update, values in UPDATES:
        yield _reset()
        yield _transaction(update, _update(update, values))
        yield _reset()
        yield _single(update, values)
    for update, values in UPDATES_THAT_MEET:
        yield _reset()
        yield _transaction("an update that does not fit the row", _update(update, values))
        yield _single(update, values)
    for label, item in ITEMS:
        put = {"TableName": TABLE_NAME, "Item": item}
        yield Case(label, "PutItem", put)
        yield _transaction(label, {"Put": put})
    yield from _large_pages()


def _large_pages() -> Iterator[Case]:
    """Yield queries over rows that do not fit into one page, which is 1 MB."""
    for number in range(5):
        row = {
            "pk": text(f"large {number}"),
            "status": text("large"),
            "created_at": text(f"200{number}"),
            "x": text("y" * _LARGE[number]),
        }
        yield Case("a large row", "PutItem", {"TableName": TABLE_NAME, "Item": row})
    query = {
        "TableName": TABLE_NAME,
        "IndexName": "status-index",
        "KeyConditionExpression": "#status = :large",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":large": text("large")},
    }
    for forward in (True, False):
        for select in ("ALL_ATTRIBUTES", "COUNT"):
            for limit in (2, 3, 4, 5, 6):
                page = {"ScanIndexForward": forward, "Select": select, "Limit": limit}
                yield Case("a page of large rows", "Query", query | page)
    for number in range(5):
        delete = {"TableName": TABLE_NAME, "Key": {"pk": text(f"large {number}")}}
        yield Case("a large row", "DeleteItem", delete)


def _reset() -> Case:
    return Case("reset", "PutItem", {"TableName": TABLE_NAME, "Item": ROW})


def _transaction(label: str, *entries: dict[str, Any]) -> Case:
    return Case(label, "TransactWriteItems", {"TransactItems": list(entries)})


def _check(condition: str, values: dict[str, Value]) -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "TableName": TABLE_NAME,
            "Key": {"pk": ROW["pk"]},
            "ConditionExpression": condition,
            **_placeholders(condition, values),
        }
    }


def _update(update: str, values: dict[str, Value]) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": TABLE_NAME,
            "Key": {"pk": ROW["pk"]},
            "UpdateExpression": update,
            **_placeholders(update, values),
        }
    }


def _single(update: str, values: dict[str, Value]) -> Case:
    parameters = _update(update, values)["Update"]
    return Case(update, "UpdateItem", {**parameters, "ReturnValues": "ALL_NEW"})


def _placeholders(expression: str, values: dict[str, Value]) -> dict[str, Any]:
    names = {
        placeholder: name
        for placeholder, name in _NAMES.items()
        if re.search(rf"{placeholder}\b", expression)
    }
    return {
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": values} if values else {}),
    }
