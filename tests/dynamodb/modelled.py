"""Stores on the simulation's model of DynamoDB, which needs no emulator."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from aiobotocore.hooks import AioHierarchicalEmitter
from botocore.exceptions import ClientError

from aiobreakglass import AsyncDynamoDBStore, TableLayout
from aiobreakglass.testing import FakeClock
from tests.simulation import draws
from tests.simulation.client import Client, Reply, success
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Database

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_OPERATIONS: Final = {
    "get_item": "GetItem",
    "batch_get_item": "BatchGetItem",
    "query": "Query",
    "transact_write_items": "TransactWriteItems",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
}

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


class ModelClient:
    """A client that asks the model at once, and tells its handlers of each request.

    Unlike a store's requests, a scan is made up here: the model has none.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events = AioHierarchicalEmitter()
        self.meta = SimpleNamespace(
            events=self._events,
            endpoint_url="http://127.0.0.1:1",
            service_model=SimpleNamespace(
                service_name="dynamodb", operation_names=[*_OPERATIONS.values(), "Scan"]
            ),
        )

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        if method not in _OPERATIONS:
            raise AttributeError(method)

        async def call(**request: Any) -> dict[str, Any]:
            return await self._ask(
                _OPERATIONS[method], request, lambda name: self._database.execute(name, request)
            )

        return call

    async def scan(self, **request: Any) -> dict[str, Any]:
        """Return a page of the rows of one segment, in the order of their keys."""
        return await self._ask("Scan", request, lambda _: self._page(**request))

    def get_paginator(self, operation: str) -> Any:
        """Return all pages of a scan, which is the only operation that has them here."""
        assert operation == "scan"

        async def paginate(**request: Any) -> AsyncIterator[dict[str, Any]]:
            yield await self.scan(**request)

        return SimpleNamespace(paginate=paginate)

    def _page(
        self,
        *,
        Segment: int = 0,  # noqa: N803 - DynamoDB's
        TotalSegments: int = 1,  # noqa: N803 - DynamoDB's
        Limit: int | None = None,  # noqa: N803 - DynamoDB's
        ExclusiveStartKey: Any = None,  # noqa: N803 - DynamoDB's
        **_: Any,
    ) -> dict[str, Any]:
        after = "" if ExclusiveStartKey is None else ExclusiveStartKey["pk"]["S"]
        keys = [
            key
            for key in sorted(self._database.rows)
            if key > after and zlib.crc32(key.encode()) % TotalSegments == Segment
        ]
        page = keys[:Limit]
        last = {"LastEvaluatedKey": {"pk": {"S": page[-1]}}} if page != keys else {}
        return {"Items": [self._database.rows[key] for key in page], "Count": len(page), **last}

    async def _ask(
        self,
        operation: str,
        request: dict[str, Any],
        answer: Callable[[str], dict[str, Any]],
    ) -> dict[str, Any]:
        model = SimpleNamespace(name=operation)
        await self._tell("provide-client-params", operation, params=request, model=model)
        await self._tell("before-send", operation)
        status = 400
        try:
            answered = answer(operation)
            status = 200
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise
        finally:
            response: Any = SimpleNamespace(status_code=status), {}
            await self._tell("needs-retry", operation, response=response, caught_exception=None)
        return answered

    async def _tell(self, event: str, operation: str, **facts: Any) -> None:
        await self._events.emit(f"{event}.dynamodb.{operation}", **facts)


def model_client() -> DynamoDBClient:
    """Return a client of a new table that is empty, and where TTL deletes nothing.

    No emulator deletes anything by TTL either, so a test's clock may go on.
    """
    database = Database(
        TableLayout(),
        now=FakeClock.START.timestamp,
        random=draws.seeded("rows"),
        habits=PROMPT,
    )
    return cast("DynamoDBClient", ModelClient(database))
