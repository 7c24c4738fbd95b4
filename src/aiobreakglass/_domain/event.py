"""Define break-glass events as values: their fields, their rules and their transitions."""

from __future__ import annotations

import unicodedata
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
    Extensions,
    Instant,
    Justification,
    Name,
    Reason,
    reading_context,
    valid_instant,
)
from aiobreakglass._domain.labels import NO_LABELS, LabelMapping

_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_NO_TIME: Final = timedelta(0)
_NOT_REVIEWED: Final = (None, None, None, None)
_NOT_HELD: Final = (None, None, None)

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


class ReviewOutcome(StrEnum):
    """What the reviewer of an event decided."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    NEEDS_FOLLOW_UP = "needs_follow_up"

    @property
    def is_final(self) -> bool:
        """Whether the event cannot be reviewed again after this outcome."""
        return self is not ReviewOutcome.NEEDS_FOLLOW_UP


UNREVIEWED: Final = "unreviewed"
"""What a row says of an event that was never reviewed, where an outcome would stand."""


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
    ended_at: Instant | None = None
    """UTC; the instant of closing, or `expires_at`, when access ended. Set exactly on ended
    events. Only stores need to set it; an ended event without it gets the time that its other
    fields imply."""
    extensions: Extensions = 0
    """How often a store moved `expires_at` later."""
    reviewed_by: Name | None = None
    """Who reviewed the ended event; never the invoker."""
    reviewed_at: Instant | None = None
    """UTC."""
    review_outcome: Annotated[ReviewOutcome, Field(strict=False)] | None = None
    review_comment: Reason | None = None
    held_by: Name | None = None
    """Who put the event under a legal hold, while it is held."""
    held_at: Instant | None = None
    """UTC."""
    held_reason: Reason | None = None
    labels: LabelMapping = NO_LABELS
    """At most 16 immutable facts, such as a ticket or a team; 2 KB together."""

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
        return complete_event(self)

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
            BreakGlassStatus.CLOSED,
            closed_by=closed_by,
            closed_reason=closed_reason,
            ended_at=within_life(self, utc_now() if at is None else _check_instant("at", at)),
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
        expired = self._ended(BreakGlassStatus.EXPIRED, ended_at=self.expires_at)
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

    def _ended(self, status: BreakGlassStatus, **changes: str | datetime) -> BreakGlassEvent:
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


def within_life(event: BreakGlassEvent, instant: datetime) -> datetime:
    """Return the instant, moved into the event's life: `created_at` to `expires_at`."""
    return min(max(instant, event.created_at), event.expires_at)


def complete_event(event: _Event) -> _Event:
    """Return the event with the `ended_at` that it lacks; raise as `check_fields_together` does.

    Rows from before `ended_at` existed lack it. A closed event ended when it was last changed, and
    an expired one at `expires_at`.
    """
    check_fields_together(event)
    if event.status is ACTIVE:
        if event.ended_at is not None:
            raise ValueError("ended_at must be set on an ended event, and only there")
        return event
    if event.ended_at is None:
        is_closed = event.status is CLOSED
        vars(event)["ended_at"] = (
            within_life(event, event.updated_at) if is_closed else event.expires_at
        )
    elif not event.created_at <= event.ended_at <= event.expires_at:
        raise ValueError("ended_at must be within created_at and expires_at")
    return event


def check_fields_together(event: BreakGlassEvent) -> None:
    """Raise `ValueError` if the event's fields contradict each other."""
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
    review = (event.reviewed_by, event.reviewed_at, event.review_outcome, event.review_comment)
    if review != _NOT_REVIEWED:
        _check_review(event, is_complete=None not in review)
    held = (event.held_by, event.held_at, event.held_reason)
    if held != _NOT_HELD and None in held:
        raise ValueError("held_by, held_at and held_reason must be set together")


def _check_review(event: BreakGlassEvent, *, is_complete: bool) -> None:
    reviewer = event.reviewed_by
    if reviewer is None or not is_complete:
        raise ValueError(
            "reviewed_by, reviewed_at, review_outcome and review_comment must be set together"
        )
    if event.status is ACTIVE:
        raise ValueError("only an ended event can have a review")
    if is_same_person(reviewer, event.invoker):
        raise ValueError("reviewed_by must not be the invoker")


def awaited_review(event: BreakGlassEvent) -> str | None:
    """Return the review that an event waits for: the first one, or one after an outcome."""
    outcome = event.review_outcome
    if outcome is None:
        return UNREVIEWED
    return None if outcome.is_final else str(outcome)


def is_same_person(one: str, other: str) -> bool:
    """Return whether two names differ at most in case, or in how Unicode spells the letters.

    Another writer may have spelled a name as the rules for writing do not allow.
    """
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    # A compatibility caseless match (https://www.unicode.org/versions/latest/core-spec/chapter-3/).
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFKD", once.casefold())


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
