"""Expressions, one by one: what they say of a row, and what they make of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.dynamodb.conditions import compile_condition
from tests.simulation.dynamodb.refusals import NotModelledError, RefusedError
from tests.simulation.dynamodb.updates import compile_update
from tests.simulation.dynamodb.values import (
    MAX_ITEM,
    Item,
    canonical,
    canonical_number,
    fits,
    item_size,
)

ROW: Item = {
    "pk": {"S": "row"},
    "n": {"N": "5"},
    "t": {"BOOL": True},
    "ss": {"SS": ["a", "b"]},
    "l": {"L": [{"S": "x"}]},
}
NAMES = (("#status", "status"), ("#pk", "pk"))
S = {":v": {"S": "row"}}
N = {":v": {"N": "5"}, ":w": {"N": "10"}}


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("pk = :v", S, True),
        ("#pk = :v", S, True),
        ("pk <> :v", S, False),
        ("absent = :v", S, False),
        ("absent <> :v", S, True),
        ("NOT absent = :v", S, True),
        ("#status = :v", S, False),
        ("attribute_exists(pk) AND attribute_not_exists(absent)", {}, True),
        ("attribute_type(n, :v)", {":v": {"S": "N"}}, True),
        ("n < :w", N, True),
        ("n >= :w", N, False),
        ("n < :v", {":v": {"S": "9"}}, False),
        ("n BETWEEN :v AND :w", N, True),
        ("n IN (:w, :v)", N, True),
        ("begins_with(pk, :v)", {":v": {"S": "ro"}}, True),
        ("begins_with(n, :v)", {":v": {"S": "5"}}, False),
        ("contains(ss, :v)", {":v": {"S": "a"}}, True),
        ("contains(l, :v)", {":v": {"S": "x"}}, True),
        ("size(ss) = :v", {":v": {"N": "2"}}, True),
        ("size(n) = :v", N, False),
        ("pk = :v OR n = :w AND n = :x", {**S, ":w": {"N": "1"}, ":x": {"N": "2"}}, True),
        ("(pk = :v OR n = :w) AND n = :x", {**S, ":w": {"N": "1"}, ":x": {"N": "2"}}, False),
        ("not pk = :v or n between :w and :w", {**S, ":w": {"N": "5"}}, True),
        ("pk < :v", {":v": {"S": "\U0001f511"}}, True),
    ],
)
def test_condition(condition: str, values: dict[str, Any], expected: bool) -> None:
    compiled = compile_condition(condition, "ConditionExpression", NAMES)
    for check in compiled.checks:
        check(values)
    assert compiled.test(ROW, values) is expected
    assert compiled.values <= values.keys()


def test_texts_in_the_order_of_their_bytes() -> None:
    """U+FFFF comes before U+1F511 in UTF-8, and after it in UTF-16."""
    compiled = compile_condition("pk < :v", "ConditionExpression", ())
    assert compiled.test({"pk": {"S": "\uffff"}}, {":v": {"S": "\U0001f511"}})


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "pk",
        "pk = ",
        "pk = :v AND",
        "pk = :v extra",
        "status = :v",
        "((pk = :v))",
        "pk = pk",
        "#unknown = :v",
        "nonsense(pk)",
        "size(pk)",
        "attribute_exists(:v)",
        "attribute_exists(pk, n)",
        "pk; = :v",
        "pk IN ()",
        " OR ".join(["pk = :v"] * 151),
        "pk = :v" + " " * 4096,
    ],
)
def test_wrong_condition(condition: str) -> None:
    with pytest.raises(RefusedError, match=r"ValidationException.*ConditionExpression"):
        compile_condition(condition, "ConditionExpression", NAMES)


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("n < :v", {":v": {"BOOL": True}}),
        ("n BETWEEN :v AND :w", {":v": {"N": "2"}, ":w": {"N": "1"}}),
        ("n BETWEEN :v AND :w", {":v": {"N": "2"}, ":w": {"S": "3"}}),
        ("begins_with(pk, :v)", {":v": {"N": "1"}}),
        ("attribute_type(pk, :v)", {":v": {"S": "TEXT"}}),
        ("size(:v) = :w", {":v": {"N": "1"}, ":w": {"N": "1"}}),
    ],
)
def test_wrong_values(condition: str, values: dict[str, Any]) -> None:
    compiled = compile_condition(condition, "ConditionExpression", NAMES)
    (check,) = compiled.checks[-1:]
    with pytest.raises(RefusedError, match="ValidationException"):
        check(values)


@pytest.mark.parametrize(
    ("update", "values", "changes"),
    [
        ("SET a = :v", S, {"a": {"S": "row"}}),
        ("SET #status = :v REMOVE n", S, {"status": {"S": "row"}, "n": None}),
        ("SET n = if_not_exists(n, :v)", N, {"n": {"N": "5"}}),
        ("SET a = if_not_exists(a, :v)", N, {"a": {"N": "5"}}),
        ("SET a = n + :v, n = n - :v", N, {"a": {"N": "10"}, "n": {"N": "0"}}),
        ("SET l = list_append(l, l)", {}, {"l": {"L": [{"S": "x"}, {"S": "x"}]}}),
        ("ADD n :v, a :v", N, {"n": {"N": "10"}, "a": {"N": "5"}}),
        ("ADD ss :v", {":v": {"SS": ["c", "a"]}}, {"ss": {"SS": ["a", "b", "c"]}}),
        ("DELETE ss :v", {":v": {"SS": ["c", "a"]}}, {"ss": {"SS": ["b"]}}),
        ("DELETE ss :v", {":v": {"SS": ["a", "b"]}}, {"ss": None}),
        ("REMOVE absent", {}, {}),
    ],
)
def test_update(update: str, values: dict[str, Any], changes: dict[str, Any]) -> None:
    before = {name: value.copy() for name, value in ROW.items()}
    after = compile_update(update, NAMES, "pk").apply(before, values)
    expected = {name: value for name, value in {**ROW, **changes}.items() if value is not None}
    assert after == expected
    assert before == ROW


@pytest.mark.parametrize(
    "update",
    [
        "",
        "SET",
        "SET a = :v,",
        "SET a = :v SET b = :v",
        "SET a = :v REMOVE a",
        "SET #status = :v, #status = :v",
        "SET pk = :v",
        "REMOVE #pk",
        "CHANGE a = :v",
        "SET a = size(pk)",
        "ADD n n",
        "SET status = :v",
    ],
)
def test_wrong_update(update: str) -> None:
    with pytest.raises(RefusedError, match="ValidationException"):
        compile_update(update, NAMES, "pk")


@pytest.mark.parametrize(
    ("update", "values"),
    [
        ("SET a = absent", {}),
        ("SET a = ss + :v", N),
        ("ADD t :v", N),
        ("SET n = n + :v", {":v": {"N": "1E-38"}}),
    ],
)
def test_update_that_does_not_fit_the_row(update: str, values: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="ValidationException"):
        compile_update(update, NAMES, "pk").apply(ROW, values)


@pytest.mark.parametrize("expression", ["m.a = :v", "l[0] = :v"])
def test_path_within_an_attribute(expression: str) -> None:
    """What the model does not know it does not answer."""
    with pytest.raises(NotModelledError):
        compile_condition(expression, "ConditionExpression", ())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", "5"),
        ("005.00", "5"),
        ("-0", "0"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9" * 38, "9" * 38),
    ],
)
def test_number(written: str, expected: str) -> None:
    assert canonical_number(written) == expected


@pytest.mark.parametrize("written", ["", " 5", "x", "NaN", "Infinity", "1_0", "9" * 39, "1E126"])
def test_wrong_number(written: str) -> None:
    with pytest.raises(RefusedError, match="ValidationException"):
        canonical_number(written)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"S": "a", "N": "1"},
        {"NULL": False},
        {"SS": []},
        {"SS": ["a", "a"]},
        {"NS": ["1", "1.0"]},
        {"L": [{"M": {"a": {}}}]},
    ],
)
def test_wrong_value(value: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="ValidationException"):
        canonical(value)


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"pk": {"S": "row"}}, 5),
        ({"\u00e9": {"S": "\u00e9"}}, 4),
        ({"n": {"N": "12345"}}, 5),
        ({"n": {"N": "-100"}}, 4),
        ({"b": {"B": b"abc"}}, 4),
        ({"t": {"BOOL": True}}, 2),
        ({"l": {"L": [{"S": "a"}, {"M": {"k": {"NULL": True}}}]}}, 1 + 3 + 2 + 1 + 3 + 3),
        ({"s": {"SS": ["a", "bc"]}}, 4),
    ],
)
def test_size(item: Item, size: int) -> None:
    assert item_size(item) == size


@pytest.mark.parametrize(("more", "expected"), [(0, True), (1, False)])
@pytest.mark.parametrize("letter", ["y", "\u00e9\u00e9"])
def test_item_at_the_limit(letter: str, more: int, expected: bool) -> None:
    room = MAX_ITEM - 1
    text = letter * (room // len(letter.encode()))
    padding = "y" * (room - len(text.encode()) + more)
    assert fits({"x": {"S": text + padding}}) is expected
