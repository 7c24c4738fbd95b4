"""Every exception that leaves the library.

BreakGlassError
|-- EventNotFoundError (LookupError)
|-- EventExistsError
|-- ActiveEventExistsError
|-- ConcurrentModificationError
|-- InvalidStateTransitionError
|-- ImmutableFieldError
|-- CorruptItemError
|-- TableError
`-- StoreUnavailableError

Wrong use of the API is a plain `ValueError` or `TypeError`, a model that breaks a rule is
pydantic's `ValidationError`, and a store that is closed or belongs to another event loop is a
`RuntimeError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus

# Each constructor can be called with `args` alone, which is how an exception is unpickled.


class BreakGlassError(Exception):
    """Catch this to catch everything that a store reports."""


class EventNotFoundError(BreakGlassError, LookupError):
    """There is no event with this id: it was never created, was deleted, or TTL removed it."""

    def __init__(self, event_id: str) -> None:
        super().__init__(event_id)
        self.event_id = event_id

    def __str__(self) -> str:
        return (
            f"no event {self.event_id}: it never existed, was deleted, or its retention has ended"
        )


class EventExistsError(BreakGlassError):
    """This id is taken, by an event or by the tombstone of a deleted one."""

    def __init__(self, event_id: str) -> None:
        super().__init__(event_id)
        self.event_id = event_id

    def __str__(self) -> str:
        return f"event id {self.event_id} is taken; ids are never reused, so create a new event"


class ActiveEventExistsError(BreakGlassError):
    """Stacking refused: this invoker already holds emergency access to this profile.

    `event` is the one in the way, as it was read, strongly consistently, just before.
    """

    def __init__(self, event: BreakGlassEvent) -> None:
        super().__init__(event)
        self.event = event

    def __str__(self) -> str:
        return (
            f"{self.event.invoker!r} already holds emergency access to {self.event.profile!r} "
            f"until {self.event.expires_at.isoformat()} (event {self.event.id}); "
            "use it, or close it first"
        )


class ConcurrentModificationError(BreakGlassError):
    """Somebody else changed the event after it was read: read it again and decide anew.

    `current` is the row that won, where it is known.
    """

    def __init__(self, event_id: str, current: BreakGlassEvent | None = None) -> None:
        super().__init__(event_id, current)
        self.event_id = event_id
        self.current = current

    def __str__(self) -> str:
        return (
            f"event {self.event_id} was changed since it was read; get it again, then update that"
        )


class InvalidStateTransitionError(BreakGlassError):
    """The event's life does not allow this: only active -> closed and active -> expired exist.

    `current_status` is `expired` for an event that has lapsed, whether or not its row says so yet.
    """

    def __init__(
        self,
        event_id: str,
        current_status: BreakGlassStatus,
        new_status: BreakGlassStatus,
        reason: str = "a terminal event never changes",
    ) -> None:
        super().__init__(event_id, current_status, new_status, reason)
        self.event_id = event_id
        self.current_status = current_status
        self.new_status = new_status
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"event {self.event_id} is {self.current_status} and cannot become {self.new_status}: "
            f"{self.reason}"
        )


class ImmutableFieldError(BreakGlassError):
    """Identity and evidence never change; `field` names what the update tried to alter."""

    def __init__(self, event_id: str, field: str) -> None:
        super().__init__(event_id, field)
        self.event_id = event_id
        self.field = field

    def __str__(self) -> str:
        return f"{self.field} of event {self.event_id} cannot be changed; open a new event instead"


class CorruptItemError(BreakGlassError):
    """A row of the table is not what its key says it is.

    `key` is the row's partition key, `reason` what is wrong with it, without quoting its values.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"the row {self.key!r} is not what its key says: {self.reason}; mend or delete it"


class TableError(BreakGlassError):
    """The table is missing, or its keys, indexes or TTL are not the ones that the layout names."""


class StoreUnavailableError(BreakGlassError):
    """DynamoDB was throttled, unreachable or refused the request, for as long as we tried.

    `outcome_unknown` is true where a write may have happened all the same: read before you repeat
    it, and know that a read that does not show it proves nothing while it may be under way.
    """

    def __init__(self, message: str, outcome_unknown: bool = False) -> None:
        super().__init__(message, outcome_unknown)
        self.message = message
        self.outcome_unknown = outcome_unknown

    def __str__(self) -> str:
        if self.outcome_unknown:
            return f"{self.message}; the write may have happened, so look before you repeat it"
        return self.message
