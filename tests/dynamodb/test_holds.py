"""Legal holds in the table: no row of a held event may have a time to live, whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    EventHeldError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
    audit_table,
)
from aiobreakglass._aws.transaction import Item
from aiobreakglass.testing import FakeClock
from tests.documents.calls import Recorder
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.modelled import model_client
from tests.dynamodb.rows import LAYOUT, Rows
from tests.dynamodb.test_histories import event_with
from tests.simulation.dynamodb.database import TABLE_NAME

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

DAY = timedelta(days=1)
SECONDS = timedelta(seconds=1)

Open = Callable[..., AsyncDynamoDBStore]


@pytest.fixture
def client() -> DynamoDBClient:
    """Use our model, which needs no emulator; the contract holds events on those."""
    return model_client()


@pytest.fixture
def table_name() -> str:
    return TABLE_NAME


@pytest.fixture
def store(client: DynamoDBClient, clock: FakeClock) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, TABLE_NAME, clock=clock)


@pytest.fixture
def open_store(client: DynamoDBClient, table_name: str, clock: FakeClock) -> Open:
    """Make a store on the table, through this client."""

    def make(through: Any = client, **options: Any) -> AsyncDynamoDBStore:
        return AsyncDynamoDBStore(through, table_name, **{"clock": clock, **options})

    return make


async def hold(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    return await store.hold(event.id, held_by="counsel", reason="Case 7")


async def release(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    return await store.release_hold(event.id, released_by="counsel", reason="Case closed")


async def times(rows: Rows, event_id: str) -> list[tuple[int | None, int | None]]:
    """Return `ttl` and `history_ttl` of the event's row and of each entry."""
    row = await rows.event(event_id)
    assert row is not None
    return [_times(item) for item in [row, *await rows.history(event_id)]]


def _times(item: Item) -> tuple[int | None, int | None]:
    ttl, kept = (int(item[name]["N"]) if name in item else None for name in ("ttl", "history_ttl"))
    return ttl, kept


async def kinds(client: DynamoDBClient, table_name: str, clock: FakeClock) -> set[str]:
    return {finding.kind for finding in await audit_table(client, table_name, now=clock())}


class StopsBefore:
    """A client whose writes fail from a certain one on, without being sent."""

    def __init__(
        self, client: DynamoDBClient, write: int, failure: Exception | None = None
    ) -> None:
        self._client = client
        self._left = write
        self._failure = failure or TimeoutError()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._failure
        return await self._client.transact_write_items(**request)


LENGTHS = [1, 8, 9, 17]


class TestHold:
    @pytest.mark.parametrize("entries", LENGTHS)
    async def test_no_row_of_a_held_event_has_a_time_to_live(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, entries: int
    ) -> None:
        """The event and its whole history stay, however long that is."""
        event = await event_with(store, clock, entries)
        kept = (await times(rows, event.id))[0][1]
        held = await hold(store, event)
        assert (held.held_by, held.held_at, held.held_reason) == ("counsel", clock(), "Case 7")
        assert await times(rows, event.id) == [(None, kept)] * (entries + 2)

    async def test_history_of_more_entries_than_one_read_has(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A history of 101 entries takes two reads and twelve writes."""
        event = await event_with(store, clock, 101)
        await hold(store, event)
        assert {ttl for ttl, _ in await times(rows, event.id)} == {None}
        await release(store, event)
        assert None not in {ttl for ttl, _ in await times(rows, event.id)}

    async def test_changes_of_a_held_event_bring_no_time_to_live(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Neither an extension nor the end of access nor a review ends the hold."""
        event = await hold(store, await event_with(store, clock, 1))
        later = event.expires_at + timedelta(minutes=5)
        await store.extend(event.id, expires_at=later, extended_by="carol", reason="More")
        await store.close(event.id, closed_by="bob", closed_reason="Over")
        await store.review(event.id, reviewed_by="rev", outcome="justified", comment="Fine")
        assert {ttl for ttl, _ in await times(rows, event.id)} == {None}

    async def test_hold_and_release_shorten_the_time_of_no_entry(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """Somebody who shortens the row's time neither shortens the history nor hides it."""
        event = await event_with(store, clock, 1)
        (_, kept), *_ = await times(rows, event.id)
        assert kept is not None
        await rows.set(event.id, history_ttl={"N": str(kept - 100)})
        await hold(store, event)
        less = kept - 100
        assert await times(rows, event.id) == [(None, less), (None, kept), (None, less)]
        assert await kinds(client, table_name, clock) == {"altered"}
        await release(store, event)
        ((_, row_kept), *entries) = await times(rows, event.id)
        assert (row_kept, entries) == (less, [(kept, kept), (less, less), (less, less)])
        assert await kinds(client, table_name, clock) == {"altered"}

    async def test_hold_mends_a_time_that_is_no_number(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """An entry with such a time gets that of the row."""
        event = await event_with(store, clock, 1)
        before = await times(rows, event.id)
        (entry,) = await rows.history(event.id)
        await rows.put({**entry, "history_ttl": {"S": "next year"}, "ttl": {"N": "1.5"}})
        await hold(store, event)
        await release(store, event)
        assert await times(rows, event.id) == [*before, before[-1], before[-1]]

    async def test_hold_of_a_table_that_keeps_everything(
        self, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """Without a retention there is no time to live, before or after."""
        store = open_store(retention=None)
        event = await event_with(store, clock, 2)
        await hold(store, event)
        await release(store, event)
        assert set(await times(rows, event.id)) == {(None, None)}


class TestRelease:
    @pytest.mark.parametrize("entries", LENGTHS)
    async def test_release_begins_the_retention_anew(
        self, open_store: Open, rows: Rows, clock: FakeClock, entries: int
    ) -> None:
        """A hold that outlasts the retention must not end with the loss of the record."""
        store = open_store(retention=DAY)
        event = await event_with(store, clock, entries)
        await hold(store, event)
        clock.advance(400 * DAY)
        await release(store, event)
        now = int(clock().timestamp())
        ((row_ttl, kept), *history) = await times(rows, event.id)
        assert row_ttl == now + DAY // SECONDS
        assert kept is not None
        assert kept >= row_ttl + 7 * DAY // SECONDS
        assert history == [(kept, kept)] * (entries + 2)

    async def test_release_never_shortens_how_long_a_record_is_kept(
        self, store: AsyncDynamoDBStore, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """A store with a shorter retention that releases keeps the record as long as before."""
        event = await event_with(store, clock, 1)
        before = await times(rows, event.id)
        await hold(store, event)
        await release(open_store(retention=DAY), event)
        assert await times(rows, event.id) == [*before, before[-1], before[-1]]

    @pytest.mark.parametrize(("creator", "releaser"), [(DAY, None), (None, DAY)])
    async def test_record_that_one_of_two_stores_keeps_for_ever(
        self,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
        creator: timedelta | None,
        releaser: timedelta | None,
    ) -> None:
        """Neither the store that creates it nor the one that releases it shortens that."""
        event = await event_with(open_store(retention=creator), clock, 1)
        releasing = open_store(retention=releaser)
        await hold(releasing, event)
        await release(releasing, event)
        assert set(await times(rows, event.id)) == {(None, None)}

    async def test_release_of_an_event_that_is_not_held(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """There is nothing to release."""
        event = await event_with(store, clock, 1)
        with pytest.raises(
            InvalidStateTransitionError,
            match="is active: it is not held",
        ):
            await release(store, event)


class TestDelete:
    async def test_delete_of_a_held_event_is_refused(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """The error has the event, and who holds it."""
        held = await hold(store, await event_with(store, clock, 1))
        with pytest.raises(EventHeldError, match="counsel") as caught:
            await store.delete(held.id)
        assert caught.value.event == held
        assert await store.get(held.id) == held

    async def test_delete_of_a_held_row_that_is_not_an_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Somebody who breaks a held row does not get rid of it."""
        held = await hold(store, await event_with(store, clock, 1))
        await rows.set(held.id, expires_at={"S": "tomorrow"})
        with pytest.raises(EventHeldError):
            await store.delete(held.id)
        assert await rows.event(held.id) is not None

    async def test_hold_between_the_read_and_the_write_of_a_delete(
        self, client: DynamoDBClient, store: AsyncDynamoDBStore, open_store: Open, clock: FakeClock
    ) -> None:
        """The delete is refused by the row that won."""
        event = await event_with(store, clock, 1)

        async def somebody_holds() -> None:
            await hold(store, event)

        with pytest.raises(EventHeldError):
            await open_store(Interposing(client, somebody_holds)).delete(event.id)
        assert (await store.get(event.id)).held_by == "counsel"

    async def test_delete_after_the_release(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """A released event is an event like any other."""
        event = await event_with(store, clock, 1)
        await hold(store, event)
        await release(store, event)
        await store.delete(event.id)
        actions = [entry.action for entry in await store.history(event.id)]
        assert actions == [Action.CREATED, Action.HELD, Action.RELEASED, Action.DELETED]


Call = Callable[[AsyncDynamoDBStore, BreakGlassEvent], Awaitable[BreakGlassEvent]]


class AfterFirst(Interposing):
    """A client that makes another change before its second transaction: before step two."""

    def __init__(self, client: DynamoDBClient, happening: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(client, happening)
        self._is_first = True

    async def transact_write_items(self, **request: Any) -> Any:
        if self._is_first:
            self._is_first = False
            return await self._client.transact_write_items(**request)
        return await super().transact_write_items(**request)


class TestSecondStep:
    @pytest.mark.parametrize("entries", [2, 12])
    async def test_release_goes_on_after_the_event_is_held_again(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
        entries: int,
    ) -> None:
        """A slow release must not give the history of a held event a time to live."""
        event = await event_with(store, clock, entries)
        await hold(store, event)

        async def somebody_holds_again() -> None:
            await hold(store, event)

        await release(open_store(AfterFirst(client, somebody_holds_again)), event)
        assert {ttl for ttl, _ in await times(rows, event.id)} == {None}
        assert (await store.get(event.id)).held_by == "counsel"

    @pytest.mark.parametrize("entries", [2, 12])
    async def test_hold_goes_on_after_the_event_is_released(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
        entries: int,
    ) -> None:
        """A slow hold must not take the time to live from a history that is released."""
        event = await event_with(store, clock, entries)

        async def somebody_releases() -> None:
            await release(store, event)

        await hold(open_store(AfterFirst(client, somebody_releases)), event)
        found = await times(rows, event.id)
        assert None not in {ttl for ttl, _ in found}
        assert len({kept for _, kept in found}) == 1

    async def test_release_goes_on_after_the_event_is_deleted(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """The history of a deleted event must not stay for ever."""
        event = await event_with(store, clock, 2)
        await hold(store, event)

        async def somebody_deletes() -> None:
            await store.delete(event.id)

        await release(open_store(AfterFirst(client, somebody_deletes)), event)
        _, *history = await times(rows, event.id)
        assert None not in {ttl for ttl, _ in history}

    @pytest.mark.parametrize(("entries", "write"), [(2, 1), (25, 1), (25, 2)])
    async def test_hold_that_fails_in_step_two_is_unknown_and_can_be_repeated(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
        entries: int,
        write: int,
    ) -> None:
        """A repetition finishes, then says that the event is held already."""
        event = await event_with(store, clock, entries)
        failing = open_store(StopsBefore(client, write), operation_timeout=SECONDS / 2)
        with pytest.raises(StoreUnavailableError) as caught:
            await hold(failing, event)
        assert caught.value.outcome_unknown
        assert (await store.get(event.id)).held_by == "counsel"
        assert await kinds(client, table_name, clock) == {"unfinished hold"}
        with pytest.raises(EventHeldError):
            await hold(store, event)
        assert {ttl for ttl, _ in await times(rows, event.id)} == {None}
        assert await kinds(client, table_name, clock) == set()

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("ResourceNotFoundException", "Requested resource not found"),
            ("AccessDeniedException", "not authorized to perform dynamodb:ConditionCheckItem"),
            ("ValidationException", "Something is wrong"),
        ],
    )
    async def test_hold_that_is_refused_in_step_two_is_unknown(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        clock: FakeClock,
        code: str,
        message: str,
    ) -> None:
        """Whatever stops it, the event is held, so no exception may say that it is not."""
        event = await event_with(store, clock, 1)
        failure = ClientError({"Error": {"Code": code, "Message": message}}, "TransactWriteItems")
        with pytest.raises(StoreUnavailableError, match="history") as caught:
            await hold(open_store(StopsBefore(client, 1, failure)), event)
        assert caught.value.outcome_unknown
        assert isinstance(caught.value.__cause__, BreakGlassError)
        with pytest.raises(EventHeldError):
            await hold(store, event)

    @pytest.mark.parametrize("is_deleted", [False, True], ids=["stays", "is deleted"])
    async def test_release_that_fails_in_step_two_is_unknown_and_can_be_repeated(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
        is_deleted: bool,
    ) -> None:
        """A repetition finishes, then says that the event is not held, or that it is gone."""
        event = await event_with(store, clock, 3)
        await hold(store, event)
        clock.advance(DAY)
        failing = open_store(StopsBefore(client, 1), operation_timeout=SECONDS / 2)
        with pytest.raises(StoreUnavailableError) as caught:
            await release(failing, event)
        assert caught.value.outcome_unknown
        if is_deleted:
            await store.delete(event.id)
        assert await kinds(client, table_name, clock) == {"unfinished release"}
        refusal = EventNotFoundError if is_deleted else InvalidStateTransitionError
        with pytest.raises(refusal):
            await release(store, event)
        found = await times(rows, event.id)
        assert len({kept for _, kept in found}) == 1
        assert None not in {ttl for ttl, _ in found}
        assert await kinds(client, table_name, clock) == set()

    async def test_hold_of_a_row_whose_record_another_writer_dropped_is_completed(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """The row does not say how long the history is kept, so that stays as it is."""
        event = await event_with(store, clock, 1)
        (_, kept), *_ = await times(rows, event.id)
        with pytest.raises(StoreUnavailableError):
            await hold(open_store(StopsBefore(client, 1), operation_timeout=SECONDS / 4), event)
        await rows.unset(event.id, "revision", "head", "history_ttl")
        with pytest.raises(EventHeldError):
            await hold(store, event)
        assert await times(rows, event.id) == [(None, None), (None, kept), (None, kept)]

    async def test_entry_that_is_gone_meanwhile_is_not_made_again(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """TTL removes entries whenever it likes."""
        event = await event_with(store, clock, 3)

        async def ttl_deletes() -> None:
            await rows.remove_entry(event.id, 2)

        await hold(open_store(AfterFirst(client, ttl_deletes)), event)
        assert [row["revision"]["N"] for row in await rows.history(event.id)] == ["1", "3", "4"]

    async def test_row_that_is_not_an_entry_is_not_made_again(
        self,
        client: DynamoDBClient,
        store: AsyncDynamoDBStore,
        open_store: Open,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """The condition of an update without it would be true for a row that is gone."""
        event = await event_with(store, clock, 2)
        key = LAYOUT.history_key(event.id, 1)
        await rows.put({"pk": {"S": key}})

        async def somebody_removes_it() -> None:
            await rows.remove(key)

        await hold(store, event)
        await release(open_store(AfterFirst(client, somebody_removes_it)), event)
        assert [row["revision"]["N"] for row in await rows.history(event.id)] == ["2", "3", "4"]


async def test_what_a_hold_sends(
    client: DynamoDBClient, open_store: Open, clock: FakeClock
) -> None:
    """The change is one transaction, and nine entries follow in each of the others."""
    store = open_store()
    event = await event_with(store, clock, 10)
    recorder = Recorder(client)
    await hold(store, event)
    first = ["GetItem", "TransactWriteItems(Put, Update)"]
    nine, one = ", ".join(["ConditionCheck", *["Update"] * 9]), "ConditionCheck, Update"
    assert recorder.requests == [
        *first,
        *("GetItem", "GetItem", "BatchGetItem"),
        *(f"TransactWriteItems({nine})", f"TransactWriteItems({one})"),
    ]
