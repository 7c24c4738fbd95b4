"""Histories in the table: what remains readable and changeable, whatever others did to rows."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
    verify_history,
)
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import history_ttl
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb.histories import Histories
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import RECORD
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.conftest import PAIR
from tests.dynamodb.example import ENTRY_ROW, ID, LAYOUT, TABLE
from tests.dynamodb.modelled import model_client
from tests.dynamodb.rows import Rows
from tests.faults.audit import audit
from tests.simulation.dynamodb.database import TABLE_NAME

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

CREATED, UPDATED, CLOSED = Action.CREATED, Action.UPDATED, Action.CLOSED
ADOPTED, DELETED = Action.ADOPTED, Action.DELETED
MICROSECOND, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)
FUTURE = ["2100-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"]


@pytest.fixture
def client() -> DynamoDBClient:
    """Use our model, which needs no emulator; the contract keeps histories on those."""
    return model_client()


@pytest.fixture
def table_name() -> str:
    return TABLE_NAME


@pytest.fixture
def store(client: DynamoDBClient, clock: FakeClock) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, TABLE_NAME, clock=clock)


async def event_with(store: AsyncDynamoDBStore, clock: FakeClock, entries: int) -> BreakGlassEvent:
    """Return an event with so many entries in its history."""
    event = await store.create(make_event(**PAIR, created_at=clock()))
    for number in range(2, entries + 1):
        event = await store.update(event.model_copy(update={"request_id": f"r-{number}"}))
    return event


async def close(store: AsyncDynamoDBStore, event: BreakGlassEvent) -> BreakGlassEvent:
    return await store.close(event.id, closed_by="bob", closed_reason="Over")


async def actions(store: AsyncDynamoDBStore, event_id: str) -> list[Action]:
    return [entry.action for entry in await store.history(event_id)]


async def record_of(rows: Rows, event_id: str) -> Item:
    """Return what the row of an event says about its newest entry."""
    row = await rows.event(event_id)
    assert row is not None
    return {name: row[name] for name in RECORD if name in row}


class TestAdoption:
    async def test_row_from_before_histories_is_adopted_by_its_next_change(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The first entry has the event as it was read, and the second one the change."""
        event = make_event(**PAIR, created_at=clock())
        await rows.put_event(event)
        assert await store.history(event.id) == []
        closed = await close(store, event)
        adopted, ending = await store.history(event.id)
        assert (adopted.action, adopted.event, adopted.by) == (ADOPTED, event, None)
        assert (ending.action, ending.event, ending.by) == (CLOSED, closed, "bob")
        assert ending.previous == adopted.hash
        assert audit(await rows.all()) == []

    async def test_row_that_was_changed_by_hand_is_adopted_by_its_next_change(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The entry of the next change does not hide what somebody did outside the library."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, request_id={"S": "by hand"})
        await close(store, event)
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, ADOPTED, CLOSED]
        snapshots = [entry.event.request_id for entry in history if entry.event is not None]
        assert snapshots == [None, "by hand", "by hand"]
        assert audit(await rows.all()) == []

    async def test_delete_of_a_row_that_was_changed_by_hand(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A deletion adopts as well, so the last state of the event is not lost."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, request_id={"S": "by hand"})
        await store.delete(event.id, by="carol", note="Typo")
        _, adopted, deleted = await store.history(event.id)
        assert adopted.event == event.model_copy(update={"request_id": "by hand"})
        assert (deleted.action, deleted.event, deleted.by, deleted.note) == (
            DELETED,
            None,
            "carol",
            "Typo",
        )
        assert audit(await rows.all()) == []

    async def test_delete_of_a_row_that_is_not_an_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """There is no event to adopt; the deletion is recorded all the same."""
        event = await event_with(store, clock, 2)
        await rows.set(event.id, expires_at={"S": "tomorrow"})
        await store.delete(event.id)
        assert await actions(store, event.id) == [CREATED, UPDATED, DELETED]
        assert audit(await rows.all()) == []

    async def test_delete_of_a_row_that_never_was_an_event(
        self, store: AsyncDynamoDBStore, rows: Rows
    ) -> None:
        """The history of a row that never was an event begins with its deletion."""
        await rows.put({"pk": {"S": LAYOUT.event_key(ID)}, "status": {"S": "active"}})
        await store.delete(ID)
        assert await actions(store, ID) == [DELETED]


LENGTHS = [1, 2, 3, 4, 7, 8, 9, 40]


class TestLostTip:
    @pytest.mark.parametrize("entries", LENGTHS)
    async def test_change_of_a_row_that_lost_its_record(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, entries: int
    ) -> None:
        """The store finds the end of the history, and goes on there."""
        event = await event_with(store, clock, entries)
        await rows.unset(event.id, *RECORD)
        await close(store, event)
        expected = [CREATED, *[UPDATED] * (entries - 1), ADOPTED, CLOSED]
        assert await actions(store, event.id) == expected
        assert audit(await rows.all()) == []

    @pytest.mark.parametrize("entries", LENGTHS[1:])
    @pytest.mark.parametrize("kept", [1, -1])
    async def test_change_of_a_row_whose_record_was_reverted(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, entries: int, kept: int
    ) -> None:
        """A row that names an older entry is the work of another writer, or of a restore."""
        event = await event_with(store, clock, 1 if kept == 1 else entries - 1)
        record = await record_of(rows, event.id)
        for number in range(int(record["revision"]["N"]), entries):
            event = await store.update(event.model_copy(update={"request_id": f"s-{number}"}))
        await rows.set(event.id, **record)
        await close(store, event)
        expected = [CREATED, *[UPDATED] * (entries - 1), ADOPTED, CLOSED]
        assert await actions(store, event.id) == expected
        assert audit(await rows.all()) == []

    async def test_history_of_a_row_whose_record_was_reverted(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The history is read to its end, whatever the row says."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        record = await record_of(rows, event.id)
        for number in range(4):
            event = await store.update(event.model_copy(update={"request_id": f"r-{number}"}))
        await rows.set(event.id, **record)
        assert len(await store.history(event.id)) == 5
        await rows.unset(event.id, *RECORD)
        assert len(await store.history(event.id)) == 5

    @pytest.mark.parametrize("has_record", [True, False])
    @pytest.mark.parametrize(
        "attributes",
        [
            pytest.param({"entry": {"S": "junk"}, "hash": {"S": "a" * 64}}, id="another text"),
            pytest.param({"entry": {"N": "7"}}, id="a number for the text, no hash"),
            pytest.param({}, id="nothing but the key"),
        ],
    )
    async def test_change_of_an_event_whose_newest_entry_cannot_be_read(
        self,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
        attributes: dict[str, Any],
        has_record: bool,
    ) -> None:
        """An event can always be ended, even if somebody wrote over its newest entry."""
        event = await event_with(store, clock, 2)
        await rows.put({"pk": {"S": LAYOUT.history_key(event.id, 2)}, **attributes})
        if not has_record:
            await rows.unset(event.id, *RECORD)
        closed = await close(store, event)
        assert await store.get(event.id) == closed
        with pytest.raises(CorruptItemError) as caught:
            await store.history(event.id)
        assert caught.value.key == LAYOUT.history_key(event.id, 2)
        newest = (await rows.history(event.id))[-1]
        assert newest["hash"] == (await record_of(rows, event.id))["head"]

    async def test_end_of_a_history_that_vanishes_while_it_is_read(self) -> None:
        """No entry links to one that TTL has just removed."""
        reads = cast(Reads, Vanishing({LAYOUT.history_key(ID, 1): ENTRY_ROW}))
        operation = cast(Operation, None)
        assert await Histories(reads, TABLE).tip(operation, ID, 1) is None


class Vanishing:
    """The rows of a table, which are there when they are read one by one, and gone after that."""

    def __init__(self, rows: Mapping[str, Item]) -> None:
        self._rows = rows

    async def row(self, _: Operation, key: str) -> Item | None:
        return self._rows.get(key)

    async def rows(self, _: Operation, keys: Mapping[str, int]) -> dict[str, Item]:
        return {}


class TestForgedRecord:
    """Rows that somebody gave another record of their newest entry."""

    @pytest.mark.parametrize("has_digest", [True, False])
    @pytest.mark.parametrize(
        "revision", [40_000, 900_000, 999_995, 999_996, 999_997, 999_998, 999_999]
    )
    async def test_close_of_a_row_that_claims_a_late_entry(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        revision: int,
        has_digest: bool,
    ) -> None:
        """The history shows the change and the one after it, and finding them costs little."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await event_with(store, clock, 2)
        await rows.set(event.id, revision={"N": str(revision)})
        if not has_digest:
            await rows.unset(event.id, "digest")
        closed = await close(store, event)
        recorder = Recorder(client)
        history = await store.history(event.id)
        assert len(recorder.requests) <= 8
        assert [entry.revision for entry in history] == list(range(1, len(history) + 1))
        assert [entry.action for entry in history[:2]] == [CREATED, UPDATED]
        assert (history[-1].action, history[-1].event) == (CLOSED, closed)
        assert history[-1].hash == (await record_of(rows, event.id))["head"]["S"]
        await store.delete(event.id)
        *before, deleted = await store.history(event.id)
        assert (before, deleted.action) == (history, DELETED)

    @pytest.mark.parametrize("has_digest", [True, False])
    @pytest.mark.parametrize("instant", FUTURE)
    async def test_change_of_a_row_that_claims_a_time_in_the_future(
        self,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
        instant: str,
        has_digest: bool,
    ) -> None:
        """The next entry follows the one before, and leaves room for later ones."""
        event = await event_with(store, clock, 2)
        await rows.set(event.id, recorded_at={"S": instant})
        if not has_digest:
            await rows.unset(event.id, "digest")
        for _ in range(2):
            clock.advance(MINUTE)
            event = await store.update(event.model_copy(update={"request_id": f"at {clock()}"}))
            history = await store.history(event.id)
            assert history[-1].at == clock()
            assert verify_history(history, event, at=clock()) == []
        assert audit(await rows.all()) == []

    @pytest.mark.parametrize("instant", FUTURE)
    async def test_delete_of_a_row_that_claims_a_time_in_the_future(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, instant: str
    ) -> None:
        """A tombstone takes over no time that the history does not know."""
        event = await event_with(store, clock, 2)
        await rows.set(event.id, recorded_at={"S": instant})
        clock.advance(MINUTE)
        await store.delete(event.id)
        assert (await store.history(event.id))[-1].at == clock()
        assert (await record_of(rows, event.id))["recorded_at"] == {"S": encode_time(clock())}

    @pytest.mark.parametrize("instant", FUTURE)
    async def test_entry_that_is_in_the_future_itself_counts(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, instant: str
    ) -> None:
        """An entry of a host whose clock is ahead is evidence, so the next one comes after it."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        clock.advance(40 * MINUTE)
        event = await store.update(event.model_copy(update={"request_id": "ahead"}))
        ahead = clock()
        clock.advance(-30 * MINUTE)
        await rows.set(event.id, recorded_at={"S": instant})
        closed = await close(store, event)
        history = await store.history(event.id)
        assert [entry.at for entry in history[1:]] == [ahead, ahead + MICROSECOND]
        assert verify_history(history, closed, at=clock()) == []

    @pytest.mark.parametrize("is_earliest", [True, False])
    async def test_change_of_a_row_that_claims_an_early_end_of_its_history(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, is_earliest: bool
    ) -> None:
        """No store sets such an end, so the history and its row are kept for the retention."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        before: Any = await rows.event(event.id)
        (first,) = await rows.history(event.id)
        expected = {"N": str(history_ttl(event.created_at, timedelta(days=365)))}
        assert first["ttl"] == before["history_ttl"] == expected
        earliest = history_ttl(event.created_at, timedelta(0))
        assert earliest is not None
        forged = 1 if is_earliest else earliest - 1
        await rows.set(event.id, history_ttl={"N": str(forged)})
        await close(store, event)
        row: Any = await rows.event(event.id)
        newest = (await rows.history(event.id))[-1]
        assert (row["ttl"], row["history_ttl"]) == (before["ttl"], expected)
        assert (newest["ttl"], newest["history_ttl"]) == (expected, expected)

    async def test_delete_of_a_row_that_claims_an_early_end_of_its_history(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The history of a deleted event is kept for the retention, too."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.set(event.id, history_ttl={"N": "1"})
        await store.delete(event.id)
        expected = history_ttl(event.created_at, timedelta(days=365))
        assert [entry.history_ttl for entry in await store.history(event.id)] == [expected] * 2
        assert (await record_of(rows, event.id))["history_ttl"] == {"N": str(expected)}

    async def test_end_that_somebody_gave_a_history_explains_no_gap(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """Somebody removes an entry of a history that is kept for ever, and lets it look over."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock, retention=None)
        event = await close(store, await event_with(store, clock, 4))
        await rows.remove_entry(event.id, 3)
        ttl = {"N": str(history_ttl(event.created_at, timedelta(0)))}
        for row in await rows.history(event.id):
            await rows.put({**row, "history_ttl": ttl})
        clock.advance(timedelta(days=30))
        (gap,) = verify_history(await store.history(event.id), event, at=clock())
        subject = f"event {event.id} entry 3"
        assert (gap.severity, gap.kind, gap.subject) == ("error", "gap", subject)


class TestTakenId:
    async def test_create_where_the_row_of_an_event_is_gone(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """As long as the history of an event is kept, no other event can have its id."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await close(store, event)
        await rows.remove_event(event.id)
        with pytest.raises(EventExistsError):
            await store.create(make_event(id=event.id, invoker="bob", created_at=clock()))
        assert await actions(store, event.id) == [CREATED, CLOSED]
        assert await rows.guards() == {}

    async def test_create_where_the_tombstone_is_gone(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A late create cannot restore an event whose tombstone TTL has removed."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await store.delete(event.id)
        await rows.remove_event(event.id)
        with pytest.raises(EventExistsError):
            await store.create(event)
        assert await actions(store, event.id) == [CREATED, DELETED]


class TestHistory:
    async def test_history_of_a_deleted_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The history stays readable, with or without the tombstone, which names its end."""
        event = await event_with(store, clock, 3)
        await store.delete(event.id)
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, UPDATED, UPDATED, DELETED]
        record = await record_of(rows, event.id)
        assert (record["revision"], record["head"]) == ({"N": "4"}, {"S": history[-1].hash})
        await rows.remove_event(event.id)
        assert await store.history(event.id) == history

    async def test_history_of_120_entries(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A history may be longer than one request reads."""
        event = await event_with(store, clock, 120)
        history = await store.history(event.id)
        assert [entry.revision for entry in history] == list(range(1, 121))
        assert history[-1].event == event
        await rows.unset(event.id, *RECORD)
        assert await store.history(event.id) == history

    async def test_history_of_a_row_that_claims_a_million_entries(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """The claim costs one read, and not ten thousand."""
        store = AsyncDynamoDBStore(client, table_name, clock=clock)
        event = await event_with(store, clock, 3)
        await rows.set(event.id, revision={"N": "999999"})
        recorder = Recorder(client)
        assert len(await store.history(event.id)) == 3
        assert len(recorder.requests) <= 4

    async def test_history_without_entries_that_ttl_removed(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The history is what is there, and a change goes on behind what is not."""
        event = await event_with(store, clock, 4)
        for revision in (1, 2):
            await rows.remove_entry(event.id, revision)
        assert [entry.revision for entry in await store.history(event.id)] == [3, 4]
        for revision in (3, 4):
            await rows.remove_entry(event.id, revision)
        assert await store.history(event.id) == []
        await close(store, event)
        (ending,) = await store.history(event.id)
        assert (ending.revision, ending.action) == (5, CLOSED)

    @pytest.mark.parametrize("last", [2, 5, 101])
    async def test_history_whose_row_and_first_entry_are_gone(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, last: int
    ) -> None:
        """TTL removes rows in no order, and what it has not removed yet is still evidence."""
        event = await event_with(store, clock, last)
        history = await store.history(event.id)
        await rows.remove_event(event.id)
        await rows.remove_entry(event.id, 1)
        assert await store.history(event.id) == history[1:]

    async def test_history_of_a_row_without_a_record_and_without_its_first_entry(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A writer that knows no histories has put the row, and TTL has cut the history."""
        event = await event_with(store, clock, 4)
        history = await store.history(event.id)
        await rows.unset(event.id, *RECORD)
        await rows.remove_entry(event.id, 1)
        assert await store.history(event.id) == history[1:]
        for revision in (2, 3, 4):
            await rows.remove_entry(event.id, revision)
        assert await store.history(event.id) == []

    async def test_history_of_an_unknown_event(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """If neither a row nor an entry is left, nothing is known of the event."""
        event = await store.create(make_event(**PAIR, created_at=clock()))
        await rows.remove_event(event.id)
        await rows.remove_entry(event.id, 1)
        for unknown in (event.id, ID):
            with pytest.raises(EventNotFoundError):
                await store.history(unknown)

    async def test_terminal_verifies_an_exported_entry(
        self, store: AsyncDynamoDBStore, clock: FakeClock, tmp_path: Path
    ) -> None:
        """Anybody can verify an entry with `sha256sum`, without this library."""
        event = await store.create(make_event(invoker="Zoë \U0001f692", created_at=clock()))
        await store.close(event.id, closed_by="東京", closed_reason='"Over" \\\nnow')
        names: list[str] = []
        for entry in await store.history(event.id):
            name = f"{entry.revision}.json"
            (tmp_path / name).write_bytes(entry.entry.encode())
            names.append(f"{entry.hash}  {name}")
        sums = "\n".join(names) + "\n"

        def verify() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["sha256sum", "--check", "--strict"],
                cwd=tmp_path,
                input=sums,
                capture_output=True,
                text=True,
                check=False,
            )

        assert verify().stdout == "1.json: OK\n2.json: OK\n"
        text = (tmp_path / "2.json").read_text(encoding="utf-8")
        (tmp_path / "2.json").write_text(text.replace("Over", "Oven"), encoding="utf-8")
        assert "2.json: FAILED" in verify().stdout
