"""Write the event's row: put a new one, update an unchanged one, or replace it by a tombstone."""

from __future__ import annotations

from typing import Final

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._contract.arguments import AWAITING_REVIEW
from aiobreakglass._domain.errors import EventExistsError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._dynamodb.codec import FINAL_OUTCOMES, encode_event, encode_tombstone
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.expressions import part, update_expression
from aiobreakglass._dynamodb.record import RECORD, encode_record
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row

EVENT: Final = "event"

_PINNED: Final = (*BreakGlassEvent.model_fields, "revision", "head", "digest")
"""The attributes that a change compares as stored, so that it applies only to the row as read."""


class EventPart(Contributor):
    """Contributes the row of the event."""

    role = EVENT

    def __init__(self, table: Table, retention: Retention) -> None:
        self._table = table
        self._layout = table.layout
        self._retention = retention

    def parts(self, attempt: Attempt) -> list[Part]:
        if attempt.row is None:
            return [self._put_new(attempt)]
        if attempt.change.after is None:
            return [self._put_tombstone(attempt, attempt.row)]
        return [self._update(attempt, attempt.row)]

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:
        if existing is not None and Row(existing, self._layout).is_written_by(attempt.write_id):
            return Verdict.OURS
        if attempt.change.is_new:
            raise EventExistsError(attempt.change.stored.id)
        return Verdict.AGAIN

    def _put_new(self, attempt: Attempt) -> Part:
        event = attempt.change.stored
        return part(
            self._table,
            EVENT,
            "Put",
            self._layout.event_key(event.id),
            "attribute_not_exists(#pk)",
            names=(self._layout.partition_key,),
            Item=self._encode(event, attempt.write_id) | self._record(attempt, None),
        )

    def _put_tombstone(self, attempt: Attempt, row: Row) -> Part:
        deleted_at, tip = attempt.change.at, attempt.record.tip
        tombstone = encode_tombstone(row.event_id, self._layout, deleted_at=deleted_at)
        tombstone |= encode_record(tip)
        if row.item.get("review_outcome") in FINAL_OUTCOMES:
            # Otherwise deleting a reviewed event would bring its debt back.
            tombstone["review_outcome"] = row.item["review_outcome"]
        ttl = self._retention.of_tombstone(deleted_at, tip.history_ttl)
        if ttl is not None:
            tombstone[self._layout.ttl_attribute] = {"N": str(ttl)}
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

    def _update(self, attempt: Attempt, row: Row) -> Part:
        """Set only the attributes that change, so that other writers' attributes stay."""
        condition, values = _unchanged_condition(row.item)
        changes = self._changed_attributes(attempt, row)
        expression, new_values = update_expression(self._layout, changes)
        return part(
            self._table,
            EVENT,
            "Update",
            row.key,
            condition,
            names=dict.fromkeys([*_PINNED, *changes]),
            values=values | new_values,
            UpdateExpression=expression,
        )

    def _changed_attributes(self, attempt: Attempt, row: Row) -> dict[str, AttributeValue | None]:
        """Return the attributes to set, with None for those to remove.

        All other attributes keep their spelling.
        """
        old = self._encode(row.event, attempt.write_id)
        new = self._encode(attempt.change.stored, attempt.write_id)
        if not row.item.get("ended_at", {}).get("S"):
            # It was derived from `updated_at`, which moves, so store it from now on.
            old.pop("ended_at", None)
        changes: dict[str, AttributeValue | None] = {
            name: new.get(name) for name in {**new, **old} if new.get(name) != old.get(name)
        }
        changes[self._layout.write_id_attribute] = {"S": attempt.write_id}
        is_first = attempt.record.entries[0].revision == 1
        ttl = self._retention.of_adopted(row.event, row.ttl) if is_first else row.ttl
        record = self._record(attempt, ttl)
        if AWAITING_REVIEW in new:
            record[AWAITING_REVIEW] = new[AWAITING_REVIEW]
        for name in (*RECORD, self._layout.ttl_attribute, AWAITING_REVIEW):
            # As the row has it, because an older release does not write all of these.
            if record.get(name) != row.item.get(name):
                changes[name] = record.get(name)
        return changes

    def _record(self, attempt: Attempt, stored_ttl: int | None) -> Item:
        """Return the attributes about the history, and the time to live that depends on it."""
        tip = attempt.record.tip
        record = encode_record(tip)
        ttl = self._retention.of_event(attempt.change, stored_ttl, tip.history_ttl)
        if ttl is not None:
            record[self._layout.ttl_attribute] = {"N": str(ttl)}
        return record

    def _encode(self, event: BreakGlassEvent, write_id: str) -> Item:
        return encode_event(event, self._layout, write_id=write_id)


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
