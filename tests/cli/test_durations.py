"""Durations as people say them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass.cli.durations import parse_duration, rough_duration, spelled_duration

DAYS, HOURS, MINUTES, SECONDS = (
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1h30m", HOURS + 30 * MINUTES),
        ("90m", 90 * MINUTES),
        (" 1 h 30 m ", None),
        ("1h 30m", HOURS + 30 * MINUTES),
        ("1.5h", 90 * MINUTES),
        ("2D", 2 * DAYS),
        ("365d", 365 * DAYS),
        ("0.5s", SECONDS / 2),
        ("0s", 0 * SECONDS),
        ("", None),
        ("90", None),
        ("h", None),
        ("-1h", None),
        ("30m1h", None),
        ("1h1h", None),
        ("1h30", None),
        ("1,5h", None),
        ("\u0661h", None),
        ("1w", None),
        ("999999999d", 999_999_999 * DAYS),
        ("999999999d24h", None),
        ("9" * 5000 + "h", None),
    ],
)
def test_duration_is_read_or_refused(text: str, duration: timedelta | None) -> None:
    """A duration has a unit behind each number, the largest first; anything else is refused."""
    if duration is None:
        with pytest.raises(ValueError, match=r"must be a (shorter )?duration"):
            parse_duration(text)
    else:
        assert parse_duration(text) == duration


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=999_999)))
def test_spelled_duration_is_read_back(duration: timedelta) -> None:
    """What is written exactly is read as the same duration."""
    assert parse_duration(spelled_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "exactly", "roughly"),
    [
        (timedelta(0), "0s", "0s"),
        (SECONDS / 2, "0.5s", "0s"),
        (59 * SECONDS, "59s", "59s"),
        (119 * SECONDS, "1m59s", "1m"),
        (HOURS - SECONDS, "59m59s", "59m"),
        (HOURS, "1h", "1h"),
        (2 * HOURS - SECONDS, "1h59m59s", "1h59m"),
        (DAYS + 2 * HOURS + 3 * MINUTES, "1d2h3m", "1d2h"),
        (-MINUTES, "-1m", "0s"),
    ],
)
def test_duration_is_written(duration: timedelta, exactly: str, roughly: str) -> None:
    """A rough duration is rounded down: it never claims more time than there is."""
    assert spelled_duration(duration) == exactly
    assert rough_duration(duration) == roughly
