"""A batch of rows that is read in parts asks for the same rows, and has one answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation import draws
from tests.simulation.client import Reply, success
from tests.simulation.parts import cut, joined

KEYS = [{"pk": {"S": f"row {number}"}} for number in range(5)]


def asked(*keys: Any) -> dict[str, Any]:
    return {"RequestItems": {"table": {"Keys": list(keys), "ConsistentRead": True}}}


@pytest.mark.parametrize("seed", range(10))
def test_batch_of_several_rows(seed: int) -> None:
    """Each row is read in one of the parts, and neither part is empty."""
    parts = cut(asked(*KEYS), draws.seeded(seed))
    assert parts is not None
    first, second = (part["RequestItems"]["table"] for part in (parts.first, parts.second))
    assert first["Keys"]
    assert second["Keys"]
    assert sorted(first["Keys"] + second["Keys"], key=str) == KEYS
    assert first["ConsistentRead"] is second["ConsistentRead"] is True


def test_batch_of_one_row() -> None:
    """It has no parts."""
    assert cut(asked(KEYS[0]), draws.seeded(1)) is None


def answered(rows: list[Any], left: list[Any]) -> Reply:
    unprocessed = {"table": {"Keys": left, "ConsistentRead": True}} if left else {}
    return success({"Responses": {"table": rows}, "UnprocessedKeys": unprocessed})


def test_answers_to_both_parts() -> None:
    """The caller gets the rows of both, and the keys that either has left."""
    reply = joined(answered(KEYS[:2], [KEYS[2]]), answered(KEYS[3:4], [KEYS[4]]))
    assert reply.parsed["Responses"] == {"table": [*KEYS[:2], KEYS[3]]}
    left = {"Keys": [KEYS[2], KEYS[4]], "ConsistentRead": True}
    assert reply.parsed["UnprocessedKeys"] == {"table": left}


def test_failure_of_one_part() -> None:
    """It is the answer to the whole."""
    failed = Reply(500, {"Error": {"Code": "InternalServerError"}})
    whole = answered(KEYS, [])
    assert joined(failed, whole) is joined(whole, failed) is failed
