"""Lists with rows that are not events: raised, or left out and reported."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    EventPage,
    TableLayout,
    iterate,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.modelled import model_client
from tests.dynamodb.rows import Rows
from tests.simulation.dynamodb.database import TABLE_NAME

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

SECOND = timedelta(seconds=1)
LISTS = {"list_by_invoker": "alice", "list_by_status": "expired", "list_by_profile": "prod"}

on_each_list = pytest.mark.parametrize(("method", "key"), LISTS.items(), ids=LISTS)


@pytest.fixture
def client() -> DynamoDBClient:
    """Use our model, which needs no emulator."""
    return model_client()


@pytest.fixture
def table_name() -> str:
    return TABLE_NAME


@pytest.fixture
def store(client: DynamoDBClient, clock: FakeClock) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, TABLE_NAME, clock=clock)


async def put(
    rows: Rows, clock: FakeClock, pattern: str
) -> tuple[list[BreakGlassEvent], list[str]]:
    """Put a row for each letter, newest first: `e` is an event, `c` and `x` are corrupt.

    An `x` has neither a usable id nor a usable time, so it is the oldest row.
    """
    events, corrupt = [], []
    for age, kind in enumerate(pattern):
        event = make_event(
            invoker="alice",
            profile="prod",
            status="expired",
            created_at=clock() - timedelta(days=1) - age * SECOND,
        )
        flaws: Any = {
            "e": {},
            "c": {"expires_at": {"N": "1"}},
            "x": {"id": {"NULL": True}, "created_at": {"S": f"!{age}"}},
        }[kind]
        await rows.put_event(event, **flaws)
        if flaws:
            corrupt.append(TableLayout().event_key(event.id))
        else:
            events.append(event)
    return events, corrupt


async def walk(store: AsyncDynamoDBStore, method: str, key: str, limit: int) -> list[EventPage]:
    pages: list[EventPage] = []
    cursor = None
    while not pages or cursor is not None:
        page = await getattr(store, method)(key, limit, cursor=cursor, on_corrupt="skip")
        pages.append(page)
        cursor = page.next_cursor
    return pages


@on_each_list
async def test_list_raises_on_the_page_of_a_corrupt_row(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, method: str, key: str
) -> None:
    """By default only the page that has the corrupt row raises."""
    events, corrupt = await put(rows, clock, "eecee")
    first = await getattr(store, method)(key, 2)
    assert list(first) == events[:2]
    with pytest.raises(CorruptItemError) as caught:
        await getattr(store, method)(key, 2, cursor=first.next_cursor)
    assert [caught.value.key] == corrupt


@pytest.mark.parametrize(
    "pattern", ["eecee", "ceeee", "eeeec", "cccc", "ecccce", "eeccc", "cceecceecc", "xexec"]
)
async def test_list_that_skips_corrupt_rows(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, pattern: str
) -> None:
    """The pages have each event once, are full, and report each corrupt row once."""
    events, corrupt = await put(rows, clock, pattern)
    for method, key in LISTS.items():
        for limit in (1, 2, 3, 9):
            pages = await walk(store, method, key, limit)
            assert [event for page in pages for event in page] == events
            reported = [error.key for page in pages for error in page.corrupt]
            assert sorted(reported) == sorted(corrupt)
            assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


@on_each_list
async def test_iteration_that_skips_corrupt_rows(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, method: str, key: str
) -> None:
    """`iterate` skips corrupt rows if the caller asks for it, and raises otherwise."""
    events, _ = await put(rows, clock, "cecce")
    skipping = iterate(getattr(store, method), key, 1, on_corrupt="skip")
    assert [event async for event in skipping] == events
    with pytest.raises(CorruptItemError):
        await anext(iterate(getattr(store, method), key, 1))


async def test_queue_of_reviews_raises_or_skips_corrupt_rows(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """One row that is not an event does not hide the events that wait for a review."""
    events, corrupt = await put(rows, clock, "eecee")
    with pytest.raises(CorruptItemError):
        await store.list_awaiting_review()
    first = await store.list_awaiting_review(3, on_corrupt="skip")
    rest = await store.list_awaiting_review(3, on_corrupt="skip", cursor=first.next_cursor)
    assert [*first, *rest] == events[::-1]
    assert [error.key for error in (*first.corrupt, *rest.corrupt)] == corrupt
