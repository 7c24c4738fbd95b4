"""Define break-glass events as values: their fields, their rules and their transitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from aiobreakglass import _randomness
from aiobreakglass._domain.errors import InvalidStateTransitionError
from aiobreakglass._domain.fields import (
    MAX_DURATION,
    Duration,
    EventId,
    Instant,
    Justification,
    Name,
    Reason,
    reading_context,
    valid_instant,
)

_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_NO_TIME: Final = timedelta(0)

# Stands for a time that is derived from other fields, until all of those are valid. If pydantic
# made the default from the other fields, one wrong field would give two errors.
_DERIVED: Final = datetime.min.replace(tzinfo=UTC)


def utc_now() -> datetime:
    """Return the current UTC time; this is the default clock."""
    return datetime.now(UTC)


class ReasonCode(StrEnum):
    """Why the emergency door was opened."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    SECURITY = "security"
    RECOVERY = "recovery"
    OTHER = "other"


class BreakGlassStatus(StrEnum):
    """The status of an event: active, then closed or expired for ever."""

    ACTIVE = "active"
    CLOSED = "closed"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether an event with this status is evidence that never changes."""
        return self is not ACTIVE

    def can_transition_to(self, new: BreakGlassStatus) -> bool:
        """Return whether an event may change from this status to `new`.

        To keep the status is not a transition.

        Args:
            new: The status to change to.
        """
        return not self.is_terminal and new.is_terminal


# Constants for the hot paths: Python 3.11 takes longer to find a member of an enum than to compare
# it.
ACTIVE: Final = BreakGlassStatus.ACTIVE
CLOSED: Final = BreakGlassStatus.CLOSED


class BreakGlassEvent(BaseModel):
    """One use of the emergency door. An event is immutable.

    Types are strict (an integer is not a datetime, and `True` is not a number); only `reason_code`
    and `status` also accept their text. A value that breaks a rule raises pydantic's
    `ValidationError`. Its text names the field and the rule, and never the value.

    Validating an event again applies the rules for reading, so that other writers' events pass. A
    store applies the rules for writing to whatever it writes.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
    )

    id: EventId = Field(default_factory=lambda: _randomness.token(8))
    """16 lowercase hexadecimal characters; by default 8 fresh random bytes."""
    invoker: Name
    """The name of the user who opened it."""
    profile: Name
    """The name of the AWS profile that it opens."""
    reason_code: Annotated[ReasonCode, Field(strict=False)]
    justification: Justification
    """20-1000 characters for the reviewer, with newlines, stripped of surrounding white space."""
    duration: Duration = timedelta(hours=1)
    """How long access was asked for; longer than 0 and at most `MAX_DURATION`."""
    status: Annotated[BreakGlassStatus, Field(strict=False)] = BreakGlassStatus.ACTIVE
    created_at: Instant = Field(default_factory=utc_now)
    """UTC, to the microsecond."""
    updated_at: Instant = Field(default_factory=lambda: _DERIVED)
    """UTC; the version that the optimistic lock compares. Only stores need to set it."""
    expires_at: Instant = Field(default_factory=lambda: _DERIVED)
    """UTC; from this instant on the event grants nothing. At most `MAX_DURATION` after
    `created_at`."""
    closed_by: Name | None = None
    closed_reason: Reason | None = None
    request_id: Name | None = None
    """The request that opened it, for finding it in CloudTrail."""
    mfa_verified: bool = False
    mfa_method: Name | None = None
    mfa_challenge_id: Name | None = None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        again = core_schema.no_info_wrap_validator_function(cls._validate_again, schema)
        # JSON has no event objects, and a wrapped validator would refuse times given as text.
        either = core_schema.json_or_python_schema(schema, again)
        # The outermost validator is a function, because pydantic-core would use any other
        # validator of this class instead of the schema that `canonical` defines for it.
        return core_schema.no_info_after_validator_function(cls._complete, either)

    @classmethod
    def _validate_again(cls, value: object, validate: ValidatorFunctionWrapHandler) -> Self:
        # `model_copy(update=...)` checks nothing.
        if not isinstance(value, cls):
            validated: Self = validate(value)
            return validated
        return cls.model_validate(dict(vars(value)), context=reading_context(cls.model_fields))

    def _complete(self) -> Self:
        values = vars(self)
        if self.updated_at is _DERIVED:
            values["updated_at"] = self.created_at
        if self.expires_at is _DERIVED:
            values["expires_at"] = _expiry_by_duration(self.created_at, self.duration)
        return check_fields_together(self)

    if not TYPE_CHECKING:  # or type checkers would allow assignments to any name

        def __setattr__(self, name: str, value: object) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise _without_values(error) from None

    def is_active(self, at: datetime | None = None) -> bool:
        """Return whether this event grants access.

        At `expires_at` itself it no longer does.

        Args:
            at: The instant to judge by; by default now.
        """
        return not self._has_run_out(at) and self.status is ACTIVE

    def is_lapsed(self, at: datetime | None = None) -> bool:
        """Return whether this event has run out but is not marked expired yet.

        Args:
            at: The instant to judge by; by default now.
        """
        return self._has_run_out(at) and self.status is ACTIVE

    def remaining(self, at: datetime | None = None) -> timedelta:
        """Return how much longer this event grants access; zero if it grants none.

        Args:
            at: The instant to count from; by default now.
        """
        instant = utc_now() if at is None else _check_instant("at", at)
        return self.expires_at - instant if self.is_active(instant) else timedelta(0)

    def close(
        self, *, closed_by: str, closed_reason: str, at: datetime | None = None
    ) -> BreakGlassEvent:
        """Return a closed copy of this event, for a store's `update`.

        `updated_at` stays as it was read, because `update` compares it.

        Args:
            closed_by: Who closes it.
            closed_reason: Why.
            at: When it is closed; by default now.

        Raises:
            InvalidStateTransitionError: The event is terminal, or has lapsed by then.
        """
        closed = self._ended(
            BreakGlassStatus.CLOSED, closed_by=closed_by, closed_reason=closed_reason
        )
        if self._has_run_out(at):
            raise InvalidStateTransitionError(
                self.id,
                BreakGlassStatus.EXPIRED,
                closed.status,
                "it has lapsed, and a lapsed event cannot change",
            )
        return closed

    def expire(self, at: datetime | None = None) -> BreakGlassEvent:
        """Return an expired copy of this event, for a store's `update`.

        `updated_at` stays as it was read, because `update` compares it.

        Args:
            at: When it is marked expired; by default now.

        Raises:
            InvalidStateTransitionError: The event is terminal, or `at` is before `expires_at`.
        """
        expired = self._ended(BreakGlassStatus.EXPIRED)
        if not self._has_run_out(at):
            raise InvalidStateTransitionError(
                self.id,
                self.status,
                expired.status,
                f"it runs until {self.expires_at.isoformat()}; close it to end it sooner",
            )
        return expired

    def _has_run_out(self, at: datetime | None) -> bool:
        return self.expires_at <= (utc_now() if at is None else _check_instant("at", at))

    def _ended(self, status: BreakGlassStatus, **changes: str) -> BreakGlassEvent:
        if not self.status.can_transition_to(status):
            raise InvalidStateTransitionError(self.id, self.status, status)
        values = {**vars(self), **changes, "status": status}
        kept = BreakGlassEvent.model_fields.keys() - changes.keys()
        return BreakGlassEvent.model_validate(values, context=reading_context(kept))


_Event = TypeVar("_Event", bound=BreakGlassEvent)


def read_event(values: Mapping[str, object]) -> BreakGlassEvent:
    """Return the event of these values, validated by the rules for reading."""
    return BreakGlassEvent.model_validate(
        dict(values), context=reading_context(BreakGlassEvent.model_fields)
    )


def written_event(
    event: BreakGlassEvent, stored: BreakGlassEvent | None = None
) -> BreakGlassEvent:
    """Return an event validated by the rules for writing, except the fields equal to `stored`."""
    kept = () if stored is None else _fields_in_common(event, stored)
    return BreakGlassEvent.model_validate(dict(vars(event)), context=reading_context(kept))


def check_fields_together(event: _Event) -> _Event:
    """Return the event unchanged; raise `ValueError` if its fields contradict each other."""
    created_at, updated_at, status = event.created_at, event.updated_at, event.status
    if updated_at < created_at:
        raise ValueError("updated_at must not be before created_at")
    # The event that ends it needs a later `updated_at`.
    if status is ACTIVE and updated_at == _END_OF_TIME:
        raise ValueError("updated_at must leave room for a later one within the year 9999")
    if not _NO_TIME < event.expires_at - created_at <= MAX_DURATION:
        raise ValueError(f"expires_at must be after created_at, by at most {MAX_DURATION}")
    is_closed = status is CLOSED
    if (event.closed_by is not None) != is_closed:
        raise ValueError("closed_by must be set on a closed event, and only there")
    if (event.closed_reason is not None) != is_closed:
        raise ValueError("closed_reason must be set on a closed event, and only there")
    if not event.mfa_verified and (event.mfa_method or event.mfa_challenge_id):
        raise ValueError("mfa_method and mfa_challenge_id need mfa_verified to be true")
    return event


def _fields_in_common(one: BreakGlassEvent, other: BreakGlassEvent) -> Collection[str]:
    return [
        field
        for field in BreakGlassEvent.model_fields
        if getattr(one, field) == getattr(other, field)
    ]


def _check_instant(argument: str, value: datetime) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{argument} must be a datetime, not {type(value).__name__}")
    try:
        return valid_instant(value)
    except ValueError as error:
        raise ValueError(f"{argument} {error}") from None


def _expiry_by_duration(created_at: datetime, duration: timedelta) -> datetime:
    try:
        return created_at + duration
    except OverflowError:
        # Past the end of the calendar. The rule "after created_at" then refuses this value.
        return created_at


def _without_values(error: ValidationError) -> ValidationError:
    return ValidationError.from_exception_data(
        error.title,
        [
            InitErrorDetails(
                type=mistake["type"],
                loc=mistake["loc"],
                input=mistake["input"],
                ctx=mistake.get("ctx", {}),
            )
            for mistake in error.errors()
        ],
        hide_input=True,
    )
