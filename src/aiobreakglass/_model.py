"""Break-glass events as values: their fields, their rules, their life. No I/O."""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from aiobreakglass._errors import InvalidStateTransitionError

MAX_DURATION: Final = timedelta(hours=4)
"""The longest that one event can grant access, counted from its `created_at`."""

# Code points that are shown as nothing, and that `str.isprintable` lets through: Braille's blank,
# and those that Unicode calls default-ignorable
# (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_NO_TIME = timedelta(0)
_EVENT_ID = re.compile("[0-9a-f]{16}")


def utc_now() -> datetime:
    """Return the present instant in UTC: the clock of whoever is not given another."""
    return datetime.now(UTC)


def checked_event_id(value: str) -> str:
    """Return an event id as it is, or raise `ValueError` with the rule it breaks."""
    if not _EVENT_ID.fullmatch(value):
        raise ValueError("must be exactly 16 lowercase hexadecimal characters")
    return str.__str__(value)


def checked_name(value: str) -> str:
    """Return a name as it is, or raise `ValueError` with the rule it breaks.

    Two names that look alike must be alike, because access is decided by comparing them: hence no
    invisible characters, no surrounding white space, and one Unicode normal form
    (https://www.unicode.org/reports/tr15/).
    """
    if not 1 <= len(value) <= 256:
        raise ValueError("must have 1 to 256 characters")
    if not value.isprintable() or _INVISIBLE.search(value):
        raise ValueError(
            "must not have control, zero-width, surrogate or other unprintable characters"
        )
    if value != value.strip():
        raise ValueError("must not begin or end with white space")
    if not unicodedata.is_normalized("NFC", value):
        raise ValueError("must be NFC-normalised")
    # Two names make the guard's partition key, which DynamoDB limits to 2048 bytes:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    if len(value.encode()) > 512:
        raise ValueError("must have at most 512 UTF-8 bytes")
    # A member of an enumeration of texts would come out of formatting as something else.
    return str.__str__(value)


def checked_instant(value: datetime) -> datetime:
    """Return an aware instant in UTC, or raise `ValueError` with the rule it breaks."""
    if value.utcoffset() is None:
        raise ValueError("must be timezone-aware: a naive datetime names no instant")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from error


def _checked_text(value: str, at_least: int) -> str:
    # Browsers submit a line break in a form as CR LF; the evidence keeps one kind of newline.
    text = value.replace("\r\n", "\n").strip()
    line = text.replace("\n", "")
    # What is printable has neither: a look that spares most texts one for each character.
    if not line.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs") for character in line
    ):
        raise ValueError("must not have control characters other than newlines, nor surrogates")
    if not at_least <= len(text) <= 1000:
        raise ValueError(
            f"must have {at_least} to 1000 characters, not counting white space around it"
        )
    if not any(map(_is_visible, text)):
        raise ValueError("must have characters that can be seen")
    return text


def _is_visible(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character) and character != " "


def _checked_justification(value: str) -> str:
    return _checked_text(value, at_least=20)


def checked_reason(value: str) -> str:
    """Return the reason for closing, stripped, or raise `ValueError` with the rule it breaks."""
    return _checked_text(value, at_least=1)


def _checked_duration(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= MAX_DURATION:
        raise ValueError(f"must be longer than 0 and at most {MAX_DURATION}")
    return value


def _expiry_by_duration(fields: dict[str, Any]) -> datetime:
    created_at: datetime = fields["created_at"]
    duration: timedelta = fields["duration"]
    try:
        return created_at + duration
    except OverflowError:
        # The end of the calendar: the rule "after created_at" then refuses it as any other.
        return created_at


_EventId = Annotated[str, AfterValidator(checked_event_id)]
_Name = Annotated[str, AfterValidator(checked_name)]
_Instant = Annotated[datetime, AfterValidator(checked_instant)]
_Duration = Annotated[timedelta, AfterValidator(_checked_duration)]
_Justification = Annotated[str, AfterValidator(_checked_justification)]
_Reason = Annotated[str, AfterValidator(checked_reason)]


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
        return self is not BreakGlassStatus.ACTIVE

    def can_transition_to(self, new: BreakGlassStatus) -> bool:
        """Tell whether an event may go from this status to `new`; staying is not a transition."""
        return not self.is_terminal and new.is_terminal


class BreakGlassEvent(BaseModel):
    """One use of the emergency door, as a value: nobody can alter one that somebody else holds.

    Types are strict (an integer is no datetime, `True` no number); only `reason_code` and `status`
    may be given by their text. A rule that is broken raises pydantic's `ValidationError`, which
    names the field and the rule and never repeats the value.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        # `model_copy(update=...)` checks nothing; a store validates what it is given again.
        revalidate_instances="always",
    )

    id: _EventId = Field(default_factory=lambda: secrets.token_hex(8))
    """16 lowercase hexadecimal characters; by default 8 fresh random bytes."""
    invoker: _Name
    """Who opened it: a user name."""
    profile: _Name
    """What it opens: an AWS profile name."""
    reason_code: Annotated[ReasonCode, Field(strict=False)]
    justification: _Justification
    """20-1000 characters for the reviewer, stripped of white space around; newlines allowed."""
    duration: _Duration = timedelta(hours=1)
    """How long access was asked for; longer than 0 and at most `MAX_DURATION`."""
    status: Annotated[BreakGlassStatus, Field(strict=False)] = BreakGlassStatus.ACTIVE
    created_at: _Instant = Field(default_factory=utc_now)
    """UTC, to the microsecond."""
    updated_at: _Instant = Field(default_factory=lambda fields: fields["created_at"])
    """UTC; the version that the optimistic lock compares. Stores set it, nobody else needs to."""
    expires_at: _Instant = Field(default_factory=_expiry_by_duration)
    """UTC; from this instant on it grants nothing. At most `MAX_DURATION` after `created_at`."""
    closed_by: _Name | None = None
    closed_reason: _Reason | None = None
    request_id: _Name | None = None
    """The request that opened it, to be found again in CloudTrail."""
    mfa_verified: bool = False
    mfa_method: _Name | None = None
    mfa_challenge_id: _Name | None = None

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        return check_fields_together(self)

    def is_active(self, at: datetime | None = None) -> bool:
        """Tell whether this event grants access at an instant, by default now.

        The boundary instant, `expires_at` itself, counts as lapsed.
        """
        return not self._has_run_out(at) and self.status is BreakGlassStatus.ACTIVE

    def is_lapsed(self, at: datetime | None = None) -> bool:
        """Tell whether this event has run out by an instant, but is not marked expired yet."""
        return self._has_run_out(at) and self.status is BreakGlassStatus.ACTIVE

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
        return BreakGlassEvent.model_validate({**self.model_dump(), **changes, "status": status})


_Event = TypeVar("_Event", bound=BreakGlassEvent)


def check_fields_together(event: _Event) -> _Event:
    """Return an event as it is, or raise `ValueError` with the rule that several fields break."""
    if event.updated_at < event.created_at:
        raise ValueError("updated_at must not be before created_at")
    if event.updated_at == _END_OF_TIME:
        raise ValueError("updated_at must leave room for a later one within the year 9999")
    if not _NO_TIME < event.expires_at - event.created_at <= MAX_DURATION:
        raise ValueError(f"expires_at must be after created_at, by at most {MAX_DURATION}")
    is_closed = event.status is BreakGlassStatus.CLOSED
    if (event.closed_by is not None) != is_closed:
        raise ValueError("closed_by must be set on a closed event, and only there")
    if (event.closed_reason is not None) != is_closed:
        raise ValueError("closed_reason must be set on a closed event, and only there")
    if not event.mfa_verified and (event.mfa_method or event.mfa_challenge_id):
        raise ValueError("mfa_method and mfa_challenge_id need mfa_verified to be true")
    return event


def _aware(argument: str, value: datetime) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{argument} must be a datetime, not {type(value).__name__}")
    try:
        return checked_instant(value)
    except ValueError as error:
        raise ValueError(f"{argument} {error}") from None
