"""Break-glass events as values: their fields, how these go together, their life. No I/O."""

from __future__ import annotations

import secrets
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

from aiobreakglass._domain.errors import InvalidStateTransitionError
from aiobreakglass._domain.fields import (
    MAX_DURATION,
    Duration,
    EventId,
    Instant,
    Justification,
    Name,
    Reason,
    as_read,
    checked_instant,
)

_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_NO_TIME: Final = timedelta(0)

# Takes the place of a time that follows from other fields, until all of them are known to be good.
# A default that pydantic makes from other fields is a second error when one of those is wrong.
_FOLLOWS: Final = datetime.min.replace(tzinfo=UTC)


def utc_now() -> datetime:
    """Return the present instant in UTC: the clock of whoever is not given another."""
    return datetime.now(UTC)


class ReasonCode(StrEnum):
    """Why the emergency door was opened."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    SECURITY = "security"
    RECOVERY = "recovery"
    OTHER = "other"


class BreakGlassStatus(StrEnum):
    """Where an event stands in its life: active, then closed or expired for ever."""

    ACTIVE = "active"
    CLOSED = "closed"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether an event with this status is evidence that never changes."""
        return self is not ACTIVE

    def can_transition_to(self, new: BreakGlassStatus) -> bool:
        """Tell whether an event may go from this status to `new`; staying is not a transition."""
        return not self.is_terminal and new.is_terminal


# For the hot paths: Python 3.11 takes longer to find a member of an enum than to compare it.
ACTIVE: Final = BreakGlassStatus.ACTIVE
CLOSED: Final = BreakGlassStatus.CLOSED


class BreakGlassEvent(BaseModel):
    """One use of the emergency door, as a value: nobody can alter one that somebody else holds.

    Types are strict (an integer is no datetime, `True` no number); only `reason_code` and `status`
    may be given by their text. A rule that is broken raises pydantic's `ValidationError`, whose
    text names the field and the rule and never the value.

    Validating an event once more checks it by the rules for reading, so that an event of another
    writer passes. A store checks what it writes by the rules for writing.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
    )

    id: EventId = Field(default_factory=lambda: secrets.token_hex(8))
    """16 lowercase hexadecimal characters; by default 8 fresh random bytes."""
    invoker: Name
    """Who opened it: a user name."""
    profile: Name
    """What it opens: an AWS profile name."""
    reason_code: Annotated[ReasonCode, Field(strict=False)]
    justification: Justification
    """20-1000 characters for the reviewer, stripped of white space around; newlines allowed."""
    duration: Duration = timedelta(hours=1)
    """How long access was asked for; longer than 0 and at most `MAX_DURATION`."""
    status: Annotated[BreakGlassStatus, Field(strict=False)] = BreakGlassStatus.ACTIVE
    created_at: Instant = Field(default_factory=utc_now)
    """UTC, to the microsecond."""
    updated_at: Instant = Field(default_factory=lambda: _FOLLOWS)
    """UTC; the version that the optimistic lock compares. Stores set it, nobody else needs to."""
    expires_at: Instant = Field(default_factory=lambda: _FOLLOWS)
    """UTC; from this instant on it grants nothing. At most `MAX_DURATION` after `created_at`."""
    closed_by: Name | None = None
    closed_reason: Reason | None = None
    request_id: Name | None = None
    """The request that opened it, to be found again in CloudTrail."""
    mfa_verified: bool = False
    mfa_method: Name | None = None
    mfa_challenge_id: Name | None = None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        again = core_schema.no_info_wrap_validator_function(cls._validate_again, schema)
        # JSON holds no events. A wrapped validator would refuse its texts for times.
        either = core_schema.json_or_python_schema(schema, again)
        # Outermost a function: pydantic-core would use any other validator of this class in the
        # place of the schema that `canonical` has for it.
        return core_schema.no_info_after_validator_function(cls._complete, either)

    @classmethod
    def _validate_again(cls, value: object, validate: ValidatorFunctionWrapHandler) -> Self:
        # `model_copy(update=...)` has checked nothing.
        if not isinstance(value, cls):
            validated: Self = validate(value)
            return validated
        return cls.model_validate(dict(vars(value)), context=as_read(cls.model_fields))

    def _complete(self) -> Self:
        values = vars(self)
        if self.updated_at is _FOLLOWS:
            values["updated_at"] = self.created_at
        if self.expires_at is _FOLLOWS:
            values["expires_at"] = _expiry_by_duration(self.created_at, self.duration)
        return check_fields_together(self)

    if not TYPE_CHECKING:  # else type checkers would let every name be assigned

        def __setattr__(self, name: str, value: object) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise _without_values(error) from None

    def is_active(self, at: datetime | None = None) -> bool:
        """Tell whether this event grants access at an instant, by default now.

        The boundary instant, `expires_at` itself, counts as lapsed.
        """
        return not self._has_run_out(at) and self.status is ACTIVE

    def is_lapsed(self, at: datetime | None = None) -> bool:
        """Tell whether this event has run out by an instant, but is not marked expired yet."""
        return self._has_run_out(at) and self.status is ACTIVE

    def remaining(self, at: datetime | None = None) -> timedelta:
        """Return how long this event goes on granting access from an instant, by default now.

        Never negative; zero where it grants none.
        """
        instant = utc_now() if at is None else _aware("at", at)
        return self.expires_at - instant if self.is_active(instant) else timedelta(0)

    def close(
        self, *, closed_by: str, closed_reason: str, at: datetime | None = None
    ) -> BreakGlassEvent:
        """Return this event closed, for `update`; `at` is the instant of closing, by default now.

        `updated_at` stays as it was read: it is the version that `update` compares. Raises
        `InvalidStateTransitionError` where the event is terminal or has lapsed by then.
        """
        closed = self._ended(
            BreakGlassStatus.CLOSED, closed_by=closed_by, closed_reason=closed_reason
        )
        if self._has_run_out(at):
            raise InvalidStateTransitionError(
                self.id,
                BreakGlassStatus.EXPIRED,
                closed.status,
                "it has lapsed, and lapsed is over",
            )
        return closed

    def expire(self, at: datetime | None = None) -> BreakGlassEvent:
        """Return this event expired, for `update`; `at` is the instant of marking, by default now.

        `updated_at` stays as it was read: it is the version that `update` compares. Raises
        `InvalidStateTransitionError` where the event is terminal, or `at` is before `expires_at`.
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
        return self.expires_at <= (utc_now() if at is None else _aware("at", at))

    def _ended(self, status: BreakGlassStatus, **changes: str) -> BreakGlassEvent:
        if not self.status.can_transition_to(status):
            raise InvalidStateTransitionError(self.id, self.status, status)
        values = {**vars(self), **changes, "status": status}
        kept = BreakGlassEvent.model_fields.keys() - changes.keys()
        return BreakGlassEvent.model_validate(values, context=as_read(kept))


_Event = TypeVar("_Event", bound=BreakGlassEvent)


def read_event(values: Mapping[str, object]) -> BreakGlassEvent:
    """Return the event that somebody has written, by the rules for reading."""
    return BreakGlassEvent.model_validate(
        dict(values), context=as_read(BreakGlassEvent.model_fields)
    )


def written_event(
    event: BreakGlassEvent, stored: BreakGlassEvent | None = None
) -> BreakGlassEvent:
    """Return an event by the rules for writing; what is `stored` already may stay as it is."""
    kept = () if stored is None else _fields_in_common(event, stored)
    return BreakGlassEvent.model_validate(dict(vars(event)), context=as_read(kept))


def check_fields_together(event: _Event) -> _Event:
    """Return an event as it is, or raise `ValueError` with the rule that several fields break."""
    created_at, updated_at, status = event.created_at, event.updated_at, event.status
    if updated_at < created_at:
        raise ValueError("updated_at must not be before created_at")
    # The version of its ending comes after it.
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


def _aware(argument: str, value: datetime) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{argument} must be a datetime, not {type(value).__name__}")
    try:
        return checked_instant(value)
    except ValueError as error:
        raise ValueError(f"{argument} {error}") from None


def _expiry_by_duration(created_at: datetime, duration: timedelta) -> datetime:
    try:
        return created_at + duration
    except OverflowError:
        # The end of the calendar: the rule "after created_at" then refuses it as any other.
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
