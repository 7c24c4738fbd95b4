"""Which events the queue of reviews has, and how they come and go."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    EventPage,
    StoreUnavailableError,
    adopt_table,
    verify_history,
)
from aiobreakglass._aws.transaction import Request
from aiobreakglass._contract.arguments import AWAITING_REVIEW, check_listing
from aiobreakglass._contract.lists import PageRequest
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.queries import Queries
from aiobreakglass._dynamodb.recent import RecentRows
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import LAYOUT, Rows
from tests.dynamodb.waiting import LONG_ENOUGH

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local


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


class Reopening:
    """A client after whose first transactions somebody sets a row back."""

    def __init__(self, client: DynamoDBClient, rows: Rows, event: BreakGlassEvent) -> None:
        self._client = client
        self._rows = rows
        self._event = event
        self.times = 0
        self.transactions = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        answer = await self._client.transact_write_items(**request)
        self.transactions += 1
        if self.transactions <= self.times:
            await self._rows.put_event(self._event)
        return answer


class TestReopenedByHand:
    @pytest.fixture
    async def event(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> BreakGlassEvent:
        """An event that has lapsed, and is not marked."""
        event = make_event(created_at=clock())
        await AsyncDynamoDBStore(client, table_name, clock=clock).create(event)
        clock.set(event.expires_at)
        return event

    @pytest.fixture
    def reopening(self, client: DynamoDBClient, rows: Rows, event: BreakGlassEvent) -> Reopening:
        return Reopening(client, rows, event)

    @pytest.fixture
    def store(self, reopening: Any, table_name: str, clock: FakeClock) -> AsyncDynamoDBStore:
        return AsyncDynamoDBStore(
            reopening, table_name, clock=clock, operation_timeout=LONG_ENOUGH
        )

    async def test_event_that_is_reopened_while_it_is_marked_is_reviewed(
        self, store: AsyncDynamoDBStore, reopening: Reopening, event: BreakGlassEvent
    ) -> None:
        """A call that returns has reviewed the event, and not merely marked it expired."""
        reopening.times = 1
        after = await review(store, event)
        assert after.review_outcome == "justified"
        assert await store.get(event.id) == after

    async def test_event_that_is_reopened_again_and_again_is_not_reviewed(
        self, store: AsyncDynamoDBStore, reopening: Reopening, event: BreakGlassEvent
    ) -> None:
        """After as many rounds as any write has, the call says that nothing was reviewed."""
        reopening.times = 1_000
        with pytest.raises(StoreUnavailableError, match="16 times in a row") as caught:
            await review(store, event)
        assert not caught.value.outcome_unknown
        assert reopening.transactions == 16


async def review(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    return await store.review(event.id, reviewed_by="r", outcome="justified", comment="Fine")


class Index:
    """The index of reviews, which answers queries without a database."""

    def __init__(self, *events: BreakGlassEvent) -> None:
        self._rows = [encode_event(event, LAYOUT, write_id="w") for event in events]
        self.limits: list[int] = []
        """How many rows each query asked for."""

    def operation(self) -> AbstractContextManager[object]:
        return nullcontext()

    async def read(self, _: object, __: str, request: Request, **___: object) -> dict[str, Any]:
        self.limits.append(request["Limit"])
        after = request.get("ExclusiveStartKey", {}).get("pk")
        keys = [row["pk"] for row in self._rows]
        first = 0 if after is None else keys.index(after) + 1
        end = first + request["Limit"]
        last = {"LastEvaluatedKey": {"pk": keys[end - 1]}} if end <= len(keys) else {}
        return {"Items": self._rows[first:end], **last}


ACTIVE = make_event(created_at=FakeClock.START)
ENDED = make_event(created_at=FakeClock.START, status="expired")


class TestActiveEvents:
    """Active events are in the index, and the list leaves them out."""

    async def page(self, index: Index, limit: int) -> EventPage:
        calls: Any = index
        queries = Queries(calls, Table("breakglass", LAYOUT), None, RecentRows(LAYOUT))
        listing = check_listing(AWAITING_REVIEW, "unreviewed")
        request = PageRequest(listing, limit, None, skips_corrupt=False, ended_by=FakeClock.START)
        return await queries.page(request)

    @pytest.mark.parametrize(
        ("rows", "limit", "listed", "has_next", "most"),
        [
            ("", 1, 0, False, 1),
            ("E", 1, 1, False, 1),
            ("EE", 1, 1, True, 1),
            ("EA", 1, 1, False, 2),
            ("EAE", 1, 1, True, 3),
            ("AE", 1, 1, False, 2),
            ("AAAEE", 1, 1, True, 2),
            ("E" * 100 + "A", 100, 100, False, 2),
            ("E" * 100 + "A" * 1000, 100, 100, False, 11),
            ("A" * 1000 + "E", 1, 1, False, 10),
            ("A" * 1000, 100, 0, False, 5),
            ("EA" * 300, 100, 100, True, 4),
        ],
    )
    async def test_page_ends_with_the_last_event_that_waits(
        self, rows: str, limit: int, listed: int, has_next: bool, most: int
    ) -> None:
        """A cursor leads to events, and many active ones take few queries."""
        index = Index(
            *(
                (ENDED if row == "E" else ACTIVE).model_copy(update={"id": f"{number:016x}"})
                for number, row in enumerate(rows)
            )
        )
        page = await self.page(index, limit)
        assert len(page) == listed
        assert (page.next_cursor is not None) is has_next
        assert len(index.limits) <= most
        assert sum(index.limits) <= 2 * len(rows) + 2 * limit + 2


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
