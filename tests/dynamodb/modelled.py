"""Stores on the simulation's model of DynamoDB, which needs no emulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from botocore.exceptions import ClientError

from aiobreakglass import AsyncDynamoDBStore, TableLayout
from aiobreakglass.testing import FakeClock
from tests.simulation import draws
from tests.simulation.client import Client, Reply, success
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Database

Send = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Sends a request, and returns its answer."""


class Modelled:
    """A table whose own clock is that of the test, and the requests that it got."""

    def __init__(self, clock: FakeClock, layout: TableLayout | None = None) -> None:
        self.layout = TableLayout() if layout is None else layout
        self.database = Database(
            self.layout,
            now=lambda: clock().timestamp(),
            random=draws.seeded("rows"),
            habits=PROMPT,
        )
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._clock = clock

    async def send(self, operation: str, request: dict[str, Any]) -> Any:
        """Answer a request."""
        self.requests.append((operation, request))
        return self.database.execute(operation, request)

    def store(self, send: Send | None = None, **options: Any) -> AsyncDynamoDBStore:
        """Return a store on this table; `send` may do something before or after a request."""

        async def reply(operation: str, request: dict[str, Any]) -> Any:
            try:
                return success(await (send or self.send)(operation, request))
            except ClientError as error:
                return Reply(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response)

        client: Any = Client(reply, draws.seeded("client"))  # type: ignore[arg-type] # it only awaits what is sent
        settings = {"clock": self._clock, "layout": self.layout, **options}
        return AsyncDynamoDBStore(client, TABLE_NAME, **settings)
