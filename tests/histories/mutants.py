"""Stores with one mistake each, for the checker and the auditor to find.

A mutant is made in a process of its own, by replacing one of the store's pure functions or one of
its methods; the source stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, BreakGlassStatus
from aiobreakglass._dynamodb import outcomes, requests, store
from aiobreakglass._dynamodb.calls import Operation
from aiobreakglass._dynamodb.codec import Item
from aiobreakglass._dynamodb.rows import Rows
from aiobreakglass._rules import check_creatable, decide_update

_CONDITION: Final = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)


def _unconditional(part: requests.Part) -> requests.Part:
    ((action, parameters),) = part.items()
    return {action: {key: parameters[key] for key in parameters if key not in _CONDITION}}


def _plant(module: ModuleType | type, **functions: Callable[..., Any]) -> None:
    for name, function in functions.items():
        # What is not there to be replaced would make no mutant.
        assert hasattr(module, name)
        setattr(module, name, function)


def no_guard_condition() -> type[AsyncDynamoDBStore]:
    """Create puts its guard over another's."""
    create = requests.create

    def mutated(*arguments: Any) -> list[requests.Part]:
        event, *guard = create(*arguments)
        return [event, *map(_unconditional, guard)]

    _plant(requests, create=mutated)
    return AsyncDynamoDBStore


def unconditional_guard_delete() -> type[AsyncDynamoDBStore]:
    """A guard is deleted whichever event it points to by now."""
    delete_guard = requests._delete_guard

    def mutated(*arguments: Any, **options: Any) -> requests.Part:
        return _unconditional(delete_guard(*arguments, **options))

    _plant(requests, _delete_guard=mutated)
    return AsyncDynamoDBStore


def guard_left_behind() -> type[AsyncDynamoDBStore]:
    """An event that ends leaves its guard."""

    async def mutated(
        self: Rows, operation: Operation, event_id: str, stored: Item, item: Item
    ) -> outcomes.Refusal | None:
        parts = [requests.replace(self._table, stored, item)]
        return await self._calls.write(operation, parts)

    _plant(Rows, replace=mutated)
    return AsyncDynamoDBStore


def stale_update_accepted() -> type[AsyncDynamoDBStore]:
    """Update does not compare the version that its caller has read."""

    def mutated(
        stored: BreakGlassEvent, proposed: BreakGlassEvent, *arguments: Any
    ) -> BreakGlassEvent:
        fresh = proposed.model_copy(update={"updated_at": stored.updated_at})
        return decide_update(stored, fresh, *arguments)

    _plant(store, decide_update=mutated)
    return AsyncDynamoDBStore


def version_left_out() -> type[AsyncDynamoDBStore]:
    """A change replaces any active version of its event, not only the one that was read."""
    return _pinning("id", "invoker", "profile", "status")


def status_left_out() -> type[AsyncDynamoDBStore]:
    """A change replaces its event whether or not that has ended meanwhile.

    The version goes with it: as long as that is compared, the status need not be.
    """
    return _pinning("id", "invoker", "profile")


def _pinning(*fields: str) -> type[AsyncDynamoDBStore]:
    def mutated(table: Any, stored: Item, item: Item) -> requests.Part:
        return requests._put(
            table,
            item,
            " AND ".join(f"#{name} = :{name}" for name in fields),
            names=fields,
            values={f":{name}": stored[name] for name in fields},
        )

    _plant(requests, replace=mutated)
    return AsyncDynamoDBStore


def terminal_reopened() -> type[AsyncDynamoDBStore]:
    """Update takes what has ended for active."""

    def mutated(
        stored: BreakGlassEvent, proposed: BreakGlassEvent, *arguments: Any
    ) -> BreakGlassEvent:
        revived = {
            "status": BreakGlassStatus.ACTIVE,
            "closed_by": None,
            "closed_reason": None,
        }
        return decide_update(stored.model_copy(update=revived), proposed, *arguments)

    _plant(store, decide_update=mutated)
    return AsyncDynamoDBStore


def unknown_reported_as_refusal() -> type[AsyncDynamoDBStore]:
    """A write that may have happened is said not to have."""
    translate = outcomes.translate

    def mutated(*arguments: Any, outcome_unknown: bool, **options: Any) -> Any:
        return translate(*arguments, outcome_unknown=False, **options)

    _plant(outcomes, translate=mutated)
    return AsyncDynamoDBStore


def check_then_put() -> type[AsyncDynamoDBStore]:
    """Create looks whether the pair is free, and then writes, as everything does, regardless."""
    transaction = requests.transaction

    def mutated(parts: list[requests.Part], token: str) -> requests.Request:
        return transaction(
            [_unconditional(part) for part in parts if "ConditionCheck" not in part], token
        )

    class Mutant(AsyncDynamoDBStore):
        async def create(self, event: BreakGlassEvent) -> BreakGlassEvent:
            now = self._now()
            check_creatable(event, now)
            pair = event.invoker, event.profile
            with self._calls.operation() as operation:
                if holder_id := await self._rows.read_guard(operation, *pair):
                    holder = await self._rows.read(operation, holder_id)
                    await self._make_way(operation, event, holder_id, holder, now)
            return await super().create(event)

    _plant(requests, transaction=mutated)
    return Mutant


def lapsed_access_granted() -> type[AsyncDynamoDBStore]:
    """Find does not look at the expiry."""

    class Mutant(AsyncDynamoDBStore):
        async def find_active_by_invoker_and_profile(
            self, invoker: str, profile: str
        ) -> BreakGlassEvent | None:
            self._now()
            with self._calls.operation() as operation:
                event_id = await self._rows.read_guard(operation, invoker, profile)
                if event_id is None:
                    return None
                item = await self._rows.read(operation, event_id)
            return outcomes.active_event(item, invoker, profile, self._layout)

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
    )
}
