"""What clients may do with events, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from web_backend.authentication import DEMO_PEOPLE
from web_backend.policy import LimitsFor

from aiobreakglass import Limits
from aiobreakglass.testing import make_event

from .api import ID, is_allowed, moved, named, opened
from .conftest import OPENING
from .stores import FaultyStore

REQUIRED: Final = {"labels": {"ticket": "INC-7"}, "request_id": "R-1"}


class TestOpening:
    async def test_open_grants_access_to_the_signed_in_person(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        event = await opened(alice)
        assert (event["invoker"], event["status"]) == ("alice", "active")
        assert await is_allowed(alice)
        assert not await is_allowed(bob)
        assert not await is_allowed(alice, "staging")

    async def test_open_while_access_is_held_is_refused(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        response = await alice.post("/api/events", json=OPENING)
        assert (response.status_code, named(response)) == (409, "active-event-exists")
        assert response.json()["event"] == event

    async def test_open_of_forbidden_profile_is_refused(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        response = await bob.post("/api/events", json=OPENING | {"profile": "customer-data"})
        assert (response.status_code, named(response)) == (403, "profile-not-allowed")
        assert not await store.list_by_invoker("bob")

    async def test_repeated_open_after_a_lost_answer_is_recognised(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        """A repeated request with the same id returns the event that it opened before."""
        store.answers_get_lost = True
        lost = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (lost.status_code, lost.json()["outcome_unknown"]) == (503, True)
        store.answers_get_lost = False
        response = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, response.json()["id"]) == (200, ID)
        assert len(await store.list_by_invoker("alice")) == 1

    async def test_repeated_open_after_the_close_opens_nothing(
        self, alice: httpx.AsyncClient
    ) -> None:
        """A late repeat opens nothing and returns the closed event."""
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
            {"labels": {"ticket": "INC-7"}},
            {"request_id": "R-1"},
        ],
    )
    async def test_open_with_taken_id_and_other_fields_is_refused(
        self, alice: httpx.AsyncClient, difference: dict[str, Any]
    ) -> None:
        await opened(alice, id=ID)
        response = await alice.post("/api/events", json=OPENING | {"id": ID} | difference)
        assert (response.status_code, named(response)) == (409, "event-exists")

    async def test_open_with_id_of_another_person_is_refused(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        await opened(alice, id=ID)
        response = await bob.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, named(response)) == (409, "event-exists")
        assert not await is_allowed(bob)

    async def test_open_with_id_of_deleted_event_is_refused(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        await opened(alice, id=ID)
        await store.delete(ID)
        response = await alice.post("/api/events", json=OPENING | {"id": ID})
        assert (response.status_code, named(response)) == (409, "event-exists")


class TestRequiredFields:
    """What rules can require of an opening: labels and a request id come with it, MFA does not."""

    @pytest.fixture
    def limits(self) -> LimitsFor:
        return Limits(require_labels=["ticket"], require_request_id=True, require_mfa=True)

    @pytest.fixture
    def verified(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let alice sign in with a second factor."""
        alice = replace(DEMO_PEOPLE["alice"], mfa_method="security-key")
        monkeypatch.setitem(DEMO_PEOPLE, "alice", alice)

    @pytest.mark.usefixtures("verified")
    async def test_open_with_all_that_is_required_succeeds(
        self, alice: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        sent = OPENING | {"id": ID} | REQUIRED
        response = await alice.post("/api/events", json=sent)
        assert response.status_code == 201
        assert response.json().items() >= REQUIRED.items()
        assert (response.json()["mfa_verified"], response.json()["mfa_method"]) == (
            True,
            "security-key",
        )
        event = await store.get(ID)
        assert (event.labels, event.request_id) == ({"ticket": "INC-7"}, "R-1")
        assert (event.mfa_verified, event.mfa_method) == (True, "security-key")
        assert (await alice.post("/api/events", json=sent)).status_code == 200

    @pytest.mark.usefixtures("verified")
    @pytest.mark.parametrize(
        ("missing", "limit", "detail"),
        [
            ("labels", "require_labels", "access needs the label ticket."),
            ("request_id", "require_request_id", "access needs the id of a request."),
        ],
    )
    async def test_open_without_a_required_field_is_refused(
        self, alice: httpx.AsyncClient, missing: str, limit: str, detail: str
    ) -> None:
        sent = {name: value for name, value in REQUIRED.items() if name != missing}
        response = await alice.post("/api/events", json=OPENING | sent)
        assert (response.status_code, named(response)) == (409, "limit-exceeded")
        assert response.json()["limit"] == limit
        assert (response.json()["retry_at"], response.json()["detail"]) == (None, detail)

    async def test_open_by_a_person_without_second_factor_is_refused(
        self, alice: httpx.AsyncClient
    ) -> None:
        """No request can claim a second factor; it comes from the sign-in alone."""
        response = await alice.post("/api/events", json=OPENING | REQUIRED)
        assert (named(response), response.json()["limit"]) == ("limit-exceeded", "require_mfa")
        claim = OPENING | REQUIRED | {"mfa_verified": True}
        response = await alice.post("/api/events", json=claim)
        assert (response.status_code, named(response)) == (422, "invalid-request")
        assert response.json()["errors"][0]["pointer"] == "#/mfa_verified"


class TestClosing:
    async def test_close_ends_access(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        response = await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert response.status_code == 200
        assert response.json()["closed_by"] == "alice"
        assert not await is_allowed(alice)

    async def test_close_of_closed_event_is_refused(self, alice: httpx.AsyncClient) -> None:
        event = await opened(alice)
        await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        response = await alice.post(f"/api/events/{event['id']}/close", json={"reason": "Done"})
        assert (response.status_code, named(response)) == (409, "invalid-state-transition")
        assert response.json()["current_status"] == "closed"

    @pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x", "closed_by": "bob"}])
    async def test_close_without_reason_or_for_another_is_refused(
        self, alice: httpx.AsyncClient, body: dict[str, str]
    ) -> None:
        event = await opened(alice)
        response = await alice.post(f"/api/events/{event['id']}/close", json=body)
        assert response.status_code == 422
        assert await is_allowed(alice)

    async def test_close_of_another_persons_event_is_refused(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        event = await opened(alice)
        response = await bob.post(f"/api/events/{event['id']}/close", json={"reason": "Mine"})
        assert (response.status_code, named(response)) == (403, "not-yours")
        assert await is_allowed(alice)

    async def test_reviewer_closes_another_persons_event(
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
    async def test_close_of_unknown_event_is_refused(
        self, alice: httpx.AsyncClient, event_id: str, status: int
    ) -> None:
        response = await alice.post(f"/api/events/{event_id}/close", json={"reason": "Done"})
        assert response.status_code == status


class TestChangingExpiry:
    async def opened(self, alice: httpx.AsyncClient) -> tuple[str, dict[str, str], str]:
        event = await opened(alice, id=ID)
        read = await alice.get(f"/api/events/{ID}")
        later = datetime.fromisoformat(event["created_at"]) + timedelta(hours=2)
        return f"/api/events/{ID}", {"expires_at": later.isoformat()}, read.headers["etag"]

    async def test_change_of_current_version_succeeds(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert response.status_code == 200
        moved = datetime.fromisoformat(response.json()["expires_at"])
        assert moved == datetime.fromisoformat(change["expires_at"])
        assert response.headers["etag"] != etag

    async def test_change_of_stale_version_is_refused(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        won = await alice.patch(path, json=change, headers={"if-match": etag})
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (412, "concurrent-modification")
        assert response.headers["etag"] == won.headers["etag"]
        assert response.json()["current"] == won.json()

    async def test_change_without_if_match_is_refused(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        response = await alice.patch(path, json=change)
        assert (response.status_code, named(response)) == (428, "if-match-required")

    async def test_change_of_any_version_succeeds(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        response = await alice.patch(path, json=change, headers={"if-match": "*"})
        assert response.status_code == 200

    @pytest.mark.parametrize("hours", [-1, 5])
    async def test_change_outside_allowed_times_is_refused(
        self, alice: httpx.AsyncClient, hours: int
    ) -> None:
        path, _, etag = await self.opened(alice)
        change = {"expires_at": (datetime.now(UTC) + timedelta(hours=hours)).isoformat()}
        response = await alice.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (422, "invalid-request")

    async def test_change_of_closed_event_is_refused(self, alice: httpx.AsyncClient) -> None:
        path, change, _ = await self.opened(alice)
        await alice.post(f"{path}/close", json={"reason": "Done"})
        response = await alice.patch(path, json=change, headers={"if-match": "*"})
        assert (response.status_code, named(response)) == (409, "invalid-state-transition")

    async def test_change_of_another_persons_event_is_refused(
        self, alice: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        path, change, etag = await self.opened(alice)
        response = await bob.patch(path, json=change, headers={"if-match": etag})
        assert (response.status_code, named(response)) == (403, "not-yours")

    async def test_extension_of_forbidden_profile_is_refused(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        """People cannot extend what they could not open now, but they can shorten it."""
        event = await store.create(make_event(invoker="bob", profile="customer-data"))
        response = await moved(bob, event.id, event.expires_at + timedelta(minutes=1))
        assert (response.status_code, named(response)) == (403, "profile-not-allowed")
        assert (await store.get(event.id)).expires_at == event.expires_at
        response = await moved(bob, event.id, event.expires_at - timedelta(minutes=1))
        assert response.status_code == 200

    @pytest.mark.parametrize("profile", ["production", "staging"])
    async def test_reviewer_shortens_but_never_extends(
        self, alice: httpx.AsyncClient, reviewer: httpx.AsyncClient, profile: str
    ) -> None:
        """A reviewer may take access away but never give it, whatever their own profiles."""
        event = await opened(alice, profile=profile)
        end = datetime.fromisoformat(event["expires_at"])
        response = await moved(reviewer, event["id"], end + timedelta(microseconds=1))
        assert (response.status_code, named(response)) == (403, "not-yours")
        response = await moved(reviewer, event["id"], end - timedelta(minutes=1))
        assert response.status_code == 200
        # A reviewer cannot undo a shortening either.
        response = await moved(reviewer, event["id"], end)
        assert (response.status_code, named(response)) == (403, "not-yours")

    async def test_history_knows_who_made_each_change(
        self, alice: httpx.AsyncClient, reviewer: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        event = await opened(alice)
        end = datetime.fromisoformat(event["expires_at"])
        await moved(alice, event["id"], end + timedelta(minutes=1))
        await moved(reviewer, event["id"], end)
        name = (await reviewer.get("/api/me")).json()["name"]
        history = await store.history(event["id"])
        assert [(entry.action, entry.by) for entry in history] == [
            ("created", "alice"),
            ("extended", "alice"),
            ("updated", name),
        ]

    async def test_change_of_other_fields_is_refused(self, alice: httpx.AsyncClient) -> None:
        path, change, etag = await self.opened(alice)
        response = await alice.patch(
            path, json=change | {"profile": "staging"}, headers={"if-match": etag}
        )
        assert response.status_code == 422


async def test_failed_check_never_says_no(alice: httpx.AsyncClient, store: FaultyStore) -> None:
    await opened(alice)
    store.failure = OSError("nothing that the library raises")
    response = await alice.get("/api/access?profile=production")
    assert response.status_code == 500
    assert "allowed" not in response.json()
