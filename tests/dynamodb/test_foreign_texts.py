"""Events whose texts this library would not have written: asked for, changed, and ended."""

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
        """The id of an open event whose texts another writer has changed."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, justification={"S": self.SHORT}, request_id={"S": " r\x00 "})
        return event.id

    async def test_are_seen_by_every_question(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """A text decides nothing about access, so it keeps nobody from asking."""
        read = await store.get(event_id)
        assert (read.justification, read.request_id) == (self.SHORT, " r\x00 ")
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == read
        assert list(await store.list_by_status("active")) == [read]
        assert await store.get_last_by_invoker_and_profile("alice", "prod") == read

    async def test_do_not_keep_access_from_being_closed(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str
    ) -> None:
        """Closing leaves the texts to the letter, and frees the pair."""
        closed = await store.close(event_id, closed_by="bob", closed_reason="done")
        assert await store.get(event_id) == closed
        row = await rows.event(event_id)
        assert row is not None
        assert (row["justification"], row["request_id"]) == ({"S": self.SHORT}, {"S": " r\x00 "})
        assert await rows.guards() == {}

    async def test_do_not_keep_access_from_being_moved(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """An update takes them as they are, and checks what it changes."""
        read = await store.get(event_id)
        later = {"expires_at": read.expires_at + HOUR}
        updated = await store.update(read.model_copy(update=later))
        assert await store.get(event_id) == updated
        for changes in ({"request_id": "\x00"}, {"justification": "another"}):
            with pytest.raises(ValidationError):
                await store.update(updated.model_copy(update=changes))
        assert await store.get(event_id) == updated

    async def test_do_not_keep_access_from_expiring(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, event_id: str
    ) -> None:
        """The sweeper marks such an event, and frees the pair."""
        clock.advance(HOUR)
        (expired,) = await expire_due(store, now=clock())
        assert await store.get(event_id) == expired
        assert await rows.guards() == {}

    async def test_are_not_created_anew(
        self, store: AsyncDynamoDBStore, clock: FakeClock, event_id: str
    ) -> None:
        """A copy for another table is a new event, and follows the rules for writing."""
        read = await store.get(event_id)
        for other in (store, InMemoryStore(clock=clock)):
            with pytest.raises(ValidationError, match="justification"):
                await other.create(read)

    async def test_in_the_place_of_names(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Names that nobody can ask for have no guard, grant nothing, and can be closed."""
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
