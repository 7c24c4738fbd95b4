"""Tables that other programs, or people by hand, write to."""

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
    InvalidStateTransitionError,
)
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.modelled import model_client
from tests.dynamodb.rows import Rows
from tests.simulation.dynamodb.database import TABLE_NAME

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


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


class Profile(str, Enum):  # noqa: UP042 - a kind whose `format` is not its text
    PROD = "prod"


HOUR = timedelta(hours=1)


class TestClosedByHand:
    @pytest.fixture
    async def event_id(self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock) -> str:
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, status={"S": "closed"})
        return event.id

    async def test_check_after_a_status_closed_by_hand(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """The event's row decides, not its guard."""
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None

    async def test_create_after_a_status_closed_by_hand(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str, clock: FakeClock
    ) -> None:
        """The next create removes a guard whose event is not active."""
        new = await store.create(make_event(**PAIR, created_at=clock()))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == new
        assert await rows.guards() == {"ACTIVE#5#alice#prod": new.id}

    async def test_get_of_a_half_closed_row_is_an_error(
        self, store: AsyncDynamoDBStore, event_id: str
    ) -> None:
        """A closed row must say by whom, and the error names what is missing."""
        with pytest.raises(CorruptItemError, match="closed_by must be set") as caught:
            await store.get(event_id)
        assert caught.value.key == f"BREAKGLASS#{event_id}"

    async def test_half_closed_row_can_be_completed_by_hand(
        self, store: AsyncDynamoDBStore, rows: Rows, event_id: str
    ) -> None:
        """Once the row says by whom and why, it is a closed event."""
        await rows.set(event_id, closed_by={"S": "bob"}, closed_reason={"S": "in the console"})
        assert (await store.get(event_id)).closed_by == "bob"
        with pytest.raises(InvalidStateTransitionError):
            await store.close(event_id, closed_by="alice", closed_reason="again")

    async def test_close_by_hand_between_read_and_write(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A close that comes too late is refused, and changes nothing."""
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
    async def test_close_with_any_spelling_of_the_version(
        self, store: AsyncDynamoDBStore, put: Callable[[str], Awaitable[str]], spelling: str
    ) -> None:
        """The lock compares the stored text, not a time that was parsed and formatted again."""
        event_id = await put(spelling)
        read = await store.get(event_id)
        closed = await store.close(event_id, closed_by="alice", closed_reason="done")
        assert closed.updated_at > read.updated_at

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_update_with_any_spelling_of_the_version(
        self, store: AsyncDynamoDBStore, put: Callable[[str], Awaitable[str]], spelling: str
    ) -> None:
        """An event can be updated once as it was read; its stale copy cannot be updated again."""
        read = await store.get(await put(spelling))
        changed = read.model_copy(update={"request_id": "r-1"})
        updated = await store.update(changed)
        assert await store.get(read.id) == updated
        with pytest.raises(ConcurrentModificationError) as caught:
            await store.update(changed)
        assert caught.value.current == updated

    async def test_lapse_is_decided_by_time_not_by_text(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """An `expires_at` with another offset sorts later as text, but ends the event in time."""
        event = make_event(**PAIR, created_at=clock())
        elsewhere = (event.expires_at + timedelta(hours=14)).strftime("%Y-%m-%dT%H:%M:%S+14:00")
        await rows.put_event(event, expires_at={"S": elsewhere})
        clock.advance(HOUR)
        with pytest.raises(InvalidStateTransitionError):
            await store.update(
                event.model_copy(update={"expires_at": event.created_at + 2 * HOUR})
            )
        assert (await store.get(event.id)).status is BreakGlassStatus.EXPIRED

    async def test_version_that_changes_within_its_microsecond(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """A change by another writer between our read and our write is not overwritten."""
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

    async def test_list_with_a_corrupt_row_is_an_error(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A list reports a corrupt row by its key, and never omits it silently."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event, expires_at={"S": "tomorrow"})
        with pytest.raises(CorruptItemError, match="expires_at") as caught:
            await store.list_by_invoker("alice")
        assert caught.value.key == TableLayout().event_key(event.id)
        assert "tomorrow" not in str(caught.value)

    async def test_active_row_that_is_not_an_event_is_an_error(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """If the holder's row cannot be read, the check raises instead of answering."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, expires_at={"S": "tomorrow"})
        with pytest.raises(CorruptItemError, match="expires_at"):
            await store.find_active_by_invoker_and_profile("alice", "prod")
        with pytest.raises(CorruptItemError, match="expires_at"):
            await store.create(make_event(**PAIR, created_at=clock()))

    async def test_change_keeps_attributes_of_other_writers(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Other writers' attributes are evidence as well, so a change keeps them."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, ticket={"S": "INC-7"}, approvers={"SS": ["bob", "carol"]})
        await store.close(event.id, closed_by="alice", closed_reason="done")
        row = await rows.event(event.id)
        assert row is not None
        assert row["ticket"] == {"S": "INC-7"}
        assert sorted(row["approvers"]["SS"]) == ["bob", "carol"]

    async def test_edit_by_hand_that_leaves_the_version(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """An edit between our read and our write is seen, and not overwritten."""
        event = make_event(**PAIR, created_at=clock())
        await AsyncDynamoDBStore(client, table_name, clock=clock).create(event)

        async def note() -> None:
            await rows.set(event.id, request_id={"S": "by hand"})

        late: Any = Interposing(client, note)
        closed = await AsyncDynamoDBStore(late, table_name, clock=clock).close(
            event.id, closed_by="alice", closed_reason="done"
        )
        assert closed.request_id == "by hand"

    async def test_row_with_nanoseconds_is_in_its_range(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A row is in the range that contains its time, with any number of decimals."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event, created_at={"S": "2001-02-03T04:05:06.000000789Z"})
        assert await store.count_by_invoker_since("alice", clock()) == 1
        assert len(await store.list_by_invoker("alice", until=clock())) == 0

    async def test_change_keeps_the_spelling_of_evidence(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A change leaves immutable fields exactly as another writer spelled them."""
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

    async def test_name_from_an_enumeration_is_its_text(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """A name that is a member of an enumeration counts as its text."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        found = await store.find_active_by_invoker_and_profile("alice", Profile.PROD)
        assert found == event
