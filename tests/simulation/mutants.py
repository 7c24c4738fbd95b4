"""Stores with one mistake each, for the simulation to find.

Those of the histories on DynamoDB Local are among them. A mutant is planted for a while, by
replacing functions of the library; the source stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    CorruptItemError,
    StoreUnavailableError,
)
from aiobreakglass._aws import hooks, outcomes, transaction
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.outcomes import Transmission
from aiobreakglass._aws.transaction import Item, Part, Refusal
from aiobreakglass._domain import change, rules
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._dynamodb import checks, requests
from aiobreakglass._dynamodb.commit import Commits
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart
from aiobreakglass._dynamodb.row import Row
from aiobreakglass._workers.expiry import _Pass
from tests.histories import mutants as of_histories

Store = type[AsyncDynamoDBStore]
Plant = Callable[..., None]
"""Replaces functions of a module or class, by their names."""


def extension_revives(plant: Plant) -> Store:
    """The lapse is judged when a change is decided, and not before each attempt."""
    plant(Change, time_left=lambda self, now: None)
    return AsyncDynamoDBStore


def extension_at_the_last_moment(plant: Plant) -> Store:
    """An extension is sent with no time to spare."""
    plant(rules, EXTENSION_MARGIN=timedelta(0))
    plant(change, EXTENSION_MARGIN=timedelta(0))
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


def unknown_hidden_by_a_corrupt_row(plant: Plant) -> Store:
    """After a lost attempt, a row that is not an event is told of as though nothing was lost."""
    original = Commits.commit

    async def mutated(self: Commits, *arguments: Any) -> Any:
        try:
            return await original(self, *arguments)
        except StoreUnavailableError as error:
            if isinstance(error.__cause__, CorruptItemError):
                raise error.__cause__ from None
            raise

    plant(Commits, commit=mutated)
    return AsyncDynamoDBStore


def unknown_forgotten_between_rounds(plant: Plant) -> Store:
    """A refusal counts as definite although an earlier attempt may have succeeded."""
    original = Commits._send

    async def mutated(self: Commits, *arguments: Any) -> Refusal | None:
        refusal = await original(self, *arguments)
        return None if refusal is None else replace(refusal, may_still_land=False)

    plant(Commits, _send=mutated)
    return AsyncDynamoDBStore


def server_error_taken_for_definite(plant: Plant) -> Store:
    """A server that fails is believed not to have written."""
    original = Transmission.answered

    def mutated(self: Transmission, status_code: int | None, error: Exception | None) -> None:
        landed = self.may_have_landed
        original(self, status_code, error)
        if status_code is not None:
            self.may_have_landed = landed

    plant(Transmission, answered=mutated)
    return AsyncDynamoDBStore


def dated_at_the_beginning(plant: Plant) -> Store:
    """A change is dated when its call began, however often it started over."""
    original = Commits._commit

    async def mutated(self: Commits, *arguments: Any) -> Any:
        first = self._clock()
        again = Commits(self._calls, self._table, self._contributors, lambda: first)
        return await original(again, *arguments)

    plant(Commits, _commit=mutated)
    return AsyncDynamoDBStore


def version_not_moved_on(plant: Plant) -> Store:
    """A change is dated by the clock alone, also when that is behind the version before."""
    original = rules._change

    def mutated(action: Action, stored: Any, changed: Any, now: datetime) -> Change:
        made = original(action, stored, changed, now)
        dated = max(now, stored.created_at)
        return replace(made, after=made.stored.model_copy(update={"updated_at": dated}))

    plant(rules, _change=mutated)
    return AsyncDynamoDBStore


def another_row_believed(plant: Plant) -> Store:
    """A row is taken for the one that was asked for, whatever its key."""
    plant(outcomes, check_rows=lambda answer, is_asked: None)
    return AsyncDynamoDBStore


def damaged_answer_believed(plant: Plant) -> Store:
    """What botocore cannot read counts as an empty answer, as it does for botocore."""
    plant(hooks._Hooks, on_parse=lambda self, event_name, **_: None)
    return AsyncDynamoDBStore


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


def conflict_taken_for_refusal(plant: Plant) -> Store:
    """Any reason that cancels a transaction counts as a refusal."""

    def mutated(reasons: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> Refusal | None:
        rows = {
            part.role: reason.get("Item")
            for part, reason in zip(parts, reasons, strict=False)
            if reason.get("Code") not in ("None", None)
        }
        return Refusal(rows) if rows else None

    plant(transaction, refusal=mutated)
    return AsyncDynamoDBStore


def guard_removed_by_time(plant: Plant) -> Store:
    """A lapsed holder makes way without being marked."""

    async def mutated(self: Commits, operation: Operation, row: Row) -> None:
        event = row.event
        guard = GuardPart(self._table)._release((event.invoker, event.profile), event.id)
        await self._calls.write(operation.aside(), [guard])

    plant(Commits, _mark_expired=mutated)
    return AsyncDynamoDBStore


def tombstone_not_left(plant: Plant) -> Store:
    """A delete removes the row."""
    original = EventPart._put_tombstone

    def mutated(self: EventPart, change: Change, row: Row) -> Part:
        part = original(self, change, row)
        parameters = dict(part.action["Put"])
        del parameters["Item"]
        return part._replace(action={"Delete": parameters | {"Key": part.key}})

    plant(EventPart, _put_tombstone=mutated)
    return AsyncDynamoDBStore


def tombstone_overwritten(plant: Plant) -> Store:
    """A create takes the place of a tombstone."""
    original = EventPart._put_new

    def mutated(self: EventPart, event: BreakGlassEvent, write_id: str) -> Part:
        part = original(self, event, write_id)
        parameters = part.action["Put"]
        condition = f"{parameters['ConditionExpression']} OR attribute_exists(deleted_at)"
        return part._replace(action={"Put": parameters | {"ConditionExpression": condition}})

    plant(EventPart, _put_new=mutated)
    return AsyncDynamoDBStore


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


def answer_without_a_write(plant: Plant) -> Store:
    """A create whose answers are lost is said to have happened."""

    class Mutant(AsyncDynamoDBStore):
        async def create(self, event: BreakGlassEvent) -> BreakGlassEvent:
            try:
                return await super().create(event)
            except StoreUnavailableError as error:
                if not error.outcome_unknown:
                    raise
                return event

    return Mutant


OURS: Final = (
    extension_revives,
    extension_at_the_last_moment,
    sweep_starved_by_one_row,
    sweep_ended_by_a_corrupt_row,
    unknown_hidden_by_a_corrupt_row,
    unknown_forgotten_between_rounds,
    server_error_taken_for_definite,
    dated_at_the_beginning,
    version_not_moved_on,
    another_row_believed,
    damaged_answer_believed,
    remembered_event_not_read,
    status_not_asked,
    reads_not_consistent,
    batch_not_finished,
    conflict_taken_for_refusal,
    guard_removed_by_time,
    tombstone_not_left,
    tombstone_overwritten,
    marked_before_its_time,
    evidence_not_compared,
    lapsed_holder_in_the_way,
    answer_without_a_write,
)


def _as_it_is(mutant: Callable[[], Store], _: Plant) -> Store:
    """Plant one of those that replace functions by themselves."""
    return mutant()


MUTANTS: Final[dict[str, Callable[[Plant], Store]]] = {
    **{name: partial(_as_it_is, mutant) for name, mutant in of_histories.MUTANTS.items()},
    **{mutant.__name__.replace("_", "-"): mutant for mutant in OURS},
}


@contextmanager
def planted(name: str) -> Iterator[Store]:
    """Make a store with this mistake, and mend it at the end."""
    with pytest.MonkeyPatch.context() as patch:

        def plant(module: ModuleType | type, **functions: Any) -> None:
            for function, replacement in functions.items():
                # What is not there to be replaced would make no mutant: this raises.
                patch.setattr(module, function, replacement)

        patch.setattr(of_histories, "_plant", plant)
        yield MUTANTS[name](plant)
