"""Events with texts that this library would not write: reading, changing and ending them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from aiobreakglass import AsyncDynamoDBStore, InMemoryStore, expire_due
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.rows import Rows

HOUR = timedelta(hours=1)


class TestForeignTexts:
    SHORT = "disk full"

    @pytest.fixture
    async def event_id(self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock) -> str:
        """Return the id of an active event whose texts another writer has changed."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, justification={"S": self.SHORT}, request_id={"S": " r\x00 "})
        return event.id

    async def test_foreign_text_is_returned_by_every_read(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """A text does not decide about access, so no read refuses it."""
        read = await store.get(event_id)
        assert (read.justification, read.request_id) == (self.SHORT, " r\x00 ")
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == read
        assert list(await store.list_by_status("active")) == [read]
        assert await store.get_last_by_invoker_and_profile("alice", "prod") == read

    async def test_close_of_event_with_foreign_text(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str
    ) -> None:
        """Closing keeps the texts unchanged, and frees the pair."""
        closed = await store.close(event_id, closed_by="bob", closed_reason="done")
        assert await store.get(event_id) == closed
        row = await rows.event(event_id)
        assert row is not None
        assert (row["justification"], row["request_id"]) == ({"S": self.SHORT}, {"S": " r\x00 "})
        assert await rows.guards() == {}

    async def test_update_of_event_with_foreign_text(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """An update accepts unchanged foreign texts, and checks those that it changes."""
        read = await store.get(event_id)
        later = {"expires_at": read.expires_at + HOUR}
        updated = await store.update(read.model_copy(update=later))
        assert await store.get(event_id) == updated
        for changes in ({"request_id": "\x00"}, {"justification": "another"}):
            with pytest.raises(ValidationError):
                await store.update(updated.model_copy(update=changes))
        assert await store.get(event_id) == updated

    async def test_expiry_of_event_with_foreign_text(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, event_id: str
    ) -> None:
        """An expiry pass marks such an event, and frees the pair."""
        clock.advance(HOUR)
        (expired,) = await expire_due(store, now=clock())
        assert await store.get(event_id) == expired
        assert await rows.guards() == {}

    async def test_create_with_foreign_text_is_refused(
        self, store: AsyncDynamoDBStore, clock: FakeClock, event_id: str
    ) -> None:
        """A copy for another table is a new event, so the rules for writing apply."""
        read = await store.get(event_id)
        for other in (store, InMemoryStore(clock=clock)):
            with pytest.raises(ValidationError, match="justification"):
                await other.create(read)

    async def test_foreign_name_grants_nothing_and_can_be_closed(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """An event with such a name has no guard, grants nothing, and can be closed."""
        name = "e\u0301lodie"
        event = make_event(invoker="\u00e9lodie", created_at=clock())
        await rows.put_event(event, invoker={"S": name})
        assert await store.find_active_by_invoker_and_profile(event.invoker, "prod") is None
        with pytest.raises(ValueError, match="invoker must be NFC-normalised"):
            await store.find_active_by_invoker_and_profile(name, "prod")
        new = await store.create(make_event(invoker=event.invoker, created_at=clock()))
        closed = await store.close(event.id, closed_by="bob", closed_reason="done")
        assert closed.invoker == name
        assert await store.find_active_by_invoker_and_profile(event.invoker, "prod") == new
