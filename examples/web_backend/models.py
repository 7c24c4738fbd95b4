"""The JSON of requests and responses.

The library enforces the rules of an event's fields. Here they only describe the API, and a test
compares the two. A response may break them, because other programs write rows too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from aiobreakglass import (
    MAX_DURATION,
    Action,
    BreakGlassEvent,
    BreakGlassStatus,
    ReasonCode,
    ReviewOutcome,
)

MAX_PAGE = 200


def _text(**rules: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **rules})


_LONGEST = TypeAdapter(timedelta).dump_python(MAX_DURATION, mode="json")

EventId = Annotated[str, _text(pattern="^[0-9a-f]{16}$")]
Name = Annotated[
    str,
    _text(
        minLength=1,
        maxLength=256,
        description="At most 512 bytes in UTF-8; NFC; no invisible characters, no white space "
        "around it.",
    ),
]
Justification = Annotated[
    str,
    _text(minLength=20, maxLength=1000, description="White space around it does not count."),
]
Reason = Annotated[
    str, _text(minLength=1, maxLength=1000, description="White space around it does not count.")
]
Labels = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 16,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_.-]{0,62}$"},
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 256},
            "description": "At most 2048 bytes of UTF-8 in all names and values.",
        }
    ),
]
Duration = Annotated[
    timedelta, _text(format="duration", description=f"Longer than 0, at most {_LONGEST}.")
]


class Event(BaseModel):
    """The fields of an event that every signed-in person may see."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: str
    invoker: str
    profile: str
    reason_code: ReasonCode
    justification: str
    duration: timedelta
    status: BreakGlassStatus
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    closed_by: str | None
    closed_reason: str | None
    ended_at: datetime | None
    extensions: int
    reviewed_by: str | None
    reviewed_at: datetime | None
    review_outcome: ReviewOutcome | None
    review_comment: str | None
    held_by: str | None
    held_at: datetime | None
    held_reason: str | None
    labels: dict[str, str]
    request_id: str | None
    mfa_verified: bool
    mfa_method: str | None


class Page(BaseModel):
    events: list[Event]
    next_cursor: str | None
    unreadable: int
    """How many rows of this page are not events and were left out."""


class Access(BaseModel):
    """Whether this person holds emergency access to this profile right now."""

    allowed: bool
    event_id: str | None = None
    expires_at: datetime | None = None


class Me(BaseModel):
    name: str
    is_reviewer: bool
    profiles: list[str]


class Rule(BaseModel):
    """One rule for opening access, and whether it would refuse an opening now."""

    model_config = ConfigDict(from_attributes=True)

    limit: str
    rule: str
    """The rule in words."""
    is_reached: bool
    used: int | None
    """How many uses count now; None if the rule does not count uses."""
    allowed: int | None
    retry_at: datetime | None
    """When the rule allows it again; None if it does now, or if time alone does not help."""
    labels: list[str]
    """The labels that the rule requires."""


class Forecast(BaseModel):
    rules: list[Rule]


class Extension(BaseModel):
    """How far an event can be extended."""

    latest: datetime
    """The latest end."""
    left: timedelta
    """How much later that is than the present end; never negative."""
    extensions_left: int | None
    """How often it can still be extended; None if no rule limits that."""


class Entry(BaseModel):
    """One change of an event, as its history records it."""

    model_config = ConfigDict(from_attributes=True)

    revision: int
    at: datetime
    action: Action
    by: str | None
    note: str | None
    event: Event | None
    """The event after the change; None if the change deleted it."""
    hash: str


class Finding(BaseModel):
    """Something that is wrong with a history."""

    model_config = ConfigDict(from_attributes=True)

    severity: Literal["error", "warning", "info"]
    kind: str
    found: str
    expected: str
    fix: str


class History(BaseModel):
    entries: list[Entry]
    findings: list[Finding]
    """What a verification of the chain finds; nothing if it is whole."""


class Held(BaseModel):
    events: list[Event]


class Request(BaseModel):
    # Refuse a misspelt field, and an attempt to name an invoker, instead of ignoring them.
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Opening(Request):
    """A request for access. Its invoker is always the signed-in person."""

    id: EventId | None = None
    """16 hexadecimal characters of your choice. They let the server recognise a repeat."""
    profile: Name
    reason_code: ReasonCode
    justification: Justification
    duration: Duration = timedelta(hours=1)
    request_id: Name | None = None
    """The id of the request that this use belongs to, in another system."""
    labels: Labels = {}
    """Short facts, such as a ticket or a team. They never change."""


class Closing(Request):
    reason: Reason


class Change(Request):
    expires_at: AwareDatetime
    """Not in the past, and at most four hours after the beginning."""


class Extending(Request):
    expires_at: AwareDatetime
    """Later than the present end, and at most four hours after the beginning."""
    reason: Reason


class Reviewing(Request):
    outcome: ReviewOutcome
    """`justified` and `unjustified` are final."""
    comment: Reason
    reviewed_at: AwareDatetime | None = None
    """The `reviewed_at` that you have read, or null. If somebody has reviewed the event since, the
    request is refused with 412. Leave it out to decide whatever others have said."""


class Holding(Request):
    reason: Reason


class Releasing(Request):
    reason: Reason
    held_at: AwareDatetime | None = None
    """The `held_at` of the hold that you mean, so that a later hold by another person stays."""


class Asking(Request):
    """The opening to forecast."""

    profile: Name
    reason_code: ReasonCode = ReasonCode.INCIDENT
    duration: Duration = timedelta(hours=1)
    request_id: Name | None = None
    label: list[Annotated[str, _text(pattern="^[a-z][a-z0-9_.-]{0,62}:.+$")]] = []
    """Its labels, each as `name:value`."""


class Instant(Request):
    """The instant to look back at."""

    at: AwareDatetime
    profile: Name | None = None
    invoker: Name | None = None


class Queue(Request):
    """A request for the events that wait for a review."""

    outcome: Literal["needs_follow_up"] | None = None
    """By default the events that were never reviewed."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str | None, Field(max_length=4096)] = None


class Listing(Request):
    """A request for a list. Give exactly one of the first three fields."""

    status: BreakGlassStatus | None = None
    invoker: Name | None = None
    profile: Name | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    cursor: Annotated[str | None, Field(max_length=4096)] = None

    @model_validator(mode="after")
    def _check_one_is_given(self) -> Self:
        if sum(value is not None for value in (self.status, self.invoker, self.profile)) != 1:
            raise ValueError("give exactly one of status, invoker and profile")
        return self


def etag(event: BreakGlassEvent) -> str:
    """Return the version of an event: its `updated_at`, which strictly increases."""
    return f'"{event.updated_at.isoformat()}"'
