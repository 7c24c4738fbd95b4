"""Instants as people write them, in their zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass.cli.times import parse_time, spelled_time

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("text", ["2026-11-26T14:30Z", "2026-11-26 14:30z", "2026-11-26 14:30:00"])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(0), "zero")])
def test_time_in_utc(text: str, zone: tzinfo) -> None:
    assert parse_time(text, NOW, zone) == NOW


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("1d2h", NOW - timedelta(hours=26)),
        ("15:30", NOW),
        ("15:30:00.5", NOW + timedelta(seconds=0.5)),
        ("2026-11-26 15:30", NOW),
        ("2026-11-26T15:30:00.000001", NOW + timedelta(microseconds=1)),
        ("2026-11-26 15:30+01:00", NOW),
        ("2026-11-26 15:30 +0100", NOW),
        ("2026-11-26T10:30-04:00", NOW),
        ("2026-11-26", datetime(2026, 11, 25, 23, tzinfo=UTC)),
        ("2026-07-01 12:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        # The clock was set back between these two.
        ("2026-10-25 02:30+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_time_without_offset_is_local(text: str, instant: datetime) -> None:
    """A time without an offset is in the reader's zone; one with an offset is what it says."""
    assert parse_time(text, NOW, BERLIN) == instant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "must be a time such as"),
        ("", "must be a time such as"),
        ("26.11.2026", "must be a time such as"),
        ("2026-11-26T14", "must be a time such as"),
        ("20261126", "must be a time such as"),
        ("2026-02-30", "in no calendar"),
        ("25:00", "in no calendar"),
        ("2026-10-25 02:30", "must say its offset"),
        ("2026-03-29 02:30", "must say its offset"),
        ("0001-01-01", "must be within the years"),
        ("0001-01-01 00:00+14:00", "must be within the years"),
        ("999999999d", "must be within the years"),
    ],
)
def test_time_that_is_no_instant_is_refused(text: str, reason: str) -> None:
    """A time that the local clock showed twice, or never, is refused rather than guessed."""
    with pytest.raises(ValueError, match=reason):
        parse_time(text, NOW, BERLIN)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, "2026-11-26 14:30:00Z"),
        (BERLIN, "2026-11-26 15:30:00+01:00"),
        (timezone(timedelta(hours=-3, minutes=-30)), "2026-11-26 11:00:00-03:30"),
    ],
)
def test_time_is_written_with_its_offset(zone: tzinfo, text: str) -> None:
    assert spelled_time(NOW, zone) == text


def test_end_of_the_calendar_is_written_in_utc() -> None:
    """Another writer's instant may lie where the local calendar has ended."""
    assert spelled_time(datetime.max.replace(tzinfo=UTC), BERLIN) == "9999-12-31 23:59:59Z"


@given(
    st.timedeltas(timedelta(days=-40_000), timedelta(days=2_000_000)).map(NOW.__add__),
    st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns"), None]),
)
def test_written_time_is_read_back(instant: datetime, zone: tzinfo | None) -> None:
    """Whatever the command shows can be given to it again, in any zone."""
    assert parse_time(spelled_time(instant, zone, exactly=True), NOW, UTC) == instant
