"""What stands for the attributes of a layout in expressions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import Limits, TableLayout
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.modelled import Modelled

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html
HOUR = timedelta(hours=1)
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
    modelled = Modelled(clock, layout)
    store = modelled.store(limits=Limits(cooldown=HOUR, max_unreviewed=2))

    def kept(key: str) -> dict[str, Any]:
        return {"ttl": modelled.database.rows[key].get(layout.ttl_attribute), "key": key}

    event = await store.create(make_event(created_at=clock()))
    keys = [layout.event_key(event.id), layout.history_key(event.id, 1)]
    before = list(map(kept, keys))
    await store.hold(event.id, held_by="carol", reason="Case 7")
    assert [each["ttl"] for each in map(kept, keys)] == [None, None]
    await store.release_hold(event.id, released_by="carol", reason="Closed")
    assert list(map(kept, keys)) == before
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    await store.delete(event.id)
    defined = {each for _, request in modelled.requests for each in placeholders(request)}
    assert all(NAME.fullmatch(each) or VALUE.fullmatch(each) for each in defined), defined
