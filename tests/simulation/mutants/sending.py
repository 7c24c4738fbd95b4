"""What is sent, and what is made of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    StoreUnavailableError,
)
from aiobreakglass._aws import hooks, outcomes, transaction
from aiobreakglass._aws.outcomes import Transmission
from aiobreakglass._aws.transaction import Part, Refusal
from aiobreakglass._domain import change, rules
from aiobreakglass._domain.change import Change
from aiobreakglass._dynamodb.commit import Commits
from tests.simulation.mutants.planting import Plant, Store


def extension_revives(plant: Plant) -> Store:
    """The lapse is judged when a change is decided, and not before each attempt."""
    plant(Change, time_left=lambda self, now: None)
    return AsyncDynamoDBStore


def extension_at_the_last_moment(plant: Plant) -> Store:
    """An extension is sent with no time to spare."""
    plant(rules, EXTENSION_MARGIN=timedelta(0))
    plant(change, EXTENSION_MARGIN=timedelta(0))
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


def another_row_believed(plant: Plant) -> Store:
    """A row is taken for the one that was asked for, whatever its key."""
    plant(outcomes, check_rows=lambda answer, is_asked: None)
    return AsyncDynamoDBStore


def damaged_answer_believed(plant: Plant) -> Store:
    """What botocore cannot read counts as an empty answer, as it does for botocore."""
    plant(hooks._Hooks, on_parse=lambda self, event_name, **_: None)
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


def answer_without_a_write(plant: Plant) -> Store:
    """A create whose answers are lost is said to have happened."""

    class Mutant(AsyncDynamoDBStore):
        async def create(self, event: BreakGlassEvent, **options: Any) -> BreakGlassEvent:
            try:
                return await super().create(event, **options)
            except StoreUnavailableError as error:
                if not error.outcome_unknown:
                    raise
                return event

    return Mutant


MUTANTS: Final = (
    extension_revives,
    extension_at_the_last_moment,
    unknown_hidden_by_a_corrupt_row,
    unknown_forgotten_between_rounds,
    server_error_taken_for_definite,
    another_row_believed,
    damaged_answer_believed,
    conflict_taken_for_refusal,
    answer_without_a_write,
)
