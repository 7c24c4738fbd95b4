"""Every exception that leaves the library.

BreakGlassError
|-- EventNotFoundError (LookupError)
|-- EventExistsError
|-- ActiveEventExistsError
|-- ConcurrentModificationError
|-- InvalidStateTransitionError
|-- ImmutableFieldError
|-- CorruptItemError
|-- ItemTooLargeError
|-- ExpiryError (ExceptionGroup)
|-- TableError
`-- StoreUnavailableError

Wrong use of the API is a plain `ValueError` or `TypeError`, a model that breaks a rule is
pydantic's `ValidationError`, and a store that is closed or belongs to another event loop is a
`RuntimeError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus

# `args` hold plain texts, because task queues write them as JSON and call `type(error)(*args)` in
# another process. Events stay out of them: they carry a justification. Pickling keeps the events,
# which live in `__dict__`.


class BreakGlassError(Exception):
    """Catch this to catch everything that a store reports."""

    outcome_unknown: bool = False
    """Whether the write may have happened all the same.

    Only a `StoreUnavailableError` can say True. After any other exception the call has written
    nothing of what it was asked to write.
    """


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

    `event` is the holder, as a strongly consistent read returned it just before. An error that was
    rebuilt from its `args` has no event: there `event` raises `AttributeError`.
    """

    def __init__(self, event: BreakGlassEvent | str) -> None:
        if isinstance(event, str):
            super().__init__(event)
            return
        super().__init__(
            f"{event.invoker!r} already holds emergency access to {event.profile!r} "
            f"until {event.expires_at.isoformat()} (event {event.id}); use it, or close it first"
        )
        self._event = event

    @property
    def event(self) -> BreakGlassEvent:
        """The event that holds the access."""
        event: BreakGlassEvent | None = vars(self).get("_event")
        if event is None:
            raise AttributeError("this error was rebuilt from its args, which hold no event")
        return event


class ConcurrentModificationError(BreakGlassError):
    """Somebody else changed the event after it was read: read it again and decide anew.

    `current` is the row that won, if it is known.
    """

    def __init__(self, event_id: str, current: BreakGlassEvent | None = None) -> None:
        super().__init__(event_id)
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
        super().__init__(event_id, str(current_status), str(new_status), reason)
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
    """A row that is not what its key says, whoever wrote it.

    `key` is its partition key, and `reason` what is wrong with it.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"the row {self.key!r} is not what its key says: {self.reason}; mend or delete it"


class ItemTooLargeError(BreakGlassError):
    """DynamoDB refused a row for its size: 400 KB, with the attributes of other writers.

    `key` is its partition key. Nothing was written; the row cannot change until it is smaller.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return (
            f"the row {self.key!r} is larger than DynamoDB allows (400 KB); "
            "remove the attributes that other writers added to it"
        )


class ExpiryError(BreakGlassError, ExceptionGroup[Exception]):
    """A pass of `expire_due` could not mark some lapsed events; it marked all the others.

    `exceptions` say what went wrong, one for each row. `expired` are the events that this pass has
    marked, as stored.
    """

    expired: tuple[BreakGlassEvent, ...]

    def __new__(
        cls,
        message: str,
        exceptions: Sequence[Exception | str],
        expired: Sequence[BreakGlassEvent] = (),
    ) -> Self:
        # Rebuilt from `args`, each exception is the text that it had.
        rebuilt = [
            error if isinstance(error, Exception) else BreakGlassError(error)
            for error in exceptions
        ]
        group = super().__new__(cls, message, rebuilt)
        group.expired = tuple(expired)
        return group

    def __init__(
        self,
        message: str,
        exceptions: Sequence[Exception | str],
        expired: Sequence[BreakGlassEvent] = (),  # noqa: ARG002 - for `__new__`
    ) -> None:
        texts = [str(error) for error in exceptions]
        super().__init__(message, texts)  # type: ignore[arg-type] # a group takes any `args`

    def derive(self, exceptions: Sequence[Exception], /) -> ExpiryError:  # type: ignore[override] # as Python documents it, for one class of exceptions
        """Return a part of this group, with all that was marked."""
        return ExpiryError(self.message, exceptions, self.expired)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.exceptions, self.expired)


class TableError(BreakGlassError):
    """The table is missing, or its keys, indexes or TTL are not the ones that the layout names."""


class StoreUnavailableError(BreakGlassError):
    """DynamoDB was throttled, unreachable or refused the request, for as long as we tried.

    `outcome_unknown` is true if a write may have happened all the same: read before you repeat
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
