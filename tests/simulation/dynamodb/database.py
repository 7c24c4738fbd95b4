"""A model of DynamoDB: one table, at the level of the requests that the library sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from aiobreakglass import TableLayout
from tests.simulation.dynamodb import reads, strain, writes
from tests.simulation.dynamodb.habits import PROMPT, USUAL, Habits
from tests.simulation.dynamodb.refusals import NotModelledError, RefusedError
from tests.simulation.dynamodb.table import Cause, Commit, Table
from tests.simulation.dynamodb.values import Item

__all__ = ["PROMPT", "TABLE_NAME", "USUAL", "Cause", "Commit", "Database", "Habits"]

TABLE_NAME: Final = "break-glass"

_SINGLE_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


class Database:
    """One table, its indexes and its TTL, as DynamoDB keeps them.

    Each call is atomic. Rows are values: a write makes new ones, and nobody may change one.
    `now` is the service's clock, in Unix seconds; it may stand still, and must not step back.
    `token_seconds` is how long a transaction is remembered by its token.
    """

    def __init__(
        self,
        layout: TableLayout,
        *,
        now: Callable[[], float],
        random: Random,
        habits: Habits = USUAL,
        table_name: str = TABLE_NAME,
        token_seconds: float = writes.TOKEN_SECONDS,
        on_commit: Callable[[Commit], None] = lambda _: None,
    ) -> None:
        self._table = Table(table_name, layout, now, random, habits)
        self._table.on_commit = on_commit
        self._table_name = table_name
        self._partition_key = layout.partition_key
        self._tokens = writes.Tokens(token_seconds)

    @property
    def rows(self) -> Mapping[str, Item]:
        """The rows as they are now, by partition key."""
        return self._table.rows

    def execute(
        self, operation: str, request: Mapping[str, Any], cause: Cause = "request"
    ) -> dict[str, Any]:
        """Return what the client returns, or raise `ClientError` as it does."""
        self._table.delete_expired()
        try:
            answer = self._answer(operation, request, cause)
        except RefusedError as refused:
            raise refused.client_error(operation) from None
        answer["ResponseMetadata"] = {
            "HTTPStatusCode": 200,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        }
        return answer

    def put(self, item: Item) -> None:
        """Put a row by hand, whatever it replaces."""
        self.execute("PutItem", {"TableName": self._table_name, "Item": item}, "hand")

    def remove(self, key: str) -> None:
        """Remove a row by hand."""
        request = {"TableName": self._table_name, "Key": {self._partition_key: {"S": key}}}
        self.execute("DeleteItem", request, "hand")

    def background(self) -> None:
        """Do what the service does by itself by now: spread changes, and delete by TTL."""
        self._table.delete_expired()
        self._spread(self._table.now())

    def spread_all(self) -> None:
        """Let all changes arrive in all indexes."""
        self._spread(float("inf"))

    def next_instant(self) -> float | None:
        """Return when something falls due next, in an index or by TTL; None if nothing does."""
        instants = [index.next_instant for index in self._table.indexes.values()]
        instants.append(self._table.expiries.next_instant)
        return min((each for each in instants if each is not None), default=None)

    def restore_some(self, at: float, share: float) -> None:
        """Set a random share of the rows back to what they were at an instant.

        A row that was not there then vanishes, as in a partial restore from a backup.
        """
        self._table.restore(at, share)

    def _answer(self, operation: str, request: Mapping[str, Any], cause: Cause) -> dict[str, Any]:
        table = self._table
        if table.random.random() < table.habits.strain and cause == "request":
            return strain.partial_answer(table, operation, request)
        match operation:
            case "GetItem":
                return reads.get_item(table, request)
            case "BatchGetItem":
                return reads.batch_get_item(table, request)
            case "Query":
                return reads.query(table, request)
            case "TransactWriteItems":
                return writes.transact_write_items(table, request, self._tokens)
        if operation not in _SINGLE_WRITES:
            raise NotModelledError(operation)
        return writes.write_one(table, operation, request, cause)

    def _spread(self, until: float) -> None:
        for index in self._table.indexes.values():
            index.spread(until)
