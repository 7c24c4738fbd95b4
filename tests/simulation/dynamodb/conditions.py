"""Conditions, made from their text once, and evaluated on rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.simulation.dynamodb.grammar import (
    Among,
    Between,
    Call,
    Comparison,
    Condition,
    Conjunction,
    Disjunction,
    Negation,
    Operand,
    Parser,
    Path,
    Size,
    Value,
)
from tests.simulation.dynamodb.refusals import RefusedError
from tests.simulation.dynamodb.values import (
    KINDS,
    ORDERED,
    AttributeValue,
    extent,
    kind_of,
    order_of,
)

Row = Mapping[str, AttributeValue]
Names = tuple[tuple[str, str], ...]
"""Attributes by placeholder, as pairs: part of what a compiled expression is cached by."""
Values = Mapping[str, AttributeValue]

Test = Callable[[Row, Values], bool]
Get = Callable[[Row, Values], AttributeValue | None]
Check = Callable[[Values], None]
"""Refuses what is wrong before any row is looked at."""

_ORDERINGS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


class Compiled(NamedTuple):
    """A condition, ready to be evaluated."""

    test: Test
    checks: tuple[Check, ...]
    names: frozenset[str]
    """The placeholders of attributes."""
    values: frozenset[str]
    """The placeholders of values."""
    attributes: frozenset[str]
    """The attributes that it is about."""


@lru_cache(maxsize=1 << 12)
def compile_condition(text: str, parameter: str, names: Names) -> Compiled:
    """Return a condition, or refuse its text."""
    parser = Parser(text, parameter, dict(names))
    condition = parser.condition()
    operands = list(_operands(condition))
    return Compiled(
        _test(condition),
        tuple(_checks(condition, parser)),
        frozenset(parser.names),
        frozenset(each.name for each in operands if isinstance(each, Value)),
        frozenset(each.attribute for each in operands if isinstance(each, Path)),
    )


def get_operand(operand: Operand) -> Get:
    """Return how to get an operand's value."""
    match operand:
        case Path(attribute):
            return lambda row, _: row.get(attribute)
        case Value(name):
            return lambda _, values: values[name]
        case Size(inner):
            get = get_operand(inner)

            def measure(row: Row, values: Values) -> AttributeValue | None:
                value = get(row, values)
                length = None if value is None else extent(value)
                return None if length is None else {"N": str(length)}

            return measure


def _test(condition: Condition) -> Test:
    match condition:
        case Comparison("=", Path(attribute), Value(name)):
            # The hot path: a write compares each attribute with what was read.
            return lambda row, values: row.get(attribute) == values[name]
        case Comparison(sign, left, right):
            return _comparison(sign, get_operand(left), get_operand(right))
        case Between(operand, lower, upper):
            least = _comparison(">=", get_operand(operand), get_operand(lower))
            most = _comparison("<=", get_operand(operand), get_operand(upper))
            return lambda *on: least(*on) and most(*on)
        case Among(operand, options):
            equals = [
                _comparison("=", get_operand(operand), get_operand(option)) for option in options
            ]
            return lambda *on: any(equal(*on) for equal in equals)
        case Call(function, arguments):
            return _call(function, arguments)
        case Negation(inner):
            negated = _test(inner)
            return lambda *on: not negated(*on)
        case Conjunction(conditions):
            return _all(tuple(map(_test, conditions)))
        case Disjunction(conditions):
            tests = tuple(map(_test, conditions))
            return lambda *on: any(test(*on) for test in tests)


def _all(tests: tuple[Test, ...]) -> Test:
    def test_all(row: Row, values: Values) -> bool:
        for test in tests:  # noqa: SIM110 - a generator takes longer
            if not test(row, values):
                return False
        return True

    return test_all


def _comparison(sign: str, get_left: Get, get_right: Get) -> Test:
    if sign in ("=", "<>"):
        wanted = sign == "="

        def compare(row: Row, values: Values) -> bool:
            left, right = get_left(row, values), get_right(row, values)
            if left is None or right is None:
                return not wanted
            return (left == right) is wanted

        return compare
    holds = _ORDERINGS[sign]

    def order(row: Row, values: Values) -> bool:
        left, right = get_left(row, values), get_right(row, values)
        if left is None or right is None or kind_of(left) != kind_of(right):
            return False
        return kind_of(left) in ORDERED and holds(order_of(left), order_of(right))

    return order


def _call(function: str, arguments: tuple[Operand, ...]) -> Test:
    get = get_operand(arguments[0])
    if function == "attribute_exists":
        return lambda *on: get(*on) is not None
    if function == "attribute_not_exists":
        return lambda *on: get(*on) is None
    get_other = get_operand(arguments[1])
    test = {
        "attribute_type": lambda value, other: kind_of(value) == other.get("S"),
        "begins_with": _begins_with,
        "contains": _contains,
    }[function]

    def call(row: Row, values: Values) -> bool:
        value, other = get(row, values), get_other(row, values)
        return value is not None and other is not None and test(value, other)

    return call


def _begins_with(value: AttributeValue, prefix: AttributeValue) -> bool:
    kind = kind_of(value)
    is_text = kind in ("S", "B") and kind == kind_of(prefix)
    return is_text and bool(value[kind].startswith(prefix[kind]))


def _contains(value: AttributeValue, part: AttributeValue) -> bool:
    kind, part_kind = kind_of(value), kind_of(part)
    if kind == "L":
        return part in value["L"]
    if kind in ("S", "B"):
        return kind == part_kind and part[kind] in value[kind]
    return kind == f"{part_kind}S" and part[part_kind] in value[kind]


def _operands(condition: Condition) -> Iterator[Operand]:
    match condition:
        case Negation(inner):
            yield from _operands(inner)
        case Conjunction(conditions) | Disjunction(conditions):
            for each in conditions:
                yield from _operands(each)
        case _:
            for operand in _operands_of(condition):
                yield operand.operand if isinstance(operand, Size) else operand


def _operands_of(condition: Comparison | Between | Among | Call) -> tuple[Operand, ...]:
    match condition:
        case Comparison(_, left, right):
            return (left, right)
        case Between(operand, lower, upper):
            return (operand, lower, upper)
        case Among(operand, options):
            return (operand, *options)
        case Call(_, arguments):
            return arguments


def _checks(condition: Condition, parser: Parser) -> Iterator[Check]:
    match condition:
        case Negation(inner):
            yield from _checks(inner, parser)
        case Conjunction(conditions) | Disjunction(conditions):
            for each in conditions:
                yield from _checks(each, parser)
        case _:
            yield from _own_checks(condition, parser)
            for operand in _operands_of(condition):
                if isinstance(operand, Size) and isinstance(operand.operand, Value):
                    yield _has_kind(parser, "size", operand.operand, KINDS - {"N", "BOOL", "NULL"})


def _own_checks(condition: Comparison | Between | Among | Call, parser: Parser) -> Iterator[Check]:
    match condition:
        case Comparison(sign, left, right):
            _check_distinct(parser, sign, left, (right,))
            if sign in _ORDERINGS:
                yield from _ordered(parser, sign, (left, right))
        case Between(operand, lower, upper):
            yield from _ordered(parser, "BETWEEN", (operand, lower, upper))
            if isinstance(lower, Value) and isinstance(upper, Value):
                yield _bounds(parser, lower.name, upper.name)
        case Among(operand, options):
            _check_distinct(parser, "IN", operand, options)
        case Call("attribute_exists" | "attribute_not_exists" as function, (argument,)):
            if not isinstance(argument, Path):
                raise parser.wrong(
                    "Operator or function requires a document path; operator or function: "
                    f"{function}"
                )
        case Call(function, (first, second)):
            _check_distinct(parser, function, first, (second,))
            if isinstance(second, Value):
                yield _second(parser, function, second)


def _check_distinct(
    parser: Parser, operator: str, first: Operand, others: tuple[Operand, ...]
) -> None:
    problem = (
        "The first operand must be distinct from the remaining operands for this operator or "
        f"function; operator: {operator}"
    )
    if isinstance(first, Path) and first in others:
        raise parser.wrong(problem)


def _ordered(parser: Parser, operator: str, operands: tuple[Operand, ...]) -> Iterator[Check]:
    for operand in operands:
        if isinstance(operand, Value):
            yield _has_kind(parser, operator, operand, ORDERED)


def _has_kind(parser: Parser, operator: str, value: Value, kinds: frozenset[str]) -> Check:
    def check(values: Values) -> None:
        kind = kind_of(values[value.name])
        if kind not in kinds:
            raise _wrong_kind(parser, operator, kind)

    return check


def _wrong_kind(parser: Parser, operator: str, kind: str) -> RefusedError:
    return parser.wrong(
        "Incorrect operand type for operator or function; operator or function: "
        f"{operator}, operand type: {kind}"
    )


def _bounds(parser: Parser, lower: str, upper: str) -> Check:
    def check(values: Values) -> None:
        low, high = values[lower], values[upper]
        if kind_of(low) != kind_of(high):
            raise parser.wrong(
                "The BETWEEN operator requires same data type for lower and upper bounds"
            )
        if order_of(low) > order_of(high):
            raise parser.wrong(
                "The BETWEEN operator requires upper bound to be greater than or equal to lower "
                "bound"
            )

    return check


def _second(parser: Parser, function: str, value: Value) -> Check:
    if function == "begins_with":
        return _has_kind(parser, function, value, frozenset({"S", "B"}))
    if function == "contains":
        return _has_kind(parser, function, value, KINDS)
    is_text = _has_kind(parser, function, value, frozenset({"S"}))

    def check(values: Values) -> None:
        is_text(values)
        if values[value.name]["S"] not in KINDS:
            raise parser.wrong(
                f"Invalid attribute type name found; type: {values[value.name]['S']}"
            )

    return check
