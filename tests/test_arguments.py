"""What callers pass: taken, brought into form, or refused by its name before anything is sent."""

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
    def test_that_is_valid(self, event: BreakGlassEvent) -> None:
        """A valid event is taken as it is."""
        assert arguments.check_event(event) == event

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
    def test_that_was_changed_unchecked(self, field: str, value: object) -> None:
        """`model_copy` checks nothing, so every event is checked when it is passed."""
        with pytest.raises(ValidationError, match="closed_by" if field == "status" else field):
            arguments.check_event(make_event().model_copy(update={field: value}))

    def test_of_another_writer(self) -> None:
        """The rules for writing are for what a store is about to write, which it knows later."""
        read = make_event().model_copy(update={"justification": "disk full"})
        assert arguments.check_event(read) == read

    @pytest.mark.parametrize(("field", "value"), FOREIGN_TEXTS)
    def test_of_another_writer_that_is_new(self, field: str, value: str) -> None:
        """An event as read cannot be created as a new one, in this table or in another."""
        with pytest.raises(ValidationError, match=field):
            arguments.check_new_event(foreign_event(field, value))

    @given(event=events())
    def test_that_is_new(self, event: BreakGlassEvent) -> None:
        """A valid event is taken as it is."""
        assert arguments.check_new_event(event) == event

    @pytest.mark.parametrize("check", [arguments.check_event, arguments.check_new_event])
    @pytest.mark.parametrize("value", [None, ID, 7, {"invoker": "alice"}, BreakGlassEvent])
    def test_that_is_none(self, value: Any, check: Callable[[Any], object]) -> None:
        """Only an event is an event."""
        with pytest.raises(TypeError, match="event must be a BreakGlassEvent, not"):
            check(value)


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
    def test_that_is_no_id(self, value: str, rule: str) -> None:
        """An id is checked by the model's rule."""
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
    def test_that_is_no_name(self, value: str, rule: str) -> None:
        """A name is checked by the model's rule, under the name of its argument."""
        with pytest.raises(ValueError, match=f"^closed_by must .*{rule}"):
            arguments.check_name("closed_by", value)

    @pytest.mark.parametrize("value", ["", " \n", "x" * 1001, "O\x00ver", "\ud800"])
    def test_that_is_no_reason(self, value: str) -> None:
        """A reason for closing is checked by the model's rule."""
        with pytest.raises(ValueError, match=r"^closed_reason must (not )?have "):
            arguments.check_reason("closed_reason", value)

    @pytest.mark.parametrize("value", [None, 7, True, 1.5, b"alice", ["alice"]])
    def test_that_is_none(self, value: Any) -> None:
        """Only text is text."""
        kind = type(value).__name__
        with pytest.raises(TypeError, match=f"^event_id must be a str, not {kind}$"):
            arguments.check_event_id(value)
        with pytest.raises(TypeError, match=f"^invoker must be a str, not {kind}$"):
            arguments.check_name("invoker", value)
        with pytest.raises(TypeError, match=f"^closed_reason must be a str, not {kind}$"):
            arguments.check_reason("closed_reason", value)
        with pytest.raises(TypeError, match=f"^status must be a str, not {kind}$"):
            arguments.check_status(value)

    def test_that_is_good(self) -> None:
        """Ids and names are taken as they are, and reasons without the white space around."""
        assert arguments.check_event_id(ID) == ID
        assert arguments.check_name("invoker", "a" * 256) == "a" * 256
        assert arguments.check_reason("closed_reason", "  All\r\nover \n") == "All\nover"


class TestStatus:
    @pytest.mark.parametrize("status", BreakGlassStatus)
    def test_by_its_text(self, status: BreakGlassStatus) -> None:
        """A status can be given as itself or as its text."""
        assert arguments.check_status(status) is status
        assert arguments.check_status(status.value) is status

    @pytest.mark.parametrize("value", ["", "open", "Active", " active", ReasonCode.OTHER])
    def test_that_is_unknown(self, value: str) -> None:
        """The error names those that there are."""
        with pytest.raises(ValueError, match=r"^status must be one of active, closed, expired$"):
            arguments.check_status(value)


class TestInstant:
    @pytest.mark.parametrize("instant", [NOON, NOON.astimezone(timezone(-HOUR))])
    def test_in_any_zone(self, instant: datetime) -> None:
        """An instant is brought to UTC."""
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
    def test_that_names_no_instant(self, value: datetime, rule: str) -> None:
        """What cannot be told in UTC is refused."""
        with pytest.raises(ValueError, match=f"^since must .*{rule}"):
            arguments.check_instant("since", value)

    @pytest.mark.parametrize("value", [None, 7, True, date(2024, 3, 1), "2024-03-01T12:00:00Z"])
    def test_that_is_no_datetime(self, value: Any) -> None:
        """Nothing is taken for a datetime that is none."""
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
    def test_that_is_good(self, limit: int | None, size: int) -> None:
        """None means the default, and more than the most means the most."""
        assert arguments.check_limit(limit) == size

    @pytest.mark.parametrize("limit", [0, -1, -(10**30)])
    def test_below_one(self, limit: int) -> None:
        """A page holds one event at least."""
        with pytest.raises(ValueError, match=r"^limit must be at least 1$"):
            arguments.check_limit(limit)

    @pytest.mark.parametrize("limit", [True, False, 1.0, 1.5, math.nan, "1", b"1"])
    def test_that_is_no_integer(self, limit: Any) -> None:
        """Nothing is taken for an integer that is none, and True is none."""
        with pytest.raises(TypeError, match=r"^limit must be an integer or None, not"):
            arguments.check_limit(limit)


class TestAtMost:
    @pytest.mark.parametrize("number", [None, 1, 10**30])
    def test_that_is_good(self, number: int | None) -> None:
        """None sets no end, and no number is too large."""
        assert arguments.check_at_most(number) == number

    @pytest.mark.parametrize("number", [0, -1])
    def test_below_one(self, number: int) -> None:
        """A count that stops at nothing is no count."""
        with pytest.raises(ValueError, match=r"^at_most must be at least 1$"):
            arguments.check_at_most(number)

    @pytest.mark.parametrize("number", [True, 1.0, "1"])
    def test_that_is_no_integer(self, number: Any) -> None:
        """Nothing is taken for an integer that is none, and True is none."""
        with pytest.raises(TypeError, match=r"^at_most must be an integer or None, not"):
            arguments.check_at_most(number)


class TestOnCorrupt:
    @pytest.mark.parametrize("value", ["raise", "skip"])
    def test_that_is_good(self, value: Any) -> None:
        """There are two ways to meet a row that is not an event."""
        assert arguments.check_on_corrupt(value) == value

    @pytest.mark.parametrize("value", [None, "", "ignore", "SKIP", b"skip", True, ["skip"]])
    def test_that_is_neither(self, value: Any) -> None:
        """Anything else is refused by name."""
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
    def test_that_is_good(self, callback: object) -> None:
        """Whatever is async when it is called is async, in whatever it is wrapped."""
        arguments.check_async_callback("on_expired", callback)

    @pytest.mark.parametrize("callback", [print, partial(print), Pager, lambda _: None, 7, Mock()])
    def test_that_is_not_async(self, callback: object) -> None:
        """A callback that nobody could await is refused before the first event, by name."""
        with pytest.raises(TypeError, match=r"^on_expired must be an async function, or None$"):
            arguments.check_async_callback("on_expired", callback)


class TestInterval:
    @pytest.mark.parametrize("interval", [HOUR, 2 * HOUR, timedelta.max])
    def test_that_is_long_enough(self, interval: timedelta) -> None:
        """The shortest interval that is allowed is allowed."""
        assert arguments.check_interval("retention", interval, at_least=HOUR) == interval

    @pytest.mark.parametrize("interval", [HOUR - MICROSECOND, timedelta(0), -HOUR])
    def test_that_is_too_short(self, interval: timedelta) -> None:
        """The error says how long it must be."""
        with pytest.raises(ValueError, match=r"^retention must be at least 1:00:00$"):
            arguments.check_interval("retention", interval, at_least=HOUR)

    @pytest.mark.parametrize("interval", [None, 3600, 1.5, math.nan, True, "PT1H"])
    def test_that_is_no_timedelta(self, interval: Any) -> None:
        """A number has no unit, so it is no interval."""
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
    def test_of_a_whole_history(self, field: str, value: str, kept: str) -> None:
        """Without a range a listing covers every instant."""
        listing = arguments.check_listing(field, value)
        assert listing == Listing(field, kept)
        assert type(listing.value) is str
        assert not listing.is_empty
        assert listing.covers(encode_time(datetime.min.replace(tzinfo=UTC)))
        assert listing.covers(encode_time(datetime.max.replace(tzinfo=UTC)))

    def test_of_a_range_in_another_zone(self) -> None:
        """The ends of the range are brought to UTC."""
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
    def test_that_is_wrong_in_one_part(
        self, field: str, value: str, since: datetime | None, until: datetime | None, named: str
    ) -> None:
        """The error names the part."""
        with pytest.raises(ValueError, match=f"^{named} must"):
            arguments.check_listing(field, value, since, until)

    @given(since=st.none() | instants(), until=st.none() | instants(), created_at=instants())
    def test_of_any_range(
        self, since: datetime | None, until: datetime | None, created_at: datetime
    ) -> None:
        """A range covers since <= created_at < until, and an empty one covers nothing."""
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
    def test_of_rows_of_other_writers(self, created_at: str, covered: bool) -> None:
        """A time with nanoseconds lies in the range in which its instant lies."""
        noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
        assert Listing("invoker", "alice", noon, noon + HOUR).covers(created_at) is covered
