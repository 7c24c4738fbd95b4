"""Query: a key condition, a page, a filter.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.simulation.dynamodb.conditions import Compiled, Names, Values, compile_condition
from tests.simulation.dynamodb.grammar import (
    Between,
    Call,
    Comparison,
    Condition,
    Conjunction,
    Parser,
    Path,
    Value,
)
from tests.simulation.dynamodb.refusals import invalid
from tests.simulation.dynamodb.values import AttributeValue

MAX_PAGE: Final = 1 << 20
"""How many bytes of rows one page looks at."""

_PARAMETER: Final = "KeyConditionExpression"

Places = Sequence[tuple[str, str]]


class KeyCondition(NamedTuple):
    """A key condition, ready to be resolved."""

    parts: tuple[Condition, ...]
    compiled: Compiled


class Span(NamedTuple):
    """What a key condition asks for."""

    partition: str
    sign: str
    """How the range is compared; empty for all of the partition."""
    operands: tuple[str, ...]


@lru_cache(maxsize=1 << 10)
def compile_key_condition(text: str) -> KeyCondition:
    """Return a key condition, or refuse its text."""
    condition = Parser(text, _PARAMETER).condition()
    parts = condition.conditions if isinstance(condition, Conjunction) else (condition,)
    for part in parts:
        match part:
            case Comparison("=" | "<" | "<=" | ">" | ">=", Path(), Value()):
                pass
            case Between(Path(), Value(), Value()) | Call("begins_with", (Path(), Value())):
                pass
            case _:
                raise invalid(f"Invalid operator used in {_PARAMETER}")
    return KeyCondition(parts, compile_condition(text, _PARAMETER))


def resolve(
    condition: KeyCondition, names: Names, values: Values, partition: str, range_: str | None
) -> Span:
    """Return what a key condition asks an index for, or refuse it."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for part in condition.parts:
        path, sign, operands = _read(part)
        attribute = names.get(path, path)
        if attribute not in (partition, range_):
            raise invalid(f"Query condition missed key schema element: {partition}")
        if attribute in found:
            raise invalid(f"{_PARAMETER}s must only contain one condition per key")
        found[attribute] = sign, tuple(_text(values[each], attribute) for each in operands)
    sign, operands = found.pop(partition, ("", ()))
    if not sign:
        raise invalid(f"Query condition missed key schema element: {partition}")
    if sign != "=":
        raise invalid("Query key condition not supported")
    for range_sign, range_operands in found.values():
        return Span(operands[0], range_sign, range_operands)
    return Span(operands[0], "", ())


def cut(places: Places, span: Span) -> tuple[int, int]:
    """Return where a span begins and ends in a partition."""
    match span.sign:
        case "":
            return 0, len(places)
        case "=":
            (text,) = span.operands
            return bisect_left(places, (text,)), bisect_left(places, _after(text))
        case "<":
            return 0, bisect_left(places, (span.operands[0],))
        case "<=":
            return 0, bisect_left(places, _after(span.operands[0]))
        case ">":
            return bisect_left(places, _after(span.operands[0])), len(places)
        case ">=":
            return bisect_left(places, (span.operands[0],)), len(places)
        case "BETWEEN":
            lower, upper = span.operands
            return bisect_left(places, (lower,)), bisect_left(places, _after(upper))
    (prefix,) = span.operands
    start = bisect_left(places, (prefix,))
    end = bisect_left(places, True, lo=start, key=lambda place: not place[0].startswith(prefix))
    return start, end


def ordered(places: Places, span: Span, after: tuple[str, str] | None, *, forward: bool) -> Places:
    """Return the places of a span in the order of a query, from after a place."""
    start, end = cut(places, span)
    if after is not None:
        if forward:
            start = max(start, bisect_right(places, after))
        else:
            end = min(end, bisect_left(places, after))
    wanted = places[start:end]
    return wanted if forward else wanted[::-1]


def start_place(
    start_key: Mapping[str, AttributeValue], span: Span, key: str, partition: str, range_: str
) -> tuple[str, str]:
    """Return the place that a query goes on after, or refuse the start key."""
    if start_key.keys() != {key, partition, range_} or any(
        "S" not in value for value in start_key.values()
    ):
        raise invalid("The provided starting key is invalid")
    place = (start_key[range_]["S"], start_key[key]["S"])
    if start_key[partition]["S"] != span.partition:
        raise invalid(
            "The provided starting key is outside query boundaries based on provided conditions"
        )
    if cut([place], span) != (0, 1):
        raise invalid("The provided starting key does not match the range key predicate")
    return place


def project(row: Mapping[str, Any], attributes: Sequence[str] | None) -> dict[str, Any]:
    """Return the attributes of a row that are wanted, and all where None says so."""
    if attributes is None:
        return dict(row)
    return {name: row[name] for name in attributes if name in row}


def compile_projection(text: str) -> tuple[str, ...]:
    """Return the attributes that a projection names, by placeholder or name."""
    parser = Parser(text, "ProjectionExpression")
    paths = [parser.path().name]
    while parser.takes(","):
        paths.append(parser.path().name)
    parser.end()
    return tuple(paths)


def _read(part: Condition) -> tuple[str, str, tuple[str, ...]]:
    match part:
        case Comparison(sign, Path(path), Value(value)):
            return path, sign, (value,)
        case Between(Path(path), Value(lower), Value(upper)):
            return path, "BETWEEN", (lower, upper)
        case Call(function, (Path(path), Value(value))):
            return path, function, (value,)
    raise AssertionError("a key condition of another form was refused before")


def _text(value: AttributeValue, attribute: str) -> str:
    text = value.get("S")
    if not isinstance(text, str):
        raise invalid(
            "One or more parameter values were invalid: Condition parameter type does not match "
            "schema type"
        )
    if not text:
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            f"cannot contain an empty string value. Key: {attribute}"
        )
    return text


def _after(text: str) -> tuple[str]:
    """Return what is just after all places of a range."""
    return (text + "\0",)
