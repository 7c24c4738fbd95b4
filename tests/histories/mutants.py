"""Stores with one mistake each, for the checker and the auditor to find.

A mutant is made in its own process, which replaces one of the store's pure functions or methods.
The source stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ClassVar, Final

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, BreakGlassStatus
from aiobreakglass._aws import calls, outcomes
from aiobreakglass._aws.transaction import Part
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import recorded
from aiobreakglass._domain.rules import check_creatable, decide_create, decide_update
from aiobreakglass._dynamodb import commit, store
from aiobreakglass._dynamodb.parts import event as event_part
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.guard import GuardPart

_CONDITION: Final = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)


def _unconditional(part: Part) -> Part:
    ((action, parameters),) = part.action.items()
    kept = {key: parameters[key] for key in parameters if key not in _CONDITION}
    return part._replace(action={action: kept})


def _plant(module: ModuleType | type, **functions: Any) -> None:
    for name, function in functions.items():
        # Replacing a missing function would make no mutant.
        assert hasattr(module, name)
        setattr(module, name, function)


def no_guard_condition() -> type[AsyncDynamoDBStore]:
    """Create replaces the guard of another event."""
    put = GuardPart._put

    def mutated(self: GuardPart, event: BreakGlassEvent) -> Part:
        return _unconditional(put(self, event))

    _plant(GuardPart, _put=mutated)
    return AsyncDynamoDBStore


def unconditional_guard_delete() -> type[AsyncDynamoDBStore]:
    """A guard is deleted whichever event it points to."""
    delete, stale_guard_parts = GuardPart._delete, vars(commit)["stale_guard_parts"]

    def mutated(self: GuardPart, *arguments: Any) -> Part:
        return _unconditional(delete(self, *arguments))

    def mutated_parts(*arguments: Any) -> list[Part]:
        check, guard = stale_guard_parts(*arguments)
        return [check, _unconditional(guard)]

    _plant(GuardPart, _delete=mutated)
    _plant(commit, stale_guard_parts=mutated_parts)
    return AsyncDynamoDBStore


def guard_left_behind() -> type[AsyncDynamoDBStore]:
    """An event that ends leaves its guard behind."""
    parts = GuardPart.parts

    def mutated(self: GuardPart, attempt: Attempt) -> list[Part]:
        return parts(self, attempt) if attempt.row is None else []

    _plant(GuardPart, parts=mutated)
    return AsyncDynamoDBStore


def stale_update_accepted() -> type[AsyncDynamoDBStore]:
    """Update does not compare the version that its caller has read."""

    def mutated(
        stored: BreakGlassEvent, proposed: BreakGlassEvent, *arguments: Any, **options: Any
    ) -> Change:
        kept = {"updated_at": stored.updated_at, "extensions": stored.extensions}
        fresh = proposed.model_copy(update=kept)
        return decide_update(stored, fresh, *arguments, **options)

    _plant(store, decide_update=mutated)
    return AsyncDynamoDBStore


def version_left_out() -> type[AsyncDynamoDBStore]:
    """A change replaces any active version of its event, not only the one that was read."""
    return _pinning("id", "invoker", "profile", "status")


def status_left_out() -> type[AsyncDynamoDBStore]:
    """A change replaces its event even if the event has ended in the meantime.

    The version is left out too, because comparing the version alone would protect the status.
    """
    return _pinning("id", "invoker", "profile")


def _pinning(*fields: str) -> type[AsyncDynamoDBStore]:
    _plant(event_part, _PINNED=fields)
    return AsyncDynamoDBStore


def terminal_reopened() -> type[AsyncDynamoDBStore]:
    """Update treats an ended event as active."""

    def mutated(
        stored: BreakGlassEvent, proposed: BreakGlassEvent, *arguments: Any, **options: Any
    ) -> Change:
        revived = {
            "status": BreakGlassStatus.ACTIVE,
            "closed_by": None,
            "closed_reason": None,
            "ended_at": None,
            # No event is active and reviewed; the callers could not even read one.
            "reviewed_by": None,
            "reviewed_at": None,
            "review_outcome": None,
            "review_comment": None,
        }
        return decide_update(stored.model_copy(update=revived), proposed, *arguments, **options)

    _plant(store, decide_update=mutated)
    return AsyncDynamoDBStore


def unknown_reported_as_refusal() -> type[AsyncDynamoDBStore]:
    """A write that may have happened is reported as one that has not."""
    translate = outcomes.translate

    def mutated(*arguments: Any, outcome_unknown: bool, **options: Any) -> Any:
        return translate(*arguments, outcome_unknown=False, **options)

    _plant(outcomes, translate=mutated)
    return AsyncDynamoDBStore


def check_then_put() -> type[AsyncDynamoDBStore]:
    """Create checks whether the pair is free, and then puts its rows without a condition."""
    transaction: Callable[..., dict[str, Any]] = vars(calls)["transaction"]

    def mutated(parts: Sequence[Part], token: str) -> dict[str, Any]:
        return transaction(
            [_unconditional(part) if "Put" in part.action else part for part in parts], token
        )

    class Mutant(AsyncDynamoDBStore):
        async def create(self, event: BreakGlassEvent, **options: Any) -> BreakGlassEvent:
            now = self._now()
            check_creatable(event, now)
            with self._calls.operation() as operation:
                holder = await self._reads.guarded_event_id(
                    operation, event.invoker, event.profile
                )
                if holder is not None:
                    change = decide_create(event, now)
                    record = recorded(event.id, change, None, self._commits._retention.of_history)
                    attempt = Attempt(change, None, record, "")
                    guard = {"event_id": {"S": holder}}
                    await self._commits._clear_guard(operation, attempt, guard)
            return await super().create(event, **options)

    _plant(calls, transaction=mutated)
    return Mutant


def lapsed_access_granted() -> type[AsyncDynamoDBStore]:
    """Find ignores the expiry."""

    class Mutant(AsyncDynamoDBStore):
        async def find_active_by_invoker_and_profile(
            self, invoker: str, profile: str
        ) -> BreakGlassEvent | None:
            self._now()
            with self._calls.operation() as operation:
                event_id = await self._reads.guarded_event_id(operation, invoker, profile)
                if event_id is None:
                    return None
                row = await self._reads.event_row(operation, event_id)
            return None if row is None else row.active_event(invoker, profile)

    return Mutant


def memory_trusted() -> type[AsyncDynamoDBStore]:
    """Find trusts what it remembers of a pair, and does not read the row again."""

    class Mutant(AsyncDynamoDBStore):
        _remembered: ClassVar[dict[tuple[str, str], BreakGlassEvent]] = {}

        async def find_active_by_invoker_and_profile(
            self, invoker: str, profile: str
        ) -> BreakGlassEvent | None:
            event = self._remembered.get((invoker, profile))
            if event is not None and event.is_active(self._now()):
                return event
            event = await super().find_active_by_invoker_and_profile(invoker, profile)
            if event is not None:
                self._remembered[invoker, profile] = event
            return event

    return Mutant


MUTANTS: Final[dict[str, Callable[[], type[AsyncDynamoDBStore]]]] = {
    mutant.__name__.replace("_", "-"): mutant
    for mutant in (
        no_guard_condition,
        unconditional_guard_delete,
        guard_left_behind,
        stale_update_accepted,
        version_left_out,
        status_left_out,
        terminal_reopened,
        unknown_reported_as_refusal,
        check_then_put,
        lapsed_access_granted,
        memory_trusted,
    )
}
