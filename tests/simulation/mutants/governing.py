"""Limits, extensions, reviews and holds."""

from __future__ import annotations

from typing import Final

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent
from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._domain import oversight, rules, slots
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.slots import Pool, Slot, Taken
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb import limiting
from aiobreakglass._dynamodb.holds import Holds
from aiobreakglass._dynamodb.parts import slot
from aiobreakglass._dynamodb.parts.contributor import Attempt
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
    debt_never_freed,
    debt_freed_by_deletion,
    hold_that_leaves_a_ttl,
    hold_of_the_event_alone,
    second_step_on_a_released_event,
    extension_past_the_cap,
    update_around_the_cap,
)
