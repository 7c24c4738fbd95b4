"""What clients do with the API, and what they are not let do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from web_backend.edge import MAX_BODY
from web_backend.problems import NAMESPACE

from aiobreakglass.testing import make_event

from .conftest import OPENING, SETTINGS, application, started
from .stores import FaultyStore

ID = "00112233aabbccdd"


def named(response: httpx.Response) -> str:
    """The kind of problem that a response is."""
    kind: str = response.json()["type"]
    return kind.removeprefix(NAMESPACE)


async def opened(client: httpx.AsyncClient, **fields: str) -> dict[str, Any]:
    response = await client.post("/api/events", json=OPENING | fields)
    assert response.status_code == 201
    event: dict[str, Any] = response.json()
    return event


async def is_allowed(client: httpx.AsyncClient, profile: str = "production") -> bool:
    response = await client.get("/api/access", params={"profile": profile})
    assert response.status_code == 200
    allowed: bool = response.json()["allowed"]
    return allowed


async def moved(client: httpx.AsyncClient, event_id: str, end: datetime) -> httpx.Response:
    return await client.patch(
        f"/api/events/{event_id}",
        json={"expires_at": end.isoformat()},
        headers={"if-match": "*"},
    )


class TestOpening:
    async def test_gives_access_to_whoever_asks(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        event = await opened(alice)
        assert (event["invoker"], event["status"]) == ("alice", "active")
        assert await is_allowed(alice)
        assert not await is_allowed(bob)
        assert not await is_allowed(alice, "staging")

    async def test_what_is_held_already(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        response = await alice.post("/api/events", json=OPENING)
        assert (response.status_code, named(response)) == (409, "active-event-exists")
        assert response.json()["event"] == event

    async def test_a_profile_that_is_not_theirs(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        response = await bob.post("/api/events", json=OPENING | {"profile": "customer-data"})
        assert (response.status_code, named(response)) == (403, "profile-not-allowed")
        assert not await store.list_by_invoker("bob")

    async def test_again_after_the_answer_was_lost(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        """A repetition with the same id is recognised: it is opened once, and that is said."""
        store.answers_get_lost = True
        lost = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (lost.status_code, lost.json()["outcome_unknown"]) == (503, True)
        store.answers_get_lost = False
        response = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, response.json()["id"]) == (200, ID)
        assert len(await store.list_by_invoker("alice")) == 1

    async def test_again_after_it_was_closed(self, alice: httpx.AsyncClient) -> None:
        """A late repetition opens nothing, and does not pretend that it had."""
        await opened(alice, id=ID)
        await alice.post(f"/api/events/{ID}/close", json={"reason": "Done"})
        response = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, response.json()["status"]) == (200, "closed")
        assert not await is_allowed(alice)

    @pytest.mark.parametrize(
        "difference",
        [
            {"justification": "Something quite different, as it were"},
            {"profile": "staging"},
            {"duration": "PT2H"},
        ],
    )
    async def test_with_an_id_that_is_taken(
        self, alice: httpx.AsyncClient, difference: dict[str, str]
    ) -> None:
        await opened(alice, id=ID)
        response = await alice.post("/api/events", json=OPENING | {"id": ID} | difference)
        assert (response.status_code, named(response)) == (409, "event-exists")

    async def test_with_the_id_of_somebody_else(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        await opened(alice, id=ID)
        response = await bob.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, named(response)) == (409, "event-exists")
        assert not await is_allowed(bob)

    async def test_with_the_id_of_one_that_was_deleted(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        await opened(alice, id=ID)
        await store.delete(ID)
        response = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, named(response)) == (409, "event-exists")


class TestClosing:
    async def test_ends_access(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        response = await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert response.status_code == 200
        assert response.json()["closed_by"] == "alice"
        assert not await is_allowed(alice)

    async def test_what_is_closed(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        response = await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert (response.status_code, named(response)) == (409, "invalid-state-transition")
        assert response.json()["current_status"] == "closed"

    @pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x", "closed_by": "bob"}])
    async def test_without_a_reason_or_in_another_name(
        self, alice: httpx.AsyncClient, body: dict[str, str]
    ) -> None:
        event = await opened(alice)
        response = await alice.post(f"/api/events/{event['id']}/close", json=body)
        assert response.status_code == 422
        assert await is_allowed(alice)

    async def test_somebody_elses(self, alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
        event = await opened(alice)
        response = await bob.post(f"/api/events/{event['id']}/close", json={"reason": "Mine"})
        assert (response.status_code, named(response)) == (403, "not-yours")
        assert await is_allowed(alice)

    async def test_somebody_elses_as_a_reviewer(
        self, alice: httpx.AsyncClient, reviewer: httpx.AsyncClient
    ) -> None:
        event = await opened(alice)
        response = await reviewer.post(
            f"/api/events/{event['id']}/close", json={"reason": "Not needed any more"}
        )
        assert response.json()["closed_by"] == "rita"
        assert not await is_allowed(alice)

    @pytest.mark.parametrize(
        ("event_id", "status"), [("ffffffffffffffff", 404), ("not-an-id", 422)]
    )
    async def test_what_does_not_exist(
        self, alice: httpx.AsyncClient, event_id: str, status: int
    ) -> None:
        response = await alice.post(f"/api/events/{event_id}/close", json={"reason": "Done"})
        assert response.status_code == status


class TestMovingTheEnd:
    async def opened(self, alice: httpx.AsyncClient) -> tuple[str, dict[str, str], str]:
        event = await opened(alice, id=ID)
        read = await alice.get(f"/api/events/{ID}")
        later = datetime.fromisoformat(event["created_at"]) + timedelta(hours=2)
        return f"/api/events/{ID}", {"expires_at": later.isoformat()}, read.headers["etag"]

    async def test_of_the_version_that_was_read(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert response.status_code == 200
        moved = datetime.fromisoformat(response.json()["expires_at"])
        assert moved == datetime.fromisoformat(change["expires_at"])
        assert response.headers["etag"] != etag

    async def test_of_a_version_that_is_gone(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        won = await alice.patch(path, json=change, headers={"if-match": etag})
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (412, "concurrent-modification")
        assert response.headers["etag"] == won.headers["etag"]
        assert response.json()["current"] == won.json()

    async def test_without_saying_which_version(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        response = await alice.patch(path, json=change)
        assert (response.status_code, named(response)) == (428, "if-match-required")

    async def test_of_any_version(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        response = await alice.patch(path, json=change, headers={"if-match": "*"})
        assert response.status_code == 200

    @pytest.mark.parametrize("hours", [-1, 5])
    async def test_beyond_what_is_allowed(self, alice: httpx.AsyncClient, hours: int) -> None:
        path, _, etag = await self.opened(alice)
        change = {"expires_at": (datetime.now(UTC) + timedelta(hours=hours)).isoformat()}
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (422, "invalid-request")

    async def test_of_what_is_closed(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        await alice.post(f"{path}/close", json={"reason": "Done"})
        response = await alice.patch(path, json=change, headers={"if-match": "*"})
        assert (response.status_code, named(response)) == (409, "invalid-state-transition")

    async def test_of_somebody_elses(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        path, change, etag = await self.opened(alice)
        response = await bob.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (403, "not-yours")

    async def test_later_where_the_profile_is_theirs_no_more(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        """What could not be opened now cannot be extended; to shorten it takes no profile."""
        event = await store.create(make_event(invoker="bob", profile="customer-data"))
        response = await moved(bob, event.id, event.expires_at + timedelta(minutes=1))
        assert (response.status_code, named(response)) == (403, "profile-not-allowed")
        assert (await store.get(event.id)).expires_at == event.expires_at
        response = await moved(bob, event.id, event.expires_at - timedelta(minutes=1))
        assert response.status_code == 200

    @pytest.mark.parametrize("profile", ["production", "staging"])
    async def test_later_of_somebody_elses_as_a_reviewer(
        self, alice: httpx.AsyncClient, reviewer: httpx.AsyncClient, profile: str
    ) -> None:
        """A reviewer takes access away and gives none, with the profile or without."""
        event = await opened(alice, profile=profile)
        end = datetime.fromisoformat(event["expires_at"])
        response = await moved(reviewer, event["id"], end + timedelta(microseconds=1))
        assert (response.status_code, named(response)) == (403, "not-yours")
        response = await moved(reviewer, event["id"], end - timedelta(minutes=1))
        assert response.status_code == 200
        # What was taken away is not given back either.
        response = await moved(reviewer, event["id"], end)
        assert (response.status_code, named(response)) == (403, "not-yours")

    async def test_of_something_else(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        response = await alice.patch(
            path, json=change | {"profile": "staging"}, headers={"if-match": etag}
        )
        assert response.status_code == 422


class TestLists:
    @pytest.fixture
    async def past(self, store: FaultyStore) -> list[str]:
        """Seven closed events, the newest first."""
        now = datetime.now(UTC)
        events = [
            make_event(status="closed", created_at=now - timedelta(days=day)) for day in range(7)
        ]
        for event in events:
            await store.create(event)
        return [event.id for event in events]

    @pytest.mark.parametrize(
        "key", [{"status": "closed"}, {"invoker": "alice"}, {"profile": "prod"}]
    )
    async def test_page_by_page(
        self, bob: httpx.AsyncClient, past: list[str], key: dict[str, str]
    ) -> None:
        ids: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            response = await bob.get("/api/events", params={**key, "limit": 3, **cursor})
            page = response.json()
            ids += [event["id"] for event in page["events"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert ids == past

    async def test_of_some_days(self, bob: httpx.AsyncClient, past: list[str]) -> None:
        now = datetime.now(UTC)
        bounds = {
            "since": (now - timedelta(days=4.5)).isoformat(),
            "until": (now - timedelta(days=1.5)).isoformat(),
        }
        response = await bob.get("/api/events", params={"status": "closed", **bounds})
        assert [event["id"] for event in response.json()["events"]] == past[2:5]

    async def test_with_the_cursor_of_another_list(
        self, bob: httpx.AsyncClient, past: list[str]
    ) -> None:
        page = (await bob.get("/api/events?status=closed&limit=3")).json()
        response = await bob.get(
            "/api/events", params={"invoker": "alice", "cursor": page["next_cursor"]}
        )
        assert response.status_code == 422


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
        ],
    )
    async def test_is_asked_for_everywhere(
        self, stranger: httpx.AsyncClient, method: str, path: str
    ) -> None:
        body = None if method == "GET" else OPENING
        response = await stranger.request(method, path, json=body)
        assert (response.status_code, named(response)) == (401, "not-signed-in")

    async def test_is_refused_to_everybody_outside_a_demonstration(
        self, store: FaultyStore
    ) -> None:
        """Whoever forgets to replace the stub has an application that lets nobody in."""
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

    async def test_by_the_demonstration(self, stranger: httpx.AsyncClient) -> None:
        response = await stranger.post("/demo/sign-in", json={"name": "bob"})
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("demo_person=bob;")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie


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


async def test_the_check_answers_or_fails_but_never_says_no_by_mistake(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    await opened(alice)
    store.failure = OSError("nothing that the library raises")
    response = await alice.get("/api/access?profile=production")
    assert response.status_code == 500
    assert "allowed" not in response.json()


async def test_the_description_names_every_operation(stranger: httpx.AsyncClient) -> None:
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
    }
