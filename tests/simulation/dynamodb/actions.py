"""What one write does to one row: checked first, then carried out on the row that is there."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.simulation.dynamodb.conditions import (
    Compiled,
    Names,
    Values,
    compile_condition,
)
from tests.simulation.dynamodb.keys import (
    Schema,
    check_index_keys,
    check_index_values,
    check_key,
    check_key_value,
    key_text,
)
from tests.simulation.dynamodb.refusals import (
    NotModelledError,
    RefusedError,
    condition_failed,
    invalid,
)
from tests.simulation.dynamodb.updates import Update, compile_update
from tests.simulation.dynamodb.values import Item, canonical_item, fits

Parameters = Mapping[str, Any]

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

_NO_VALUES: Final[Values] = {}


class Plan(NamedTuple):
    """The part of a write that does not depend on its values."""

    kind: str
    condition: Compiled | None
    update: Update | None


class Action(NamedTuple):
    """One write to one row."""

    plan: Plan
    key: str
    item: Item | None
    values: Values
    returns: str
    """What to return of the row if the condition fails."""
    problem: RefusedError | None
    """What is wrong with its keys: one action's own problem in a transaction."""

    def run(self, row: Item | None, schema: Schema) -> Item | None:
        """Return what becomes of the row that is there, or refuse."""
        if self.problem is not None:
            raise self.problem
        kind, condition, update = self.plan
        if condition is not None and not condition.test(row or {}, self.values):
            raise condition_failed(row, self.returns)
        if kind == "Put":
            return self.item
        if kind == "Delete":
            return None
        if kind == "ConditionCheck":
            return row
        before = {schema.key: {"S": self.key}} if row is None else row
        if update is None:
            return before
        after = update.apply(before, self.values)
        check_index_values(after, schema)
        check_index_keys(after, schema)
        if not fits(after):
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return after


def prepare(kind: str, parameters: Parameters, schema: Schema) -> Action:
    """Return what a request asks for, or refuse what no row could mend."""
    names = parameters.get("ExpressionAttributeNames")
    values = parameters.get("ExpressionAttributeValues")
    plan = _plan(
        kind,
        tuple(parameters),
        parameters.get("ConditionExpression"),
        parameters.get("UpdateExpression"),
        None if names is None else tuple(names.items()),
        None if values is None else tuple(values),
        schema.key,
    )
    values = _NO_VALUES if values is None else canonical_item(values)
    if plan.condition is not None:
        for check in plan.condition.checks:
            check(values)
    if plan.update is not None:
        plan.update.check(values)
    returns = parameters.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if kind == "Put":
        return _put(plan, parameters["Item"], values, returns, schema)
    key = parameters["Key"]
    check_key(key, schema)
    try:
        return Action(plan, key_text(key[schema.key]), None, values, returns, None)
    except RefusedError as problem:
        return Action(plan, "", None, values, returns, problem)


def _put(plan: Plan, item: Item, values: Values, returns: str, schema: Schema) -> Action:
    item = dict(canonical_item(item))
    if schema.key not in item:
        raise invalid(
            f"One or more parameter values were invalid: Missing the key {schema.key} in the item"
        )
    if "" in item:
        raise invalid("Empty attribute name")
    if not fits(item):
        raise invalid("Item size has exceeded the maximum allowed size")
    check_key_value(schema.key, item[schema.key])
    check_index_values(item, schema)
    try:
        key = key_text(item[schema.key])
        check_index_keys(item, schema)
    except RefusedError as problem:
        return Action(plan, "", item, values, returns, problem)
    return Action(plan, key, item, values, returns, None)


@lru_cache(maxsize=1 << 12)
def _plan(
    kind: str,
    members: tuple[str, ...],
    condition_text: str | None,
    update_text: str | None,
    names: Names | None,
    values: tuple[str, ...] | None,
    key: str,
) -> Plan:
    check_members(kind, members, _MEMBERS[kind])
    if kind == "ConditionCheck" and condition_text is None:
        raise invalid("ConditionExpression must not be null")
    condition = (
        None
        if condition_text is None
        else compile_condition(condition_text, "ConditionExpression", names or ())
    )
    update = None if update_text is None else compile_update(update_text, names or (), key)
    check_placeholders(names, values, condition, update)
    return Plan(kind, condition, update)


def check_members(operation: str, members: tuple[str, ...], known: frozenset[str]) -> None:
    """Raise `NotModelledError` if a request says what the model does not understand."""
    if unknown := set(members) - known:
        raise NotModelledError(f"{operation} with {sorted(unknown)}")


def check_placeholders(
    names: Names | None,
    values: tuple[str, ...] | None,
    *expressions: Compiled | Update | None,
    projected: Set[str] = frozenset(),
) -> None:
    """Refuse placeholders that are not defined, and definitions that are not used."""
    there = [each for each in expressions if each is not None]
    check_used(
        "ExpressionAttributeNames",
        None if names is None else {placeholder for placeholder, _ in names},
        {name for each in there for name in each.names} | projected,
    )
    check_used(
        "ExpressionAttributeValues",
        None if values is None else set(values),
        {name for each in there for name in each.values},
    )
    for placeholder, attribute in names or ():
        if not attribute:
            raise invalid(
                "ExpressionAttributeNames contains invalid value: Empty attribute name for key "
                f"{placeholder}"
            )


def check_used(parameter: str, given: set[str] | None, used: set[str]) -> None:
    """Refuse definitions that are missing, and those that are not used."""
    if given is not None and not given:
        raise invalid(f"{parameter} must not be empty")
    if missing := used - (given or set()):
        raise invalid(f"{parameter}: {min(missing)} is used and not defined")
    if unused := (given or set()) - used:
        raise invalid(f"{parameter}: {min(unused)} is unused in expressions")
