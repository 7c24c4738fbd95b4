"""Update expressions: SET, REMOVE, ADD and DELETE on whole attributes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from tests.simulation.dynamodb.conditions import Get, Names, Row, Values, get_operand
from tests.simulation.dynamodb.grammar import Parser, Value
from tests.simulation.dynamodb.refusals import RefusedError, invalid
from tests.simulation.dynamodb.values import (
    KINDS,
    AttributeValue,
    Item,
    canonical,
    canonical_number,
    kind_of,
)

Change = Callable[[Row, Values], AttributeValue | None]
"""Returns what an attribute becomes; None if it goes."""

_PARAMETER: Final = "UpdateExpression"
# Wide enough for the sum of any two numbers that DynamoDB stores.
_EXACT: Final = Context(prec=300)
_SETS: Final = frozenset({"SS", "NS", "BS"})
_ADDABLE: Final = _SETS | {"N"}


class Step(NamedTuple):
    """What becomes of one attribute."""

    attribute: str
    change: Change


class Update(NamedTuple):
    """An update, ready to be applied."""

    steps: tuple[Step, ...]
    kinds: tuple[tuple[str, str, frozenset[str]], ...]
    """Of which kinds a value must be: operator, placeholder, kinds."""
    names: frozenset[str]
    values: frozenset[str]

    def check(self, values: Values) -> None:
        """Refuse values of a wrong kind."""
        for operator, placeholder, kinds in self.kinds:
            kind = kind_of(values[placeholder])
            if kind not in kinds:
                raise invalid(
                    f"Invalid {_PARAMETER}: Incorrect operand type for operator or function; "
                    f"operator or function: {operator}, operand type: {kind}"
                )

    def apply(self, row: Row, values: Values) -> Item:
        """Return what a row becomes; each step sees it as it was before."""
        changed = dict(row)
        for attribute, change in self.steps:
            value = change(row, values)
            if value is None:
                changed.pop(attribute, None)
            else:
                changed[attribute] = value
        return changed


@lru_cache(maxsize=1 << 12)
def compile_update(text: str, names: Names, key: str) -> Update:
    """Return an update, or refuse its text: it must not change the key, nor anything twice."""
    reader = _Reader(text, _PARAMETER, dict(names))
    steps = tuple(reader.sections())
    attributes = [step.attribute for step in steps]
    if key in attributes:
        raise invalid(
            f"One or more parameter values were invalid: Cannot update attribute {key}. This "
            "attribute is part of the key"
        )
    if len(set(attributes)) != len(attributes):
        raise reader.wrong(
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths;"
        )
    # Any kind may be set, so nothing is to be checked there.
    kinds = tuple(each for each in reader.kinds if each[2] is not KINDS)
    return Update(steps, kinds, frozenset(reader.names), frozenset(reader.values))


class _Reader(Parser):
    """Reads the sections of an update, and notes the placeholders in them."""

    def __init__(self, text: str, parameter: str, names: Mapping[str, str]) -> None:
        super().__init__(text, parameter, names)
        self.values: set[str] = set()
        self.kinds: list[tuple[str, str, frozenset[str]]] = []

    def sections(self) -> Iterator[Step]:
        """Read one section after the other, each at most once."""
        readers = {
            "SET": self._set,
            "REMOVE": self._remove,
            "ADD": self._add,
            "DELETE": self._delete,
        }
        seen = set()
        while True:
            section = self.next_keyword
            if section not in readers:
                self.fail()
            if section in seen:
                raise self.wrong(
                    f'The "{section}" section can only be used once in an update expression;'
                )
            seen.add(section)
            self.take()
            yield readers[section]()
            while self.takes(","):
                yield readers[section]()
            if not self.next:
                return

    def _value(self, operator: str, kinds: frozenset[str]) -> Value:
        if not self.next.startswith(":"):
            self.fail()
        value = Value(self.take())
        self.values.add(value.name)
        self.kinds.append((operator, value.name, kinds))
        return value

    def _set(self) -> Step:
        attribute = self.path().attribute
        self.take("=")
        return Step(attribute, self._sum())

    def _sum(self) -> Get:
        left = self._term()
        if self.next not in ("+", "-"):
            return left
        self.count()
        sign = 1 if self.take() == "+" else -1
        return _sum(left, sign, self._term())

    def _term(self) -> Get:
        if self.takes("("):
            term = self._sum()
            self.take(")")
            return term
        if self._is_call():
            return self._function()
        if self.next.startswith(":"):
            return get_operand(self._value("SET", KINDS))
        get = get_operand(self.path())

        def existing(row: Row, values: Values) -> AttributeValue:
            value = get(row, values)
            if value is None:
                raise invalid(
                    "The provided expression refers to an attribute that does not exist in the "
                    "item"
                )
            return value

        return existing

    def _function(self) -> Get:
        function = self.take()
        self.count()
        if function not in ("if_not_exists", "list_append"):
            raise self.wrong(f"Invalid function name; function: {function}")
        self.take("(")
        if function == "if_not_exists":
            get: Get = get_operand(self.path())
        else:
            get = self._term()
        self.take(",")
        other = self._term()
        self.take(")")
        return _if_not_exists(get, other) if function == "if_not_exists" else _appended(get, other)

    def _remove(self) -> Step:
        return Step(self.path().attribute, lambda *_: None)

    def _add(self) -> Step:
        attribute = self.path().attribute
        return Step(attribute, _added(attribute, self._value("ADD", _ADDABLE).name))

    def _delete(self) -> Step:
        attribute = self.path().attribute
        return Step(attribute, _subtracted(attribute, self._value("DELETE", _SETS).name))


def _if_not_exists(get: Get, other: Get) -> Get:
    def choose(row: Row, values: Values) -> AttributeValue | None:
        value = get(row, values)
        return other(row, values) if value is None else value

    return choose


def _appended(get: Get, get_more: Get) -> Get:
    def append(row: Row, values: Values) -> AttributeValue:
        value, more = get(row, values), get_more(row, values)
        if value is None or more is None or {kind_of(value), kind_of(more)} != {"L"}:
            raise _wrong_type()
        return {"L": [*value["L"], *more["L"]]}

    return append


def _sum(get_left: Get, sign: int, get_right: Get) -> Get:
    def add(row: Row, values: Values) -> AttributeValue:
        left, right = get_left(row, values), get_right(row, values)
        if left is None or right is None or {kind_of(left), kind_of(right)} != {"N"}:
            raise _wrong_type()
        return _number(left["N"], right["N"] if sign > 0 else _negative(right["N"]))

    return add


def _added(attribute: str, placeholder: str) -> Change:
    def add(row: Row, values: Values) -> AttributeValue:
        value, more = row.get(attribute), values[placeholder]
        kind = kind_of(more)
        if value is None:
            return more
        if kind_of(value) != kind:
            raise _wrong_type()
        if kind == "N":
            return _number(value["N"], more["N"])
        return canonical({kind: list({*value[kind], *more[kind]})})

    return add


def _subtracted(attribute: str, placeholder: str) -> Change:
    def subtract(row: Row, values: Values) -> AttributeValue | None:
        value, less = row.get(attribute), values[placeholder]
        kind = kind_of(less)
        if value is None:
            return None
        if kind_of(value) != kind:
            raise _wrong_type()
        left = [each for each in value[kind] if each not in less[kind]]
        return {kind: left} if left else None

    return subtract


def _number(left: str, right: str) -> AttributeValue:
    return {"N": canonical_number(str(_EXACT.add(Decimal(left), Decimal(right))))}


def _negative(number: str) -> str:
    return str(Decimal(number).copy_negate())


def _wrong_type() -> RefusedError:
    return invalid("An operand in the update expression has an incorrect data type")
