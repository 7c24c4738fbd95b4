"""What one write does to one row: checked first, then carried out on the row that is there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.simulation.dynamodb.conditions import (
    Compiled,
    Names,
    Values,
    compile_condition,
)
from tests.simulation.dynamodb.refusals import (
    NotModelledError,
    RefusedError,
    condition_failed,
    invalid,
)
from tests.simulation.dynamodb.updates import Update, compile_update
from tests.simulation.dynamodb.values import (
    MAX_ITEM,
    AttributeValue,
    Item,
    canonical_item,
    item_size,
)

Parameters = Mapping[str, Any]

MAX_PARTITION_KEY: Final = 2048
MAX_SORT_KEY: Final = 1024

_NO_NAMES: Final[Names] = {}
_NO_VALUES: Final[Values] = {}

_EXPRESSIONS: Final = {
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
}
_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "Put": frozenset({*_EXPRESSIONS, "Item"}),
    "Update": frozenset({*_EXPRESSIONS, "Key", "UpdateExpression"}),
    "Delete": frozenset({*_EXPRESSIONS, "Key"}),
    "ConditionCheck": frozenset({*_EXPRESSIONS, "Key"}),
}


class Schema(NamedTuple):
    """The keys of a table and of its indexes; all are texts."""

    key: str
    index_keys: Mapping[str, int]
    """The longest text, in bytes, of each attribute that is a key of an index."""


class Action(NamedTuple):
    """One write to one row."""

    kind: str
    key: str
    condition: Compiled | None
    update: Update | None
    item: Item | None
    names: Names
    values: Values
    returns: str
    """What to return of the row if the condition fails."""
    problem: RefusedError | None
    """What is wrong with its keys: one action's own problem in a transaction."""

    def run(self, row: Item | None, schema: Schema) -> Item | None:
        """Return what becomes of the row that is there, or refuse."""
        if self.problem is not None:
            raise self.problem
        condition = self.condition
        if condition is not None and not condition.test(row or {}, self.names, self.values):
            raise condition_failed(row, self.returns)
        if self.kind == "ConditionCheck":
            return row
        if self.kind == "Delete":
            return None
        if self.item is not None:
            return self.item
        before = {schema.key: {"S": self.key}} if row is None else row
        if self.update is None:
            return before
        after = self.update.apply(before, self.names, self.values)
        check_index_keys(after, schema)
        if item_size(after) > MAX_ITEM:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return after


def prepare(kind: str, parameters: Parameters, schema: Schema) -> Action:
    """Return what a request asks for, or refuse what no row could mend."""
    check_members(kind, parameters, _MEMBERS[kind])
    if kind == "ConditionCheck" and "ConditionExpression" not in parameters:
        raise invalid("ConditionExpression must not be null")
    condition_text = parameters.get("ConditionExpression")
    update_text = parameters.get("UpdateExpression")
    condition = (
        None
        if condition_text is None
        else compile_condition(condition_text, "ConditionExpression")
    )
    update = None if update_text is None else compile_update(update_text)
    names, values = read_placeholders(parameters, *used_by(condition, update))
    if condition is not None:
        for check in condition.checks:
            check(names, values)
    if update is not None:
        update.check(names, values, schema.key)
    item: Item | None = None
    if kind == "Put":
        item = dict(canonical_item(parameters["Item"]))
        if item_size(item) > MAX_ITEM:
            raise invalid("Item size has exceeded the maximum allowed size")
        if "" in item:
            raise invalid("Empty attribute name")
    key_item = _key_item(item, schema) if item is not None else parameters["Key"]
    key = ""
    problem: RefusedError | None = None
    _check_key_names(key_item, schema)
    try:
        key = key_text(key_item[schema.key], schema.key)
        if item is not None:
            check_index_keys(item, schema)
    except RefusedError as refused:
        problem = refused
    returns = parameters.get("ReturnValuesOnConditionCheckFailure", "NONE")
    return Action(kind, key, condition, update, item, names, values, returns, problem)


def check_members(operation: str, request: Parameters, known: frozenset[str]) -> None:
    """Raise `NotModelledError` if a request says what the model does not understand."""
    if not request.keys() <= known:
        raise NotModelledError(f"{operation} with {sorted(request.keys() - known)}")


@lru_cache(maxsize=1 << 12)
def used_by(*expressions: Compiled | Update | None) -> tuple[frozenset[str], frozenset[str]]:
    """Return the placeholders of names and of values that expressions use."""
    there = [each for each in expressions if each is not None]
    return (
        frozenset().union(*(each.names for each in there)),
        frozenset().union(*(each.values for each in there)),
    )


def read_placeholders(
    parameters: Parameters, used_names: frozenset[str], used_values: frozenset[str]
) -> tuple[Names, Values]:
    """Return names and values by placeholder: exactly those that the expressions use."""
    names: Names | None = parameters.get("ExpressionAttributeNames")
    values: Values | None = parameters.get("ExpressionAttributeValues")
    _check_use("ExpressionAttributeNames", names, used_names)
    _check_use("ExpressionAttributeValues", values, used_values)
    return (
        _NO_NAMES if names is None else names,
        _NO_VALUES if values is None else canonical_item(values),
    )


def only_key(key: Item, schema: Schema) -> str:
    """Return the key that a request names, or refuse it."""
    _check_key_names(key, schema)
    return key_text(key[schema.key], schema.key)


def key_text(value: AttributeValue, name: str) -> str:
    """Return the text of a key, or refuse a value that can be none."""
    text = value.get("S")
    if text is None:
        raise invalid("Type mismatch for attribute to update")
    if not text:
        raise _empty_key(name)
    if len(text) * 4 > MAX_PARTITION_KEY < len(text.encode()):
        raise invalid(
            f"Hash primary key values must be under {MAX_PARTITION_KEY} bytes, and range primary "
            f"key values must be under {MAX_SORT_KEY} bytes"
        )
    return str(text)


def check_index_keys(item: Item, schema: Schema) -> None:
    """Refuse an item that an index cannot list as it should."""
    for name, longest in schema.index_keys.items():
        value = item.get(name)
        if value is None:
            continue
        text = value.get("S")
        if text is None:
            raise invalid(
                f"One or more parameter values were invalid: Type mismatch for Index Key {name}"
            )
        if not text:
            raise _empty_key(name)
        if len(text) * 4 > longest < len(text.encode()):
            raise invalid(
                f"One or more parameter values were invalid: Size of {name} has exceeded the "
                f"maximum size limit of {longest} bytes"
            )


def _key_item(item: Item, schema: Schema) -> Item:
    if schema.key not in item:
        raise invalid(
            f"One or more parameter values were invalid: Missing the key {schema.key} in the item"
        )
    return {schema.key: item[schema.key]}


def _check_key_names(key: Item, schema: Schema) -> None:
    if len(key) != 1 or schema.key not in key:
        raise invalid("The provided key element does not match the schema")


def _empty_key(name: str) -> RefusedError:
    return invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute "
        f"cannot contain an empty string value. Key: {name}"
    )


def _check_use(parameter: str, given: Mapping[str, Any] | None, used: frozenset[str]) -> None:
    if given is None:
        if used:
            raise invalid(f"{parameter}: {min(used)} is used and not defined")
    elif given.keys() != used:
        if not given:
            raise invalid(f"{parameter} must not be empty")
        problem = "used and not defined" if used - given.keys() else "unused in expressions"
        raise invalid(f"{parameter}: {min(used ^ given.keys())} is {problem}")
