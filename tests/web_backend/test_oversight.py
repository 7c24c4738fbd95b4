"""Legal holds, histories, and who held access at an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiobreakglass import BreakGlassEvent, CorruptItemError, EventNotFoundError, HistoryEntry
from aiobreakglass.testing import make_event

from .api import ID, REVIEW, named, opened
from .stores import FaultyStore

REASON = {"reason": "Counsel asked for it"}
PATH = f"/api/events/{ID}"


class TestHolds:
    async def test_hold_and_release_are_recorded(
        self, reviewer: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent
    ) -> None:
        held = await reviewer.post(f"{PATH}/hold", json=REASON)
        assert (held.status_code, held.json()["held_by"]) == (200, "rita")
        assert held.json()["held_reason"] == REASON["reason"]
        released = await reviewer.post(f"{PATH}/release", json={"reason": "It is over"})
        assert (released.status_code, released.json()["held_by"]) == (200, None)
        entries = await store.history(ID)
        assert [(entry.action, entry.by) for entry in entries[2:]] == [
            ("held", "rita"),
            ("released", "rita"),
        ]

    async def test_hold_of_active_event_does_not_end_it(
        self, alice: httpx.AsyncClient, reviewer: httpx.AsyncClient
    ) -> None:
        await opened(alice, id=ID)
        response = await reviewer.post(f"{PATH}/hold", json=REASON)
        assert (response.status_code, response.json()["status"]) == (200, "active")

    async def test_second_hold_is_refused_with_the_first(
        self,
        reviewer: httpx.AsyncClient,
        other_reviewer: httpx.AsyncClient,
        ended: BreakGlassEvent,
    ) -> None:
        await reviewer.post(f"{PATH}/hold", json=REASON)
        response = await other_reviewer.post(f"{PATH}/hold", json=REASON)
        assert (response.status_code, named(response)) == (409, "event-held")
        assert response.json()["event"]["held_by"] == "rita"

    async def test_repeated_hold_after_a_lost_answer_is_recognised(
        self, reviewer: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent
    ) -> None:
        store.answers_get_lost = True
        lost = await reviewer.post(f"{PATH}/hold", json=REASON)
        assert (lost.status_code, lost.json()["outcome_unknown"]) == (503, True)
        store.answers_get_lost = False
        response = await reviewer.post(f"{PATH}/hold", json=REASON)
        assert (response.status_code, response.json()["held_by"]) == (200, "rita")
        other = await reviewer.post(f"{PATH}/hold", json={"reason": "Another case"})
        assert (other.status_code, named(other)) == (409, "event-held")

    async def test_release_of_another_hold_than_the_one_read_is_refused(
        self,
        reviewer: httpx.AsyncClient,
        other_reviewer: httpx.AsyncClient,
        store: FaultyStore,
        ended: BreakGlassEvent,
    ) -> None:
        """Neither a stale page nor the repeat of a lost release ends a hold that came later."""
        held = (await reviewer.post(f"{PATH}/hold", json=REASON)).json()
        release = REASON | {"held_at": held["held_at"]}
        store.answers_get_lost = True
        assert (await reviewer.post(f"{PATH}/release", json=release)).status_code == 503
        store.answers_get_lost = False
        other = {"reason": "Another case"}
        assert (await other_reviewer.post(f"{PATH}/hold", json=other)).status_code == 200
        response = await reviewer.post(f"{PATH}/release", json=release)
        assert (response.status_code, named(response)) == (409, "event-held")
        assert response.json()["event"]["held_reason"] == "Another case"
        release["held_at"] = response.json()["event"]["held_at"]
        assert (await reviewer.post(f"{PATH}/release", json=release)).status_code == 200
        gone = await reviewer.post(f"{PATH}/release", json=release)
        assert (gone.status_code, named(gone)) == (409, "event-not-held")

    async def test_repeated_release_of_event_deleted_since_reaches_the_store(
        self, reviewer: httpx.AsyncClient, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A repeat completes the release in the history, which outlives the event."""
        completed = []

        async def complete(event_id: str, **_: str) -> BreakGlassEvent:
            completed.append(event_id)
            raise EventNotFoundError(event_id)

        monkeypatch.setattr(store, "release_hold", complete)
        release = REASON | {"held_at": "2026-01-01T00:00:00Z"}
        response = await reviewer.post(f"{PATH}/release", json=release)
        assert (response.status_code, named(response)) == (404, "event-not-found")
        assert completed == [ID]

    async def test_release_of_event_that_is_not_held_is_refused(
        self, reviewer: httpx.AsyncClient, ended: BreakGlassEvent
    ) -> None:
        response = await reviewer.post(f"{PATH}/release", json=REASON)
        assert (response.status_code, named(response)) == (409, "event-not-held")

    @pytest.mark.parametrize("what", ["hold", "release"])
    async def test_hold_or_release_by_a_person_who_is_no_reviewer_is_refused(
        self, alice: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent, what: str
    ) -> None:
        before = await store.get(ID)
        response = await alice.post(f"{PATH}/{what}", json=REASON)
        assert (response.status_code, named(response)) == (403, "reviewers-only")
        assert await store.get(ID) == before


class TestHistory:
    async def test_history_has_each_change_and_says_that_it_is_whole(
        self, bob: httpx.AsyncClient, reviewer: httpx.AsyncClient, ended: BreakGlassEvent
    ) -> None:
        await reviewer.post(f"{PATH}/review", json=REVIEW)
        response = await bob.get(f"{PATH}/history")
        assert response.status_code == 200
        history = response.json()
        assert history["findings"] == []
        assert [
            (entry["revision"], entry["action"], entry["by"], entry["note"])
            for entry in history["entries"]
        ] == [
            (1, "created", "alice", None),
            (2, "closed", "alice", "Done"),
            (3, "reviewed", "rita", REVIEW["comment"]),
        ]
        assert history["entries"][1]["event"]["status"] == "closed"

    async def test_history_of_deleted_event_is_shown(
        self, bob: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent
    ) -> None:
        await store.delete(ID, by="carol")
        history = (await bob.get(f"{PATH}/history")).json()
        assert history["findings"] == []
        last = history["entries"][-1]
        assert (last["action"], last["by"], last["event"]) == ("deleted", "carol", None)

    async def test_altered_event_is_found(
        self, bob: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent
    ) -> None:
        other = "Nothing to see here at all"
        store._events[ID] = ended.model_copy(update={"justification": other})
        history = (await bob.get(f"{PATH}/history")).json()
        assert "altered" in [finding["kind"] for finding in history["findings"]]

    async def test_change_between_the_two_reads_is_no_finding(
        self, bob: httpx.AsyncClient, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event that changes while it is read does not look altered."""
        await store.create(make_event(id=ID))
        read = store.history

        async def history_after_a_change(event_id: str) -> list[HistoryEntry]:
            if (await store.get(ID)).status == "active":
                await store.close(ID, closed_by="alice", closed_reason="Done")
            return await read(event_id)

        monkeypatch.setattr(store, "history", history_after_a_change)
        history = (await bob.get(f"{PATH}/history")).json()
        assert history["findings"] == []
        assert len(history["entries"]) == 2

    async def test_history_of_unknown_event_is_not_found(self, bob: httpx.AsyncClient) -> None:
        response = await bob.get(f"{PATH}/history")
        assert (response.status_code, named(response)) == (404, "event-not-found")


class TestHolders:
    async def held_at(self, client: httpx.AsyncClient, at: datetime, **names: str) -> list[str]:
        response = await client.get("/api/holders", params={"at": at.isoformat(), **names})
        assert response.status_code == 200
        return [event["invoker"] for event in response.json()["events"]]

    async def test_holders_of_an_instant_begin_included_end_excluded(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        begin = datetime.now(UTC) - timedelta(days=2)
        event = await store.create(make_event(status="expired", created_at=begin))
        moment = timedelta(microseconds=1)
        assert await self.held_at(bob, begin - moment) == []
        assert await self.held_at(bob, begin) == ["alice"]
        assert await self.held_at(bob, event.expires_at - moment) == ["alice"]
        assert await self.held_at(bob, event.expires_at) == []

    async def test_holders_are_narrowed_by_profile_and_person(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        at = datetime.now(UTC) - timedelta(days=2)
        for invoker, profile in (("alice", "production"), ("carol", "staging")):
            await store.create(
                make_event(invoker=invoker, profile=profile, status="expired", created_at=at)
            )
        assert sorted(await self.held_at(bob, at)) == ["alice", "carol"]
        assert await self.held_at(bob, at, profile="staging") == ["carol"]
        assert await self.held_at(bob, at, invoker="alice") == ["alice"]
        assert await self.held_at(bob, at, invoker="alice", profile="staging") == []

    async def test_look_back_at_a_corrupt_row_is_no_answer(
        self, bob: httpx.AsyncClient, store: FaultyStore
    ) -> None:
        """The row that cannot be read may be the answer, so the request fails."""
        store.corrupt = (CorruptItemError("BREAKGLASS#1", "is not an event"),)
        response = await bob.get("/api/holders?at=2026-01-01T00:00:00Z")
        assert (response.status_code, named(response)) == (500, "corrupt-event")

    @pytest.mark.parametrize(
        "query", ["", "at=2999-01-01T00:00:00Z", "at=2026-01-01T00:00:00", "at=now"]
    )
    async def test_future_or_invalid_instant_is_refused(
        self, bob: httpx.AsyncClient, query: str
    ) -> None:
        assert (await bob.get(f"/api/holders?{query}")).status_code == 422
