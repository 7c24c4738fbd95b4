"""Checks, reads and the sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    CorruptItemError,
)
from aiobreakglass._aws.calls import Operation
from aiobreakglass._dynamodb import checks, requests
from aiobreakglass._dynamodb.row import Row
from aiobreakglass._workers.expiry import _Pass
from tests.simulation.mutants.planting import Plant, Store


def remembered_event_not_read(plant: Plant) -> Store:
    """A check that remembers an event says yes, and reads nothing."""
    original = checks.Checks.holder
    kept: dict[tuple[int, tuple[str, str]], BreakGlassEvent] = {}

    async def mutated(self: checks.Checks, operation: Operation, pair: tuple[str, str]) -> Any:
        event = kept.get((id(self), pair))
        if event is not None and event.is_active(self._clock()):
            return event
        found = await original(self, operation, pair)
        if found is not None:
            kept[id(self), pair] = found
        return found

    plant(checks.Checks, holder=mutated)
    return AsyncDynamoDBStore


def status_not_asked(plant: Plant) -> Store:
    """A check grants what its guard leads to until it lapses, closed or not."""

    def mutated(self: checks.Checks, row: Row | None, pair: object) -> BreakGlassEvent | None:
        event = None if row is None else row.event
        return event if event is not None and event.expires_at > self._clock() else None

    plant(checks.Checks, _granting=mutated)
    return AsyncDynamoDBStore


def reads_not_consistent(plant: Plant) -> Store:
    """A row is read from whichever replica answers."""

    def mutated(table: Any, partition_key: str) -> dict[str, Any]:
        return {"TableName": table.name, "Key": {table.layout.partition_key: {"S": partition_key}}}

    plant(requests, get_row=mutated)
    return AsyncDynamoDBStore


def batch_not_finished(plant: Plant) -> Store:
    """Keys that DynamoDB left for another request count as absent."""
    plant(requests, unprocessed=lambda table, answer: [])
    return AsyncDynamoDBStore


def sweep_starved_by_one_row(plant: Plant) -> Store:
    """A pass goes in the order of the list, and ends at the first event that it cannot mark."""

    async def mutated(self: _Pass, events: Sequence[BreakGlassEvent]) -> None:
        for event in sorted(events, key=attrgetter("id")):
            await self._mark(event)
            if self._is_stopped():
                return

    plant(_Pass, _mark_all=mutated, _is_stopped=lambda self: bool(self._unanswered))
    return AsyncDynamoDBStore


def sweep_ended_by_a_corrupt_row(plant: Plant) -> Store:
    """A pass raises at a row that is not an event, and the sweeper ends."""
    original = _Pass._fail

    async def mutated(self: _Pass, error: BreakGlassError, *arguments: Any) -> None:
        if isinstance(error, CorruptItemError):
            raise error
        await original(self, error, *arguments)

    plant(_Pass, _fail=mutated)
    return AsyncDynamoDBStore


MUTANTS: Final = (
    remembered_event_not_read,
    status_not_asked,
    reads_not_consistent,
    batch_not_finished,
    sweep_starved_by_one_row,
    sweep_ended_by_a_corrupt_row,
)
