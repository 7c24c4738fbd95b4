"""Define the rules of each field, and the types with which the model declares its fields.

Texts have two sets of rules. A text that this library writes must follow the rules for writing. A
text that another writer wrote is evidence, and access may depend on it, so almost any text can be
read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeGuard

from pydantic import AfterValidator, Field, ValidationInfo

MAX_DURATION: Final = timedelta(hours=4)
"""The longest time for which one event can grant access, counted from its `created_at`."""

# Invisible code points that `str.isprintable` accepts: Braille's blank, and those that Unicode
# calls default-ignorable (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_EVENT_ID = re.compile("[0-9a-f]{16}")
SURROGATE = re.compile("[\ud800-\udfff]")
_HASH = re.compile("[0-9a-f]{64}")

AS_READ: Final = "aiobreakglass_as_read"
"""The key, in a validation context, of the fields that the rules for reading apply to."""


def reading_context(fields: Collection[str]) -> dict[str, Any]:
    """Return the validation context that applies the rules for reading to these fields."""
    return {AS_READ: fields}


def valid_event_id(value: str) -> str:
    """Return an event id, or raise `ValueError` with the rule that it breaks."""
    if not _EVENT_ID.fullmatch(value):
        raise ValueError("must be exactly 16 lowercase hexadecimal characters")
    return str.__str__(value)


def is_hash(value: object) -> TypeGuard[str]:
    """Return whether a value is a SHA-256 in lower-case hexadecimal."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def valid_name(value: str) -> str:
    """Return a name, or raise `ValueError` with the rule that it breaks.

    Two names that look the same must be equal, because access is decided by comparing names. So a
    name has no invisible characters, no surrounding white space, and one Unicode normal form
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
    # A member of a `str` enumeration may format as something other than its text.
    return str.__str__(value)


def valid_instant(value: datetime) -> datetime:
    """Return an aware instant in UTC, or raise `ValueError` with the rule that it breaks."""
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise ValueError("must be timezone-aware: a naive datetime names no instant")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from error


def valid_reason(value: str) -> str:
    """Return a reason, stripped, or raise `ValueError` with the rule that it breaks."""
    return _valid_text(value, at_least=1)


def _valid_justification(value: str) -> str:
    return _valid_text(value, at_least=20)


def _valid_text(value: str, at_least: int) -> str:
    # Browsers submit line breaks as CR LF; the evidence keeps one kind of newline.
    text = value.replace("\r\n", "\n").strip()
    line = text.replace("\n", "")
    # A printable line has neither; this spares most texts a check of each character.
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


def _valid_duration(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= MAX_DURATION:
        raise ValueError(f"must be longer than 0 and at most {MAX_DURATION}")
    return value


def _text(rule: Callable[[str], str], *, may_be_empty: bool = False) -> AfterValidator:
    """Return a validator that applies `rule` for writing, and almost nothing for reading."""

    def check(value: str, info: ValidationInfo) -> str:
        try:
            return rule(value)
        except ValueError:
            # A surrogate is half a character and cannot be encoded in UTF-8. An empty text means
            # None, and an index cannot have one.
            is_text = not SURROGATE.search(value) and (may_be_empty or value != "")
            if is_text and is_as_read(info):
                return str.__str__(value)
            raise

    return AfterValidator(check)


def is_as_read(info: ValidationInfo) -> bool:
    """Return whether the rules for reading apply to the field that is being validated."""
    context: Any = info.context
    return isinstance(context, Mapping) and info.field_name in context.get(AS_READ, ())


EventId = Annotated[str, AfterValidator(valid_event_id)]
Name = Annotated[str, _text(valid_name)]
Justification = Annotated[str, _text(_valid_justification, may_be_empty=True)]
Reason = Annotated[str, _text(valid_reason)]
Instant = Annotated[datetime, AfterValidator(valid_instant)]
Duration = Annotated[timedelta, AfterValidator(_valid_duration)]
Extensions = Annotated[int, Field(ge=0)]
