"""Define every exception that the library raises.

BreakGlassError
|-- EventNotFoundError (LookupError)
|-- EventExistsError
|-- ActiveEventExistsError
|-- ConcurrentModificationError
|-- InvalidStateTransitionError
|-- ImmutableFieldError
|-- LimitExceededError
|-- ReviewRefusedError
|-- EventHeldError
|-- CorruptItemError
|-- ItemTooLargeError
|-- ExpiryError (ExceptionGroup)
|-- TableError
`-- StoreUnavailableError

Wrong use of the API raises a plain `ValueError` or `TypeError`, a model that breaks a rule raises
pydantic's `ValidationError`, and a store that is closed or belongs to another event loop raises
`RuntimeError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus

# `args` hold plain texts, because task queues write them as JSON and call `type(error)(*args)` in
# another process. They hold no event, because an event has a justification. Pickling keeps the
# events, which are in `__dict__`.


class BreakGlassError(Exception):
    """The base class of the exceptions that a store raises; catch this to catch them all."""

    outcome_unknown: bool = False
    """Whether the write may have happened in spite of the exception.

    Only a `StoreUnavailableError` can say True. Any other exception means that the call has not
    written what it was asked to write.
    """


class EventNotFoundError(BreakGlassError, LookupError):
    """No event has this id: it was never created, was deleted, or TTL removed it.

    Attributes:
        event_id: The id that was asked for.
    """

    def __init__(self, event_id: str) -> None:
        super().__init__(event_id)
        self.event_id = event_id

    def __str__(self) -> str:
        return (
            f"no event {self.event_id}: it never existed, was deleted, or its retention has ended"
        )


class EventExistsError(BreakGlassError):
    """An event, or the tombstone of a deleted event, already has this id.

    Attributes:
        event_id: The id that is taken.
    """

    def __init__(self, event_id: str) -> None:
        super().__init__(event_id)
        self.event_id = event_id

    def __str__(self) -> str:
        return f"event id {self.event_id} is taken; ids are never reused, so create a new event"


class ActiveEventExistsError(BreakGlassError):
    """The store refused to stack: this invoker already holds emergency access to this profile."""

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
        """The event that holds the access, from a strongly consistent read.

        If the exception was rebuilt from its `args`, it has no event, and `event` raises
        `AttributeError`.
        """
        event: BreakGlassEvent | None = vars(self).get("_event")
        if event is None:
            raise AttributeError("this error was rebuilt from its args, which hold no event")
        return event


class ConcurrentModificationError(BreakGlassError):
    """Somebody else changed the event after it was read: read it again, then decide again.

    Attributes:
        event_id: The id of the event.
        current: The event as it is stored now, or None if the store does not know it.
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
    """The event cannot change like this: only active -> closed and active -> expired exist.

    Attributes:
        event_id: The id of the event.
        current_status: Its status; `expired` if it has lapsed, even if it is not marked yet.
        new_status: The status that the call asked for.
        reason: Why the store refused.
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
    """The update would change identity or evidence, which never change.

    Attributes:
        event_id: The id of the event.
        field: The field that the update tried to change.
    """

    def __init__(self, event_id: str, field: str) -> None:
        super().__init__(event_id, field)
        self.event_id = event_id
        self.field = field

    def __str__(self) -> str:
        return f"{self.field} of event {self.event_id} cannot be changed; open a new event instead"


class LimitExceededError(BreakGlassError):
    """A rule of `Limits` refused to open or to extend access. Nothing was written.

    Attributes:
        limit: The field of `Limits` that refused.
        reason: The rule, in words.
        retry_at: When the limit allows it again, if nobody else is faster; None if time alone does
            not help.
        event_ids: The events that use the limit up, oldest first.
    """

    def __init__(
        self,
        limit: str,
        reason: str,
        retry_at: datetime | str | None = None,
        event_ids: Sequence[str] = (),
    ) -> None:
        if isinstance(retry_at, str):
            retry_at = datetime.fromisoformat(retry_at)
        shown = None if retry_at is None else retry_at.isoformat()
        super().__init__(limit, reason, shown, list(event_ids))
        self.limit = limit
        self.reason = reason
        self.retry_at = retry_at
        self.event_ids: tuple[str, ...] = tuple(event_ids)

    def __str__(self) -> str:
        text = f"{self.limit}: {self.reason}"
        if self.retry_at is not None:
            text += f"; try again at {self.retry_at.isoformat()}"
        if self.event_ids:
            text += f" (events {', '.join(self.event_ids)})"
        return text


class _AboutEventError(BreakGlassError):
    """Carries the event that is in the way; `args` hold its id alone."""

    def __init__(self, event: BreakGlassEvent | str, reason: str) -> None:
        if isinstance(event, str):
            super().__init__(event, reason)
        else:
            super().__init__(event.id, reason)
            self._event = event
        self.reason = reason

    @property
    def event(self) -> BreakGlassEvent:
        """The event as it is stored, from a strongly consistent read.

        If the exception was rebuilt from its `args`, it has no event, and `event` raises
        `AttributeError`.
        """
        event: BreakGlassEvent | None = vars(self).get("_event")
        if event is None:
            raise AttributeError("this error was rebuilt from its args, which hold no event")
        return event

    def __str__(self) -> str:
        return f"event {self.args[0]} {self.reason}"


class ReviewRefusedError(_AboutEventError):
    """The event cannot be reviewed like this: not yet, not by this person, or not again.

    Attributes:
        reason: Why the store refused.
    """


class EventHeldError(_AboutEventError):
    """The event is under a legal hold, so it cannot be deleted, or held once more.

    Attributes:
        reason: Who holds it, and what to do.
    """

    def __init__(self, event: BreakGlassEvent | str, reason: str | None = None) -> None:
        if reason is None:
            holder = "somebody" if isinstance(event, str) else repr(event.held_by)
            reason = f"is held by {holder}; release the hold first"
        super().__init__(event, reason)


class CorruptItemError(BreakGlassError):
    """A row is not what its key says. Any program may have written it.

    Attributes:
        key: The row's partition key.
        reason: What is wrong with the row.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"the row {self.key!r} is not what its key says: {self.reason}; mend or delete it"


class ItemTooLargeError(BreakGlassError):
    """DynamoDB refused to make a row larger than 400 KB, counting other writers' attributes.

    Nothing was written. The row cannot change until it is smaller.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

    Attributes:
        key: The row's partition key.
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
    """A pass of `expire_due` could not mark some lapsed events.

    Attributes:
        exceptions: One exception for each row that the pass could not mark.
        expired: The events that the pass marked, as stored.
    """

    expired: tuple[BreakGlassEvent, ...]

    def __new__(
        cls,
        message: str,
        exceptions: Sequence[Exception | str],
        expired: Sequence[BreakGlassEvent] = (),
    ) -> Self:
        # `args` have each exception as its text.
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
        """Return a group with some of these exceptions and all the events that were marked."""
        return ExpiryError(self.message, exceptions, self.expired)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.exceptions, self.expired)


class TableError(BreakGlassError):
    """The table is missing, or its keys, indexes or TTL are not the ones that the layout names."""


class StoreUnavailableError(BreakGlassError):
    """DynamoDB was throttled or unreachable, or refused the request, until the store gave up.

    Attributes:
        message: What went wrong.
        outcome_unknown: Whether the write may have happened, or may still happen. If so, read
            before you repeat it. A read that does not show the write does not prove that it
            failed: a late request may still be carried out.
    """

    def __init__(self, message: str, outcome_unknown: bool = False) -> None:
        super().__init__(message, outcome_unknown)
        self.message = message
        self.outcome_unknown = outcome_unknown

    def __str__(self) -> str:
        if self.outcome_unknown:
            return f"{self.message}; the write may have happened, so look before you repeat it"
        return self.message
