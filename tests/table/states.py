"""A table that is as it should be, and its definition."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from aiobreakglass import TableLayout
from aiobreakglass._table.definition import Definition
from aiobreakglass._table.problem import State

KEY = "arn:aws:kms:eu-west-1:123456789012:key/8c2f4a5e"
DEFINITION = Definition("break-glass", TableLayout(), True, True)


def good(definition: Definition = DEFINITION) -> State:
    """Return the state of a table that has all that a definition asks for."""
    description = deepcopy(definition.creation) | {
        "TableStatus": "ACTIVE",
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
    }
    if encryption := description.pop("SSESpecification", None):
        description["SSEDescription"] = {
            "Status": "ENABLED",
            "KMSMasterKeyArn": encryption["KMSMasterKeyId"],
        }
    for index in description["GlobalSecondaryIndexes"]:
        index["IndexStatus"] = "ACTIVE"
    ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": definition.layout.ttl_attribute}
    return State(description, ttl, "ENABLED", "eu-west-1")


def described(state: State, **attributes: Any) -> State:
    """Return a state whose description says something else."""
    return state._replace(description={**state.description, **attributes})


def without_index(state: State, index: str) -> State:
    """Return the state of a table that lacks an index."""
    kept = [it for it in state.description["GlobalSecondaryIndexes"] if it["IndexName"] != index]
    return described(state, GlobalSecondaryIndexes=kept)


def with_index(state: State, index: str, **attributes: Any) -> State:
    """Return the state of a table in which an index is different."""
    indexes = [
        it | attributes if it["IndexName"] == index else it
        for it in state.description["GlobalSecondaryIndexes"]
    ]
    return described(state, GlobalSecondaryIndexes=indexes)


def typed(state: State, attribute: str, kind: str) -> State:
    """Return the state of a table in which an attribute has another type."""
    definitions = [
        it | {"AttributeType": kind} if it["AttributeName"] == attribute else it
        for it in state.description["AttributeDefinitions"]
    ]
    return described(state, AttributeDefinitions=definitions)
