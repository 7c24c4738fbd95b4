"""Limits, extensions, reviews and holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from aiobreakglass import Action, AsyncDynamoDBStore, BreakGlassEvent, ReviewOutcome
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import AttributeValue, Item, Part, Refusal
from aiobreakglass._contract.arguments import AWAITING_REVIEW
from aiobreakglass._domain import oversight, rules, slots
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.slots import Pool, Slot, SlotKind, Taken
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb import commit, limiting
from aiobreakglass._dynamodb.commit import Commits
from aiobreakglass._dynamodb.holds import Holds
from aiobreakglass._dynamodb.parts import slot
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.expressions import part
from aiobreakglass._dynamodb.parts.slot import SlotPart
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row
from tests.simulation.mutants.planting import Plant, Store


def slot_taken_without_its_condition(plant: Plant) -> Store:
    """A slot that was free when it was read is taken, whoever has taken it since."""

    def mutated(
        taken: Taken, attempt: Attempt
    ) -> tuple[str, tuple[str, ...], dict[str, AttributeValue]]:
        return "attribute_not_exists(#pk) OR attribute_exists(#pk)", (), {}

    plant(slot, _is_free=mutated)
    return AsyncDynamoDBStore


def quota_off_by_one(plant: Plant) -> Store:
    """A quota has one slot more than it has uses."""
    original = slots.slots_of

    def mutated(pool: Pool, event: BreakGlassEvent) -> list[Slot]:
        return original(pool._replace(size=pool.size + 1), event)

    plant(slots, slots_of=mutated)
    plant(limiting, slots_of=mutated)
    return AsyncDynamoDBStore


def window_by_created_at(plant: Plant) -> Store:
    """A use begins when its event says that it was created, and not when it was opened."""
    original = SlotPart._encode

    def mutated(self: SlotPart, taken: Taken, attempt: Attempt) -> Item:
        created_at = encode_time(attempt.change.stored.created_at)
        return original(self, taken, attempt) | {"used_at": {"S": created_at}}

    plant(SlotPart, _encode=mutated)
    return AsyncDynamoDBStore


def use_not_counted(plant: Plant) -> Store:
    """An opening takes no slot."""
    plant(SlotPart, parts=lambda self, attempt: [])
    return AsyncDynamoDBStore


def slot_taken_beforehand(plant: Plant) -> Store:
    """An opening takes its slots in a request of its own, and once more if it starts over."""
    original = Commits._send

    async def mutated(
        self: Commits, operation: Operation, attempt: Attempt, without: str | None
    ) -> Refusal | None:
        if attempt.slots:
            slots = [SlotPart(self._table, kind) for kind in SlotKind]
            parts = [each for slot in slots for each in slot.parts(attempt)]
            refusal = await self._calls.write(operation, parts)
            if refusal is not None:
                return refusal
        return await original(self, operation, attempt._replace(slots=()), without)

    plant(Commits, _send=mutated)
    return AsyncDynamoDBStore


def debt_never_freed(plant: Plant) -> Store:
    """An event that was finally reviewed still waits for its review."""
    plant(limiting, FINAL_OUTCOMES=[])
    return AsyncDynamoDBStore


def debt_freed_by_deletion(plant: Plant) -> Store:
    """Who deletes an event need not have it reviewed."""
    original = limiting._is_settled

    def mutated(row: Item | None, now: int) -> bool:
        return original(row, now) or (row is not None and "deleted_at" in row)

    plant(limiting, _is_settled=mutated)
    return AsyncDynamoDBStore


def final_review_replaced(plant: Plant) -> Store:
    """No review is final."""
    plant(ReviewOutcome, is_final=property(lambda _: False))
    return AsyncDynamoDBStore


def own_use_reviewed(plant: Plant) -> Store:
    """Invokers review their own use."""
    plant(oversight, is_same_person=lambda *_: False)
    return AsyncDynamoDBStore


def review_lost_by_the_ending(plant: Plant) -> Store:
    """An event that ends does not wait for a review any more."""
    original = EventPart._changed_attributes

    def mutated(self: EventPart, attempt: Attempt, row: Row) -> dict[str, AttributeValue | None]:
        changes = original(self, attempt, row)
        if attempt.change.action in (Action.CLOSED, Action.EXPIRED):
            changes[AWAITING_REVIEW] = None
        return changes

    plant(EventPart, _changed_attributes=mutated)
    return AsyncDynamoDBStore


def held_event_deleted(plant: Plant) -> Store:
    """A legal hold keeps nobody from deleting the event."""

    def mutated(stored: BreakGlassEvent | None, now: datetime, *by_and_note: Any) -> Change:
        return Change(Action.DELETED, stored, None, now, *by_and_note)

    plant(commit, decide_delete=mutated)
    return AsyncDynamoDBStore


def hold_that_leaves_a_ttl(plant: Plant) -> Store:
    """The row of a held event keeps its time to live."""
    original = Retention.of_event

    def mutated(
        self: Retention, change: Change, stored: int | None, history: int | None
    ) -> int | None:
        held = change.stored
        if held.held_by is None:
            return original(self, change, stored, history)
        return stored

    plant(Retention, of_event=mutated)
    return AsyncDynamoDBStore


def hold_of_the_event_alone(plant: Plant) -> Store:
    """The history of a held event keeps its time to live."""

    async def mutated(self: Holds, event_id: str) -> None:
        return None

    plant(Holds, _follow=mutated)
    return AsyncDynamoDBStore


def second_step_on_a_released_event(plant: Plant) -> Store:
    """The rows of a history follow a hold that may have been released since."""

    def mutated(self: Holds, row: Row) -> Part:
        condition = "attribute_exists(#pk) OR attribute_not_exists(#pk)"
        return part(
            self._table,
            "event",
            "ConditionCheck",
            row.key,
            condition,
            names=(self._table.layout.partition_key,),
        )

    plant(Holds, _check=mutated)
    return AsyncDynamoDBStore


def extension_past_the_cap(plant: Plant) -> Store:
    """An event is extended as often, and as far, as anybody likes."""
    plant(oversight, check_extension=lambda *_: None)
    return AsyncDynamoDBStore


def update_around_the_cap(plant: Plant) -> Store:
    """An update extends an event past the limits of `extend`."""
    plant(rules, check_extension=lambda *_: None)
    return AsyncDynamoDBStore


MUTANTS: Final = (
    slot_taken_without_its_condition,
    quota_off_by_one,
    window_by_created_at,
    use_not_counted,
    slot_taken_beforehand,
    debt_never_freed,
    debt_freed_by_deletion,
    final_review_replaced,
    own_use_reviewed,
    review_lost_by_the_ending,
    held_event_deleted,
    hold_that_leaves_a_ttl,
    hold_of_the_event_alone,
    second_step_on_a_released_event,
    extension_past_the_cap,
    update_around_the_cap,
)
