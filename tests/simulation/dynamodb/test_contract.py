"""A store on the model keeps the contract, and changes none of the rows that it is handed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aiobreakglass import AsyncDynamoDBStore, TableLayout
from aiobreakglass.testing import FakeClock, GovernedStoreContract, LimitedStoreContract
from aiobreakglass.testing._contract_limits_steps import Limited
from tests.simulation.dynamodb.database import PROMPT, TABLE_NAME, Commit, Database

OPERATIONS = {
    "get_item": "GetItem",
    "batch_get_item": "BatchGetItem",
    "query": "Query",
    "transact_write_items": "TransactWriteItems",
}


class Client:
    """Asks the model at once, and reports each attempt as a client does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, Callable[..., None]] = {}
        self.meta = SimpleNamespace(
            events=self, service_model=SimpleNamespace(operation_names=OPERATIONS.values())
        )

    def register(self, name: str, handler: Callable[..., None], unique_id: str) -> None:
        self._handlers[name] = handler

    register_first = register

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        if method not in OPERATIONS:
            raise AttributeError(method)
        operation = OPERATIONS[method]

        def report(event: str, **facts: object) -> None:
            self._handlers[f"{event}.dynamodb"](f"{event}.dynamodb.{operation}", **facts)

        async def call(**request: object) -> dict[str, Any]:
            report("before-send")
            status = 400
            try:
                answer = self._database.execute(operation, request)
                status = 200
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                raise
            finally:
                response: Any = SimpleNamespace(status_code=status), {}
                report("needs-retry", response=response, caught_exception=None)
            return answer

        return call


class TestStoreOnTheModel(LimitedStoreContract, GovernedStoreContract):
    @pytest.fixture
    def limited(self, clock: FakeClock) -> Iterator[Limited]:
        written: list[tuple[object, str]] = []

        def note(commit: Commit) -> None:
            written.extend((after, json.dumps(after)) for _, after in commit.changes.values())

        database = Database(
            TableLayout(),
            # As on emulators, TTL deletes nothing while the test's clock goes on.
            now=FakeClock.START.timestamp,
            random=Random(1),  # noqa: S311 - repeatable on purpose
            habits=PROMPT,
            on_commit=note,
        )
        client: Any = Client(database)
        yield lambda limits: AsyncDynamoDBStore(client, TABLE_NAME, clock=clock, limits=limits)
        for row, as_written in written:
            assert json.dumps(row) == as_written

    @pytest.fixture
    def store(self, limited: Callable[[None], AsyncDynamoDBStore]) -> AsyncDynamoDBStore:
        return limited(None)
