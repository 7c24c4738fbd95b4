"""A store refuses bad input before any request, and names the field and the rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.hooks import AioHierarchicalEmitter

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, ReasonCode, TableLayout
from aiobreakglass._contract.arguments import check_event
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION

Call = Callable[[AsyncDynamoDBStore], Awaitable[Any]]

EVENT_ID = "0123456789abcdef"
NOW = datetime(2031, 3, 4, 5, 6, 7, tzinfo=UTC)
NAIVE = datetime(2031, 3, 4, 5, 6, 7)  # noqa: DTZ001 - the store must refuse it


class Forbidden:
    """A client whose every operation fails the test."""

    class meta:  # noqa: N801 - a client's own name for it
        events = AioHierarchicalEmitter()

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"{name} was about to be sent")


@pytest.fixture
def store() -> AsyncDynamoDBStore:
    client: Any = Forbidden()
    return AsyncDynamoDBStore(client, "breakglass", clock=FakeClock(NOW), cursor_key=b"k" * 32)


BAD_NAMES = {
    "empty": "",
    "over-long": "a" * 257,
    "over-long in bytes": "\N{FIRE ENGINE}" * 129,
    "a control character": "a\nb",
    "a NUL": "a\0b",
    "zero-width": "al\u200bice",
    "zero-width that prints": "al\u034fice",
    "only a blank of Braille": "\u2800",
    "a line separator": "a\u2028b",
    "a no-break space": "a\u00a0b",
    "a surrogate": "a\ud800b",
    "not normalised": "e\u0301",
    "leading space": " alice",
    "trailing space": "alice ",
}

BAD_EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"{field} {case}": ({field: name}, field)
        for field in ("invoker", "profile")
        for case, name in BAD_NAMES.items()
    },
    "naive created_at": ({"created_at": NAIVE}, "created_at"),
    "naive updated_at": ({"updated_at": NAIVE}, "updated_at"),
    "naive expires_at": ({"expires_at": NAIVE}, "expires_at"),
    "an integer as created_at": ({"created_at": 1_700_000_000}, "created_at"),
    "text as created_at": ({"created_at": "2031-03-04T05:06:07Z"}, "created_at"),
    "a duration of 0": ({"duration": timedelta(0)}, "duration"),
    "a negative duration": ({"duration": timedelta(hours=-1)}, "duration"),
    "a duration over 4 hours": (
        {"duration": timedelta(hours=4, microseconds=1)},
        "duration",
    ),
    "NaN as a duration": ({"duration": float("nan")}, "duration"),
    "True as a duration": ({"duration": True}, "duration"),
    "seconds as a duration": ({"duration": 3600}, "duration"),
    "expires_at before created_at": (
        {"expires_at": NOW - timedelta(seconds=1)},
        "expires_at must be after created_at",
    ),
    "expires_at at created_at": ({"expires_at": NOW}, "expires_at must be after created_at"),
    "expires_at too far after": (
        {"expires_at": NOW + timedelta(hours=4, microseconds=1)},
        "expires_at must be after created_at, by at most 4:00:00",
    ),
    "updated_at before created_at": ({"updated_at": NOW - timedelta(1)}, "updated_at"),
    "short justification": ({"justification": "x" * 19}, "justification"),
    "justification short when stripped": ({"justification": f" {'x' * 19}\n"}, "justification"),
    "blank justification": ({"justification": " " * 30}, "justification"),
    "invisible justification": ({"justification": "\u200b" * 30}, "justification"),
    "over-long justification": ({"justification": "x" * 1001}, "justification"),
    "a control character in the justification": (
        {"justification": "x" * 20 + "\x1b[2J"},
        "justification",
    ),
    "a surrogate in the justification": ({"justification": "x" * 20 + "\udfff"}, "justification"),
    "unknown status": ({"status": "open"}, "status"),
    "unknown reason": ({"reason_code": "boredom"}, "reason_code"),
    "True as a status": ({"status": True}, "status"),
    "a short id": ({"id": "0" * 15}, "id"),
    "a long id": ({"id": "0" * 17}, "id"),
    "an upper-case id": ({"id": "ABCDEF0123456789"}, "id"),
    "an id of another alphabet": ({"id": "g" * 16}, "id"),
    "an id in Arabic digits": ({"id": "\u0661" * 16}, "id"),
    "closed without closed_by": (
        {"status": "closed", "closed_reason": "done"},
        "closed_by must be set",
    ),
    "closed without closed_reason": (
        {"status": "closed", "closed_by": "alice"},
        "closed_reason must be set",
    ),
    "closed_by on an active event": ({"closed_by": "alice"}, "closed_by"),
    "a method without MFA": ({"mfa_method": "totp"}, "mfa_method"),
    "1 as mfa_verified": ({"mfa_verified": 1}, "mfa_verified"),
    "an unknown field": ({"approver": "bob"}, "approver"),
}


@pytest.mark.parametrize(("fields", "message"), BAD_EVENTS.values(), ids=BAD_EVENTS.keys())
def test_event_that_breaks_a_rule_cannot_be_made(fields: dict[str, Any], message: str) -> None:
    """The error names the field."""
    good = {
        "invoker": "alice",
        "profile": "prod",
        "reason_code": ReasonCode.INCIDENT,
        "justification": "The payment service is down.",
        "created_at": NOW,
    }
    BreakGlassEvent.model_validate(good)
    with pytest.raises(ValueError, match=message):
        BreakGlassEvent.model_validate(good | fields)


BAD_COPIES = {
    case: (fields, message)
    for case, (fields, message) in BAD_EVENTS.items()
    if set(fields) <= set(BreakGlassEvent.model_fields)
}


def copy_with(fields: dict[str, Any]) -> BreakGlassEvent:
    return make_event(created_at=NOW).model_copy(update=fields)


def may_be_anothers(fields: dict[str, Any]) -> bool:
    """Return whether another writer may have stored this event."""
    try:
        check_event(copy_with(fields))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("fields", "message"), BAD_COPIES.values(), ids=BAD_COPIES.keys())
async def test_create_of_a_copy_that_breaks_a_rule_is_refused(
    store: AsyncDynamoDBStore, fields: dict[str, Any], message: str
) -> None:
    """`model_copy` checks nothing, so the store checks, and sends nothing."""
    with pytest.raises(ValueError, match=message):
        await store.create(copy_with(fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(fields, message, id=case)
        for case, (fields, message) in BAD_COPIES.items()
        if not may_be_anothers(fields)
    ],
)
async def test_update_with_a_copy_that_breaks_a_rule_is_refused(
    store: AsyncDynamoDBStore, fields: dict[str, Any], message: str
) -> None:
    """The store refuses values that no row can have, before it sends anything.

    A bad text may come from another writer, so only the stored row tells whether it is an error.
    """
    with pytest.raises(ValueError, match=message):
        await store.update(copy_with(fields))


async def test_create_of_a_lapsed_event_is_refused(store: AsyncDynamoDBStore) -> None:
    """An active event has lapsed as soon as `expires_at` is reached."""
    with pytest.raises(ValueError, match="expires_at of an active event must lie after"):
        await store.create(make_event(created_at=NOW - timedelta(hours=1)))


async def test_create_of_an_event_from_the_future_is_refused(
    store: AsyncDynamoDBStore,
) -> None:
    """`created_at` may be at most 5 minutes ahead of the store's clock."""
    with pytest.raises(ValueError, match="created_at of an active event must be at most"):
        await store.create(make_event(created_at=NOW + timedelta(minutes=5, microseconds=1)))


async def test_create_with_a_future_version_is_refused(store: AsyncDynamoDBStore) -> None:
    """A future `updated_at` would leave no room for later changes."""
    with pytest.raises(ValueError, match="updated_at of an active event must be at most"):
        await store.create(make_event(created_at=NOW, updated_at=NOW + timedelta(minutes=6)))


class NotAnEvent:
    id = EVENT_ID


BAD_CALLS: dict[str, tuple[Call, type[Exception], str]] = {
    "create of no event": (lambda s: s.create(NotAnEvent()), TypeError, "event"),  # type: ignore[arg-type] # the point
    "update of no event": (lambda s: s.update({"id": EVENT_ID}), TypeError, "event"),  # type: ignore[arg-type] # the point
    **{
        f"{name} of {case}": (
            lambda s, name=name, bad=bad: getattr(s, name)(bad),  # type: ignore[misc] # bound in the loop
            error,
            "event_id",
        )
        for name in ("get", "delete")
        for case, bad, error in (
            ("an empty id", "", ValueError),
            ("a short id", "0" * 15, ValueError),
            ("an upper-case id", "ABCDEF0123456789", ValueError),
            ("a key", f"BREAKGLASS#{EVENT_ID}", ValueError),
            ("an id with a newline", EVENT_ID + "\n", ValueError),
            ("bytes", EVENT_ID.encode(), TypeError),
            ("None", None, TypeError),
        )
    },
    **{
        f"{name} with a name that has {case}": (
            lambda s, call=call, bad=bad: call(s, bad),  # type: ignore[misc] # bound in the loop
            ValueError,
            argument,
        )
        for name, call, argument in (
            ("list_by_invoker", lambda s, bad: s.list_by_invoker(bad), "invoker"),
            ("list_by_profile", lambda s, bad: s.list_by_profile(bad), "profile"),
            ("count_by_invoker", lambda s, bad: s.count_by_invoker_since(bad, NOW), "invoker"),
            ("count_by_profile", lambda s, bad: s.count_by_profile_since(bad, NOW), "profile"),
            (
                "find_active",
                lambda s, bad: s.find_active_by_invoker_and_profile(bad, "prod"),
                "invoker",
            ),
            (
                "find_active",
                lambda s, bad: s.find_active_by_invoker_and_profile("alice", bad),
                "profile",
            ),
            ("get_last", lambda s, bad: s.get_last_by_invoker_and_profile(bad, "prod"), "invoker"),
            (
                "get_last",
                lambda s, bad: s.get_last_by_invoker_and_profile("alice", bad),
                "profile",
            ),
            (
                "close",
                lambda s, bad: s.close(EVENT_ID, closed_by=bad, closed_reason="done"),
                "closed_by",
            ),
        )
        for case, bad in BAD_NAMES.items()
    },
    "close without a reason": (
        lambda s: s.close(EVENT_ID, closed_by="alice", closed_reason="  "),
        ValueError,
        "closed_reason",
    ),
    "close for too long a reason": (
        lambda s: s.close(EVENT_ID, closed_by="alice", closed_reason="x" * 1001),
        ValueError,
        "closed_reason",
    ),
    "an unknown status": (lambda s: s.list_by_status("open"), ValueError, "status must be one of"),
    "a status that is no text": (lambda s: s.list_by_status(1), TypeError, "status"),  # type: ignore[arg-type] # the point
    **{
        f"a limit of {limit!r}": (
            lambda s, limit=limit: s.list_by_invoker("alice", limit),  # type: ignore[misc] # bound in the loop
            error,
            "limit",
        )
        for limit, error in (
            (0, ValueError),
            (-1, ValueError),
            (True, TypeError),
            (1.5, TypeError),
            ("10", TypeError),
        )
    },
    **{
        f"a {case} as {argument}": (
            lambda s, argument=argument, bad=bad: s.list_by_invoker("alice", **{argument: bad}),  # type: ignore[misc] # bound in the loop
            error,
            argument,
        )
        for argument in ("since", "until")
        for case, bad, error in (
            ("naive datetime", NAIVE, ValueError),
            ("number", 0, TypeError),
            ("text", "2031-03-04", TypeError),
            ("date", NOW.date(), TypeError),
        )
    },
    "a count since a naive datetime": (
        lambda s: s.count_by_invoker_since("alice", NAIVE),
        ValueError,
        "since",
    ),
    "a count since None": (
        lambda s: s.count_by_profile_since("prod", None),  # type: ignore[arg-type] # the point
        TypeError,
        "since",
    ),
    **{
        f"a cursor that is {case}": (
            lambda s, bad=bad: s.list_by_invoker("alice", cursor=bad),  # type: ignore[misc] # bound in the loop
            error,
            "cursor",
        )
        for case, bad, error in (
            ("empty", "", ValueError),
            ("foreign", "eyJwayI6eyJTIjoiMSJ9fQ", ValueError),
            ("not ASCII", "\N{FIRE ENGINE}", ValueError),
            ("a number", 7, TypeError),
        )
    },
}


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
async def test_argument_that_breaks_a_rule_is_refused(
    store: AsyncDynamoDBStore, call: Call, error: type[Exception], message: str
) -> None:
    """The error is the contract's and names the argument, and nothing is sent."""
    with pytest.raises(error, match=message):
        await call(store)


BAD_OPTIONS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "empty table name": ({"table_name": ""}, ValueError, "table_name"),
    "short table name": ({"table_name": "ab"}, ValueError, "table_name"),
    "malformed table name": ({"table_name": "break glass"}, ValueError, "table_name"),
    "a table name with a newline": ({"table_name": "breakglass\n"}, ValueError, "table_name"),
    "no table name": ({"table_name": None}, TypeError, "table_name"),
    "negative retention": ({"retention": timedelta(seconds=-1)}, ValueError, "retention"),
    "a number as retention": ({"retention": 365}, TypeError, "retention"),
    "no time at all": ({"operation_timeout": timedelta(0)}, ValueError, "operation_timeout"),
    "less than a millisecond": (
        {"operation_timeout": timedelta(microseconds=999)},
        ValueError,
        "operation_timeout must be at least",
    ),
    "a number as time limit": ({"operation_timeout": 10}, TypeError, "operation_timeout"),
    "a short cursor key": ({"cursor_key": b"secret"}, ValueError, "cursor_key"),
    "text as cursor key": ({"cursor_key": "s" * 32}, TypeError, "cursor_key"),
    "a layout that is none": ({"layout": {"partition_key": "pk"}}, TypeError, "layout"),
}


@pytest.mark.parametrize(
    ("options", "error", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys()
)
async def test_wrong_option_is_refused_by_open(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """`open` refuses a wrong option and names it."""
    arguments = {"table_name": "breakglass", "region_name": REGION, **options}
    with pytest.raises(error, match=message):
        async with AsyncDynamoDBStore.open(**arguments):
            pytest.fail("opened")


async def test_shortest_time_limit_is_a_millisecond() -> None:
    """Opened stores and those with a borrowed client accept a millisecond, and no less."""
    least = timedelta(milliseconds=1)
    client: Any = Forbidden()
    AsyncDynamoDBStore(client, "breakglass", operation_timeout=least)
    with pytest.raises(ValueError, match="operation_timeout"):
        AsyncDynamoDBStore(
            client, "breakglass", operation_timeout=least - timedelta(microseconds=1)
        )


@pytest.mark.parametrize("answer", [NAIVE, 1_700_000_000, None], ids=["naive", "number", "None"])
async def test_clock_without_an_aware_datetime_is_refused(answer: Any) -> None:
    """The clock must return an aware datetime."""
    async with AsyncDynamoDBStore.open(
        "breakglass", region_name=REGION, clock=lambda: answer
    ) as store:
        with pytest.raises((TypeError, ValueError), match=r"clock\(\)"):
            await store.delete(EVENT_ID)


def test_layout_with_ambiguous_prefixes_is_refused() -> None:
    """The keys of events and guards must never be equal."""
    with pytest.raises(ValueError, match="guard_prefix must not begin with event_prefix"):
        TableLayout(event_prefix="E#", guard_prefix="E#GUARD#")


async def test_import_of_expired_event_with_another_end_is_refused(
    store: AsyncDynamoDBStore,
) -> None:
    """An imported event cannot hide that access lasted until `expires_at`."""
    lapsed = make_event(created_at=NOW - timedelta(days=1), status="expired")
    forged = lapsed.model_copy(update={"ended_at": lapsed.created_at})
    with pytest.raises(ValueError, match="ended_at of an expired event must be its expires_at"):
        await store.create(forged)
