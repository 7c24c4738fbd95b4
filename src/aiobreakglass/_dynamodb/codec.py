"""Encode events as rows, and decode rows as events.

A row has the form of DynamoDB's low-level API: `{"status": {"S": "active"}, ...}`
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from aiobreakglass._aws.transaction import AttributeValue, Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.event import ACTIVE, BreakGlassEvent, read_event
from aiobreakglass._domain.fields import MAX_DURATION, valid_name
from aiobreakglass._domain.timestamps import decode_time, encode_time
from aiobreakglass._dynamodb.canonical import read_canonical
from aiobreakglass._dynamodb.layout import TableLayout

_Value = TypeVar("_Value")

_MICROSECOND: Final = timedelta(microseconds=1)
_ACTIVE: Final = {"S": ACTIVE.value}
_COUNT: Final = re.compile("0|[1-9][0-9]{0,5}")

_TEXTS: Final = ("id", "invoker", "profile", "reason_code", "justification", "status")
_TIMES: Final = ("created_at", "updated_at", "expires_at")
_OPTIONAL_TIMES: Final = ("ended_at", "reviewed_at", "held_at")
_OPTIONAL_TEXTS: Final = (
    "closed_by",
    "closed_reason",
    "request_id",
    "mfa_method",
    "mfa_challenge_id",
    "reviewed_by",
    "review_outcome",
    "review_comment",
    "held_by",
    "held_reason",
)


def encode_event(event: BreakGlassEvent, layout: TableLayout, *, write_id: str) -> Item:
    """Return the attributes of an event's row for one logical write, except its record's."""
    values = vars(event)
    item: Item = {layout.partition_key: {"S": layout.event_key(event.id)}}
    for field in _TEXTS:
        item[field] = {"S": str(values[field])}
    for field in _TIMES:
        item[field] = {"S": encode_time(values[field])}
    for field in _OPTIONAL_TEXTS:
        if values[field] is not None:
            item[field] = {"S": str(values[field])}
    for field in _OPTIONAL_TIMES:
        if values[field] is not None:
            item[field] = {"S": encode_time(values[field])}
    if event.extensions:
        item["extensions"] = {"N": str(event.extensions)}
    if event.labels:
        item["labels"] = {"M": {key: {"S": value} for key, value in event.labels.items()}}
    item["duration"] = {"N": str(event.duration // _MICROSECOND * 1000)}
    item["mfa_verified"] = {"BOOL": event.mfa_verified}
    item[layout.write_id_attribute] = {"S": write_id}
    return item


def encode_tombstone(event_id: str, layout: TableLayout, *, deleted_at: datetime) -> Item:
    """Return the row that replaces a deleted event's row, except what its record adds."""
    return {
        layout.partition_key: {"S": layout.event_key(event_id)},
        "deleted_at": {"S": encode_time(deleted_at)},
    }


def encode_guard(event: BreakGlassEvent, layout: TableLayout) -> Item:
    """Return the row that makes stacking impossible: a pair's key and the id of its event."""
    return {
        layout.partition_key: {"S": layout.guard_key(event.invoker, event.profile)},
        "event_id": {"S": event.id},
    }


def is_tombstone(item: Mapping[str, AttributeValue]) -> bool:
    """Return whether a row is the tombstone of a deleted event."""
    return "deleted_at" in item and "status" not in item


def guarded_pair(item: Mapping[str, AttributeValue]) -> tuple[str, str] | None:
    """Return the (invoker, profile) of a row whose status is active; otherwise None.

    The rest of the row may be malformed, because a status that was set by hand counts anyway.
    """
    if item.get("status") != _ACTIVE:
        return None
    invoker = item.get("invoker", {}).get("S")
    profile = item.get("profile", {}).get("S")
    if not isinstance(invoker, str) or not isinstance(profile, str):
        return None
    try:
        return valid_name(invoker), valid_name(profile)
    except ValueError:
        # A guard exists only for names that follow the rules for writing.
        return None


def row_key(item: Mapping[str, AttributeValue], layout: TableLayout) -> str:
    """Return a row's partition key for a message."""
    key = item.get(layout.partition_key)
    return str(key["S"]) if isinstance(key, dict) and "S" in key else "<no partition key>"


def decode_event(item: Mapping[str, AttributeValue], layout: TableLayout) -> BreakGlassEvent:
    """Return the event of a row, or raise `CorruptItemError`; the row may be another writer's."""
    (event,) = decode_events([item], layout)
    return event


def decode_events(
    items: Sequence[Mapping[str, AttributeValue]], layout: TableLayout
) -> list[BreakGlassEvent]:
    """Return the events of rows in their order, or raise for the first corrupt row."""
    events = read_canonical(items, layout)
    return [read_any(item, layout) for item in items] if events is None else events


def read_any(item: Mapping[str, AttributeValue], layout: TableLayout) -> BreakGlassEvent:
    """Decode a row field by field: accept other spellings, and name the bad field."""
    key = row_key(item, layout)
    reader = _Reader(item, key)
    fields: dict[str, Any] = {field: reader.text(field) for field in _TEXTS}
    fields |= {field: reader.time(field) for field in _TIMES}
    fields |= {field: reader.optional_text(field) for field in _OPTIONAL_TEXTS}
    fields |= {field: reader.optional_time(field) for field in _OPTIONAL_TIMES}
    fields["extensions"] = reader.count("extensions")
    fields["labels"] = reader.labels("labels")
    fields["duration"] = reader.duration("duration")
    fields["mfa_verified"] = reader.flag("mfa_verified")
    try:
        event = read_event(fields)
    except ValidationError as error:
        raise CorruptItemError(key, _reasons(error)) from error
    if key != layout.event_key(event.id):
        raise CorruptItemError(key, "id does not belong to this key")
    return event


class _Reader:
    """Reads a row's attributes, each with the type that it must have."""

    def __init__(self, item: Mapping[str, Any], key: str) -> None:
        self._item = item
        self._key = key

    def text(self, field: str) -> str:
        if field not in self._item:
            raise self._corrupt(field, "is missing")
        return self._value(field, "S", str)

    def optional_text(self, field: str) -> str | None:
        if field not in self._item or self._item[field] == {"NULL": True}:
            return None
        return self._value(field, "S", str) or None

    def time(self, field: str) -> datetime:
        try:
            return decode_time(self.text(field))
        except ValueError as error:
            raise self._corrupt(field, f"is {error}") from error

    def optional_time(self, field: str) -> datetime | None:
        return None if self.optional_text(field) is None else self.time(field)

    def count(self, field: str) -> int:
        if field not in self._item:
            return 0
        number = self._value(field, "N", str)
        if not _COUNT.fullmatch(number):
            raise self._corrupt(field, "is not an integer from 0 to 999999")
        return int(number)

    def labels(self, field: str) -> dict[str, str]:
        if field not in self._item:
            return {}
        values = self._value(field, "M", dict)
        reader = _Reader(values, self._key)
        return {key: reader.text(key) for key in values}

    def duration(self, field: str) -> timedelta:
        if field not in self._item:
            raise self._corrupt(field, "is missing")
        try:
            nanoseconds = Decimal(self._value(field, "N", str))
            in_range = 0 < nanoseconds <= MAX_DURATION // _MICROSECOND * 1000
        except InvalidOperation as error:
            raise self._corrupt(field, "is not a number") from error
        if not in_range:
            raise self._corrupt(field, f"is not within 0 and {MAX_DURATION}, in nanoseconds")
        return timedelta(microseconds=int(nanoseconds) // 1000)

    def flag(self, field: str) -> bool:
        return field in self._item and self._value(field, "BOOL", bool)

    def _value(self, field: str, wire_type: str, expected: type[_Value]) -> _Value:
        attribute = self._item[field]
        if not isinstance(attribute, dict) or not isinstance(attribute.get(wire_type), expected):
            raise self._corrupt(field, f"is not of DynamoDB's type {wire_type}")
        value: _Value = attribute[wire_type]
        return value

    def _corrupt(self, field: str, problem: str) -> CorruptItemError:
        return CorruptItemError(self._key, f"{field} {problem}")


def _reasons(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
