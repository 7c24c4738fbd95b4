"""Write the guards, which make stacking impossible: one row per pair, with its active event."""

from __future__ import annotations

from typing import Final

from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus
from aiobreakglass._dynamodb.codec import encode_guard, guarded_pair
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.expressions import part

GUARD: Final = "guard"

_UNGUARDED_EVENT: Final = "event"


class GuardPart(Contributor):
    """Contributes the guard of an event that becomes active or stops being active."""

    role = GUARD

    def __init__(self, table: Table) -> None:
        self._table = table

    def parts(self, attempt: Attempt) -> list[Part]:
        change, row = attempt.change, attempt.row
        still_active = change.after is not None and not change.after.status.is_terminal
        if row is None:
            return [self._put(change.stored)] if still_active else []
        # From the row itself, because a status set by hand counts even in a malformed row.
        pair = guarded_pair(row.item)
        if pair is None or still_active:
            return []
        return [self._delete(pair, row.event_id)]

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:  # noqa: ARG002 - the holder's row decides
        # If the guard belongs to another event by now, it stays, and our event ends without it.
        return Verdict.BLOCKED if attempt.change.is_new else Verdict.WITHOUT

    def _put(self, event: BreakGlassEvent) -> Part:
        return part(
            self._table,
            GUARD,
            "Put",
            self._table.layout.guard_key(event.invoker, event.profile),
            "attribute_not_exists(#pk)",
            names=(self._table.layout.partition_key,),
            Item=encode_guard(event, self._table.layout),
        )

    def _delete(self, pair: tuple[str, str], event_id: str) -> Part:
        """Delete a pair's guard, unless it points to another event."""
        return part(
            self._table,
            GUARD,
            "Delete",
            self._table.layout.guard_key(*pair),
            "attribute_not_exists(#pk) OR #event_id = :event_id",
            names=(self._table.layout.partition_key, "event_id"),
            values={":event_id": {"S": event_id}},
        )


def stale_guard_parts(table: Table, invoker: str, profile: str, event_id: str) -> list[Part]:
    """Return the parts that delete a stale guard if it has not changed.

    A guard is stale if its event is missing, not active, or another pair's.
    """
    layout = table.layout
    return [
        part(
            table,
            _UNGUARDED_EVENT,
            "ConditionCheck",
            layout.event_key(event_id),
            # A comparison with a missing attribute is false, so this is true for a missing row.
            "NOT (#status = :active AND #invoker = :invoker AND #profile = :profile)",
            names=("status", "invoker", "profile"),
            values={
                ":active": {"S": BreakGlassStatus.ACTIVE.value},
                ":invoker": {"S": invoker},
                ":profile": {"S": profile},
            },
        ),
        part(
            table,
            GUARD,
            "Delete",
            layout.guard_key(invoker, profile),
            "#event_id = :event_id",
            names=("event_id",),
            values={":event_id": {"S": event_id}},
        ),
    ]
