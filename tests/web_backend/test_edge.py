"""The checks and headers of every request and response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from web_backend.edge import MAX_BODY
from web_backend.settings import Settings

from aiobreakglass import StoreUnavailableError

from .api import ID, is_allowed, named
from .conftest import OPENING, SETTINGS, application, started
from .stores import FaultyStore


def assert_security_headers(headers: httpx.Headers) -> None:
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


class TestEdge:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"origin": "https://elsewhere.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "http://[::1"}, 403),
            ({"sec-fetch-site": "same-origin", "origin": "http://backend"}, 201),
            ({"origin": "http://backend"}, 201),
            ({}, 201),
        ],
    )
    async def test_cross_origin_change_is_refused(
        self, alice: httpx.AsyncClient, headers: dict[str, str], status: int
    ) -> None:
        """Browsers send the cookie from any page, so the origin decides."""
        response = await alice.post("/api/events", json=OPENING, headers=headers)
        assert response.status_code == status
        assert await is_allowed(alice) is (status == 201)

    async def test_plain_text_body_is_not_read_as_json(self, alice: httpx.AsyncClient) -> None:
        """A form of another site can send plain text, so such a body is not read as JSON."""
        response = await alice.post(
            "/api/events",
            content='{"profile": "production"}',
            headers={"content-type": "text/plain"},
        )
        assert response.status_code == 422

    @pytest.mark.parametrize("declares_length", [True, False])
    @pytest.mark.parametrize("path", ["/api/events", "/demo/sign-in"])
    async def test_body_over_the_limit_is_refused(
        self, alice: httpx.AsyncClient, path: str, declares_length: bool
    ) -> None:
        body = b" " * (MAX_BODY + 1)

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        response = await alice.post(
            path,
            content=body if declares_length else chunks(),
            headers={"content-type": "application/json"},
        )
        assert (response.status_code, named(response)) == (413, "body-too-long")
        assert response.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "length", ["", "many", "-1", "1_0", "+5", "\N{SUPERSCRIPT TWO}", "5, 5", "9" * 5000]
    )
    async def test_malformed_content_length_does_not_hide_a_long_body(
        self, alice: httpx.AsyncClient, length: str
    ) -> None:
        """If a server passes on a malformed length, the length of the body itself decides."""
        for body, status in ((json.dumps(OPENING), 201), (" " * (MAX_BODY + 1), 413)):
            response = await alice.post(
                "/api/events",
                content=body,
                headers=[
                    (b"content-type", b"application/json"),
                    (b"content-length", length.encode("latin-1")),
                ],
            )
            assert response.status_code == status

    async def test_longest_valid_body_is_accepted(self, alice: httpx.AsyncClient) -> None:
        response = await alice.post(
            "/api/events",
            # Twelve bytes for each character.
            content=json.dumps(OPENING | {"justification": "\N{FIRE}" * 1000}),
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 201

    @pytest.mark.parametrize("path", ["/", "/page/page.js", "/api/me", "/api/nothing"])
    async def test_every_response_has_the_security_headers(
        self, alice: httpx.AsyncClient, path: str
    ) -> None:
        assert_security_headers((await alice.get(path)).headers)

    async def test_unexpected_error_has_the_security_headers(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        store.failure = RuntimeError("nobody has foreseen it")
        response = await alice.get(f"/api/events/{ID}")
        assert response.status_code == 500
        assert_security_headers(response.headers)

    async def test_trailing_slash_is_not_redirected(self, alice: httpx.AsyncClient) -> None:
        """A redirect would lead to the host that the request names, so there is none."""
        response = await alice.get("/api/events/?status=active")
        assert response.status_code == 404
        assert "location" not in response.headers

    @pytest.mark.parametrize("character", ["%0a", "%0d%0a", "%00", "%1b", "%e2%80%ae", "%c2%85"])
    @pytest.mark.parametrize("path", ["/", "/health", "/api/me", f"/api/events/{ID}"])
    async def test_path_with_unprintable_character_is_not_found(
        self,
        alice: httpx.AsyncClient,
        store: FaultyStore,
        caplog: pytest.LogCaptureFixture,
        path: str,
        character: str,
    ) -> None:
        """Such a path reaches no route and no log line; a route would take `/%0a` for `/`."""
        store.failure = StoreUnavailableError("throttled")
        response = await alice.get(path + character)
        assert (response.status_code, response.json()["type"]) == (404, "about:blank")
        assert_security_headers(response.headers)
        assert [message for message in caplog.messages if "GET" in message] == []

    async def test_failure_with_a_query_that_is_not_utf_8(
        self, app: FastAPI, store: FaultyStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A store failure is answered and logged as with any other query."""
        store.failure = StoreUnavailableError("throttled")

        async def not_utf_8(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "query_string": b"profile=prod&more=\xff"}, receive, send)

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(not_utf_8, raise_app_exceptions=False),
            base_url="http://backend",
            cookies={"demo_person": "alice"},
        ) as client:
            response = await client.get("/api/access")
        assert response.status_code == 503
        assert "GET /api/access: throttled" in caplog.messages

    @pytest.mark.parametrize("path", ["/", "/page/page.js", "/health"])
    async def test_head_has_no_body(self, stranger: httpx.AsyncClient, path: str) -> None:
        response = await stranger.head(path)
        assert (response.status_code, response.content) == (200, b"")


def with_hosts(hosts: frozenset[str] | None, *, demo_sign_in: bool) -> Settings:
    return SETTINGS.model_copy(update={"hosts": hosts, "demo_sign_in": demo_sign_in})


async def answer_to(host: str, settings: Settings, store: FaultyStore) -> httpx.Response:
    app = application(store, settings)
    async with (
        started(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend") as client,
    ):
        return await client.get("/demo/sign-in", headers={"host": host})


class TestHost:
    """Another site can point its own name at this server, and so pass for this site."""

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000"]
    )
    async def test_demonstration_answers_to_this_machine(
        self, store: FaultyStore, host: str
    ) -> None:
        response = await answer_to(host, with_hosts(None, demo_sign_in=True), store)
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "rebound.example",
            "localhost.rebound.example:8000",
            "127.0.0.1.rebound.example",
            "localhost@rebound.example",
            "rebound.example:localhost",
            "[::1].rebound.example",
            "",
        ],
    )
    async def test_demonstration_refuses_any_other_host(
        self, store: FaultyStore, host: str
    ) -> None:
        response = await answer_to(host, with_hosts(None, demo_sign_in=True), store)
        assert (response.status_code, named(response)) == (421, "foreign-host")
        assert_security_headers(response.headers)

    async def test_deployment_without_hosts_answers_to_any_host(self, store: FaultyStore) -> None:
        """A deployment's proxy checks host names, and its sign-in requires proof."""
        response = await answer_to("anything", with_hosts(None, demo_sign_in=False), store)
        assert response.status_code == 404

    @pytest.mark.parametrize("demo_sign_in", [True, False])
    @pytest.mark.parametrize(("host", "is_refused"), [("here.example", False), ("other", True)])
    async def test_configured_host_is_the_only_one_accepted(
        self, store: FaultyStore, host: str, is_refused: bool, demo_sign_in: bool
    ) -> None:
        settings = with_hosts(frozenset({"Here.example"}), demo_sign_in=demo_sign_in)
        response = await answer_to(host, settings, store)
        assert (response.status_code == 421) is is_refused
