"""Take the slots of an opening: one row for each limit, so that no race exceeds it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from aiobreakglass._aws.transaction import AttributeValue, Item, Part
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.fields import valid_event_id
from aiobreakglass._domain.history import rounded_up, seconds_since_1970
from aiobreakglass._domain.slots import SlotKind, Taken, Use, free_before
from aiobreakglass._domain.timestamps import decode_time, encode_time
from aiobreakglass._dynamodb.codec import row_key
from aiobreakglass._dynamodb.layout import Table, TableLayout
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.expressions import part
from aiobreakglass._dynamodb.record import number_of

_TTL_MARGIN: Final = timedelta(days=1)
"""How much longer a slot is kept than it is taken, because hosts' clocks differ from TTL's."""


class SlotPart(Contributor):
    """Contributes the slot that an opening takes of one kind."""

    def __init__(self, table: Table, kind: SlotKind) -> None:
        self._table = table
        self._kind = kind

    @property
    def role(self) -> str:
        return f"slot {self._kind}"

    def parts(self, attempt: Attempt) -> list[Part]:
        return [
            self._put(taken, attempt) for taken in attempt.slots if taken.slot.kind is self._kind
        ]

    def refused(self, attempt: Attempt, existing: Item | None) -> Verdict:  # noqa: ARG002 - the slots are read again
        return Verdict.TAKEN

    def _put(self, taken: Taken, attempt: Attempt) -> Part:
        condition, names, values = _is_free(taken, attempt)
        ttl = _ttl(taken, attempt)
        if ttl is not None:
            # A store whose limit looks further back may have taken the slot after it was read.
            name = self._table.layout.ttl_attribute
            condition = f"({condition}) AND NOT #ttl > :ttl"
            names, values = (*names, name), {**values, ":ttl": ttl}
        return part(
            self._table,
            self.role,
            "Put",
            self._table.layout.slot_key(taken.slot),
            condition,
            names=(self._table.layout.partition_key, *names),
            values=values,
            Item=self._encode(taken, attempt),
        )

    def _encode(self, taken: Taken, attempt: Attempt) -> Item:
        layout, now = self._table.layout, attempt.change.at
        item: Item = {
            layout.partition_key: {"S": layout.slot_key(taken.slot)},
            "used_at": {"S": encode_time(now)},
            "event_id": {"S": attempt.change.stored.id},
            layout.write_id_attribute: {"S": attempt.write_id},
        }
        ttl = _ttl(taken, attempt)
        if ttl is not None:
            item[layout.ttl_attribute] = ttl
        return item


def read_use(row: Item, layout: TableLayout) -> Use:
    """Return what a slot says about its last use; raise `CorruptItemError` if it is no slot.

    DynamoDB compares `used_at` as text, so a time in another spelling is corrupt as well.
    """
    used_at, event_id = (row.get(name, {}).get("S") for name in ("used_at", "event_id"))
    ttl = number_of(row, layout.ttl_attribute) if layout.ttl_attribute in row else 0
    with suppress(ValueError):
        if isinstance(used_at, str) and isinstance(event_id, str) and ttl is not None:
            use = Use(decode_time(used_at), valid_event_id(event_id), ttl)
            if encode_time(use.used_at) == used_at:
                return use
    raise CorruptItemError(
        row_key(row, layout), f"used_at, event_id or {layout.ttl_attribute} is not that of a slot"
    )


def _ttl(taken: Taken, attempt: Attempt) -> AttributeValue | None:
    """Return the time to live of a slot; None if time alone does not free it.

    Limits that a function returns share slots. So it is never earlier than that of the use which
    this one replaces: the interval of its limit may be longer.
    """
    within = taken.pool.within
    if within is None:
        return None
    kept = seconds_since_1970(attempt.change.at) + rounded_up(within) + rounded_up(_TTL_MARGIN)
    return {"N": str(kept if taken.seen is None else max(kept, taken.seen.ttl))}


def _is_free(
    taken: Taken, attempt: Attempt
) -> tuple[str, tuple[str, ...], dict[str, AttributeValue]]:
    """Return the condition that a slot is still free, the names in it, and the values."""
    latest = free_before(taken.pool, attempt.change.at)
    if latest is not None:
        values: dict[str, AttributeValue] = {":latest": {"S": encode_time(latest)}}
        return "attribute_not_exists(#pk) OR #used_at <= :latest", ("used_at",), values
    if taken.seen is None:
        return "attribute_not_exists(#pk)", (), {}
    values = {":seen": {"S": taken.seen.event_id}}
    return "attribute_not_exists(#pk) OR #event_id = :seen", ("event_id",), values
