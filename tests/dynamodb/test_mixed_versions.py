"""One table with writers of this release and of the one before, which knows no histories."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    ConcurrentModificationError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    InvalidStateTransitionError,
    Limits,
    Quota,
    adopt_table,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.previous import PreviousRelease
from tests.dynamodb.rows import Rows
from tests.faults.audit import audit

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local

CREATED, UPDATED, CLOSED = Action.CREATED, Action.UPDATED, Action.CLOSED
ADOPTED, DELETED = Action.ADOPTED, Action.DELETED
MINUTE = timedelta(minutes=1)
WEEK = 7 * 24 * 60 * 60


@pytest.fixture
def previous(client: DynamoDBClient, table_name: str) -> PreviousRelease:
    return PreviousRelease(client, table_name)


@pytest.fixture
async def event(store: AsyncDynamoDBStore, clock: FakeClock) -> BreakGlassEvent:
    """An event that this release has created, a minute ago."""
    event = await store.create(make_event(**PAIR, created_at=clock()))
    clock.advance(MINUTE)
    return event


async def close(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    return await store.close(event.id, closed_by="carol", closed_reason="Over")


async def actions(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> list[Action]:
    return [entry.action for entry in await store.history(event.id)]


class TestEventsOfThePreviousRelease:
    @pytest.fixture
    async def old(self, previous: PreviousRelease, clock: FakeClock) -> BreakGlassEvent:
        event = make_event(**PAIR, created_at=clock())
        await previous.create(event)
        clock.advance(MINUTE)
        return event

    async def test_event_of_the_previous_release_grants_access(
        self, store: AsyncDynamoDBStore, old: BreakGlassEvent
    ) -> None:
        """Reads and checks do not need a history."""
        assert await store.get(old.id) == old
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == old
        assert list(await store.list_by_invoker("alice")) == [old]
        assert await store.history(old.id) == []

    async def test_event_of_the_previous_release_is_adopted_by_its_next_change(
        self, store: AsyncDynamoDBStore, rows: Rows, old: BreakGlassEvent
    ) -> None:
        """The history begins with the event as this release found it."""
        closed = await close(store, old)
        assert [(entry.action, entry.event) for entry in await store.history(old.id)] == [
            (ADOPTED, old),
            (CLOSED, closed),
        ]
        assert list(await store.list_awaiting_review()) == [closed]
        assert audit(await rows.all()) == []

    async def test_opening_of_the_previous_release_is_not_counted(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock, old: BreakGlassEvent
    ) -> None:
        """It takes no slots, so it uses up no limit of this release."""
        limits = Limits(per_invoker=Quota(1, MINUTE), max_unreviewed=1)
        store = AsyncDynamoDBStore(client, table_name, clock=clock, limits=limits)
        await store.create(make_event(invoker="alice", profile="staging", created_at=clock()))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == old

    async def test_event_that_the_previous_release_has_ended_needs_adopt_table(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        old: BreakGlassEvent,
    ) -> None:
        """An ended event seldom changes again, so `adopt_table` records it and queues it."""
        await previous.close(await previous.read(old.id), clock())
        closed = await store.get(old.id)
        assert closed.ended_at == clock()
        assert await store.history(old.id) == []
        assert list(await store.list_awaiting_review()) == []
        assert (await adopt_table(client, table_name, clock=clock)).adopted == 1
        (adopted,) = await store.history(old.id)
        assert (adopted.action, adopted.event) == (ADOPTED, closed)
        assert await store.get(old.id) == closed
        assert list(await store.list_awaiting_review()) == [closed]
        assert audit(await rows.all()) == []


class TestChangesOfThePreviousRelease:
    async def test_update_is_adopted_by_the_next_change(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """It leaves no entry of its own; the next entry shows what it did."""
        await previous.update(await previous.read(event.id), clock(), request_id={"S": "theirs"})
        assert await actions(store, event) == [CREATED]
        await close(store, event)
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, ADOPTED, CLOSED]
        assert history[1].event is not None
        assert history[1].event.request_id == "theirs"
        assert audit(await rows.all()) == []

    async def test_close_ends_access_and_is_not_recorded(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The decision counts at once. The table shows that the history does not know it."""
        await previous.close(await previous.read(event.id), clock())
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        with pytest.raises(InvalidStateTransitionError):
            await close(store, event)
        assert (await store.get(event.id)).ended_at == clock()
        assert await actions(store, event) == [CREATED]
        assert [problem for problem in audit(await rows.all()) if "newest entry" in problem]
        await store.create(make_event(**PAIR, created_at=clock()))
        await store.delete(event.id)
        assert await actions(store, event) == [CREATED, ADOPTED, DELETED]
        assert audit(await rows.all()) == []

    @pytest.mark.parametrize("retention", [None, timedelta(days=4000)])
    async def test_extension_is_not_counted_and_may_outlive_the_history(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
        retention: timedelta | None,
    ) -> None:
        """The next change of this release puts the row's time to live before the history's."""
        previous = PreviousRelease(client, table_name, retention=retention)
        later = (event.expires_at + MINUTE).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await previous.update(await previous.read(event.id), clock(), expires_at={"S": later})
        extended = await store.get(event.id)
        assert (extended.expires_at, extended.extensions) == (event.expires_at + MINUTE, 0)
        row: Any = await rows.event(event.id)
        assert row.get("ttl") is None or int(row["ttl"]["N"]) > int(row["history_ttl"]["N"])
        await close(store, event)
        row = await rows.event(event.id)
        assert int(row["ttl"]["N"]) == int(row["history_ttl"]["N"]) - WEEK
        assert await actions(store, event) == [CREATED, ADOPTED, CLOSED]
        assert audit(await rows.all()) == []

    async def test_delete_leaves_a_history_without_its_end(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """Its tombstone names no entry. The history stays readable, and the id stays taken."""
        await previous.delete(await previous.read(event.id), clock())
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        assert await actions(store, event) == [CREATED]
        assert [problem for problem in audit(await rows.all()) if "newest entry" in problem]
        with pytest.raises(EventExistsError):
            await store.create(event)

    async def test_create_with_the_id_of_a_deleted_event(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """Once the tombstone is gone, the previous release takes the id; the history shows it."""
        await store.delete(event.id)
        await rows.remove_event(event.id)
        with pytest.raises(EventExistsError):
            await store.create(event)
        await previous.create(make_event(id=event.id, **PAIR, created_at=clock()))
        await close(store, event)
        assert await actions(store, event) == [CREATED, DELETED, ADOPTED, CLOSED]
        assert [problem for problem in audit(await rows.all()) if "the actions are" in problem]

    async def test_ending_by_the_previous_release_waits_for_its_review(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The event was in the index of reviews before it ended, and the review adopts it."""
        await previous.close(await previous.read(event.id), clock())
        assert [each.id for each in await store.list_awaiting_review()] == [event.id]
        await store.review(event.id, reviewed_by="rita", outcome="justified", comment="Fine")
        assert list(await store.list_awaiting_review()) == []
        assert await actions(store, event) == [CREATED, ADOPTED, Action.REVIEWED]
        assert audit(await rows.all()) == []

    async def test_event_of_the_previous_release_joins_the_queue_when_it_ends(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        clock: FakeClock,
    ) -> None:
        """The ending by this release sets what the creation did not."""
        event = make_event(**PAIR, created_at=clock())
        await previous.create(event)
        closed = await close(store, event)
        assert list(await store.list_awaiting_review()) == [closed]

    async def test_hold_outlives_a_change_of_the_previous_release(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """It keeps the hold, but gives the row a time to live until our next change."""
        await store.hold(event.id, held_by="dave", reason="Case 7")
        later = (event.expires_at + MINUTE).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await previous.update(await previous.read(event.id), clock(), expires_at={"S": later})
        row: Any = await rows.event(event.id)
        assert "ttl" in row
        await previous.close(await previous.read(event.id), clock())
        stored = await store.get(event.id)
        assert (stored.status, stored.held_by) == ("closed", "dave")
        await store.review(event.id, reviewed_by="rita", outcome="justified", comment="Fine")
        with pytest.raises(EventHeldError):
            await store.delete(event.id)
        assert not [item for item in await rows.all() if "ttl" in item]
        await store.release_hold(event.id, released_by="dave", reason="Case closed")
        row = await rows.event(event.id)
        assert int(row["ttl"]["N"]) <= int(row["history_ttl"]["N"]) - WEEK
        assert await actions(store, event) == [
            CREATED,
            Action.HELD,
            ADOPTED,
            Action.REVIEWED,
            Action.RELEASED,
        ]
        assert audit(await rows.all()) == []

    async def test_delete_of_a_held_event_by_the_previous_release(
        self,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """It knows no holds. The history stays, has no time to live, and shows the hold."""
        await store.hold(event.id, held_by="dave", reason="Case 7")
        history = await rows.history(event.id)
        await previous.delete(await previous.read(event.id), clock())
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)
        assert await actions(store, event) == [CREATED, Action.HELD]
        with pytest.raises(EventNotFoundError):
            await store.release_hold(event.id, released_by="mallory", reason="It is gone")
        assert await rows.history(event.id) == history
        assert not [item for item in history if "ttl" in item]


class TestBothAtOnce:
    async def test_change_of_the_previous_release_between_read_and_write(
        self,
        client: DynamoDBClient,
        table_name: str,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """This release sees the change, decides again, and records both."""

        async def update() -> None:
            item = await previous.read(event.id)
            await previous.update(item, clock(), request_id={"S": "theirs"})

        late: Any = Interposing(client, update)
        store = AsyncDynamoDBStore(late, table_name, clock=clock)
        closed = await close(store, event)
        assert closed.request_id == "theirs"
        assert await actions(store, event) == [CREATED, ADOPTED, CLOSED]
        assert audit(await rows.all()) == []

    async def test_change_between_read_and_write_of_the_previous_release(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """The previous release cannot overwrite a change that it has not read."""
        item = await previous.read(event.id)
        await close(store, event)
        with pytest.raises(client.exceptions.TransactionCanceledException):
            await previous.update(item, clock(), request_id={"S": "theirs"})
        assert await actions(store, event) == [CREATED, CLOSED]
        assert audit(await rows.all()) == []

    async def test_adoption_between_read_and_write_of_the_previous_release(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """An adoption changes no field, so that write succeeds; the next change adopts it."""
        event = make_event(**PAIR, created_at=clock())
        await previous.create(event)
        item = await previous.read(event.id)
        assert (await adopt_table(client, table_name, clock=clock)).adopted == 1
        clock.advance(MINUTE)
        await previous.update(item, clock(), request_id={"S": "theirs"})
        await close(store, event)
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [ADOPTED, ADOPTED, CLOSED]
        assert [entry.event and entry.event.request_id for entry in history] == [
            None,
            "theirs",
            "theirs",
        ]
        assert audit(await rows.all()) == []

    async def test_many_changes_of_both_releases(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """Whoever wins each race, every history is whole once this release has written last."""
        events = [make_event(invoker=f"user-{number}", created_at=clock()) for number in range(6)]
        await asyncio.gather(*map(previous.create, events[:3]), *map(store.create, events[3:]))
        clock.advance(MINUTE)
        refused = client.exceptions.TransactionCanceledException
        recorded = dict.fromkeys((event.id for event in events), 0)

        async def theirs(event: BreakGlassEvent, number: int) -> None:
            try:
                item = await previous.read(event.id)
                await previous.update(item, clock(), request_id={"S": f"theirs-{number}"})
            except (refused, client.exceptions.TransactionConflictException):
                pass

        async def ours(event: BreakGlassEvent, number: int) -> None:
            current = await store.get(event.id)
            changed = current.model_copy(update={"mfa_verified": True, "mfa_method": f"m{number}"})
            try:
                await store.update(changed)
            except ConcurrentModificationError:
                return
            recorded[event.id] += 1

        await asyncio.gather(
            *(
                write(event, number)
                for event in events
                for number in range(1, 5)
                for write in (theirs, ours)
            )
        )
        for event in events:
            await close(store, event)
            history = await store.history(event.id)
            ours_recorded = [entry for entry in history if entry.action is UPDATED]
            assert len(ours_recorded) == recorded[event.id]
        assert audit(await rows.all()) == []


class TestWritersThatDropAttributes:
    async def test_replaced_row_goes_on_at_the_end_of_its_history(
        self, store: AsyncDynamoDBStore, rows: Rows, event: BreakGlassEvent
    ) -> None:
        """A writer that puts whole rows drops the record; the next change finds the history."""
        await store.update(event.model_copy(update={"request_id": "r-1"}))
        await rows.put_event(event)
        await close(store, event)
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, UPDATED, ADOPTED, CLOSED]
        assert history[2].event == event
        assert audit(await rows.all()) == []

    async def test_replaced_row_between_read_and_write(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        event: BreakGlassEvent,
    ) -> None:
        """A write never relies on a record that is no longer there."""

        async def replace() -> None:
            await rows.put_event(event)

        late: Any = Interposing(client, replace)
        store = AsyncDynamoDBStore(late, table_name, clock=clock)
        await close(store, event)
        assert await actions(store, event) == [CREATED, ADOPTED, CLOSED]
        assert audit(await rows.all()) == []
