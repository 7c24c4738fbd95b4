"""The OpenAPI description has the rules that the library enforces."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from aiobreakglass import MAX_DURATION
from aiobreakglass.testing import make_event

FIELDS = {
    ("Opening", "profile"): "profile",
    ("Opening", "justification"): "justification",
    ("Opening", "request_id"): "request_id",
    ("Closing", "reason"): "closed_reason",
    ("Extending", "reason"): "closed_reason",
    ("Reviewing", "comment"): "closed_reason",
    ("Holding", "reason"): "closed_reason",
    ("Releasing", "reason"): "closed_reason",
}
"""The request fields with a bounded length, and the event fields whose rules they have."""


@pytest.fixture
async def description(stranger: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await stranger.get("/openapi.json")).json()
    return described


def rules_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of a value that is not null."""
    given: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return {rule: value for rule, value in given[0].items() if rule != "title"}


def is_valid(**fields: object) -> bool:
    try:
        make_event(status="closed", **fields)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("request_field", "field"), FIELDS.items(), ids=str)
async def test_described_lengths_match_the_event(
    description: dict[str, Any], request_field: tuple[str, str], field: str
) -> None:
    model, name = request_field
    rules = rules_of(description["components"]["schemas"][model]["properties"][name])
    for length in (rules["minLength"], rules["maxLength"]):
        assert is_valid(**{field: "x" * length})
    for length in (rules["minLength"] - 1, rules["maxLength"] + 1):
        assert not is_valid(**{field: "x" * length})


async def test_described_id_pattern_matches_event_ids(description: dict[str, Any]) -> None:
    schema = description["components"]["schemas"]["Opening"]["properties"]["id"]
    pattern = re.compile(rules_of(schema)["pattern"])
    assert pattern.fullmatch(make_event().id)
    for wrong in ("", "0" * 15, "0" * 17, "A" * 16, "g" * 16):
        assert not pattern.fullmatch(wrong)
        assert not is_valid(id=wrong)


async def test_described_duration_names_its_maximum(description: dict[str, Any]) -> None:
    rules = rules_of(description["components"]["schemas"]["Opening"]["properties"]["duration"])
    longest = TypeAdapter(type(MAX_DURATION)).dump_python(MAX_DURATION, mode="json")
    assert rules["format"] == "duration"
    assert longest in rules["description"]


async def test_described_labels_match_the_event(description: dict[str, Any]) -> None:
    schema = description["components"]["schemas"]["Opening"]["properties"]["labels"]
    names = re.compile(schema["propertyNames"]["pattern"])
    for name, is_name in (("a", True), ("a" * 63, True), ("a" * 64, False), ("A", False)):
        assert bool(names.fullmatch(name)) is is_name is is_valid(labels={name: "x"})
    value, most = schema["additionalProperties"], schema["maxProperties"]
    for length in (value["minLength"], value["maxLength"]):
        assert is_valid(labels={"a": "x" * length})
    for length in (value["minLength"] - 1, value["maxLength"] + 1):
        assert not is_valid(labels={"a": "x" * length})
    labels = {f"l{number}": "x" for number in range(most + 1)}
    assert not is_valid(labels=labels)
    labels.popitem()
    assert is_valid(labels=labels)


async def test_parameters_have_the_rules_of_body_fields(description: dict[str, Any]) -> None:
    """A name and an id have the same rules in a path or a query as in a body."""
    opening = description["components"]["schemas"]["Opening"]["properties"]
    described = [
        parameter
        for methods in description["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
    ]
    for names, field in (({"event_id"}, "id"), ({"invoker", "profile"}, "profile")):
        schemas = [rules_of(each["schema"]) for each in described if each["name"] in names]
        of_field = rules_of(opening[field])
        assert len(of_field) > 1
        assert len(schemas) >= 3
        assert all(of_field.items() <= schema.items() for schema in schemas)
