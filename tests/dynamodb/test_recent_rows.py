"""Changes of events whose rows the store remembers, because the caller still holds them."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    ConcurrentModificationError,
    EventNotFoundError,
    InvalidStateTransitionError,
)
from aiobreakglass._dynamodb.recent import RecentRows
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.example import LAYOUT, row
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class TestRecentRows:
    def test_are_kept_while_the_event_is_held(self) -> None:
        """The memory of the store is bounded by what its callers hold."""
        recent = RecentRows(LAYOUT)
        event = make_event()
        recent.remember(event, row(event))
        found = recent.recall(event)
        assert found is not None
        assert found.event == event
        assert not found.is_fresh
        copy = BreakGlassEvent.model_validate(event.model_dump())
        del event
        gc.collect()
        assert recent.recall(copy) is None
        assert not recent._rows

    def test_of_another_version_are_not_recalled(self) -> None:
        """What was read in another version is of no use for this one."""
        recent = RecentRows(LAYOUT)
        event = make_event()
        recent.remember(event, row(event))
        later = event.updated_at + timedelta(seconds=1)
        assert recent.recall(event.model_copy(update={"updated_at": later})) is None

    def test_of_a_later_reader_outlive_an_earlier_one(self) -> None:
        """Who lets go of an old reading takes nothing from a newer one."""
        recent = RecentRows(LAYOUT)
        event = make_event()
        newer = event.model_copy(update={"request_id": "r-1"})
        recent.remember(event, row(event))
        recent.remember(newer, row(newer))
        del event
        gc.collect()
        found = recent.recall(newer)
        assert found is not None
        assert found.event == newer

    @pytest.mark.parametrize("status", ["closed", "expired"])
    def test_of_ended_events_are_not_kept(self, status: str) -> None:
        """What has ended never changes."""
        recent = RecentRows(LAYOUT)
        event = make_event(status=status)
        recent.remember(event, row(event))
        assert not recent._rows


class TestUpdate:
    @pytest.fixture
    def recorder(self, client: DynamoDBClient) -> Recorder:
        return Recorder(client)

    @pytest.fixture
    async def store(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock, recorder: Recorder
    ) -> AsyncDynamoDBStore:
        return AsyncDynamoDBStore(client, table_name, clock=clock)

    @pytest.fixture
    async def read(self, store: AsyncDynamoDBStore, clock: FakeClock, recorder: Recorder) -> Any:
        created = await store.create(make_event(**PAIR, created_at=clock()))
        event = await store.get(created.id)
        recorder.requests.clear()
        return event

    async def test_of_what_was_read_needs_no_read(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, recorder: Recorder
    ) -> None:
        """A change is written against the row that the caller has read."""
        updated = await store.update(read.model_copy(update={"request_id": "r-1"}))
        assert recorder.requests == ["TransactWriteItems(Update)"]
        assert await store.get(read.id) == updated

    async def test_of_what_was_changed_since(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent
    ) -> None:
        """A rival's change is not overwritten, and the error has the row that won."""
        won = await store.update(read.model_copy(update={"request_id": "r-1"}))
        with pytest.raises(ConcurrentModificationError) as caught:
            await store.update(read.model_copy(update={"request_id": "r-2"}))
        assert caught.value.current == won

    async def test_of_what_has_gone_since(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, rows: Rows
    ) -> None:
        """A row that has gone is not found, whatever is remembered of it."""
        await rows.remove_event(read.id)
        with pytest.raises(EventNotFoundError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))

    async def test_of_what_has_lapsed_and_gone_since(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, rows: Rows, clock: FakeClock
    ) -> None:
        """A remembered row refuses nothing: what is said of an event was read by this call."""
        await rows.remove_event(read.id)
        clock.set(read.expires_at)
        with pytest.raises(EventNotFoundError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))

    async def test_of_what_has_lapsed(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, clock: FakeClock
    ) -> None:
        """A lapsed event is refused after one look at its row, and marked."""
        clock.set(read.expires_at)
        with pytest.raises(InvalidStateTransitionError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))
        assert (await store.get(read.id)).status == "expired"
