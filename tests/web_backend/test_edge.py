"""What holds for every request and response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from web_backend.edge import MAX_BODY

from .api import ID, is_allowed, named
from .conftest import OPENING
from .stores import FaultyStore


def are_those_for_browsers(headers: httpx.Headers) -> None:
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


class TestTheEdge:
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
    async def test_what_another_sites_page_asks_for(
        self, alice: httpx.AsyncClient, headers: dict[str, str], status: int
    ) -> None:
        """A cookie goes along with it, so the origin decides."""
        response = await alice.post("/api/events", json=OPENING, headers=headers)
        assert response.status_code == status
        assert await is_allowed(alice) is (status == 201)

    async def test_a_form_of_another_site(self, alice: httpx.AsyncClient) -> None:
        """What a form can send without asking is not taken for JSON, even from an old browser."""
        response = await alice.post(
            "/api/events",
            content='{"profile": "production"}',
            headers={"content-type": "text/plain"},
        )
        assert response.status_code == 422

    @pytest.mark.parametrize("tells_its_length", [True, False])
    @pytest.mark.parametrize("path", ["/api/events", "/demo/sign-in"])
    async def test_a_body_that_is_too_long(
        self, alice: httpx.AsyncClient, path: str, tells_its_length: bool
    ) -> None:
        body = b" " * (MAX_BODY + 1)

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        response = await alice.post(
            path,
            content=body if tells_its_length else chunks(),
            headers={"content-type": "application/json"},
        )
        assert (response.status_code, named(response)) == (413, "body-too-long")
        assert response.headers["content-type"] == "application/problem+json"

    async def test_the_longest_body_there_can_be(self, alice: httpx.AsyncClient) -> None:
        response = await alice.post(
            "/api/events",
            # Twelve bytes for each character.
            content=json.dumps(OPENING | {"justification": "\N{FIRE}" * 1000}),
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 201

    @pytest.mark.parametrize("path", ["/", "/page/page.js", "/api/me", "/api/nothing"])
    async def test_headers_for_browsers(self, alice: httpx.AsyncClient, path: str) -> None:
        are_those_for_browsers((await alice.get(path)).headers)

    async def test_headers_for_browsers_where_all_else_fails(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        store.failure = RuntimeError("nobody has foreseen it")
        response = await alice.get(f"/api/events/{ID}")
        assert response.status_code == 500
        are_those_for_browsers(response.headers)

    async def test_a_path_with_a_slash_too_many(self, alice: httpx.AsyncClient) -> None:
        """It leads nowhere: a redirection would lead to whatever host the request names."""
        response = await alice.get("/api/events/?status=active", headers={"host": "elsewhere"})
        assert response.status_code == 404
        assert "location" not in response.headers

    @pytest.mark.parametrize("path", ["/", "/page/page.js", "/health"])
    async def test_head(self, stranger: httpx.AsyncClient, path: str) -> None:
        response = await stranger.head(path)
        assert (response.status_code, response.content) == (200, b"")
