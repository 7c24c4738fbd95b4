"""Hypothesis strategies: every value that the model's rules allow."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

from hypothesis import strategies as st

from aiobreakglass import (
    MAX_DURATION,
    BreakGlassEvent,
    BreakGlassStatus,
    ReasonCode,
    ReviewOutcome,
)
from aiobreakglass._domain.event import is_same_person

MICROSECOND = timedelta(microseconds=1)

_INVISIBLE = [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0]
_INVISIBLE += [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]


def time_zones() -> st.SearchStrategy[timezone]:
    """Draw any fixed offset from UTC."""
    return st.integers(-1439, 1439).map(lambda minutes: timezone(minutes * timedelta(minutes=1)))


def instants() -> st.SearchStrategy[datetime]:
    """Draw any instant in UTC that Python can express."""
    return st.datetimes(timezones=st.just(UTC))


def aware_datetimes() -> st.SearchStrategy[datetime]:
    """Draw an instant in any time zone, away from both ends of the calendar."""
    return st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=time_zones(),
    )


def event_ids() -> st.SearchStrategy[str]:
    """Draw 16 lowercase hexadecimal characters."""
    return st.integers(0, 2**64 - 1).map("{:016x}".format)


# Cached, because building its alphabet takes longer than drawing from it.
@cache
def names() -> st.SearchStrategy[str]:
    """Draw a valid name of an invoker or a profile."""
    visible = st.characters(
        exclude_categories=("C", "Z"), exclude_characters=list(map(chr, _INVISIBLE))
    )
    return (
        st.text(visible | st.sampled_from(" #"), min_size=1, max_size=256)
        .map(lambda text: unicodedata.normalize("NFC", text).strip(" "))
        .filter(lambda name: 1 <= len(name) <= 256 and len(name.encode()) <= 512)
    )


def is_visible(character: str) -> bool:
    """Tell whether a character can be seen."""
    return character.isprintable() and character != " " and ord(character) not in _INVISIBLE


# Cached, because building its alphabet takes longer than drawing from it.
@cache
def texts(at_least: int) -> st.SearchStrategy[str]:
    """Draw a valid text of several lines, in the form that the model keeps."""
    characters = st.characters(exclude_categories=("Cc", "Cs")) | st.just("\n")
    return (
        st.text(characters, min_size=at_least, max_size=1000)
        .map(str.strip)
        .filter(lambda text: len(text) >= at_least and any(map(is_visible, text)))
    )


# Cached, because hypothesis analyses the expressions anew for each strategy.
@cache
def labels() -> st.SearchStrategy[dict[str, str]]:
    """Draw valid labels: few with long texts, or many with short ones."""
    keys = st.from_regex(r"[a-z][a-z0-9_.-]{0,62}", fullmatch=True)
    short = st.from_regex(r"[a-z][a-z0-9_.-]{0,30}", fullmatch=True)
    # 3 * (63 + 512) and 16 * (31 + 96) are less than 2048.
    return st.dictionaries(keys, names(), max_size=3) | st.dictionaries(
        short, names().filter(lambda name: len(name.encode()) <= 96), max_size=16
    )


@st.composite
def reviews(draw: st.DrawFn, invoker: str) -> dict[str, Any]:
    """Draw the fields of a review of this person's event."""
    return {
        "reviewed_by": draw(names().filter(lambda name: not is_same_person(name, invoker))),
        "reviewed_at": draw(aware_datetimes()),
        "review_outcome": draw(st.sampled_from(ReviewOutcome)),
        "review_comment": draw(texts(at_least=1)),
    }


@st.composite
def holds(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the fields of a legal hold."""
    return {
        "held_by": draw(names()),
        "held_at": draw(aware_datetimes()),
        "held_reason": draw(texts(at_least=1)),
    }


@st.composite
def events(draw: st.DrawFn) -> BreakGlassEvent:
    """Draw any valid event, with any of its optional fields."""
    created_at = draw(aware_datetimes())
    lifetimes = st.timedeltas(MICROSECOND, MAX_DURATION)
    lifetime = draw(lifetimes)
    status = draw(st.sampled_from(BreakGlassStatus))
    is_closed = status is BreakGlassStatus.CLOSED
    mfa_verified = draw(st.booleans())
    mfa_details = st.none() | names() if mfa_verified else st.none()
    invoker = draw(names())
    nothing: st.SearchStrategy[dict[str, Any]] = st.builds(dict)
    ended: dict[str, Any] = {}
    if status.is_terminal:
        ended = draw(nothing | reviews(invoker))
        ended_after = draw(st.none() | st.timedeltas(timedelta(0), lifetime))
        ended["ended_at"] = None if ended_after is None else created_at + ended_after
    return BreakGlassEvent(
        id=draw(event_ids()),
        invoker=invoker,
        profile=draw(names()),
        reason_code=draw(st.sampled_from(ReasonCode)),
        justification=draw(texts(at_least=20)),
        duration=draw(lifetimes),
        status=status,
        created_at=created_at,
        updated_at=created_at + draw(st.timedeltas(timedelta(0), timedelta(days=300))),
        expires_at=created_at + lifetime,
        closed_by=draw(names()) if is_closed else None,
        closed_reason=draw(texts(at_least=1)) if is_closed else None,
        request_id=draw(st.none() | names()),
        mfa_verified=mfa_verified,
        mfa_method=draw(mfa_details),
        mfa_challenge_id=draw(mfa_details),
        extensions=draw(st.integers(0, 100)),
        labels=draw(nothing | labels()),
        **ended,
        **draw(nothing | holds()),
    )
