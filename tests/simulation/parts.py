"""DynamoDB reads each row of a batch by itself, so others can write between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final, NamedTuple

from tests.simulation.client import Reply, success

_PAUSES: Final = (0.001, 0.01, 0.05, 0.3)
"""How long the service takes between the two parts, in seconds."""


class Parts(NamedTuple):
    """A batch as the service reads it: some of its rows, and the others later."""

    first: dict[str, Any]
    second: dict[str, Any]
    pause: float


def cut(request: Mapping[str, Any], random: Random) -> Parts | None:
    """Return the parts of a request; None if it is for one row."""
    ((table, asked),) = request["RequestItems"].items()
    keys = random.sample(asked["Keys"], len(asked["Keys"]))
    if len(keys) < 2:
        return None
    middle = random.randrange(1, len(keys))
    first, second = (
        {**request, "RequestItems": {table: {**asked, "Keys": some}}}
        for some in (keys[:middle], keys[middle:])
    )
    return Parts(first, second, random.choice(_PAUSES))


def joined(first: Reply, second: Reply) -> Reply:
    """Return the answers to both parts as one; a failure of either is that of the whole."""
    for reply in (first, second):
        if reply.status != 200:
            return reply
    rows: dict[str, list[Any]] = {}
    left: dict[str, dict[str, Any]] = {}
    for reply in (first, second):
        for table, found in reply.parsed["Responses"].items():
            rows[table] = rows.get(table, []) + found
        for table, asked in reply.parsed.get("UnprocessedKeys", {}).items():
            keys = left.get(table, {"Keys": []})["Keys"] + asked["Keys"]
            left[table] = {**asked, "Keys": keys}
    return success({**second.parsed, "Responses": rows, "UnprocessedKeys": left})
