"""Each exception becomes one problem document, which tells a client what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from web_backend.problems import KINDS, NAMESPACE

import aiobreakglass
from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
    BreakGlassStatus,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    ReviewRefusedError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass.testing import make_event

from .stores import FaultyStore

EVENT = make_event(id="0123456789abcdef")
PROBLEM = "application/problem+json"

CASES: list[tuple[Exception, int, str, dict[str, Any]]] = [
    (EventNotFoundError(EVENT.id), 404, "event-not-found", {"event_id": EVENT.id}),
    (EventExistsError(EVENT.id), 409, "event-exists", {"event_id": EVENT.id}),
    (
        InvalidStateTransitionError(EVENT.id, BreakGlassStatus.CLOSED, BreakGlassStatus.EXPIRED),
        409,
        "invalid-state-transition",
        {"event_id": EVENT.id, "current_status": "closed", "new_status": "expired"},
    ),
    (
        ConcurrentModificationError(EVENT.id),
        412,
        "concurrent-modification",
        {"event_id": EVENT.id, "current": None},
    ),
    (
        ImmutableFieldError(EVENT.id, "profile"),
        422,
        "immutable-field",
        {"event_id": EVENT.id, "field": "profile"},
    ),
    (
        LimitExceededError(
            "cooldown", "once within an hour", datetime(2026, 1, 1, tzinfo=UTC), [EVENT.id]
        ),
        409,
        "limit-exceeded",
        {"limit": "cooldown", "retry_at": "2026-01-01T00:00:00Z", "event_ids": [EVENT.id]},
    ),
    (
        LimitExceededError("require_mfa", "access needs a second factor"),
        409,
        "limit-exceeded",
        {"limit": "require_mfa", "retry_at": None, "event_ids": []},
    ),
    (CorruptItemError("ACTIVE#secret", "secret"), 500, "corrupt-event", {}),
    (ItemTooLargeError("ACTIVE#secret"), 500, "row-too-large", {}),
    (TableError("secret"), 503, "table-unusable", {}),
    (StoreUnavailableError("secret"), 503, "store-unavailable", {"outcome_unknown": False}),
    (
        StoreUnavailableError("secret", outcome_unknown=True),
        503,
        "store-unavailable",
        {"outcome_unknown": True},
    ),
]


@pytest.mark.parametrize(
    ("error", "status", "name", "members"), CASES, ids=lambda value: type(value).__name__
)
async def test_store_exception_becomes_a_problem_document(
    alice: httpx.AsyncClient,
    store: FaultyStore,
    error: Exception,
    status: int,
    name: str,
    members: dict[str, Any],
) -> None:
    store.failure = error
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    problem = response.json()
    assert (problem.pop("type"), problem.pop("status")) == (NAMESPACE + name, status)
    assert problem.pop("title")
    assert problem.pop("detail")
    assert problem == members
    # Internal details go to the log only.
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ActiveEventExistsError(EVENT), "active-event-exists"),
        (ReviewRefusedError(EVENT, "is active"), "review-refused"),
        (EventHeldError(EVENT), "event-held"),
    ],
)
async def test_refusal_has_the_event_in_the_way(
    alice: httpx.AsyncClient, store: FaultyStore, error: BreakGlassError, name: str
) -> None:
    store.failure = error
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"] == NAMESPACE + name
    assert problem["event"]["id"] == EVENT.id


async def test_limit_refusal_has_no_retry_after(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    """A client that obeys Retry-After would open access hours later, unasked."""
    store.failure = LimitExceededError("cooldown", "once an hour", datetime.now(UTC))
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert "retry-after" not in response.headers
    assert response.json()["detail"] == "once an hour."


async def test_concurrent_modification_has_the_current_version(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    store.failure = ConcurrentModificationError(EVENT.id, EVENT)
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert response.status_code == 412
    assert response.json()["current"]["id"] == EVENT.id
    assert response.headers["etag"] == f'"{EVENT.updated_at.isoformat()}"'


@pytest.mark.parametrize(
    ("error", "waiting_helps"),
    [
        (StoreUnavailableError("throttled"), True),
        (TableError("no such table"), False),
        (CorruptItemError("key", "no id"), False),
        (EventNotFoundError(EVENT.id), False),
    ],
)
async def test_retry_after_is_sent_only_if_waiting_helps(
    alice: httpx.AsyncClient, store: FaultyStore, error: Exception, waiting_helps: bool
) -> None:
    store.failure = error
    response = await alice.get("/api/access?profile=production")
    assert ("retry-after" in response.headers) is waiting_helps


def test_every_exception_has_a_problem_kind() -> None:
    exceptions = {
        value
        for name in aiobreakglass.__all__
        if isinstance(value := getattr(aiobreakglass, name), type)
        and issubclass(value, BreakGlassError)
        # `expire_due` raises the second one, and no request calls that.
        and value not in (BreakGlassError, ExpiryError)
    }
    assert KINDS.keys() == exceptions


class ThrottledError(StoreUnavailableError):
    """An exception that a wrapper around a store might raise."""


class UnknownError(BreakGlassError):
    """An exception that the application does not know."""


async def test_subclass_is_answered_like_its_base(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    store.failure = ThrottledError("secret", outcome_unknown=True)
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    problem = response.json()
    assert (problem["type"], problem["outcome_unknown"]) == (NAMESPACE + "store-unavailable", True)


async def test_unknown_store_exception_is_an_internal_error(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    store.failure = UnknownError("secret")
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert (response.status_code, response.headers["content-type"]) == (500, PROBLEM)
    assert response.json()["type"] == "about:blank"
    assert "secret" not in response.text


async def test_unexpected_exception_is_an_internal_error(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    """A bug in the application is not reported as the client's mistake."""
    store.failure = RuntimeError("secret")
    response = await alice.get(f"/api/events/{EVENT.id}")
    assert (response.status_code, response.headers["content-type"]) == (500, PROBLEM)
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nothing", 404), ("PUT", "/api/me", 405), ("HEAD", "/api/access", 405)],
)
async def test_unknown_path_or_method_is_a_problem_document(
    alice: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await alice.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    assert ("allow" in response.headers) is (status == 405)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"justification": "too short"}, {"#/justification"}),
        ({"duration": "PT5H", "id": "XYZ"}, {"#/duration", "#/id"}),
        ({"duration": "PT0S"}, {"#/duration"}),
        ({"duration": "PT0.000001S"}, {"#"}),
        ({"reason_code": "boredom"}, {"#/reason_code"}),
        ({"invoker": "bob"}, {"#/invoker"}),
        ({"profile": None}, {"#/profile"}),
    ],
)
async def test_invalid_body_names_each_broken_rule(
    alice: httpx.AsyncClient, body: dict[str, object], pointers: set[str]
) -> None:
    """The answer names each broken rule with its field, and does not repeat the input."""
    opening = {
        "profile": "production",
        "reason_code": "incident",
        "justification": "The primary database does not answer",
    }
    response = await alice.post("/api/events", json=opening | body)
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    problem = response.json()
    assert problem["type"] == NAMESPACE + "invalid-request"
    assert {error["pointer"] for error in problem["errors"]} == pointers
    assert "too short" not in response.text


async def test_body_that_is_not_json_is_refused(alice: httpx.AsyncClient) -> None:
    response = await alice.post(
        "/api/events", content="{", headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["#"]


async def test_http_error_without_own_type_is_about_blank(alice: httpx.AsyncClient) -> None:
    """A problem without a type of its own says only what its status says."""
    response = await alice.post(
        "/api/events", content="[" * 16_000, headers={"content-type": "application/json"}
    )
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    problem = response.json()
    assert (problem["type"], problem["title"]) == ("about:blank", "Bad Request")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=active&limit=0", {"in": "query", "parameter": "limit"}),
        ("status=active&limit=201", {"in": "query", "parameter": "limit"}),
        ("status=open", {"in": "query", "parameter": "status"}),
        ("status=active&since=2026-01-01T00:00:00", {"in": "query", "parameter": "since"}),
        ("status=active&untill=2026-01-01T00:00:00Z", {"in": "query", "parameter": "untill"}),
        ("status=active&cursor=forged", {"in": "query"}),
        ("invoker=%20alice", {"in": "query"}),
        ("status=active&invoker=alice", {"in": "query"}),
        ("", {"in": "query"}),
    ],
)
async def test_invalid_query_names_the_parameter(
    alice: httpx.AsyncClient, query: str, expected: dict[str, str]
) -> None:
    response = await alice.get(f"/api/events?{query}")
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error.pop("detail")
    assert error == expected
