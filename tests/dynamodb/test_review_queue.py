"""Which events the queue of reviews has, and how they come and go."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, adopt_table, verify_history
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def waiting(rows: Rows, event: BreakGlassEvent) -> str | None:
    """Return what the row of an event says about the review that it waits for."""
    row = await rows.event(event.id)
    assert row is not None
    return row["awaiting_review"]["S"] if "awaiting_review" in row else None


async def ended(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    event = await store.create(make_event(created_at=clock()))
    return await store.close(event.id, closed_by="bob", closed_reason="Over")


async def test_event_waits_from_its_creation_to_its_final_review(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """The attribute is set at once, so that an ending by an older release need not set it."""
    event = await store.create(make_event(created_at=clock()))
    assert await waiting(rows, event) == "unreviewed"
    assert list(await store.list_awaiting_review()) == []
    event = await store.close(event.id, closed_by="bob", closed_reason="Over")
    assert list(await store.list_awaiting_review()) == [event]
    event = await store.review(event.id, reviewed_by="r", outcome="needs_follow_up", comment="?")
    assert await waiting(rows, event) == "needs_follow_up"
    assert list(await store.list_awaiting_review()) == []
    assert list(await store.list_awaiting_review(outcome="needs_follow_up")) == [event]
    await store.review(event.id, reviewed_by="r", outcome="justified", comment="Fine")
    assert await waiting(rows, event) is None
    assert list(await store.list_awaiting_review(outcome="needs_follow_up")) == []


@pytest.mark.parametrize("outcome", ["justified", "needs_follow_up"])
async def test_import_waits_unless_it_has_a_final_review(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, outcome: str
) -> None:
    """What was reviewed elsewhere need not be reviewed again."""
    at = clock() - timedelta(days=1)
    review = {
        "reviewed_by": "rev",
        "reviewed_at": clock(),
        "review_outcome": outcome,
        "review_comment": "Elsewhere",
    }
    new = await store.create(make_event(created_at=at, status="expired"))
    reviewed = await store.create(make_event(created_at=at, status="expired", **review))
    assert await waiting(rows, new) == "unreviewed"
    assert await waiting(rows, reviewed) == (None if outcome == "justified" else outcome)


async def test_deleted_event_waits_no_more(store: AsyncDynamoDBStore, clock: FakeClock) -> None:
    """A tombstone has none of the indexes' keys."""
    event = await ended(store, clock)
    await store.delete(event.id)
    assert list(await store.list_awaiting_review()) == []


async def test_attribute_that_another_writer_dropped_comes_back_with_the_next_change(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """No writer can take an event out of the queue for good."""
    event = await store.create(make_event(created_at=clock()))
    await rows.unset(event.id, "awaiting_review")
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    assert await waiting(rows, event) == "unreviewed"


class TestAdoption:
    async def test_ended_event_from_before_histories_joins_the_queue(
        self, client: DynamoDBClient, table_name: str, store: AsyncDynamoDBStore, rows: Rows
    ) -> None:
        """It is adopted, and then it waits like any other."""
        event = make_event(created_at=FakeClock.START - timedelta(days=1), status="expired")
        await rows.put_event(event)
        await rows.unset(event.id, "awaiting_review")
        assert list(await store.list_awaiting_review()) == []
        assert (await adopt_table(client, table_name)).adopted == 1
        assert list(await store.list_awaiting_review()) == [event]

    async def test_ended_event_with_a_history_joins_the_queue(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """A release with histories and without reviews has written it."""
        event = await ended(store, clock)
        await rows.unset(event.id, "awaiting_review")
        for adopted in (1, 0):
            found = await adopt_table(client, table_name, clock=clock)
            assert found.adopted == adopted
        assert list(await store.list_awaiting_review()) == [event]
        history = await store.history(event.id)
        assert [str(entry.action) for entry in history] == ["created", "closed", "adopted"]
        assert verify_history(history, await store.get(event.id), at=clock()) == []

    async def test_active_event_is_left_to_its_ending(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """It joins the queue when it ends."""
        event = await store.create(make_event(created_at=clock()))
        await rows.unset(event.id, "awaiting_review")
        assert (await adopt_table(client, table_name, clock=clock)).adopted == 0
