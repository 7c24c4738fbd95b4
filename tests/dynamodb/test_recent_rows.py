"""Updates of events whose rows the store remembers while the caller holds them."""

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

pytestmark = pytest.mark.on_dynamodb_local


class TestRecentRows:
    def test_row_is_remembered_while_its_event_is_held(self) -> None:
        """The callers' references limit the memory of the store."""
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

    def test_row_of_another_version_is_not_recalled(self) -> None:
        """A row of another version is useless for this one."""
        recent = RecentRows(LAYOUT)
        event = make_event()
        recent.remember(event, row(event))
        later = event.updated_at + timedelta(seconds=1)
        assert recent.recall(event.model_copy(update={"updated_at": later})) is None

    def test_newer_row_outlives_an_older_event(self) -> None:
        """The end of an older event does not remove the row of a newer one."""
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
    def test_row_of_an_ended_event_is_not_remembered(self, status: str) -> None:
        """An ended event never changes."""
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

    async def test_update_of_a_read_event_sends_no_read(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, recorder: Recorder
    ) -> None:
        """The store writes the change against the row that the caller has read."""
        updated = await store.update(read.model_copy(update={"request_id": "r-1"}))
        assert recorder.requests == ["TransactWriteItems(Put, Update)"]
        assert await store.get(read.id) == updated

    async def test_update_of_an_event_that_has_changed(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent
    ) -> None:
        """The update overwrites nothing, and the error has the current event."""
        won = await store.update(read.model_copy(update={"request_id": "r-1"}))
        with pytest.raises(ConcurrentModificationError) as caught:
            await store.update(read.model_copy(update={"request_id": "r-2"}))
        assert caught.value.current == won

    async def test_update_of_an_event_that_is_gone(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, rows: Rows
    ) -> None:
        """The event is not found, even if the store remembers its row."""
        await rows.remove_event(read.id)
        with pytest.raises(EventNotFoundError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))

    async def test_update_of_an_event_that_has_lapsed_and_is_gone(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, rows: Rows, clock: FakeClock
    ) -> None:
        """A remembered row refuses nothing, because the store reads it again first."""
        await rows.remove_event(read.id)
        clock.set(read.expires_at)
        with pytest.raises(EventNotFoundError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))

    async def test_update_of_a_lapsed_event_is_refused(
        self, store: AsyncDynamoDBStore, read: BreakGlassEvent, clock: FakeClock
    ) -> None:
        """The store reads the row once, refuses the update, and marks the event."""
        clock.set(read.expires_at)
        with pytest.raises(InvalidStateTransitionError):
            await store.update(read.model_copy(update={"request_id": "r-1"}))
        assert (await store.get(read.id)).status == "expired"
