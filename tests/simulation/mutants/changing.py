"""What a change does to the rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    HistoryEntry,
)
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain import rules
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._dynamodb.commit import Commits
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart
from aiobreakglass._dynamodb.parts.history import HistoryPart
from aiobreakglass._dynamodb.row import Row
from tests.simulation.mutants.planting import Plant, Store


def dated_at_the_beginning(plant: Plant) -> Store:
    """A change is dated when its call began, however often it started over."""
    original = Commits._commit

    async def mutated(self: Commits, *arguments: Any) -> Any:
        first = self._clock()
        again = Commits(
            self._calls, self._table, self._contributors, self._retention, lambda: first
        )
        return await original(again, *arguments)

    plant(Commits, _commit=mutated)
    return AsyncDynamoDBStore


def version_not_moved_on(plant: Plant) -> Store:
    """A change is dated by the clock alone, also when that is behind the version before."""
    original = rules._change

    def mutated(
        action: Action, stored: Any, changed: Any, now: datetime, *by_and_note: Any
    ) -> Change:
        made = original(action, stored, changed, now, *by_and_note)
        dated = max(now, stored.created_at)
        return replace(made, after=made.stored.model_copy(update={"updated_at": dated}))

    plant(rules, _change=mutated)
    return AsyncDynamoDBStore


def guard_removed_by_time(plant: Plant) -> Store:
    """A new event replaces a lapsed holder that is not marked expired."""

    async def mutated(self: Commits, operation: Operation, row: Row) -> None:
        event = row.event
        guard = GuardPart(self._table)._delete((event.invoker, event.profile), event.id)
        await self._calls.write(operation.for_other_rows(), [guard])

    plant(Commits, _mark_expired=mutated)
    return AsyncDynamoDBStore


def tombstone_not_left(plant: Plant) -> Store:
    """A delete removes the row."""
    original = EventPart._put_tombstone

    def mutated(self: EventPart, attempt: Attempt, row: Row) -> Part:
        part = original(self, attempt, row)
        parameters = dict(part.action["Put"])
        del parameters["Item"]
        return part._replace(action={"Delete": parameters | {"Key": part.key}})

    plant(EventPart, _put_tombstone=mutated)
    return AsyncDynamoDBStore


def tombstone_overwritten(plant: Plant) -> Store:
    """A create takes the place of a tombstone.

    Its entry takes the place of the first entry, because that alone would protect the tombstone.
    """
    put_new, put_entry = EventPart._put_new, HistoryPart._put

    def mutated(self: EventPart, attempt: Attempt) -> Part:
        return _also_if(put_new(self, attempt), "attribute_exists(deleted_at)")

    def mutated_entry(self: HistoryPart, entry: HistoryEntry, attempt: Attempt) -> Part:
        return _also_if(put_entry(self, entry, attempt), "attribute_exists(#pk)")

    plant(EventPart, _put_new=mutated)
    plant(HistoryPart, _put=mutated_entry)
    return AsyncDynamoDBStore


def _also_if(part: Part, condition: str) -> Part:
    parameters = part.action["Put"]
    either = f"{parameters['ConditionExpression']} OR {condition}"
    return part._replace(action={"Put": parameters | {"ConditionExpression": either}})


def marked_before_its_time(plant: Plant) -> Store:
    """An event is marked expired with up to an hour left."""
    original = BreakGlassEvent.expire

    def mutated(self: BreakGlassEvent, at: datetime | None = None) -> BreakGlassEvent:
        return original(self, None if at is None else at + timedelta(hours=1))

    plant(BreakGlassEvent, expire=mutated)
    return AsyncDynamoDBStore


def evidence_not_compared(plant: Plant) -> Store:
    """An update changes whatever its caller has changed."""
    plant(rules, IMMUTABLE_FIELDS=())
    return AsyncDynamoDBStore


def lapsed_holder_in_the_way(plant: Plant) -> Store:
    """A create is refused for an event that has lapsed."""
    original = Commits._clear_guard

    async def mutated(
        self: Commits, operation: Operation, attempt: Attempt, guard: Item | None
    ) -> bool:
        if guard is not None:
            row = await self._reads.event_row(operation, self._reads.event_id_of(guard))
            event = attempt.change.stored
            holder = None if row is None else row.active_event(event.invoker, event.profile)
            if holder is not None:
                raise ActiveEventExistsError(holder)
        return await original(self, operation, attempt, guard)

    plant(Commits, _clear_guard=mutated)
    return AsyncDynamoDBStore


MUTANTS: Final = (
    dated_at_the_beginning,
    version_not_moved_on,
    guard_removed_by_time,
    tombstone_not_left,
    tombstone_overwritten,
    marked_before_its_time,
    evidence_not_compared,
    lapsed_holder_in_the_way,
)
