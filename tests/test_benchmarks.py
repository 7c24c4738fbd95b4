"""The benchmarks write without a store what a store writes."""

from __future__ import annotations

from aiobreakglass.testing import FakeClock, make_event
from benchmarks import limited, plain
from tests.dynamodb.modelled import Modelled


async def test_rows_without_a_store_have_the_attributes_of_a_stores_rows() -> None:
    """Otherwise `nox -s bench` ends before it measures."""
    clock = FakeClock()
    table = Modelled(clock)
    event = make_event(created_at=clock(), request_id="r-1")
    await table.store(limits=limited.LIMITS).create(event)
    (_, read), (_, write) = table.requests
    slots = limited.slots_for(event)
    ((_, asked),) = read["RequestItems"].items()
    keys = [key["pk"]["S"] for key in asked["Keys"]]
    assert sorted(keys) == sorted(limited.keys_to_read(event, slots))
    rows = plain.rows_of(event)
    rows += [row for row, _ in limited.taken(slots, {}, event.id, rows[0]["write_id"])]
    puts = [part["Put"] for part in write["TransactItems"]]
    assert [row.keys() for row in rows] == [put["Item"].keys() for put in puts]
    assert {limited.CONDITION} == {
        put["ConditionExpression"].replace("#pk", "pk").replace("#used_at", "used_at")
        for put in puts[3:]
    }
