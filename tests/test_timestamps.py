"""Instants as text: order, round trip, other writers' formats, and invalid text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiobreakglass._domain.timestamps import decode_time, encode_time
from tests.strategies import aware_datetimes, instants

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class TestEncodedInstant:
    @pytest.mark.parametrize(
        ("instant", "text"),
        [
            (NOON, "2024-02-29T12:00:00.000000Z"),
            (NOON + 100_000 * MICROSECOND, "2024-02-29T12:00:00.100000Z"),
            (NOON + MICROSECOND, "2024-02-29T12:00:00.000001Z"),
            (NOON.astimezone(timezone(timedelta(hours=-5))), "2024-02-29T12:00:00.000000Z"),
            (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
            (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
        ],
    )
    def test_encoded_instant_has_a_fixed_format(self, instant: datetime, text: str) -> None:
        """The text always has six decimals, a four-digit year, and UTC."""
        assert encode_time(instant) == text

    @given(a=instants(), b=instants())
    @example(a=NOON + 100_000 * MICROSECOND, b=NOON + 120_000 * MICROSECOND)
    @example(a=NOON, b=NOON + MICROSECOND)
    @example(a=datetime(999, 1, 1, tzinfo=UTC), b=datetime(1000, 1, 1, tzinfo=UTC))
    def test_encoded_instants_sort_as_instants(self, a: datetime, b: datetime) -> None:
        """The order of the texts is the order of the instants."""
        assert (encode_time(a) < encode_time(b)) == (a < b)
        assert (encode_time(a) == encode_time(b)) == (a == b)

    @given(instant=aware_datetimes(), step=st.integers(1, 10**7))
    def test_encoded_instants_sort_to_the_microsecond(self, instant: datetime, step: int) -> None:
        """The order holds to the microsecond, in any time zone."""
        assert encode_time(instant) < encode_time(instant + step * MICROSECOND)

    @given(instant=instants() | aware_datetimes())
    def test_encoded_instant_decodes_to_itself(self, instant: datetime) -> None:
        """Decoding an encoded instant gives the same instant, in UTC."""
        assert decode_time(encode_time(instant)) == instant
        assert decode_time(encode_time(instant)).tzinfo is UTC


class TestForeignText:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2024-02-29T12:00:00Z", NOON),
            ("2024-02-29t12:00:00z", NOON),
            ("2024-02-29 12:00:00Z", NOON),
            ("2024-02-29T12:00:00+00:00", NOON),
            ("2024-02-29T12:00:00-00:00", NOON),
            ("2024-02-29T17:45:00+05:45", NOON),
            ("2024-02-28T12:01:00-23:59", NOON),
            ("2024-03-01T00:00:00.000+12:00", NOON),
            ("2024-02-29T12:00:00.1Z", NOON + 100_000 * MICROSECOND),
            ("2024-02-29T12:00:00.12Z", NOON + 120_000 * MICROSECOND),
            ("2024-02-29T12:00:00.123Z", NOON + 123_000 * MICROSECOND),
            ("2024-02-29T12:00:00.1234Z", NOON + 123_400 * MICROSECOND),
            ("2024-02-29T12:00:00.12345Z", NOON + 123_450 * MICROSECOND),
            ("2024-02-29T12:00:00.123456Z", NOON + 123_456 * MICROSECOND),
            ("2024-02-29T12:00:00.1234567Z", NOON + 123_456 * MICROSECOND),
            ("2024-02-29T12:00:00.12345678Z", NOON + 123_456 * MICROSECOND),
            ("2024-02-29T12:00:00.123456999Z", NOON + 123_456 * MICROSECOND),
            ("2024-02-29T12:00:00.000000999+00:00", NOON),
            ("0001-01-01T00:00:00Z", datetime.min.replace(tzinfo=UTC)),
            ("9999-12-31T23:59:59.999999999Z", datetime.max.replace(tzinfo=UTC)),
        ],
    )
    def test_rfc_3339_text_is_decoded(self, text: str, instant: datetime) -> None:
        """RFC 3339 is read with 0-9 decimals, truncated to microseconds, and any offset."""
        assert decode_time(text) == instant

    @given(
        instant=aware_datetimes(), decimals=st.integers(0, 999_999_999), digits=st.integers(1, 9)
    )
    def test_text_with_any_decimals_and_offset_is_decoded(
        self, instant: datetime, decimals: int, digits: int
    ) -> None:
        """A fraction counts by its value, however many digits it has."""
        fraction = f"{decimals:09}"[:digits]
        whole = instant.replace(microsecond=0)
        text = re.sub(r"(?=[+-]\d\d:\d\d$)", f".{fraction}", whole.isoformat())
        microseconds = int(fraction.ljust(9, "0")) // 1000
        assert decode_time(text) == whole + microseconds * MICROSECOND

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "noon",
            "2024-02-29",
            "20240229T120000Z",
            "2024-02-29T12:00Z",
            "2024-02-29T12:00:00",
            "2024-02-29T12:00:00.Z",
            "2024-02-29T12:00:00,5Z",
            "2024-02-29T12:00:00.1234567890Z",
            "2024-02-29T12:00:00+0100",
            "2024-02-29T12:00:00+01",
            "2024-02-29T12:00:00+24:00",
            "2024-02-29T12:00:00+01:60",
            "2024-02-29T12:00:00+01:00:01",
            "2024-02-29T24:00:00Z",
            "2024-02-29T12:60:00Z",
            "2024-02-29T12:00:60Z",
            "2023-02-29T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2024-02-30T12:00:00Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-2024-02-29T12:00:00Z",
            "2024-W09-4T12:00:00Z",
            " 2024-02-29T12:00:00Z",
            "2024-02-29T12:00:00Z\n",
            "2024-02-29\u00a012:00:00Z",
            "\uff12024-02-29T12:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1709208000",
        ],
    )
    def test_text_in_another_format_is_refused(self, text: str) -> None:
        """Text in any other format is refused."""
        with pytest.raises(ValueError):  # noqa: PT011
            decode_time(text)

    @given(text=st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)") | st.text())
    def test_arbitrary_text_is_decoded_or_refused(self, text: str) -> None:
        """Any text decodes to an instant or raises `ValueError`."""
        try:
            instant = decode_time(text)
        except ValueError:
            return
        assert instant.tzinfo is UTC
