"""A history that grows while it is read: DynamoDB reads each row of a batch by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent
from aiobreakglass.testing import FakeClock, make_event
from tests.simulation import draws
from tests.simulation.client import Client, Reply, success
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Database
from tests.simulation.timeline import LAYOUT

_NUMBER: Final = slice(-6, None)


class Growing:
    """A table that others write to after certain entries of a history were read."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.database = Database(
            LAYOUT,
            now=lambda: clock().timestamp(),
            random=draws.seeded("table"),
            habits=PROMPT,
        )
        self.after: dict[int, Callable[[], Awaitable[Any]]] = {}
        """What happens after the place of an entry was read, by its number."""

    def store(self) -> AsyncDynamoDBStore:
        """Return a store of the table."""
        client: Any = Client(self._send, draws.seeded("client"))  # type: ignore[arg-type] # it awaits what this returns
        return AsyncDynamoDBStore(client, TABLE_NAME, clock=self.clock)

    async def _send(self, operation: str, request: dict[str, Any]) -> Reply:
        if operation != "BatchGetItem":
            return success(self.database.execute(operation, request))
        rows = []
        for key in request["RequestItems"][TABLE_NAME]["Keys"]:
            asked = {"TableName": TABLE_NAME, "Key": key, "ConsistentRead": True}
            answer = self.database.execute("GetItem", asked)
            rows += [answer["Item"]] if "Item" in answer else []
            happening = self.after.pop(int(key["pk"]["S"][_NUMBER]), None)
            if happening is not None:
                await happening()
        metadata = {"ResponseMetadata": {"HTTPStatusCode": 200}}
        return success({"Responses": {TABLE_NAME: rows}, "UnprocessedKeys": {}, **metadata})


@pytest.fixture
def table() -> Growing:
    return Growing(FakeClock())


async def test_history_that_grows_while_it_is_read_has_no_gap(table: Growing) -> None:
    """An entry that was not there yet when its place was read, and one after it that was."""
    reader, writer = table.store(), table.store()
    event = await writer.create(make_event(created_at=table.clock()))
    versions = [event]

    async def note(*texts: str) -> None:
        for text in texts:
            changed: BreakGlassEvent = versions[-1].model_copy(update={"request_id": text})
            versions.append(await writer.update(changed))

    table.after = {1: lambda: note("second"), 3: lambda: note("third", "fourth")}
    entries = await reader.history(event.id)
    assert table.after == {}
    assert [entry.revision for entry in entries] == [1, 2, 3, 4]
    assert [entry.event for entry in entries] == versions
