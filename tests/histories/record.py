"""The record of each call of a store: values that can be sent between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from aiobreakglass import BreakGlassEvent

OK: Final = "ok"
UNKNOWN: Final = "unknown"
"""Cancelled, or `StoreUnavailableError(outcome_unknown=True)`: it may still happen, or never."""
UNAVAILABLE: Final = "unavailable"
"""`StoreUnavailableError(outcome_unknown=False)`: it has not happened, and never will."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Version(NamedTuple):
    """An event as somebody saw it; times are microseconds since 1970."""

    status: str
    updated_at: int
    expires_at: int
    evidence: str
    """All fields that must never change, in one text."""
    request_id: str | None = None
    closed_by: str | None = None
    closed_reason: str | None = None
    extensions: int = 0

    @classmethod
    def of(cls, event: BreakGlassEvent) -> Version:
        """Return the version of an event."""
        evidence = (event.invoker, event.profile, event.reason_code, event.justification)
        return cls(
            event.status.value,
            microseconds(event.updated_at),
            microseconds(event.expires_at),
            f"{'|'.join(evidence)}|{event.duration}|{microseconds(event.created_at)}",
            event.request_id,
            event.closed_by,
            event.closed_reason,
            event.extensions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: its times, its caller, its arguments, and its answer.

    `invoked` and `returned` are nanoseconds of `time.monotonic`, which on Linux all processes of
    a machine share. `nows` are the instants that the store's clock returned during this call, each
    once. The store reads the clock for each request, so any of them may have decided.
    """

    caller: str
    kind: str
    """`create`, `get`, `find`, `update`, `close` or `delete`."""
    pair: str
    event_id: str = ""
    invoked: int
    returned: int | None
    """None: it may take effect at any time after its invocation."""
    nows: tuple[int, ...] = (0,)
    answer: str
    """`OK`, `UNKNOWN`, `UNAVAILABLE`, or the name of an exception, with its current status."""
    asked: Version | None = None
    """The event given to `create` or `update`; for a `close`, who closes it and why."""
    seen_id: str | None = None
    """The id of the event that was returned, or that the exception contains."""
    seen: Version | None = None

    def to_json(self) -> str:
        """Return the call as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> Call:
        """Read a call from one line of JSON."""
        fields: dict[str, Any] = json.loads(line)
        for name in ("asked", "seen"):
            if fields[name] is not None:
                fields[name] = Version(*fields[name])
        return cls(**fields | {"nows": tuple(fields["nows"])})


def microseconds(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND
