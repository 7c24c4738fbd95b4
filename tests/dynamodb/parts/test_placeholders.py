"""What stands for the attributes of a layout in expressions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, TableLayout
from aiobreakglass.testing import FakeClock, make_event
from tests.simulation import draws
from tests.simulation.client import Client, success
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Database

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html
NAME = re.compile("#[A-Za-z0-9_]+")
VALUE = re.compile(":[A-Za-z0-9_]+")


def placeholders(request: Any) -> list[str]:
    """Return the placeholders that a request defines, at any depth."""
    if isinstance(request, list):
        return [found for each in request for found in placeholders(each)]
    if not isinstance(request, dict):
        return []
    defined = [
        name
        for field in ("ExpressionAttributeNames", "ExpressionAttributeValues")
        for name in request.get(field, {})
    ]
    return defined + [found for each in request.values() for found in placeholders(each)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"ttl_attribute": "gone.at", "write_id_attribute": "by-write", "partition_key": "p#k"},
        {"ttl_attribute": "write_id", "write_id_attribute": "ttl"},
        {"ttl_attribute": "pk", "partition_key": "key"},
        {"write_id_attribute": "pk", "partition_key": "ttl", "ttl_attribute": "write_id"},
    ],
    ids=" ".join,
)
async def test_attributes_with_names_that_no_placeholder_can_have(
    attributes: dict[str, str],
) -> None:
    """A layout's attributes can have any name, also one that another one has by default."""
    clock, layout = FakeClock(), TableLayout(**attributes)
    database = Database(
        layout, now=lambda: clock().timestamp(), random=draws.seeded("rows"), habits=PROMPT
    )
    defined: set[str] = set()

    async def send(operation: str, request: dict[str, Any]) -> Any:
        defined.update(placeholders(request))
        return success(database.execute(operation, request))

    client: Any = Client(send, draws.seeded("client"))  # type: ignore[arg-type] # it only awaits what is sent
    store = AsyncDynamoDBStore(client, TABLE_NAME, layout=layout, clock=clock)

    def kept(key: str) -> dict[str, Any]:
        return {"ttl": database.rows[key].get(layout.ttl_attribute), "key": key}

    event = await store.create(make_event(created_at=clock()))
    keys = [layout.event_key(event.id), layout.history_key(event.id, 1)]
    before = list(map(kept, keys))
    await store.hold(event.id, held_by="carol", reason="Case 7")
    assert [each["ttl"] for each in map(kept, keys)] == [None, None]
    await store.release_hold(event.id, released_by="carol", reason="Closed")
    assert list(map(kept, keys)) == before
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    await store.delete(event.id)
    assert all(NAME.fullmatch(each) or VALUE.fullmatch(each) for each in defined), defined
