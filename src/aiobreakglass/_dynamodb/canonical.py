"""Decode rows in this library's own spelling, in one call of pydantic's core.

It returns the same events as the codec, in about a tenth of the time, because patterns replace a
function for each field. The codec decodes all other rows, such as those with another spelling or
with names beyond ASCII, and says what is wrong with a corrupt row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from pydantic_core import SchemaValidator, core_schema

from aiobreakglass._domain.event import (
    BreakGlassEvent,
    BreakGlassStatus,
    ReasonCode,
    ReviewOutcome,
    complete_event,
)
from aiobreakglass._domain.labels import NO_LABELS, Labels, check_labels
from aiobreakglass._dynamodb.layout import TableLayout

# For ASCII texts, a pattern can express every rule of the model.
_ID = core_schema.str_schema(pattern="^[0-9a-f]{16}$", strict=True)
_NAME = core_schema.str_schema(pattern="^[!-~](?:[ -~]{0,254}[!-~])?$", strict=True)
_JUSTIFICATION = core_schema.str_schema(pattern="^[!-~][ -~\n]{18,998}[!-~]$", strict=True)
_REASON = core_schema.str_schema(pattern="^[!-~](?:[ -~\n]{0,998}[!-~])?$", strict=True)
_REASON_CODE = core_schema.enum_schema(ReasonCode, list(ReasonCode), sub_type="str")
_STATUS = core_schema.enum_schema(BreakGlassStatus, list(BreakGlassStatus), sub_type="str")
_FLAG = core_schema.bool_schema(strict=True)
_TIME = core_schema.no_info_after_validator_function(
    # Python's own function, because it turns the Z into `datetime.UTC` and is written in C.
    datetime.fromisoformat,
    core_schema.str_schema(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$", strict=True
    ),
)


@lru_cache(maxsize=1024)
def _timedelta(nanoseconds: str) -> timedelta:
    return timedelta(microseconds=int(nanoseconds) // 1000)


_DURATION = core_schema.no_info_after_validator_function(
    # Up to the model's 4 hours, which are 144 followed by 11 zeros, in nanoseconds.
    _timedelta,
    core_schema.str_schema(
        pattern="^(?:[1-9][0-9]{3,12}|1[0-3][0-9]{12}|14[0-3][0-9]{11}|144(?:0){11})$",
        strict=True,
    ),
)


_COUNT: Final = core_schema.no_info_after_validator_function(
    int, core_schema.str_schema(pattern="^(?:0|[1-9][0-9]{0,5})$", strict=True)
)
_OUTCOME = core_schema.enum_schema(ReviewOutcome, list(ReviewOutcome), sub_type="str")


def _attribute(wire_type: str, schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    return core_schema.typed_dict_schema({wire_type: core_schema.typed_dict_field(schema)})


def _labels(attribute: dict[str, dict[str, dict[str, str]]]) -> Labels:
    labels = Labels({key: value["S"] for key, value in attribute["M"].items()})
    check_labels(labels)
    return labels


_LABELS: Final = core_schema.no_info_after_validator_function(
    _labels,
    _attribute(
        "M", core_schema.dict_schema(core_schema.str_schema(strict=True), _attribute("S", _NAME))
    ),
)

_FIELDS: Final = frozenset(BreakGlassEvent.model_fields)

# An event is frozen; `object.__setattr__` can set its attributes nevertheless.
_set_attribute: Final = object.__setattr__


def read_canonical(
    items: Sequence[Mapping[str, Any]], layout: TableLayout
) -> list[BreakGlassEvent] | None:
    """Return the events of rows, or None if a row is not in this library's own spelling."""
    key, prefix = layout.partition_key, layout.event_prefix
    try:
        events: list[BreakGlassEvent] = _validator(layout).validate_python(items)
        for event in events:
            values = vars(event)
            if values.pop(key) != prefix + values["id"]:
                return None
            # Mark all fields as set, absent ones too, as if each had been passed by name.
            _set_attribute(event, "__pydantic_fields_set__", set(_FIELDS))
            complete_event(event)
    except ValueError:
        return None
    return events


@lru_cache(maxsize=64)
def _validator(layout: TableLayout) -> SchemaValidator:
    key = layout.partition_key
    fields = {
        "id": _field("id", "S", _ID),
        "invoker": _field("invoker", "S", _NAME),
        "profile": _field("profile", "S", _NAME),
        "reason_code": _field("reason_code", "S", _REASON_CODE),
        "justification": _field("justification", "S", _JUSTIFICATION),
        "duration": _field("duration", "N", _DURATION),
        "status": _field("status", "S", _STATUS),
        "created_at": _field("created_at", "S", _TIME),
        "updated_at": _field("updated_at", "S", _TIME),
        "expires_at": _field("expires_at", "S", _TIME),
        "closed_by": _optional("closed_by", "S", _NAME),
        "closed_reason": _optional("closed_reason", "S", _REASON),
        "request_id": _optional("request_id", "S", _NAME),
        "mfa_verified": _optional("mfa_verified", "BOOL", _FLAG, default=False),
        "mfa_method": _optional("mfa_method", "S", _NAME),
        "mfa_challenge_id": _optional("mfa_challenge_id", "S", _NAME),
        "ended_at": _optional("ended_at", "S", _TIME),
        "extensions": _optional("extensions", "N", _COUNT, default=0),
        "reviewed_by": _optional("reviewed_by", "S", _NAME),
        "reviewed_at": _optional("reviewed_at", "S", _TIME),
        "review_outcome": _optional("review_outcome", "S", _OUTCOME),
        "review_comment": _optional("review_comment", "S", _REASON),
        "held_by": _optional("held_by", "S", _NAME),
        "held_at": _optional("held_at", "S", _TIME),
        "held_reason": _optional("held_reason", "S", _REASON),
        "labels": core_schema.model_field(
            core_schema.with_default_schema(_LABELS, default=NO_LABELS)
        ),
        # The key is not a field of the model; `read_canonical` removes it.
        key: _field(key, "S", core_schema.str_schema(strict=True)),
    }
    event = core_schema.model_schema(
        BreakGlassEvent, core_schema.model_fields_schema(fields, extra_behavior="ignore")
    )
    return SchemaValidator(core_schema.list_schema(event))


def _field(name: str, wire_type: str, schema: core_schema.CoreSchema) -> core_schema.ModelField:
    path: list[str | int] = [name, wire_type]
    return core_schema.model_field(schema, validation_alias=path)


def _optional(
    name: str, wire_type: str, schema: core_schema.CoreSchema, *, default: Any = None
) -> core_schema.ModelField:
    # With the first path alone, an attribute of another type would count as absent. By the second
    # path it is an object, which the schema refuses.
    paths: list[list[str | int]] = [[name, wire_type], [name]]
    return core_schema.model_field(
        core_schema.with_default_schema(schema, default=default), validation_alias=paths
    )
