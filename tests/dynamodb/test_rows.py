"""What the table holds, and what happens when other programs write to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassStatus,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
    InvalidStateTransitionError,
)
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class Profile(str, Enum):  # noqa: UP042 - the kind whose formatting is not its text
    PROD = "prod"


HOUR = timedelta(hours=1)
PAIR = {"invoker": "alice", "profile": "prod"}


@pytest.fixture
def rows(client: DynamoDBClient, table_name: str) -> Rows:
    return Rows(client, table_name)


class Interposing:
    """A client that lets something else happen just before its next transaction."""

    def __init__(self, client: DynamoDBClient, happening: Callable[[], Awaitable[Any]]) -> None:
        self._client = client
        self._happenings = [happening]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        while self._happenings:
            await self._happenings.pop()()
        return await self._client.transact_write_items(**request)


class TestRowsOfAnActiveEvent:
    async def test_a_guard_has_nothing_but_its_key_and_the_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A guard copies nothing of its event, never expires, and is in no index."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guard("alice", "prod") == {
            "pk": {"S": "ACTIVE#5#alice#prod"},
            "event_id": {"S": event.id},
        }

    async def test_ending_an_event_removes_its_guard(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Guards mirror active events: close, expiry and delete each remove one."""
        closed = await store.create(make_event(**PAIR, created_at=clock()))
        deleted = await store.create(make_event(invoker="bob", created_at=clock()))
        expired = await store.create(make_event(invoker="carol", created_at=clock()))
        await store.close(closed.id, closed_by="alice", closed_reason="done")
        await store.delete(deleted.id)
        clock.advance(HOUR)
        await store.update(expired.expire(at=clock()))
        assert await rows.guards() == {}

    async def test_each_write_has_its_own_write_id(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A writer recognises its own write by a value that no other write has."""
        event = await store.create(make_event(created_at=clock()))
        created = await rows.event(event.id)
        await store.update(event.model_copy(update={"request_id": "r-1"}))
        updated = await rows.event(event.id)
        assert created is not None
        assert updated is not None
        assert created["write_id"] != updated["write_id"]


class TestAnOldEventAndANewGuard:
    """Two active rows of one pair exist only where another program put one past the guard."""

    @pytest.fixture
    async def old(self, rows: Rows, clock: FakeClock) -> str:
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event)
        return event.id

    @pytest.fixture
    async def new(self, old: str, store: AsyncDynamoDBStore, clock: FakeClock) -> str:
        clock.advance(timedelta(minutes=1))
        return (await store.create(make_event(**PAIR, created_at=clock()))).id

    async def test_late_close(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str
    ) -> None:
        """A late close of an old event never removes a newer event's guard."""
        closed = await store.close(old, closed_by="alice", closed_reason="late")
        assert closed.status is BreakGlassStatus.CLOSED
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}

    async def test_late_expiry(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str, clock: FakeClock
    ) -> None:
        """A late expiry of an old event never removes a newer event's guard."""
        clock.advance(HOUR - timedelta(minutes=1))
        expired = await store.update((await store.get(old)).expire(at=clock()))
        assert expired.status is BreakGlassStatus.EXPIRED
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}
        found = await store.find_active_by_invoker_and_profile("alice", "prod")
        assert found is not None
        assert found.id == new

    async def test_late_delete(
        self, store: AsyncDynamoDBStore, rows: Rows, old: str, new: str
    ) -> None:
        """A late delete of an old event never removes a newer event's guard."""
        await store.delete(old)
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new}
        with pytest.raises(EventNotFoundError):
            await store.get(old)


class TestClosedByHand:
    @pytest.fixture
    async def event_id(self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock) -> str:
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, status={"S": "closed"})
        return event.id

    async def test_is_closed_for_the_check_at_once(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """The event's row is the only truth, whatever its guard says."""
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None

    async def test_blocks_nobody(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str, clock: FakeClock
    ) -> None:
        """A guard whose event is not active is reaped on the way of the next create."""
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == new
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    async def test_is_reported_as_the_half_written_row_that_it_is(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """A row closed without saying by whom is no evidence: reading it names what is missing."""
        with pytest.raises(CorruptItemError, match="closed_by must be set") as caught:
            await store.get(event_id)
        assert caught.value.key == f"BREAKGLASS#{event_id}"

    async def test_can_be_completed_by_hand(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str
    ) -> None:
        """Once it says by whom and why, the row is an event again, and terminal."""
        await rows.set(event_id, closed_by={"S": "bob"}, closed_reason={"S": "in the console"})
        assert (await store.get(event_id)).closed_by == "bob"
        with pytest.raises(InvalidStateTransitionError):
            await store.close(event_id, closed_by="alice", closed_reason="again")

    async def test_between_the_read_and_the_write_of_a_close(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A close that comes too late by one request is told so, and changes nothing."""
        event = make_event(**PAIR, created_at=clock())

        async def close_by_hand() -> None:
            await rows.set(
                event.id,
                status={"S": "closed"},
                closed_by={"S": "bob"},
                closed_reason={"S": "faster"},
            )

        await AsyncDynamoDBStore(client, table_name, clock=clock).create(event)
        late: Any = Interposing(client, close_by_hand)
        with pytest.raises(InvalidStateTransitionError) as caught:
            await AsyncDynamoDBStore(late, table_name, clock=clock).close(
                event.id, closed_by="alice", closed_reason="too late"
            )
        assert caught.value.current_status is BreakGlassStatus.CLOSED
        row = await rows.event(event.id)
        assert row is not None
        assert row["closed_by"] == {"S": "bob"}


class TestGuardsWithoutRight:
    async def test_its_event_is_gone(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A guard whose event is gone, as TTL leaves it, grants nothing and blocks nobody."""
        gone = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.remove_event(gone.id)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    @pytest.mark.parametrize("field", ["invoker", "profile"])
    async def test_its_event_is_another_pairs(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, field: str
    ) -> None:
        """A guard that points to another pair's event grants nothing and blocks nobody."""
        other = make_event(**{**PAIR, field: "somebody-else"}, created_at=clock())
        await rows.put_event(other)
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": other.id}})
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    async def test_it_points_nowhere(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A guard's row that is no guard is reported by its key, by the check and by create."""
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"N": "7"}})
        with pytest.raises(CorruptItemError) as caught:
            await store.find_active_by_invoker_and_profile("alice", "prod")
        assert caught.value.key == "ACTIVE#5#alice#prod"
        with pytest.raises(CorruptItemError, match="event_id"):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_the_reaped_event_comes_to_life_in_between(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A guard is removed only together with the proof that its event holds nothing."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put({"pk": {"S": "ACTIVE#5#alice#prod"}, "event_id": {"S": event.id}})
        happened = 0

        async def appear() -> None:
            nonlocal happened
            happened += 1
            await rows.put_event(event)

        class SecondTransaction(Interposing):
            async def transact_write_items(self, **request: Any) -> Any:
                if "ConditionCheck" in request["TransactItems"][0]:
                    return await super().transact_write_items(**request)
                return await client.transact_write_items(**request)

        late: Any = SecondTransaction(client, appear)
        from aiobreakglass import ActiveEventExistsError

        with pytest.raises(ActiveEventExistsError) as caught:
            await AsyncDynamoDBStore(late, table_name, clock=clock).create(
                make_event(**PAIR, created_at=clock())
            )
        assert caught.value.event == event
        assert happened == 1


class TestTombstones:
    async def test_what_a_deleted_event_leaves(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A tombstone has its key, when it was deleted and when it may go; nothing else."""
        event = await store.create(make_event(created_at=clock()))
        await store.delete(event.id)
        row = await rows.event(event.id)
        assert row is not None
        assert set(row) == {"pk", "deleted_at", "ttl"}
        assert int(row["ttl"]["N"]) == int((clock() + timedelta(days=365)).timestamp())

    async def test_its_id_is_never_reused(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """Neither the same event nor another one can take the id of a deleted event."""
        event = await store.create(make_event(created_at=clock()))
        await store.delete(event.id)
        for again in (event, make_event(id=event.id, invoker="bob", created_at=clock())):
            with pytest.raises(EventExistsError):
                await store.create(again)

    async def test_a_late_update_does_not_bring_it_back(
        self, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """An update whose event is deleted before it is written finds nothing to update."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await store.create(make_event(created_at=clock()))

        async def delete() -> None:
            await store.delete(event.id)

        late: Any = Interposing(client, delete)
        with pytest.raises(EventNotFoundError):
            await AsyncDynamoDBStore(late, table_name, clock=clock).update(
                event.model_copy(update={"request_id": "r-1"})
            )
        with pytest.raises(EventNotFoundError):
            await store.get(event.id)

    async def test_deleting_a_row_that_changes_meanwhile(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A delete that meets a change reads again, and deletes what is there then."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await store.create(make_event(created_at=clock()))

        async def close() -> None:
            await store.close(event.id, closed_by="alice", closed_reason="done")

        late: Any = Interposing(client, close)
        await AsyncDynamoDBStore(late, table_name, clock=clock).delete(event.id)
        row = await rows.event(event.id)
        assert row is not None
        assert "deleted_at" in row
        assert await rows.guards() == {}

    async def test_a_row_that_is_no_event_can_be_deleted(
        self, store: AsyncDynamoDBStore, rows: Rows
    ) -> None:
        """Deleting goes by the row's own words, so that a corrupt row is not there for ever."""
        event_id = "0123456789abcdef"
        await rows.put({"pk": {"S": f"BREAKGLASS#{event_id}"}, "status": {"S": "active"}})
        with pytest.raises(CorruptItemError):
            await store.get(event_id)
        await store.delete(event_id)
        with pytest.raises(EventNotFoundError):
            await store.get(event_id)


class TestRowsOfOtherWriters:
    SPELLINGS = (
        "2031-03-04T05:06:07.123456789Z",
        "2031-03-04T05:06:07.1Z",
        "2031-03-04T05:06:07Z",
        "2031-03-04T07:06:07.12+02:00",
    )

    @pytest.fixture
    async def put(self, rows: Rows, clock: FakeClock) -> Callable[[str], Awaitable[str]]:
        async def put(updated_at: str) -> str:
            event = make_event(**PAIR, created_at=clock())
            await rows.put_event(event, updated_at={"S": updated_at})
            return event.id

        return put

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_are_closed_whatever_the_spelling_of_their_version(
        self, store: AsyncDynamoDBStore, put: Callable[[str], Awaitable[str]], spelling: str
    ) -> None:
        """The lock compares the stored text, not a time that was parsed and printed again."""
        event_id = await put(spelling)
        read = await store.get(event_id)
        closed = await store.close(event_id, closed_by="alice", closed_reason="done")
        assert closed.updated_at > read.updated_at

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_are_updated_whatever_the_spelling_of_their_version(
        self, store: AsyncDynamoDBStore, put: Callable[[str], Awaitable[str]], spelling: str
    ) -> None:
        """An event as read can be updated once, and its stale copy not again."""
        read = await store.get(await put(spelling))
        changed = read.model_copy(update={"request_id": "r-1"})
        updated = await store.update(changed)
        assert await store.get(read.id) == updated
        with pytest.raises(ConcurrentModificationError) as caught:
            await store.update(changed)
        assert caught.value.current == updated

    async def test_lapse_by_their_instant_not_by_their_text(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """An `expires_at` in another zone sorts later than it is, and still ends the event."""
        event = make_event(**PAIR, created_at=clock())
        elsewhere = (event.expires_at + timedelta(hours=14)).strftime("%Y-%m-%dT%H:%M:%S+14:00")
        await rows.put_event(event, expires_at={"S": elsewhere})
        clock.advance(HOUR)
        with pytest.raises(InvalidStateTransitionError):
            await store.update(
                event.model_copy(update={"expires_at": event.created_at + 2 * HOUR})
            )
        assert (await store.get(event.id)).status is BreakGlassStatus.EXPIRED

    async def test_a_version_that_changes_within_its_microsecond(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A row that another writer changes between our read and our write is not overwritten."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event, updated_at={"S": "2031-03-04T05:06:07.123456100Z"})

        async def change() -> None:
            await rows.set(
                event.id,
                updated_at={"S": "2031-03-04T05:06:07.123456900Z"},
                request_id={"S": "theirs"},
            )

        late: Any = Interposing(client, change)
        closed = await AsyncDynamoDBStore(late, table_name, clock=clock).close(
            event.id, closed_by="alice", closed_reason="done"
        )
        assert closed.request_id == "theirs"

    async def test_a_list_that_meets_a_row_that_is_no_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A corrupt row is reported by its key, never left out in silence."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event, justification={"S": "too short"})
        with pytest.raises(CorruptItemError, match="justification") as caught:
            await store.list_by_invoker("alice")
        assert caught.value.key == TableLayout().event_key(event.id)
        assert "too short" not in str(caught.value)

    async def test_an_active_row_that_is_no_event_is_not_taken_for_no_access(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Where a holder's row cannot be read, the check says so instead of answering."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, expires_at={"S": "tomorrow"})
        with pytest.raises(CorruptItemError, match="expires_at"):
            await store.find_active_by_invoker_and_profile("alice", "prod")
        with pytest.raises(CorruptItemError, match="expires_at"):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_keep_what_they_added_to_a_row(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Attributes that are not ours outlive a change of ours: they are evidence as well."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, ticket={"S": "INC-7"}, approvers={"SS": ["bob", "carol"]})
        await store.close(event.id, closed_by="alice", closed_reason="done")
        row = await rows.event(event.id)
        assert row is not None
        assert row["ticket"] == {"S": "INC-7"}
        assert sorted(row["approvers"]["SS"]) == ["bob", "carol"]

    async def test_a_hand_that_changes_a_row_without_its_version(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """What is edited between our read and our write is seen, not overwritten."""
        event = make_event(**PAIR, created_at=clock())
        await AsyncDynamoDBStore(client, table_name, clock=clock).create(event)

        async def note() -> None:
            await rows.set(event.id, request_id={"S": "by hand"})

        late: Any = Interposing(client, note)
        closed = await AsyncDynamoDBStore(late, table_name, clock=clock).close(
            event.id, closed_by="alice", closed_reason="done"
        )
        assert closed.request_id == "by hand"

    async def test_are_listed_by_their_nanoseconds(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A row is in the range in which its instant lies, whatever its decimals."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event, created_at={"S": "2001-02-03T04:05:06.000000789Z"})
        assert await store.count_by_invoker_since("alice", clock()) == 1
        assert len(await store.list_by_invoker("alice", until=clock())) == 0

    async def test_keep_their_spelling_of_what_never_changes(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Evidence stays to the letter, not just in meaning."""
        event = make_event(**PAIR, created_at=clock())
        words = {
            "created_at": {"S": "2001-02-03T04:05:06.000000789Z"},
            "justification": {"S": "  The primary database\r\ndoes not answer  "},
        }
        await rows.put_event(event, **words)
        await store.close(event.id, closed_by="alice", closed_reason="done")
        row = await rows.event(event.id)
        assert row is not None
        assert {name: row[name] for name in words} == words

    async def test_name_people_in_types_of_their_own(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """A name is its text, also where it is a member of an enumeration."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        found = await store.find_active_by_invoker_and_profile("alice", Profile.PROD)
        assert found == event
