"""Test the contract of arguments: wrong ones are refused before anything is done."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from aiobreakglass import MAX_DURATION, BreakGlassStore, EventNotFoundError
from aiobreakglass.testing._contract_steps import (
    CLOSED,
    HOUR,
    MICROSECOND,
    NEVER_USED,
    Fields,
    assert_free,
    assert_held_by,
    changed,
    fresh,
    opened,
)
from aiobreakglass.testing._events import FakeClock

NAIVE = datetime(2001, 2, 3)  # noqa: DTZ001

_RANGE: Fields = {
    "limit": 1,
    "since": FakeClock.START,
    "until": FakeClock.START + HOUR,
    "cursor": None,
}
_PAIR: Fields = {"invoker": "alice", "profile": "prod"}

GOOD_CALLS: dict[str, Fields] = {
    "get": {"event_id": NEVER_USED},
    "delete": {"event_id": NEVER_USED},
    "close": {"event_id": NEVER_USED, "closed_by": "bob", "closed_reason": "Over"},
    "list_by_invoker": {"invoker": "a" * 256, **_RANGE},
    "list_by_status": {"status": CLOSED, **_RANGE},
    "list_by_profile": {"profile": "\U0001f525" * 128, **_RANGE},
    "find_active_by_invoker_and_profile": _PAIR,
    "count_by_invoker_since": {"invoker": "alice", "since": FakeClock.START},
    "count_by_profile_since": {"profile": "prod", "since": FakeClock.START},
    "get_last_by_invoker_and_profile": _PAIR,
}

_NOT_A_NAME = (
    *("", " ", " alice", "alice ", "a" * 257, "\u20ac" * 171, "e\u0301", "\ud800"),
    *("ali\nce", "ali\x00ce", "ali\u200bce", "ali\u034fce", "ali\u202ece"),
)
BAD_VALUES: dict[str, tuple[object, ...]] = {
    "event_id": (
        *("", NEVER_USED[1:], f"{NEVER_USED}0", NEVER_USED.upper(), f"{NEVER_USED}\n"),
        *("0123456789abcdeg", "\uff10" * 16),
    ),
    "invoker": _NOT_A_NAME,
    "profile": _NOT_A_NAME,
    "closed_by": _NOT_A_NAME,
    "closed_reason": ("", " \n ", "x" * 1001, "O\x00ver", "O\tver", "\ud800"),
    "status": ("", "open", "Active", "active "),
    "limit": (0, -1),
    "since": (NAIVE,),
    "until": (NAIVE,),
    "cursor": ("", "x"),
}
BAD_TYPES: dict[str, tuple[object, ...]] = {
    "event_id": (None, 7, NEVER_USED.encode()),
    "invoker": (None, 7, True, b"alice", ["alice"]),
    "profile": (None, 7, True, b"prod", ["prod"]),
    "closed_by": (None, 7, True, b"bob", ["bob"]),
    "closed_reason": (None, 7, b"Over"),
    "status": (None, 7, b"active"),
    "limit": (True, False, 1.5, 1.0, "1"),
    "since": (7, 7.5, True, "2001-02-03T04:05:06Z", date(2001, 2, 3)),
    "until": (7, 7.5, True, "2001-02-03T04:05:06Z", date(2001, 2, 3)),
    "cursor": (7, True, b"x"),
}

BROKEN_RULES: list[tuple[str, Fields]] = [
    ("invoker", {"invoker": ""}),
    ("profile", {"profile": " prod"}),
    ("reason_code", {"reason_code": "boredom"}),
    ("justification", {"justification": "too short"}),
    ("duration", {"duration": timedelta(0)}),
    ("duration", {"duration": float("nan")}),
    ("status", {"status": "open"}),
    ("created_at", {"created_at": NAIVE}),
    ("updated_at", {"updated_at": FakeClock.START - MICROSECOND}),
    ("expires_at", {"expires_at": FakeClock.START}),
    ("expires_at", {"expires_at": FakeClock.START + MAX_DURATION + MICROSECOND}),
    ("closed_by", {"status": CLOSED, "closed_reason": "Over"}),
    ("closed_reason", {"status": CLOSED, "closed_by": "bob"}),
    ("closed_by", {"closed_by": "bob"}),
    ("request_id", {"request_id": ""}),
    ("mfa_verified", {"mfa_verified": 1}),
    ("mfa_method", {"mfa_method": "totp"}),
    ("mfa_challenge_id", {"mfa_challenge_id": "challenge/7"}),
    ("colour", {"colour": "red"}),
]

each_method = pytest.mark.parametrize(("method", "arguments"), GOOD_CALLS.items(), ids=GOOD_CALLS)
each_rule = pytest.mark.parametrize(
    ("field", "changes"), BROKEN_RULES, ids=[" ".join(changes) for _, changes in BROKEN_RULES]
)


class InputContract:
    """Wrong arguments are refused before anything is done."""

    @each_method
    async def test_valid_arguments_are_accepted(
        self, store: BreakGlassStore, method: str, arguments: Fields
    ) -> None:
        """Every argument can be passed by name, and valid values are accepted."""
        with suppress(EventNotFoundError):
            await getattr(store, method)(**arguments)

    @each_method
    async def test_invalid_argument_raises_value_error(
        self, store: BreakGlassStore, method: str, arguments: Fields
    ) -> None:
        """A wrong value raises a `ValueError` that names the argument."""
        for argument in arguments:
            for value in BAD_VALUES[argument]:
                await assert_refused(ValueError, store, method, arguments, argument, value)

    @each_method
    async def test_argument_of_wrong_type_raises_type_error(
        self, store: BreakGlassStore, method: str, arguments: Fields
    ) -> None:
        """A wrong type raises a `TypeError` that names the argument; no value is converted."""
        for argument in arguments:
            for value in BAD_TYPES[argument]:
                await assert_refused(TypeError, store, method, arguments, argument, value)

    @pytest.mark.parametrize("method", ["count_by_invoker_since", "count_by_profile_since"])
    async def test_count_without_since_raises_type_error(
        self, store: BreakGlassStore, method: str
    ) -> None:
        """A count requires `since`."""
        await assert_refused(TypeError, store, method, GOOD_CALLS[method], "since", None)

    @pytest.mark.parametrize("method", ["create", "update"])
    async def test_object_that_is_not_an_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, method: str
    ) -> None:
        """`create` and `update` accept only events, not objects that look like events."""
        looks_like_one: list[Any] = [None, "event", fresh(clock).model_dump()]
        for value in looks_like_one:
            with pytest.raises(TypeError, match=r"\bevent\b"):
                await getattr(store, method)(value)

    @each_rule
    async def test_create_of_invalid_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, field: str, changes: Fields
    ) -> None:
        """`create` validates an event, even if it is a copy with unchecked changes."""
        event = fresh(clock)
        with pytest.raises(ValueError, match=rf"\b{field}\b"):
            await store.create(changed(event, **changes))
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        await assert_free(store, clock, event)

    @each_rule
    async def test_update_to_invalid_event_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, field: str, changes: Fields
    ) -> None:
        """`update` validates an event before it replaces the stored one."""
        event = await opened(store, clock)
        with pytest.raises(ValueError, match=rf"\b{field}\b"):
            await store.update(changed(event, **changes))
        await assert_held_by(store, clock, event)

    @pytest.mark.parametrize("method", ["create", "update"])
    async def test_event_with_malformed_id_is_refused(
        self, store: BreakGlassStore, clock: FakeClock, method: str
    ) -> None:
        """`create` and `update` refuse an id that is not 16 lowercase hexadecimal characters."""
        for value in BAD_VALUES["event_id"]:
            with pytest.raises(ValueError, match=r"\bid\b"):
                await getattr(store, method)(changed(fresh(clock), id=value))


# A separate function, so that pytest shows the value that was not refused.
async def assert_refused(
    error: type[Exception],
    store: BreakGlassStore,
    method: str,
    arguments: Fields,
    argument: str,
    value: object,
) -> None:
    """Assert that a method refuses a value, and names its argument."""
    with pytest.raises(error, match=rf"\b{argument}\b"):
        await getattr(store, method)(**arguments | {argument: value})
