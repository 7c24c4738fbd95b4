"""Answer every refusal and failure with a problem document (RFC 9457, application/problem+json).

| exception | status | reason |
| --- | --- | --- |
| EventNotFoundError | 404 | |
| ActiveEventExistsError, EventExistsError, InvalidStateTransitionError, ReviewRefusedError, EventHeldError | 409 | the state of the event forbids it, and the document shows that state |
| LimitExceededError | 409 | earlier uses, or the request itself, break a rule of the door; `retry_at` says when to ask again. It is no 429 with Retry-After: a client that obeys that would open access hours later, unasked |
| ConcurrentModificationError | 412 | the If-Match of the request names an old version |
| ImmutableFieldError, values that break a rule | 422 | |
| StoreUnavailableError | 503, Retry-After | it is temporary: the same request may succeed soon |
| TableError | 503 | nothing works until somebody repairs the table, so a load balancer should use another server; nobody knows when, so there is no Retry-After |
| CorruptItemError, ItemTooLargeError | 500 | somebody must repair one row; the service is fine, and asking again does not help |

A failure never looks like "no access": the check answers 200 or fails.
"""  # noqa: E501 - rows of a table

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    ReviewRefusedError,
    StoreUnavailableError,
    TableError,
)

from .models import Event, etag

logger = logging.getLogger("web_backend")

MEDIA_TYPE: Final = "application/problem+json"
NAMESPACE: Final = "tag:breakglass.example,2026:"
"""Put a domain of yours here: https://www.rfc-editor.org/rfc/rfc4151"""


class Problem(BaseModel):
    """What a client reads: it decides by `type`, and shows `detail`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """The application itself refuses a request."""

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(
            type=NAMESPACE + name, title=title, status=status, detail=detail, **members
        )
        self.headers = headers

    def response(self) -> JSONResponse:
        return _response(self.problem, self.headers)


@dataclass(frozen=True, slots=True)
class Kind:
    status: HTTPStatus
    name: str
    title: str
    detail: str | None = None
    """The text for clients, if the exception's own text is only for the log."""
    retry_after: timedelta | None = None


KINDS: Final[Mapping[type[BreakGlassError], Kind]] = {
    EventNotFoundError: Kind(HTTPStatus.NOT_FOUND, "event-not-found", "No such event"),
    ActiveEventExistsError: Kind(
        HTTPStatus.CONFLICT, "active-event-exists", "Access is already held"
    ),
    EventExistsError: Kind(HTTPStatus.CONFLICT, "event-exists", "The id is taken"),
    InvalidStateTransitionError: Kind(
        HTTPStatus.CONFLICT, "invalid-state-transition", "The event has ended"
    ),
    LimitExceededError: Kind(HTTPStatus.CONFLICT, "limit-exceeded", "A rule refuses this"),
    ReviewRefusedError: Kind(HTTPStatus.CONFLICT, "review-refused", "It cannot be reviewed"),
    EventHeldError: Kind(HTTPStatus.CONFLICT, "event-held", "The event is held"),
    ConcurrentModificationError: Kind(
        HTTPStatus.PRECONDITION_FAILED, "concurrent-modification", "The event has changed"
    ),
    ImmutableFieldError: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "immutable-field", "This field cannot change"
    ),
    StoreUnavailableError: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "store-unavailable",
        "The record cannot be reached",
        "The event store is not answering.",
        retry_after=timedelta(seconds=2),
    ),
    TableError: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "table-unusable",
        "The record cannot be used",
        "The event table is missing or misconfigured. Call the operators.",
    ),
    CorruptItemError: Kind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "corrupt-event",
        "The record is damaged",
        "A row of the table is not an event. Call the operators.",
    ),
    ItemTooLargeError: Kind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "row-too-large",
        "The record is too large",
        "Other programs added so much to a row that it can no longer change. Call the operators.",
    ),
}


def response_for(error: BreakGlassError) -> JSONResponse:
    """Return the answer to a store's exception, or raise the exception if it is unknown."""
    # Your own store, or a wrapper around a store, may raise subclasses.
    kind = next((KINDS[base] for base in type(error).__mro__ if base in KINDS), None)
    if kind is None:
        raise error
    problem = Problem(
        type=NAMESPACE + kind.name,
        title=kind.title,
        status=kind.status,
        detail=kind.detail or _detail(error),
        **_members(error),
    )
    headers = {}
    if kind.retry_after is not None:
        headers["Retry-After"] = f"{kind.retry_after.total_seconds():.0f}"
    if isinstance(error, ConcurrentModificationError) and error.current is not None:
        headers["ETag"] = etag(error.current)
    return _response(problem, headers)


def _detail(error: BreakGlassError) -> str:
    # The members have the instant and the ids, so the text needs only the rule.
    return f"{error.reason if isinstance(error, LimitExceededError) else error}."


def _members(error: BreakGlassError) -> dict[str, object]:
    match error:
        case ActiveEventExistsError() | ReviewRefusedError() | EventHeldError():
            return {"event": Event.model_validate(error.event)}
        case EventExistsError() | EventNotFoundError():
            return {"event_id": error.event_id}
        case InvalidStateTransitionError():
            return {
                "event_id": error.event_id,
                "current_status": error.current_status,
                "new_status": error.new_status,
            }
        case LimitExceededError():
            return {
                "limit": error.limit,
                "retry_at": error.retry_at,
                "event_ids": error.event_ids,
            }
        case ConcurrentModificationError():
            current = error.current and Event.model_validate(error.current)
            return {"event_id": error.event_id, "current": current}
        case ImmutableFieldError():
            return {"event_id": error.event_id, "field": error.field}
        case StoreUnavailableError():
            return {"outcome_unknown": error.outcome_unknown}
        case _:
            return {}


@contextmanager
def refusing_values(place: str = "body") -> Iterator[None]:
    """Turn the library's errors about values into refusals; use it only around its calls.

    Anywhere else a `ValueError` is our own bug, and not the client's mistake.
    """
    try:
        yield
    except ValidationError as error:
        raise RequestValidationError(
            [
                {**each, "loc": (place, *each["loc"])}
                for each in error.errors()
                # pydantic also reports fields that depend on an invalid one.
                if each["type"] != "default_factory_not_called"
            ]
        ) from error
    except ValueError as error:
        raise RequestValidationError(
            [{"loc": (place,), "msg": str(error), "type": "value_error"}]
        ) from error


def _invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    broken = [_broken_rule(error) for error in errors]
    members: dict[str, object] = {"errors": broken}
    return Problem(
        type=NAMESPACE + "invalid-request",
        title="The request breaks a rule",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="; ".join(" ".join(filter(None, (_name(rule), rule["detail"]))) for rule in broken)
        + ".",
        **members,
    )


def _broken_rule(error: Mapping[str, Any]) -> dict[str, str]:
    """Return the place and the rule, but not the value, which may be long or secret."""
    place, *path = map(str, error["loc"])
    detail = error["msg"].removeprefix("Value error, ")
    if place == "body":
        if error["type"] == "json_invalid":
            path = []  # It is a position in the text.
        escaped = (part.replace("~", "~0").replace("/", "~1") for part in path)
        return {"detail": detail, "pointer": "".join(["#", *(f"/{part}" for part in escaped)])}
    return {"detail": detail, "in": place} | ({"parameter": path[0]} if path else {})


def _name(rule: Mapping[str, str]) -> str:
    return rule.get("parameter") or rule.get("pointer", "").lstrip("#/")


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        jsonable_encoder(problem),
        problem.status,
        dict(headers) if headers else None,
        media_type=MEDIA_TYPE,
    )


def plain(status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a problem that says only what its status says."""
    title = HTTPStatus(status).phrase
    return _response(
        Problem(type="about:blank", title=title, status=status, detail=f"{title}."), headers
    )


def handle_problems(app: FastAPI) -> None:
    """Make the application answer every exception with a problem document."""

    @app.exception_handler(BreakGlassError)
    async def of_the_store(request: Request, error: BreakGlassError) -> JSONResponse:
        match error:
            case StoreUnavailableError():
                logger.warning("%s %s: %s", request.method, request.scope["path"], error)
            case TableError() | CorruptItemError() | ItemTooLargeError():
                logger.error("%s %s: %s", request.method, request.scope["path"], error)
        return response_for(error)

    @app.exception_handler(ProblemError)
    async def of_ours(_: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def of_the_request(_: Request, error: RequestValidationError) -> JSONResponse:
        return _response(_invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def of_http(_: Request, error: HTTPException) -> JSONResponse:
        return plain(error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def of_nobody(_: Request, __: Exception) -> JSONResponse:
        # Starlette raises the error again after this response, so the server logs it.
        return plain(HTTPStatus.INTERNAL_SERVER_ERROR)


DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A refusal or a failure (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}
