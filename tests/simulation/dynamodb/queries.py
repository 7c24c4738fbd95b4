"""Query: a key condition, a page, a filter.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

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
from tests.simulation.dynamodb.keys import MAX_SORT_KEY
from tests.simulation.dynamodb.refusals import invalid
from tests.simulation.dynamodb.values import AttributeValue

MAX_PAGE: Final = 1 << 20
"""How many bytes of rows one page looks at."""

_PARAMETER: Final = "KeyConditionExpression"

Places = Sequence[tuple[str, str]]


class Span(NamedTuple):
    """What a key condition asks for."""

    partition: str
    sign: str
    """How the range is compared; empty for all of the partition."""
    operands: tuple[str, ...]


class KeyCondition(NamedTuple):
    """A key condition on an index, by the placeholders of its values."""

    compiled: Compiled
    partition: str
    sign: str
    operands: tuple[str, ...]

    def span(self, values: Values) -> Span:
        """Return what it asks for with these values, or refuse them."""
        return Span(
            _text(values[self.partition]),
            self.sign,
            tuple(_range(values[each]) for each in self.operands),
        )


def compile_key_condition(text: str, names: Names, partition: str, range_: str) -> KeyCondition:
    """Return the key condition of a query on an index, or refuse its text."""
    condition = Parser(text, _PARAMETER, dict(names)).condition()
    parts = condition.conditions if isinstance(condition, Conjunction) else (condition,)
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for attribute, sign, operands in map(_read, parts):
        if attribute not in (partition, range_):
            raise invalid(f"Query condition missed key schema element: {partition}")
        if attribute in found:
            raise invalid(f"{_PARAMETER}s must only contain one condition per key")
        found[attribute] = sign, operands
    if partition not in found:
        raise invalid(f"Query condition missed key schema element: {partition}")
    sign, operands = found[partition]
    if sign != "=":
        raise invalid("Query key condition not supported")
    range_sign, range_operands = found.get(range_, ("", ()))
    compiled = compile_condition(text, _PARAMETER, names)
    return KeyCondition(compiled, operands[0], range_sign, range_operands)


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


def _read(part: Condition) -> tuple[str, str, tuple[str, ...]]:
    match part:
        case Comparison("=" | "<" | "<=" | ">" | ">=" as sign, Path(attribute), Value(value)):
            return attribute, sign, (value,)
        case Between(Path(attribute), Value(lower), Value(upper)):
            return attribute, "BETWEEN", (lower, upper)
        case Call("begins_with" as function, (Path(attribute), Value(value))):
            return attribute, function, (value,)
    raise invalid(f"Invalid operator used in {_PARAMETER}")


def _text(value: AttributeValue) -> str:
    text = value.get("S")
    if text is None:
        raise invalid(
            "One or more parameter values were invalid: Condition parameter type does not match "
            "schema type"
        )
    if not text:
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value"
        )
    return str(text)


def _range(value: AttributeValue) -> str:
    text = _text(value)
    if len(text.encode()) > MAX_SORT_KEY:
        raise invalid(
            "One or more parameter values were invalid: Size of rangekey has exceeded the "
            f"maximum size limit of {MAX_SORT_KEY} bytes"
        )
    return text


def _after(text: str) -> tuple[str]:
    """Return what is just after all places of a range."""
    return (text + "\0",)
