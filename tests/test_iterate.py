"""Iterating over the pages of a list."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import pytest

from aiobreakglass import EventPage, InMemoryStore, iterate
from aiobreakglass.testing import make_event


class Counting(InMemoryStore):
    """A store that counts its calls of `list_by_status`."""

    asked = 0

    async def list_by_status(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        return await super().list_by_status(*arguments, **options)


@pytest.mark.parametrize("key", [None, "active"])
def test_iterate_over_a_coroutine_is_refused(key: str | None) -> None:
    """A coroutine is refused at once and closed, and nothing is sent."""
    store = Counting()
    wrong: Any = store.list_by_status("active")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=r'iterate\(store.list_by_status, "active"\)'):
            iterate(wrong, key)
        # Python warns of a coroutine that was never awaited when it goes away.
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            wrong.send(None)
        del wrong
    assert store.asked == 0


async def test_iterate_over_a_page_is_refused() -> None:
    """The result of a list method is not a list method."""
    page: Any = await InMemoryStore().list_by_status("active")
    with pytest.raises(TypeError, match="list_method must be a list method itself"):
        iterate(page, "active")


def test_iterate_without_a_key_is_refused() -> None:
    """A list needs a key to list by."""
    wrong: Any = iterate
    with pytest.raises(TypeError, match="key must be what to list by"):
        wrong(InMemoryStore().list_by_status)


class Query(NamedTuple):
    """What a queue of reviews was asked for."""

    limit: int | None
    outcome: str | None
    cursor: str | None


class Queue:
    """A queue of reviews with three pages."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    async def list_awaiting_review(
        self,
        limit: int | None = None,
        *,
        outcome: str | None = None,
        cursor: str | None = None,
        **query: Any,
    ) -> EventPage:
        assert query == {"since": None, "until": None, "on_corrupt": "skip"}
        self.asked.append(Query(limit, outcome, cursor))
        following = {None: "second", "second": "third"}.get(cursor)
        return EventPage((make_event(invoker=str(cursor)),), following)


@pytest.mark.parametrize("outcome", [None, "needs_follow_up"])
@pytest.mark.parametrize("limit", [None, 7])
async def test_queue_of_reviews_needs_no_key(limit: int | None, outcome: str | None) -> None:
    """All pages are of the same query."""
    queue = Queue()
    events = [
        event
        async for event in iterate(
            queue.list_awaiting_review, limit=limit, outcome=outcome, on_corrupt="skip"
        )
    ]
    assert [event.invoker for event in events] == ["None", "second", "third"]
    assert queue.asked == [Query(limit, outcome, cursor) for cursor in (None, "second", "third")]


async def test_queue_of_reviews_of_a_store() -> None:
    """The method of a store is one without a key."""
    store = InMemoryStore()
    event = await store.create(make_event(status="expired"))
    assert [each async for each in iterate(store.list_awaiting_review)] == [event]


def test_key_of_a_queue_of_reviews_is_refused() -> None:
    """The outcome of a review is no key."""
    wrong: Any = iterate
    with pytest.raises(TypeError, match="key must be left out"):
        wrong(InMemoryStore().list_awaiting_review, "needs_follow_up")


def test_outcome_of_another_list_is_refused() -> None:
    """Only the queue of reviews has outcomes."""
    wrong: Any = iterate
    with pytest.raises(TypeError, match="outcome must be left out"):
        wrong(InMemoryStore().list_by_status, "closed", outcome="needs_follow_up")
