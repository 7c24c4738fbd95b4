"""Arguments: each is accepted, normalised, or refused by name before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiobreakglass import (
    DEFAULT_QUERY_LIMIT,
    MAX_QUERY_LIMIT,
    BreakGlassEvent,
    BreakGlassStatus,
    ReasonCode,
)
from aiobreakglass._contract import arguments
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass.testing import make_event
from tests.model.foreign import FOREIGN_TEXTS, foreign_event
from tests.strategies import events, instants

ID = "0123456789abcdef"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
NAIVE = datetime(2024, 3, 1, 12)  # noqa: DTZ001
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


class TestEvent:
    @given(event=events())
    def test_valid_event_passes_unchanged(self, event: BreakGlassEvent) -> None:
        """`check_event` returns a valid event unchanged, but for the end that stores set."""
        expected = BreakGlassEvent.model_validate({**vars(event), "ended_at": None})
        assert arguments.check_event(event) == expected

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("id", "0"),
            ("invoker", ""),
            ("justification", None),
            ("duration", math.nan),
            ("created_at", NAIVE),
            ("status", "closed"),
            ("colour", "red"),
        ],
    )
    def test_event_changed_by_model_copy_is_refused(self, field: str, value: object) -> None:
        """`model_copy` checks nothing, so every event is checked when it is passed."""
        with pytest.raises(ValidationError, match="closed_by" if field == "status" else field):
            arguments.check_event(make_event().model_copy(update={field: value}))

    def test_event_of_another_writer_passes_unchanged(self) -> None:
        """The rules for writing do not apply here; the store checks them when it writes."""
        read = make_event().model_copy(update={"justification": "disk full"})
        assert arguments.check_event(read) == read

    @pytest.mark.parametrize(("field", "value"), FOREIGN_TEXTS)
    def test_event_of_another_writer_cannot_be_created(self, field: str, value: str) -> None:
        """An event with a foreign text cannot be created in any table."""
        with pytest.raises(ValidationError, match=field):
            arguments.check_new_event(foreign_event(field, value))

    @given(event=events())
    def test_valid_new_event_passes_unchanged(self, event: BreakGlassEvent) -> None:
        """`check_new_event` returns a valid event unchanged."""
        assert arguments.check_new_event(event) == event

    @pytest.mark.parametrize("check", [arguments.check_event, arguments.check_new_event])
    @pytest.mark.parametrize("value", [None, ID, 7, {"invoker": "alice"}, BreakGlassEvent])
    def test_non_event_is_refused(self, value: Any, check: Callable[[Any], object]) -> None:
        """Anything other than a `BreakGlassEvent` is a `TypeError`."""
        with pytest.raises(TypeError, match="event must be a BreakGlassEvent, not"):
            check(value)


class TestByAndNote:
    def test_nothing_is_left_as_nothing(self) -> None:
        """The rules of a change give the defaults."""
        assert arguments.check_by_and_note(None, None) == (None, None)

    def test_note_is_stripped(self) -> None:
        """`by` follows the rules of names, and `note` the rules of closing reasons."""
        assert arguments.check_by_and_note("carol", " As\nagreed ") == ("carol", "As\nagreed")

    @pytest.mark.parametrize(
        ("by", "note", "error", "rule"),
        [
            ("", None, ValueError, "by must have 1 to 256 characters"),
            (" carol", None, ValueError, "by must not begin or end with white space"),
            (7, None, TypeError, "by must be a str, not int"),
            (None, "", ValueError, "note must have 1 to 1000 characters"),
            (None, "O\x00ver", ValueError, "note must not have control characters"),
            (None, b"Over", TypeError, "note must be a str, not bytes"),
        ],
    )
    def test_wrong_by_or_note_is_refused(
        self, by: Any, note: Any, error: type[Exception], rule: str
    ) -> None:
        """The error names the argument and its rule."""
        with pytest.raises(error, match=f"^{rule}"):
            arguments.check_by_and_note(by, note)


class TestText:
    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ("", "16 lowercase hexadecimal"),
            (ID.upper(), "16 lowercase hexadecimal"),
            (f"{ID}\n", "16 lowercase hexadecimal"),
            (f"{ID}0", "16 lowercase hexadecimal"),
        ],
    )
    def test_malformed_id_is_refused(self, value: str, rule: str) -> None:
        """The error names `event_id` and the model's rule for ids."""
        with pytest.raises(ValueError, match=f"^event_id must be .*{rule}"):
            arguments.check_event_id(value)

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ("", "1 to 256 characters"),
            ("a" * 257, "1 to 256 characters"),
            ("\u20ac" * 171, "512 UTF-8 bytes"),
            ("al\u200bice", "zero-width"),
            ("\ud800", "surrogate"),
            (" alice", "white space"),
            ("e\u0301", "NFC-normalised"),
        ],
    )
    def test_malformed_name_is_refused(self, value: str, rule: str) -> None:
        """The error names the argument and the model's rule for names."""
        with pytest.raises(ValueError, match=f"^closed_by must .*{rule}"):
            arguments.check_name("closed_by", value)

    @pytest.mark.parametrize("value", ["", " \n", "x" * 1001, "O\x00ver", "\ud800"])
    def test_malformed_closing_reason_is_refused(self, value: str) -> None:
        """The error names `closed_reason` and the model's rule for texts."""
        with pytest.raises(ValueError, match=r"^closed_reason must (not )?have "):
            arguments.check_reason("closed_reason", value)

    @pytest.mark.parametrize("value", [None, 7, True, 1.5, b"alice", ["alice"]])
    def test_non_string_is_refused(self, value: Any) -> None:
        """Anything other than a `str` is a `TypeError`."""
        kind = type(value).__name__
        with pytest.raises(TypeError, match=f"^event_id must be a str, not {kind}$"):
            arguments.check_event_id(value)
        with pytest.raises(TypeError, match=f"^invoker must be a str, not {kind}$"):
            arguments.check_name("invoker", value)
        with pytest.raises(TypeError, match=f"^closed_reason must be a str, not {kind}$"):
            arguments.check_reason("closed_reason", value)
        with pytest.raises(TypeError, match=f"^status must be a str, not {kind}$"):
            arguments.check_status(value)

    def test_good_texts_pass(self) -> None:
        """Ids and names pass unchanged; reasons lose the white space around them."""
        assert arguments.check_event_id(ID) == ID
        assert arguments.check_name("invoker", "a" * 256) == "a" * 256
        assert arguments.check_reason("closed_reason", "  All\r\nover \n") == "All\nover"


class TestStatus:
    @pytest.mark.parametrize("status", BreakGlassStatus)
    def test_status_is_taken_as_member_or_text(self, status: BreakGlassStatus) -> None:
        """A status can be passed as a member or as its text."""
        assert arguments.check_status(status) is status
        assert arguments.check_status(status.value) is status

    @pytest.mark.parametrize("value", ["", "open", "Active", " active", ReasonCode.OTHER])
    def test_unknown_status_is_refused(self, value: str) -> None:
        """The error lists the valid statuses."""
        with pytest.raises(ValueError, match=r"^status must be one of active, closed, expired$"):
            arguments.check_status(value)


class TestInstant:
    @pytest.mark.parametrize("instant", [NOON, NOON.astimezone(timezone(-HOUR))])
    def test_instant_is_converted_to_utc(self, instant: datetime) -> None:
        """An instant in any time zone is converted to UTC."""
        checked = arguments.check_instant("since", instant)
        assert (checked, checked.tzinfo) == (NOON, UTC)

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            (NAIVE, "timezone-aware"),
            (datetime.min.replace(tzinfo=timezone(HOUR)), "years 1 to 9999"),
            (datetime.max.replace(tzinfo=timezone(-HOUR)), "years 1 to 9999"),
        ],
    )
    def test_datetime_without_utc_instant_is_refused(self, value: datetime, rule: str) -> None:
        """A datetime that cannot be expressed in UTC is refused."""
        with pytest.raises(ValueError, match=f"^since must .*{rule}"):
            arguments.check_instant("since", value)

    @pytest.mark.parametrize("value", [None, 7, True, date(2024, 3, 1), "2024-03-01T12:00:00Z"])
    def test_non_datetime_is_refused(self, value: Any) -> None:
        """Anything other than a `datetime` is a `TypeError`."""
        with pytest.raises(TypeError, match=r"^since must be a datetime, not"):
            arguments.check_instant("since", value)


class TestLimit:
    @pytest.mark.parametrize(
        ("limit", "size"),
        [
            (None, DEFAULT_QUERY_LIMIT),
            (1, 1),
            (MAX_QUERY_LIMIT - 1, MAX_QUERY_LIMIT - 1),
            (MAX_QUERY_LIMIT, MAX_QUERY_LIMIT),
            (MAX_QUERY_LIMIT + 1, MAX_QUERY_LIMIT),
            (10**30, MAX_QUERY_LIMIT),
        ],
    )
    def test_limit_is_defaulted_and_capped(self, limit: int | None, size: int) -> None:
        """None means the default; a limit above the maximum means the maximum."""
        assert arguments.check_limit(limit) == size

    @pytest.mark.parametrize("limit", [0, -1, -(10**30)])
    def test_limit_below_one_is_refused(self, limit: int) -> None:
        """A page holds at least one event."""
        with pytest.raises(ValueError, match=r"^limit must be at least 1$"):
            arguments.check_limit(limit)

    @pytest.mark.parametrize("limit", [True, False, 1.0, 1.5, math.nan, "1", b"1"])
    def test_non_integer_limit_is_refused(self, limit: Any) -> None:
        """A limit must be an integer, and a bool does not count as one."""
        with pytest.raises(TypeError, match=r"^limit must be an integer or None, not"):
            arguments.check_limit(limit)


class TestAtMost:
    @pytest.mark.parametrize("number", [None, 1, 10**30])
    def test_at_most_passes_unchanged(self, number: int | None) -> None:
        """None sets no bound, and no number is too large."""
        assert arguments.check_at_most(number) == number

    @pytest.mark.parametrize("number", [0, -1])
    def test_at_most_below_one_is_refused(self, number: int) -> None:
        """A count must be allowed to reach at least one."""
        with pytest.raises(ValueError, match=r"^at_most must be at least 1$"):
            arguments.check_at_most(number)

    @pytest.mark.parametrize("number", [True, 1.0, "1"])
    def test_non_integer_at_most_is_refused(self, number: Any) -> None:
        """`at_most` must be an integer, and a bool does not count as one."""
        with pytest.raises(TypeError, match=r"^at_most must be an integer or None, not"):
            arguments.check_at_most(number)


class TestOnCorrupt:
    @pytest.mark.parametrize("value", ["raise", "skip"])
    def test_raise_and_skip_pass_unchanged(self, value: Any) -> None:
        """`on_corrupt` accepts "raise" and "skip"."""
        assert arguments.check_on_corrupt(value) == value

    @pytest.mark.parametrize("value", [None, "", "ignore", "SKIP", b"skip", True, ["skip"]])
    def test_other_on_corrupt_is_refused(self, value: Any) -> None:
        """The error names `on_corrupt` and its two values."""
        with pytest.raises(ValueError, match=r'^on_corrupt must be "raise" or "skip"$'):
            arguments.check_on_corrupt(value)


class TestAsyncCallback:
    class Pager:
        async def __call__(self, event: BreakGlassEvent) -> None: ...

        async def page(self, event: BreakGlassEvent) -> None: ...

    GOOD = (
        None,
        Pager(),
        Pager().page,
        partial(Pager.page, Pager()),
        partial(partial(Pager())),
        AsyncMock(),
    )

    @pytest.mark.parametrize("callback", GOOD)
    def test_async_callable_passes(self, callback: object) -> None:
        """A callable that is async when it is called passes, however it is wrapped."""
        arguments.check_async_callback("on_expired", callback)

    @pytest.mark.parametrize("callback", [print, partial(print), Pager, lambda _: None, 7, Mock()])
    def test_sync_callback_is_refused(self, callback: object) -> None:
        """A callback that is not async is refused by name before the first event."""
        with pytest.raises(TypeError, match=r"^on_expired must be an async function, or None$"):
            arguments.check_async_callback("on_expired", callback)


class TestInterval:
    @pytest.mark.parametrize("interval", [HOUR, 2 * HOUR, timedelta.max])
    def test_interval_at_or_above_minimum_passes(self, interval: timedelta) -> None:
        """The minimum itself is allowed."""
        assert arguments.check_interval("retention", interval, at_least=HOUR) == interval

    @pytest.mark.parametrize("interval", [HOUR - MICROSECOND, timedelta(0), -HOUR])
    def test_interval_below_minimum_is_refused(self, interval: timedelta) -> None:
        """The error says how long the interval must be."""
        with pytest.raises(ValueError, match=r"^retention must be at least 1:00:00$"):
            arguments.check_interval("retention", interval, at_least=HOUR)

    @pytest.mark.parametrize("interval", [None, 3600, 1.5, math.nan, True, "PT1H"])
    def test_non_timedelta_interval_is_refused(self, interval: Any) -> None:
        """A number has no unit, so it is not an interval."""
        with pytest.raises(TypeError, match=r"^retention must be a timedelta, not"):
            arguments.check_interval("retention", interval, at_least=HOUR)


class TestListing:
    @pytest.mark.parametrize(
        ("field", "value", "kept"),
        [
            ("invoker", "alice", "alice"),
            ("profile", "prod", "prod"),
            ("status", BreakGlassStatus.CLOSED, "closed"),
            ("status", "closed", "closed"),
        ],
    )
    def test_listing_without_range_covers_every_instant(
        self, field: str, value: str, kept: str
    ) -> None:
        """A listing without a range covers every instant."""
        listing = arguments.check_listing(field, value)
        assert listing == Listing(field, kept)
        assert type(listing.value) is str
        assert not listing.is_empty
        assert listing.covers(encode_time(datetime.min.replace(tzinfo=UTC)))
        assert listing.covers(encode_time(datetime.max.replace(tzinfo=UTC)))

    def test_listing_range_is_converted_to_utc(self) -> None:
        """Both ends of the range are converted to UTC."""
        elsewhere = NOON.astimezone(timezone(-HOUR))
        listing = arguments.check_listing("invoker", "alice", elsewhere, elsewhere + HOUR)
        assert listing == Listing("invoker", "alice", NOON, NOON + HOUR)
        assert (listing.since, listing.until) == (NOON, NOON + HOUR)
        assert {instant.tzinfo for instant in (listing.since, listing.until) if instant} == {UTC}

    @pytest.mark.parametrize(
        ("field", "value", "since", "until", "named"),
        [
            ("invoker", "", None, None, "invoker"),
            ("profile", "", None, None, "profile"),
            ("status", "open", None, None, "status"),
            ("invoker", "alice", NAIVE, None, "since"),
            ("invoker", "alice", None, NAIVE, "until"),
        ],
    )
    def test_listing_error_names_the_wrong_argument(
        self, field: str, value: str, since: datetime | None, until: datetime | None, named: str
    ) -> None:
        """The error names the wrong argument."""
        with pytest.raises(ValueError, match=f"^{named} must"):
            arguments.check_listing(field, value, since, until)

    @given(since=st.none() | instants(), until=st.none() | instants(), created_at=instants())
    def test_listing_covers_its_half_open_range(
        self, since: datetime | None, until: datetime | None, created_at: datetime
    ) -> None:
        """A range covers since <= created_at < until; an empty range covers nothing."""
        listing = Listing("invoker", "alice", since, until)
        expected = (since or created_at) <= created_at
        if until is not None:
            expected = expected and created_at < until
        assert listing.covers(encode_time(created_at)) is expected
        assert not (listing.is_empty and listing.covers(encode_time(created_at)))
        if since is not None:
            assert listing.covers(encode_time(since)) is not listing.is_empty

    @pytest.mark.parametrize(
        ("created_at", "covered"),
        [
            ("2024-03-01T11:59:59.999999999Z", False),
            ("2024-03-01T12:00:00.000000Z", True),
            ("2024-03-01T12:00:00.000000001Z", True),
            ("2024-03-01T12:59:59.999999999Z", True),
            ("2024-03-01T13:00:00.000000Z", False),
            ("2024-03-01T13:00:00.000000001Z", False),
        ],
    )
    def test_listing_covers_times_with_nanoseconds(self, created_at: str, covered: bool) -> None:
        """A range covers a time with nanoseconds if it covers its instant."""
        noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
        assert Listing("invoker", "alice", noon, noon + HOUR).covers(created_at) is covered
