"""Checks and headers for every request and response, before routing."""

from __future__ import annotations

import re
from collections.abc import Set
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import ProblemError, plain

MAX_BODY: Final = 16 * 1024
"""In bytes. The longest justification takes 12,000 if every character is escaped."""
SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
HEADERS: Final = {
    # Allow only our own files, no inline script or style, and no HTML made from text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LENGTH: Final = re.compile("[0-9]{1,18}")
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:]+)(:[0-9]*)?", re.IGNORECASE)


class Application(FastAPI):
    """Wraps Edge around everything, because answers to exceptions bypass the middleware."""

    def build_middleware_stack(self) -> ASGIApp:
        return Edge(super().build_middleware_stack(), self.state.settings.allowed_hosts)


class Edge:
    """Sets these headers, and refuses long bodies and changes from another site's page.

    Browsers send a cookie with requests from any page, so a cookie alone does not prove that the
    person wanted the change. Browsers also say where a request comes from, and no page can change
    that.
    """

    def __init__(self, app: ASGIApp, hosts: Set[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = refusal(scope, self._hosts) or self._app
        await app(scope, receive, send_with_headers)


def refusal(scope: Scope, hosts: Set[str] | None) -> JSONResponse | None:
    """Return the answer to a request that no route may see, or None for a good request."""
    headers = Headers(scope=scope)
    if hosts is not None and host_name(headers) not in hosts:
        return ProblemError(
            HTTPStatus.MISDIRECTED_REQUEST,
            "foreign-host",
            "Unknown host name",
            "BREAKGLASS_HOSTS does not list the name in the request's Host header.",
        ).response()
    # To a route `/health%0a` is `/health`, and in a log a path with a line break is two lines.
    if not scope["path"].isprintable():
        return plain(HTTPStatus.NOT_FOUND)
    if scope["method"] not in SAFE_METHODS and is_cross_origin(headers):
        return ProblemError(
            HTTPStatus.FORBIDDEN,
            "cross-origin",
            "Request from another site",
            "Only this site's own page may make changes.",
        ).response()
    if declared_length(headers) > MAX_BODY:
        return too_long().response()
    return None


def host_name(headers: Headers) -> str | None:
    """Return the name in the Host header without its port, or None if there is none."""
    match = _HOST.fullmatch(headers.get("host", ""))
    return match["name"].lower() if match else None


def declared_length(headers: Headers) -> int:
    """Return the declared length of the body, or 0 if it is missing or malformed.

    Servers refuse most malformed lengths. FastAPI counts the bytes of any body that arrives here.
    """
    length = headers.get("content-length", "")
    return int(length) if _LENGTH.fullmatch(length) else 0


def too_long() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-long",
        "The request is too long",
        f"A request body may have at most {MAX_BODY} bytes.",
    )


def handle_long_bodies(app: FastAPI) -> None:
    """Give the same answer to a long body without a declared length, which FastAPI stops."""

    @app.exception_handler(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    async def of_a_long_body(_: Request, __: Exception) -> JSONResponse:
        return too_long().response()


def is_cross_origin(headers: Headers) -> bool:
    """Return whether a browser made the request for a page of another origin.

    Other programs send neither header, and no page can make them send a cookie. The scheme is not
    compared, because behind a proxy this process does not know its own scheme.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        # A malformed origin such as "http://[::1" is not ours.
        return True
