"""Reviewers decide about ended events of others, in the order of a queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiobreakglass import BreakGlassEvent
from aiobreakglass.testing import make_event

from .api import ID, REVIEW, named, opened
from .conftest import SignIn
from .stores import FaultyStore

PATH = f"/api/events/{ID}"


async def waiting(client: httpx.AsyncClient, **query: str) -> list[str]:
    response = await client.get("/api/reviews", params=query)
    assert response.status_code == 200
    return [event["id"] for event in response.json()["events"]]


async def test_review_is_recorded_and_leaves_the_queue(
    reviewer: httpx.AsyncClient, store: FaultyStore, ended: BreakGlassEvent
) -> None:
    assert await waiting(reviewer) == [ID]
    response = await reviewer.post(f"{PATH}/review", json=REVIEW)
    assert response.status_code == 200
    shown = response.json()
    assert (shown["reviewed_by"], shown["review_outcome"]) == ("rita", "justified")
    assert (await store.get(ID)).review_comment == REVIEW["comment"]
    assert await waiting(reviewer) == []


async def test_follow_up_waits_in_its_own_queue_and_is_decided_later(
    reviewer: httpx.AsyncClient, ended: BreakGlassEvent
) -> None:
    await reviewer.post(f"{PATH}/review", json=REVIEW | {"outcome": "needs_follow_up"})
    assert await waiting(reviewer) == []
    assert await waiting(reviewer, outcome="needs_follow_up") == [ID]
    response = await reviewer.post(f"{PATH}/review", json=REVIEW)
    assert response.status_code == 200
    assert await waiting(reviewer, outcome="needs_follow_up") == []


async def test_review_of_own_use_is_refused(
    reviewer: httpx.AsyncClient,
    other_reviewer: httpx.AsyncClient,
    store: FaultyStore,
) -> None:
    """Nobody reviews their own use, not even a reviewer."""
    await opened(reviewer, id=ID)
    await reviewer.post(f"{PATH}/close", json={"reason": "Done"})
    response = await reviewer.post(f"{PATH}/review", json=REVIEW)
    assert (response.status_code, named(response)) == (409, "review-refused")
    assert (await store.get(ID)).review_outcome is None
    assert (await other_reviewer.post(f"{PATH}/review", json=REVIEW)).status_code == 200


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_review_by_a_person_who_is_no_reviewer_is_refused(
    sign_in: SignIn, store: FaultyStore, ended: BreakGlassEvent, name: str
) -> None:
    response = await sign_in(name).post(f"{PATH}/review", json=REVIEW)
    assert (response.status_code, named(response)) == (403, "reviewers-only")
    assert (await store.get(ID)).review_outcome is None


async def test_review_of_active_event_is_refused(
    alice: httpx.AsyncClient, reviewer: httpx.AsyncClient
) -> None:
    await opened(alice, id=ID)
    response = await reviewer.post(f"{PATH}/review", json=REVIEW)
    assert (response.status_code, named(response)) == (409, "review-refused")
    assert response.json()["event"]["status"] == "active"


async def test_second_final_review_is_refused_with_the_first(
    reviewer: httpx.AsyncClient,
    other_reviewer: httpx.AsyncClient,
    ended: BreakGlassEvent,
) -> None:
    await reviewer.post(f"{PATH}/review", json=REVIEW)
    unlike = {"outcome": "unjustified", "comment": "I do not agree"}
    response = await other_reviewer.post(f"{PATH}/review", json=unlike)
    assert (response.status_code, named(response)) == (409, "review-refused")
    assert response.json()["event"]["reviewed_by"] == "rita"


@pytest.mark.parametrize("outcome", ["justified", "needs_follow_up"])
async def test_repeated_review_after_a_lost_answer_is_recognised(
    reviewer: httpx.AsyncClient,
    store: FaultyStore,
    ended: BreakGlassEvent,
    outcome: str,
) -> None:
    """A repeat is recorded once, also if the outcome could be reviewed again."""
    review = {"outcome": outcome, "comment": "  The log agrees\n"}
    store.answers_get_lost = True
    lost = await reviewer.post(f"{PATH}/review", json=review)
    assert (lost.status_code, lost.json()["outcome_unknown"]) == (503, True)
    store.answers_get_lost = False
    response = await reviewer.post(f"{PATH}/review", json=review)
    assert (response.status_code, response.json()["review_outcome"]) == (200, outcome)
    actions = [entry.action for entry in await store.history(ID)]
    assert actions == ["created", "closed", "reviewed"]


async def test_review_after_a_follow_up_that_was_not_read_is_refused(
    reviewer: httpx.AsyncClient,
    other_reviewer: httpx.AsyncClient,
    ended: BreakGlassEvent,
) -> None:
    """Nobody decides finally without the question that another reviewer has asked."""
    question = {"outcome": "needs_follow_up", "comment": "Which invoices?"}
    await other_reviewer.post(f"{PATH}/review", json=question)
    response = await reviewer.post(f"{PATH}/review", json=REVIEW | {"reviewed_at": None})
    assert (response.status_code, named(response)) == (412, "concurrent-modification")
    current = response.json()["current"]
    assert current["review_comment"] == "Which invoices?"
    read = {"reviewed_at": current["reviewed_at"]}
    assert (await reviewer.post(f"{PATH}/review", json=REVIEW | read)).status_code == 200


async def test_repeat_that_arrives_beside_its_first_attempt_is_recognised(
    reviewer: httpx.AsyncClient,
    store: FaultyStore,
    ended: BreakGlassEvent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first attempt may land after the repeat has read the event."""
    read = store.get

    async def get_before_the_first_attempt(event_id: str) -> BreakGlassEvent:
        event = await read(event_id)
        monkeypatch.undo()
        await store.review(event_id, reviewed_by="rita", **REVIEW)
        return event

    monkeypatch.setattr(store, "get", get_before_the_first_attempt)
    response = await reviewer.post(f"{PATH}/review", json=REVIEW)
    assert (response.status_code, response.json()["review_outcome"]) == (200, "justified")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"outcome": "fine"}, "#/outcome"),
        ({"comment": " "}, "#"),
        ({"reviewed_by": "bob"}, "#/reviewed_by"),
    ],
)
async def test_invalid_review_is_refused(
    reviewer: httpx.AsyncClient,
    ended: BreakGlassEvent,
    body: dict[str, str],
    pointer: str,
) -> None:
    response = await reviewer.post(f"{PATH}/review", json=REVIEW | body)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_queue_is_for_reviewers_alone(alice: httpx.AsyncClient) -> None:
    response = await alice.get("/api/reviews")
    assert (response.status_code, named(response)) == (403, "reviewers-only")


async def test_queue_begins_with_the_oldest_and_has_pages(
    reviewer: httpx.AsyncClient, store: FaultyStore
) -> None:
    now = datetime.now(UTC)
    events = [
        make_event(status="closed", created_at=now - timedelta(days=day)) for day in range(5)
    ]
    for event in events:
        await store.create(event)
    first = (await reviewer.get("/api/reviews?limit=3")).json()
    rest = await waiting(reviewer, cursor=first["next_cursor"])
    oldest_first = [event.id for event in reversed(events)]
    assert [event["id"] for event in first["events"]] + rest == oldest_first


@pytest.mark.parametrize("query", ["outcome=justified", "cursor=forged", "limit=0", "limit=201"])
async def test_invalid_queue_is_refused(reviewer: httpx.AsyncClient, query: str) -> None:
    assert (await reviewer.get(f"/api/reviews?{query}")).status_code == 422
