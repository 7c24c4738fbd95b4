"""What clients do with events, and what they are not let do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiobreakglass.testing import make_event

from .api import ID, is_allowed, moved, named, opened
from .conftest import OPENING
from .stores import FaultyStore


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


async def test_the_check_answers_or_fails_but_never_says_no_by_mistake(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    await opened(alice)
    store.failure = OSError("nothing that the library raises")
    response = await alice.get("/api/access?profile=production")
    assert response.status_code == 500
    assert "allowed" not in response.json()
