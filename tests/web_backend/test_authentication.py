"""Every operation requires a signed-in person."""

from __future__ import annotations

import httpx
import pytest
from web_backend.authentication import DEMO_PEOPLE, PROFILES, Person

from .api import ID, named, opened
from .conftest import OPENING, SETTINGS, application, started
from .stores import FaultyStore


class TestAuthentication:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/api/me"),
            ("GET", "/api/access?profile=production"),
            ("GET", "/api/events?status=active"),
            ("GET", f"/api/events/{ID}"),
            ("POST", "/api/events"),
            ("PATCH", f"/api/events/{ID}"),
            ("POST", f"/api/events/{ID}/close"),
            ("GET", "/api/changes"),
            ("GET", "/api/limits?profile=production"),
            ("GET", f"/api/events/{ID}/extension"),
            ("POST", f"/api/events/{ID}/extend"),
            ("GET", "/api/reviews"),
            ("POST", f"/api/events/{ID}/review"),
            ("POST", f"/api/events/{ID}/hold"),
            ("POST", f"/api/events/{ID}/release"),
            ("GET", f"/api/events/{ID}/history"),
            ("GET", "/api/holders?at=2026-01-01T00:00:00Z"),
        ],
    )
    async def test_every_operation_requires_sign_in(
        self, stranger: httpx.AsyncClient, method: str, path: str
    ) -> None:
        body = None if method == "GET" else OPENING
        response = await stranger.request(method, path, json=body)
        assert (response.status_code, named(response)) == (401, "not-signed-in")

    async def test_stub_lets_nobody_in_unless_demo_sign_in_is_set(
        self, store: FaultyStore
    ) -> None:
        """An application that keeps the stub by mistake lets nobody in."""
        app = application(store, SETTINGS.model_copy(update={"demo_sign_in": False}))
        async with (
            started(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://backend",
                cookies={"demo_person": "alice"},
            ) as client,
        ):
            assert (await client.get("/api/me")).status_code == 401
            assert (await client.get("/demo/sign-in")).status_code == 404

    async def test_demo_sign_in_sets_a_strict_http_only_cookie(
        self, stranger: httpx.AsyncClient
    ) -> None:
        response = await stranger.post("/demo/sign-in", json={"name": "bob"})
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("demo_person=bob;")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie

    @pytest.mark.parametrize(
        "name", ["Jos\N{LATIN SMALL LETTER E WITH ACUTE}", "\u0141ucja", "a; b"]
    )
    async def test_demo_sign_in_with_a_name_that_needs_escaping(
        self,
        stranger: httpx.AsyncClient,
        store: FaultyStore,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """The invoker of their event is their name as people write it."""
        monkeypatch.setitem(DEMO_PEOPLE, name, Person(name, PROFILES))
        del stranger.cookies["demo_person"]
        await stranger.post("/demo/sign-in", json={"name": name})
        assert (await stranger.get("/api/me")).json()["name"] == name
        await opened(stranger)
        assert await store.find_active_by_invoker_and_profile(name, "production")


async def test_openapi_lists_every_operation(stranger: httpx.AsyncClient) -> None:
    paths = (await stranger.get("/openapi.json")).json()["paths"]
    assert {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    } == {
        "GET /api/me",
        "GET /api/access",
        "GET /api/changes",
        "GET /api/events",
        "POST /api/events",
        "GET /api/events/{event_id}",
        "PATCH /api/events/{event_id}",
        "POST /api/events/{event_id}/close",
        "GET /api/limits",
        "GET /api/events/{event_id}/extension",
        "POST /api/events/{event_id}/extend",
        "GET /api/reviews",
        "POST /api/events/{event_id}/review",
        "POST /api/events/{event_id}/hold",
        "POST /api/events/{event_id}/release",
        "GET /api/events/{event_id}/history",
        "GET /api/holders",
    }
