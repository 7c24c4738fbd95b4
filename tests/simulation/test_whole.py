"""The judge of histories, on the rows of a store and on rows that somebody has changed."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass._aws.transaction import Item
from aiobreakglass.testing import FakeClock, make_event
from tests.simulation import draws
from tests.simulation.client import Client, success
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Database
from tests.simulation.timeline import LAYOUT
from tests.simulation.whole import Chain, chains, flaws

EVENT_ID = "0123456789abcdef"


@pytest.fixture
async def rows() -> list[Item]:
    """The rows after an event was created, extended, closed and deleted, and another created."""
    clock = FakeClock()
    database = Database(
        LAYOUT, now=lambda: clock().timestamp(), random=draws.seeded("rows"), habits=PROMPT
    )

    async def send(operation: str, request: dict[str, Any]) -> Any:
        return success(database.execute(operation, request))

    client: Any = Client(send, draws.seeded("client"))  # type: ignore[arg-type] # it only awaits what is sent
    store = AsyncDynamoDBStore(client, TABLE_NAME, clock=clock)
    event = await store.create(make_event(id=EVENT_ID, created_at=clock()))
    clock.advance(timedelta(seconds=1))
    later = event.expires_at + timedelta(minutes=5)
    await store.update(event.model_copy(update={"expires_at": later}), by="bob", note="longer")
    await store.close(EVENT_ID, closed_by="bob", closed_reason="done")
    await store.create(make_event(created_at=clock(), labels={"ticket": "OPS-1"}))
    await store.delete(EVENT_ID, by="eve")
    return copy.deepcopy(list(database.rows.values()))


def found(rows: list[Item]) -> list[str]:
    return [flaw for event_id, chain in chains(rows).items() for flaw in flaws(event_id, chain)]


def test_histories_that_a_store_wrote_are_whole(rows: list[Item]) -> None:
    """Nothing is wrong with them, and all of them are seen."""
    assert found(rows) == []
    assert sorted(len(chain.entries) for chain in chains(rows).values()) == [1, 4]


def entry_row(rows: list[Item], revision: int) -> Item:
    key = LAYOUT.history_key(EVENT_ID, revision)
    return next(row for row in rows if row["pk"]["S"] == key)


def event_row(rows: list[Item]) -> Item:
    return next(row for row in rows if row["pk"]["S"] == LAYOUT.event_key(EVENT_ID))


def rewritten(rows: list[Item], revision: int, **members: Any) -> Item:
    """Change the text of an entry, and let its row have the hash of the new text."""
    row = entry_row(rows, revision)
    values = json.loads(row["entry"]["S"]) | members
    row["entry"] = {"S": json.dumps(values, sort_keys=True, separators=(",", ":"))}
    return row


CHANGES: dict[str, tuple[Callable[[list[Item]], Any], str]] = {
    "an entry that was removed": (lambda rows: rows.remove(entry_row(rows, 2)), "2 .* is missing"),
    "the last entry removed": (
        lambda rows: rows.remove(entry_row(rows, 4)),
        "says another revision",
    ),
    "all entries removed": (
        lambda rows: rows.__setitem__(slice(None), [event_row(rows)]),
        "has no history",
    ),
    "the tombstone removed": (lambda rows: rows.remove(event_row(rows)), "tombstone has gone"),
    "a text that was changed": (
        lambda rows: rewritten(rows, 2, by="eve"),
        "2 .* another hash",
    ),
    "an entry of another event": (
        lambda rows: rewritten(rows, 2, event_id="f" * 16),
        "says that it is entry 2 of ffff",
    ),
    "a text that is none": (
        lambda rows: entry_row(rows, 3).update(entry={"S": "[]"}),
        "3 .* is unreadable",
    ),
    "a text with more white space": (
        lambda rows: entry_row(rows, 3).update(
            entry={"S": entry_row(rows, 3)["entry"]["S"].replace(",", ", ")}
        ),
        "is not canonical",
    ),
    "an entry before its time": (
        lambda rows: rewritten(rows, 3, at="1999-01-01T00:00:00.000000Z"),
        "3 .* is not later",
    ),
    "a link to nothing": (lambda rows: rewritten(rows, 3, previous=None), "3 .* is not linked"),
    "another head": (
        lambda rows: event_row(rows).update(head={"S": "0" * 64}),
        "not say the hash",
    ),
    "no revision": (lambda rows: event_row(rows).pop("revision"), "says another revision"),
    "a row of another revision": (
        lambda rows: entry_row(rows, 2).update(revision={"N": "7"}),
        "has a row that says something else",
    ),
    "a member more": (lambda rows: rewritten(rows, 2, more=1), "has the members"),
}


@pytest.mark.parametrize(("change", "finding"), CHANGES.values(), ids=CHANGES)
def test_rows_that_somebody_changed(
    rows: list[Item], change: Callable[[list[Item]], Any], finding: str
) -> None:
    """Each change is found, and the finding names the entry or the event."""
    change(rows)
    assert any(re.search(finding, flaw) for flaw in found(rows)), found(rows)


def test_an_event_that_was_changed_outside(rows: list[Item]) -> None:
    """Its newest entry does not say what the row says."""
    row = next(row for row in rows if row.get("status") == {"S": "active"})
    row["request_id"] = {"S": "by hand"}
    (flaw,) = found(rows)
    assert "is not what its newest entry says" in flaw


def test_an_event_that_went(rows: list[Item]) -> None:
    """Without its row, its history is all that is left."""
    rows.remove(next(row for row in rows if row.get("status") == {"S": "active"}))
    (flaw,) = found(rows)
    assert "has gone, and its history has not" in flaw


def test_an_event_that_came_back(rows: list[Item]) -> None:
    """A row in the place of a tombstone is not what the history says."""
    event = next(row for row in rows if row.get("status") == {"S": "active"})
    rows[rows.index(event_row(rows))] = event | {"pk": event_row(rows)["pk"]}
    assert any("is not what its newest entry says" in flaw for flaw in found(rows))


def test_nothing_is_known_of_an_event() -> None:
    """Then there is nothing that could be wrong."""
    assert list(flaws(EVENT_ID, Chain())) == []
