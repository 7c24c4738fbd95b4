"""Every refusal and failure as one kind of document: RFC 9457, application/problem+json.

| what is raised | status | why that one |
| --- | --- | --- |
| EventNotFoundError | 404 | |
| ActiveEventExistsError, EventExistsError, InvalidStateTransitionError | 409 | the state of the event forbids it, and the document shows that state |
| ConcurrentModificationError | 412 | the If-Match of the request does not hold any more |
| ImmutableFieldError, values that break a rule | 422 | |
| StoreUnavailableError | 503, Retry-After | it passes: the same request may be answered soon |
| TableError | 503 | nothing can be served until somebody acts, so a load balancer should look elsewhere; when that will be nobody knows, so no Retry-After |
| CorruptItemError, ItemTooLargeError | 500 | one row has to be mended; the service is fine, and asking again does not help |

Never does a failure read as "no access": the check answers 200 or not at all.
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
    EventNotFoundError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
)

from .models import Event, etag

logger = logging.getLogger("web_backend")

MEDIA_TYPE: Final = "application/problem+json"
NAMESPACE: Final = "tag:breakglass.example,2026:"
"""Put a domain of yours here: https://www.rfc-editor.org/rfc/rfc4151"""


class Problem(BaseModel):
    """What a client reads: `type` to decide by, `detail` to show."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """Raised where this application itself refuses something."""

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
    """Where the exception's own words are for the log, not for a client."""
    retry_after: timedelta | None = None


KINDS: Final[Mapping[type[BreakGlassError], Kind]] = {
    EventNotFoundError: Kind(HTTPStatus.NOT_FOUND, "event-not-found", "No such event"),
    ActiveEventExistsError: Kind(
        HTTPStatus.CONFLICT, "active-event-exists", "Access is held already"
    ),
    EventExistsError: Kind(HTTPStatus.CONFLICT, "event-exists", "The id is taken"),
    InvalidStateTransitionError: Kind(
        HTTPStatus.CONFLICT, "invalid-state-transition", "The event has ended"
    ),
    ConcurrentModificationError: Kind(
        HTTPStatus.PRECONDITION_FAILED, "concurrent-modification", "The event has changed"
    ),
    ImmutableFieldError: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "immutable-field", "This never changes"
    ),
    StoreUnavailableError: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "store-unavailable",
        "The record cannot be reached",
        "The store of events does not answer at the moment.",
        retry_after=timedelta(seconds=2),
    ),
    TableError: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "table-unusable",
        "The record cannot be used",
        "The table of events is missing or is not as it should be; the operators have to act.",
    ),
    CorruptItemError: Kind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "corrupt-event",
        "The record is damaged",
        "A row of the table is not an event; the operators have to mend it.",
    ),
    ItemTooLargeError: Kind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "row-too-large",
        "The record is too large",
        "Other programs have added to a row until it cannot change; the operators have to act.",
    ),
}


def response_for(error: BreakGlassError) -> JSONResponse:
    """Say what a store's exception means to a client; raise one that means nothing."""
    # A store of your own, or one around a store, may raise subclasses.
    kind = next((KINDS[base] for base in type(error).__mro__ if base in KINDS), None)
    if kind is None:
        raise error
    problem = Problem(
        type=NAMESPACE + kind.name,
        title=kind.title,
        status=kind.status,
        detail=kind.detail or f"{error}.",
        **_members(error),
    )
    headers = {}
    if kind.retry_after is not None:
        headers["Retry-After"] = f"{kind.retry_after.total_seconds():.0f}"
    if isinstance(error, ConcurrentModificationError) and error.current is not None:
        headers["ETag"] = etag(error.current)
    return _response(problem, headers)


def _members(error: BreakGlassError) -> dict[str, object]:
    match error:
        case ActiveEventExistsError():
            return {"event": Event.model_validate(error.event)}
        case EventExistsError() | EventNotFoundError():
            return {"event_id": error.event_id}
        case InvalidStateTransitionError():
            return {
                "event_id": error.event_id,
                "current_status": error.current_status,
                "new_status": error.new_status,
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
    """Turn what the library says of a value into a refusal; around its calls alone.

    Anywhere else a `ValueError` is a mistake of ours, and no business of the client's.
    """
    try:
        yield
    except ValidationError as error:
        raise RequestValidationError(
            [
                {**each, "loc": (place, *each["loc"])}
                for each in error.errors()
                # Of fields that depend on one that is wrong pydantic tells as well.
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
    """Say where and what; never what was sent, which may be long, or secret."""
    place, *path = map(str, error["loc"])
    detail = error["msg"].removeprefix("Value error, ")
    if place == "body":
        if error["type"] == "json_invalid":
            path = []  # It holds the position in the text.
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
    """Return a problem that says no more than its status does."""
    title = HTTPStatus(status).phrase
    return _response(
        Problem(type="about:blank", title=title, status=status, detail=f"{title}."), headers
    )


def handle_problems(app: FastAPI) -> None:
    """Have the application answer with problem documents, whatever is raised."""

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
        # Starlette raises it again when this is sent, so the server logs it.
        return plain(HTTPStatus.INTERNAL_SERVER_ERROR)


DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A refusal or a failure (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}
