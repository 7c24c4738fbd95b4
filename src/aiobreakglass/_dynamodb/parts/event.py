"""Write the event's row: put a new one, update an unchanged one, or replace it by a tombstone."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.errors import EventExistsError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._dynamodb.codec import encode_event, encode_tombstone
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.expressions import part
from aiobreakglass._dynamodb.row import Row

EVENT: Final = "event"

_PINNED: Final = tuple(BreakGlassEvent.model_fields)
"""The attributes that a change compares as stored, so that it applies only to the row as read."""


class EventPart(Contributor):
    """Contributes the row of the event."""

    role = EVENT

    def __init__(self, table: Table, retention: timedelta | None) -> None:
        self._table = table
        self._layout = table.layout
        self._retention = retention

    def parts(self, attempt: Attempt) -> list[Part]:
        change, row, write_id = attempt.change, attempt.row, attempt.write_id
        if row is None:
            return [self._put_new(change.stored, write_id)]
        if change.after is None:
            return [self._put_tombstone(change, row)]
        return [self._update(change, row, write_id)]

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:
        if existing is not None and Row(existing, self._layout).is_written_by(attempt.write_id):
            return Verdict.OURS
        if attempt.change.is_new:
            raise EventExistsError(attempt.change.stored.id)
        return Verdict.AGAIN

    def _put_new(self, event: BreakGlassEvent, write_id: str) -> Part:
        item = self._encode(event, write_id)
        return part(
            self._table,
            EVENT,
            "Put",
            self._layout.event_key(event.id),
            "attribute_not_exists(#pk)",
            names=("pk",),
            Item=item,
        )

    def _put_tombstone(self, change: Change, row: Row) -> Part:
        tombstone = encode_tombstone(
            row.event_id, self._layout, deleted_at=change.at, retention=self._retention
        )
        condition, values = _unchanged_condition(row.item)
        return part(
            self._table,
            EVENT,
            "Put",
            row.key,
            condition,
            names=_PINNED,
            values=values,
            Item=tombstone,
        )

    def _update(self, change: Change, row: Row, write_id: str) -> Part:
        """Set only the attributes that change, so that other writers' attributes stay."""
        condition, values = _unchanged_condition(row.item)
        changes = self._changed_attributes(row.event, change.stored, write_id)
        sets = [name for name, value in changes.items() if value is not None]
        removals = [name for name, value in changes.items() if value is None]
        expression = "SET " + ", ".join(f"#{name} = :new_{name}" for name in sets)
        if removals:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removals)
        return part(
            self._table,
            EVENT,
            "Update",
            row.key,
            condition,
            names=dict.fromkeys([*_PINNED, *changes]),
            values=values | {f":new_{name}": value for name, value in changes.items() if value},
            UpdateExpression=expression,
        )

    def _changed_attributes(
        self, before: BreakGlassEvent, after: BreakGlassEvent, write_id: str
    ) -> dict[str, AttributeValue | None]:
        """Return the attributes to set, with None for those to remove.

        All other attributes keep their spelling.
        """
        old, new = self._encode(before, write_id), self._encode(after, write_id)
        changes: dict[str, AttributeValue | None] = {
            name: new.get(name) for name in {**new, **old} if new.get(name) != old.get(name)
        }
        changes[self._layout.write_id_attribute] = {"S": write_id}
        if "expires_at" in changes:
            # A store with another retention may have written the row, so the stored time to live
            # may differ from ours.
            changes[self._layout.ttl_attribute] = new.get(self._layout.ttl_attribute)
        return changes

    def _encode(self, event: BreakGlassEvent, write_id: str) -> Item:
        return encode_event(event, self._layout, write_id=write_id, retention=self._retention)


def _unchanged_condition(item: Item) -> tuple[str, Item]:
    """Return the condition that a row is unchanged since it was read, and its values."""
    conditions: list[str] = []
    values: Item = {}
    for name in _PINNED:
        if name in item:
            conditions.append(f"#{name} = :{name}")
            values[f":{name}"] = item[name]
        else:
            conditions.append(f"attribute_not_exists(#{name})")
    return " AND ".join(conditions), values
