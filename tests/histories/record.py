"""What is written down of every call of a store: values that travel between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from aiobreakglass import BreakGlassEvent

OK: Final = "ok"
UNKNOWN: Final = "unknown"
"""Cancelled, or `StoreUnavailableError(outcome_unknown=True)`: may happen yet, or never."""
UNAVAILABLE: Final = "unavailable"
"""`StoreUnavailableError(outcome_unknown=False)`: has not happened, and never will."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Version(NamedTuple):
    """An event as somebody saw it; times are microseconds since 1970."""

    status: str
    updated_at: int
    expires_at: int
    evidence: str
    """All that must never change, in one text."""
    request_id: str | None = None
    closed_by: str | None = None
    closed_reason: str | None = None

    @classmethod
    def of(cls, event: BreakGlassEvent) -> Version:
        """Return what an event says."""
        evidence = (event.invoker, event.profile, event.reason_code, event.justification)
        return cls(
            event.status.value,
            microseconds(event.updated_at),
            microseconds(event.expires_at),
            f"{'|'.join(evidence)}|{event.duration}|{microseconds(event.created_at)}",
            event.request_id,
            event.closed_by,
            event.closed_reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: when it was made and answered, by whom, with what, and what came of it.

    `invoked` and `returned` are nanoseconds of `time.monotonic`, which on Linux all processes of
    a machine share. `nows` is what the store's own clock told this call, each instant once: it
    reads the clock anew for each set of bytes, so any of them may have decided.
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
    """`OK`, `UNKNOWN`, `UNAVAILABLE`, or an exception's name, with the status that it tells."""
    asked: Version | None = None
    """The event given to `create` or `update`; of a `close`, who closes."""
    seen_id: str | None = None
    """The event that was returned, or that the exception carries."""
    seen: Version | None = None

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> Call:
        """Read one line."""
        fields: dict[str, Any] = json.loads(line)
        for name in ("asked", "seen"):
            if fields[name] is not None:
                fields[name] = Version(*fields[name])
        return cls(**fields | {"nows": tuple(fields["nows"])})


def microseconds(instant: datetime) -> int:
    """Return an instant as a number."""
    return (instant - _EPOCH) // _MICROSECOND
