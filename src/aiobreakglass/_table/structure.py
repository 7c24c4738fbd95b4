"""Compare the keys and indexes of a table with its definition; all pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiobreakglass._domain.finding import Finding
from aiobreakglass._table.definition import (
    Definition,
    index_creation,
    index_definition,
    key_schema,
)
from aiobreakglass._table.problem import Problem, Repair, State

MISSING_INDEX: Final = "missing index"
"""The kind of the findings about an index that is not there."""

_NEW_TABLE: Final = "make another table with create_table, and point the programs at it"


def structure_problems(definition: Definition, state: State) -> list[Problem]:
    """Return how the keys and indexes differ; additional indexes are allowed."""
    return [
        *_key_problems(definition, state),
        *_index_problems(definition, state),
        *_type_problems(definition, state),
    ]


def differences(definition: Definition, description: Mapping[str, Any]) -> list[str]:
    """Return the rules that the keys and indexes of a table break."""
    state = State(description, {}, None)
    rules = (problem.rule for problem in structure_problems(definition, state))
    return [rule for rule in rules if rule]


def is_ours(definition: Definition, description: Mapping[str, Any]) -> bool:
    """Return whether this is a break-glass table, perhaps an incomplete one.

    The key alone does not tell, because many tables have a key of that name. So at least one of
    the indexes must have the keys that it should have.
    """
    if any(_key_problems(definition, State(description, {}, None))):
        return False
    indexes, types = _indexes(description), _types(description)
    # An emulator forgets the types of other keys when an index is added.
    return types.get(definition.layout.partition_key, "S") == "S" and any(
        index in indexes
        and _keys(indexes[index]) == _keys(index_definition(definition.layout, index))
        and {types.get(key, "S") for key in _keys(indexes[index])} == {"S"}
        for index in definition.layout.indexes
    )


def _key_problems(definition: Definition, state: State) -> Iterator[Problem]:
    key = definition.layout.partition_key
    expected = {"KeySchema": key_schema(key)}
    if _keys(state.description) != _keys(expected):
        yield Problem(
            Finding(
                "error",
                "key",
                f"table {definition.name}",
                " and ".join(_keys(state.description)),
                f"{key} alone",
                _NEW_TABLE,
            ),
            rule=f"its only key must be {key}",
        )


def _index_problems(definition: Definition, state: State) -> Iterator[Problem]:
    indexes = _indexes(state.description)
    for name in definition.layout.indexes:
        subject = f"index {name} of table {definition.name}"
        expected = index_definition(definition.layout, name)
        keys = " and ".join(_keys(expected))
        whole = f"an index by {keys} that projects all attributes"
        found = indexes.get(name)
        if found is None or found.get("IndexStatus") == "DELETING":
            yield _missing(definition, state, name, subject, whole)
            continue
        projection = found["Projection"]["ProjectionType"]
        if _keys(found) != _keys(expected):
            shown, rule = " and ".join(_keys(found)), f"must have the keys {keys}"
            yield _other(definition, state, name, subject, f"the keys {shown}", whole, rule)
        elif projection != "ALL":
            rule = "must project all attributes"
            yield _other(
                definition, state, name, subject, f"the projection {projection}", whole, rule
            )
        elif (status := found.get("IndexStatus", "ACTIVE")) not in ("ACTIVE", "UPDATING"):
            fix = "wait until DynamoDB has filled it"
            yield Problem(Finding("warning", "index status", subject, status, "ACTIVE", fix))


def _missing(
    definition: Definition, state: State, index: str, subject: str, expected: str
) -> Problem:
    is_leaving = index in _indexes(state.description)
    found = "an index that is being deleted" if is_leaving else "no such index"
    repair = None
    fix = "correct the types of its keys first, then call harden_table"
    keys = {definition.layout.indexes[index], *_keys(index_definition(definition.layout, index))}
    types = _types(state.description)
    if all(types.get(key, "S") == "S" for key in keys):
        creation = index_creation(definition, index, state.description)
        repair = Repair("UpdateTable", creation, is_safe=True)
        note = "when it is gone, add it again: " if is_leaving else ""
        fix = f"{note}{repair.command(state.region)}"
    return Problem(
        Finding("error", MISSING_INDEX, subject, found, expected, fix),
        repair,
        f"index {index} is missing",
    )


def _other(
    definition: Definition,
    state: State,
    index: str,
    subject: str,
    found: str,
    expected: str,
    rule: str,
) -> Problem:
    deletion = {
        "TableName": definition.name,
        "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": index}}],
    }
    repair = Repair("UpdateTable", deletion, is_safe=False)
    fix = (
        "delete the index, then let harden_table add it; what reads it fails until it is filled: "
        f"{repair.command(state.region)}"
    )
    return Problem(
        Finding("error", "index", subject, found, expected, fix), repair, f"index {index} {rule}"
    )


def _type_problems(definition: Definition, state: State) -> Iterator[Problem]:
    types = _types(state.description)
    for attribute in definition.attributes:
        found = types.get(attribute, "S")
        if found == "S":
            continue
        is_key = attribute == definition.layout.partition_key
        yield Problem(
            Finding(
                "error",
                "attribute type",
                f"attribute {attribute} of table {definition.name}",
                found,
                "S",
                _NEW_TABLE
                if is_key
                else "delete the indexes that it is a key of, then call harden_table",
            ),
            rule=f"{attribute} must be of type S",
        )


def _indexes(description: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())}


def _types(description: Mapping[str, Any]) -> dict[str, str]:
    definitions = description["AttributeDefinitions"]
    return {attribute["AttributeName"]: attribute["AttributeType"] for attribute in definitions}


def _keys(schema: Mapping[str, Any]) -> dict[str, str]:
    return {key["AttributeName"]: key["KeyType"] for key in schema["KeySchema"]}
