"""What a history records of a change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aiobreakglass import Action, AsyncDynamoDBStore, BreakGlassEvent, HistoryEntry
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import Item, Part, Refusal
from aiobreakglass._domain import verification
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import Recorded
from aiobreakglass._dynamodb import commit
from aiobreakglass._dynamodb.commit import Commits
from aiobreakglass._dynamodb.parts import event as event_part
from aiobreakglass._dynamodb.parts.contributor import Attempt, Verdict
from aiobreakglass._dynamodb.parts.history import AdoptionPart, HistoryPart
from tests.simulation.mutants.planting import Plant, Store


def entry_left_out(plant: Plant) -> Store:
    """An expiry is not recorded."""
    original = HistoryPart.parts

    def mutated(self: HistoryPart, attempt: Attempt) -> list[Part]:
        return [] if attempt.change.action is Action.EXPIRED else original(self, attempt)

    plant(HistoryPart, parts=mutated)
    return AsyncDynamoDBStore


def entry_in_a_second_request(plant: Plant) -> Store:
    """A change is written first, and its entry after it."""
    original = Commits._send

    async def mutated(
        self: Commits, operation: Operation, attempt: Attempt, without: str | None
    ) -> Refusal | None:
        recording = [each for each in self._contributors if isinstance(each, HistoryPart)]
        others = [each for each in self._contributors if each not in recording]
        first = Commits(self._calls, self._table, others, self._retention, self._clock)
        refusal = await original(first, operation, attempt, without)
        if refusal is None:
            parts = [part for each in recording for part in each.parts(attempt)]
            await self._calls.write(operation, parts)
        return refusal

    plant(Commits, _send=mutated)
    return AsyncDynamoDBStore


def head_not_pinned(plant: Plant) -> Store:
    """A change requires neither the head that its entry is linked to nor the version that it read.

    The version is left out too, because comparing the version alone would protect the head.
    """
    left_out = (
        "updated_at",
        "request_id",
        "expires_at",
        "extensions",
        "revision",
        "head",
        "digest",
    )
    fields = [name for name in BreakGlassEvent.model_fields if name not in left_out]
    plant(event_part, _PINNED=tuple(fields))
    return AsyncDynamoDBStore


def revision_used_twice(plant: Plant) -> Store:
    """An entry takes the place of another one with its revision."""
    original = HistoryPart._put

    def mutated(self: HistoryPart, entry: HistoryEntry, attempt: Attempt) -> Part:
        part = original(self, entry, attempt)
        parameters = part.action["Put"]
        condition = f"{parameters['ConditionExpression']} OR attribute_exists(#pk)"
        return part._replace(action={"Put": parameters | {"ConditionExpression": condition}})

    plant(HistoryPart, _put=mutated)
    return AsyncDynamoDBStore


def change_of_others_hidden(plant: Plant) -> Store:
    """The entry of a change hides what others had done to the row."""
    original: Callable[..., Recorded] = vars(commit)["recorded"]

    def mutated(event_id: str, change: Change, *arguments: Any) -> Recorded:
        return original(event_id, replace(change, before=None), *arguments)

    plant(commit, recorded=mutated)
    return AsyncDynamoDBStore


def adopted_row_without_its_first_entry(plant: Plant) -> Store:
    """The first entry of an adopted row is counted, and not written."""
    plant(AdoptionPart, _entries=lambda self, attempt: [])
    return AsyncDynamoDBStore


def own_attempt_asked_of_the_event(plant: Plant) -> Store:
    """Only the row of the event says whether a lost attempt was carried out."""

    def mutated(self: HistoryPart, attempt: Attempt, existing: Item | None) -> Verdict:
        return Verdict.BEHIND

    plant(HistoryPart, refused=mutated)
    return AsyncDynamoDBStore


def links_not_verified(plant: Plant) -> Store:
    """Verification does not see that an entry is missing, or linked to another one."""
    plant(verification, chain_findings=lambda *_, **__: [])
    return AsyncDynamoDBStore


def stored_event_not_verified(plant: Plant) -> Store:
    """Verification does not compare the stored event with its newest entry."""
    plant(verification, _event_findings=lambda *_: [])
    return AsyncDynamoDBStore


MUTANTS: Final = (
    entry_left_out,
    entry_in_a_second_request,
    head_not_pinned,
    revision_used_twice,
    change_of_others_hidden,
    adopted_row_without_its_first_entry,
    own_attempt_asked_of_the_event,
    links_not_verified,
    stored_event_not_verified,
)
