"""A store refuses bad arguments of extensions, reviews, holds and limits before any request."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, Limits
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.test_bad_input import BAD_NAMES, EVENT_ID, NAIVE, NOW, Forbidden

GOOD_CALLS: dict[str, dict[str, Any]] = {
    "extend": {"expires_at": NOW, "extended_by": "carol", "reason": "Not over yet"},
    "review": {"reviewed_by": "carol", "outcome": "justified", "comment": "No other way"},
    "hold": {"held_by": "dave", "reason": "A lawsuit"},
    "release_hold": {"released_by": "dave", "reason": "It is settled"},
}

BAD_REASONS = {"blank": " \n", "over-long": "x" * 1001, "a surrogate": "a\ud800b"}

BAD_VALUES: list[tuple[str, str, Any, type[Exception], str]] = [
    *(
        (method, argument, name, ValueError, case)
        for method, argument in (
            ("extend", "extended_by"),
            ("review", "reviewed_by"),
            ("hold", "held_by"),
            ("release_hold", "released_by"),
        )
        for case, name in BAD_NAMES.items()
    ),
    *(
        (method, argument, reason, ValueError, case)
        for method, argument in (
            ("extend", "reason"),
            ("review", "comment"),
            ("hold", "reason"),
            ("release_hold", "reason"),
        )
        for case, reason in BAD_REASONS.items()
    ),
    *(
        (method, argument, None, TypeError, "None")
        for method, arguments in GOOD_CALLS.items()
        for argument in arguments
    ),
    *((method, "event_id", "0" * 15, ValueError, "a short id") for method in GOOD_CALLS),
    *((method, "event_id", None, TypeError, "None") for method in GOOD_CALLS),
    ("extend", "expires_at", NAIVE, ValueError, "naive"),
    ("extend", "expires_at", "2031-03-04T06:06:07Z", TypeError, "text"),
    ("extend", "expires_at", NOW.timestamp(), TypeError, "a number"),
    ("review", "outcome", "fine", ValueError, "unknown"),
    ("review", "outcome", "JUSTIFIED", ValueError, "upper case"),
    ("review", "outcome", True, TypeError, "True"),
]


def store_with(limits: Any = None) -> AsyncDynamoDBStore:
    client: Any = Forbidden()
    return AsyncDynamoDBStore(client, "breakglass", clock=FakeClock(NOW), limits=limits)


@pytest.mark.parametrize(
    ("method", "argument", "value", "error"),
    [
        pytest.param(method, argument, value, error, id=f"{method} {argument} {case}")
        for method, argument, value, error, case in BAD_VALUES
    ],
)
async def test_argument_that_breaks_a_rule_is_refused(
    method: str, argument: str, value: Any, error: type[Exception]
) -> None:
    """The error names the argument, and nothing is sent."""
    arguments = {"event_id": EVENT_ID, **GOOD_CALLS[method], argument: value}
    with pytest.raises(error, match=rf"\b{argument}\b"):
        await getattr(store_with(), method)(**arguments)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({"outcome": "justified"}, ValueError, "outcome must be None or needs_follow_up"),
        ({"outcome": "unjustified"}, ValueError, "outcome must be None or needs_follow_up"),
        ({"outcome": "unreviewed"}, ValueError, "outcome must be one of justified"),
        ({"outcome": 7}, TypeError, "outcome"),
        ({"limit": 0}, ValueError, "limit"),
        ({"limit": True}, TypeError, "limit"),
        ({"since": NAIVE}, ValueError, "since"),
        ({"until": NOW.date()}, TypeError, "until"),
        ({"cursor": "eyJwayI6eyJTIjoiMSJ9fQ"}, ValueError, "cursor"),
    ],
    ids=str,
)
async def test_bad_query_of_the_reviews_is_refused(
    query: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The list of reviews checks its arguments as the other lists do."""
    with pytest.raises(error, match=message):
        await store_with().list_awaiting_review(**query)


@pytest.mark.parametrize("limits", [7, "strict", {"max_unreviewed": 1}], ids=str)
async def test_wrong_limits_are_refused_by_open(limits: Any) -> None:
    """`open` refuses them, long before the emergency."""
    with pytest.raises(TypeError, match="limits must be Limits or a function"):
        async with AsyncDynamoDBStore.open("breakglass", region_name=REGION, limits=limits):
            pytest.fail("opened")


def failing(event: BreakGlassEvent) -> Limits:
    raise LookupError(event.profile)


@pytest.mark.parametrize(
    ("limits", "message"),
    [(failing, "raised LookupError"), (lambda _: None, "must return Limits, not NoneType")],
    ids=["raises", "returns none"],
)
async def test_wrong_limits_function_sends_nothing(limits: Any, message: str) -> None:
    """An opening that nobody can judge is refused before anything is read or written."""
    with pytest.raises(TypeError, match=message):
        await store_with(limits).create(make_event(created_at=NOW))
