"""Beginning the histories of the events in a whole table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    StoreUnavailableError,
    TableError,
    adopt_table,
    verify_history,
)
from aiobreakglass._dynamodb import scan
from aiobreakglass._dynamodb.adoption import Adoption
from aiobreakglass._dynamodb.record import RECORD
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.example import LAYOUT
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.previous import PreviousRelease
from tests.dynamodb.rows import Rows
from tests.faults.audit import audit

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local

ADOPTED, CLOSED, CREATED = Action.ADOPTED, Action.CLOSED, Action.CREATED
WEEK = 7 * 24 * 60 * 60


@pytest.fixture
def previous(client: DynamoDBClient, table_name: str) -> PreviousRelease:
    return PreviousRelease(client, table_name)


@pytest.fixture
async def old_events(previous: PreviousRelease, clock: FakeClock) -> list[BreakGlassEvent]:
    """Seven active events of the release before histories."""
    events = [make_event(invoker=f"user-{number}", created_at=clock()) for number in range(7)]
    for event in events:
        await previous.create(event)
    clock.advance(timedelta(minutes=1))
    return events


class TestAdoptTable:
    async def test_table_of_the_previous_release_is_adopted(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """Each event gets its first entry, and stays as it is; other rows are left alone."""
        await previous.close(await previous.read(old_events[0].id), clock())
        await previous.delete(await previous.read(old_events[1].id), clock())
        expired = make_event(status="expired", created_at=clock() - timedelta(days=9))
        await rows.put_event(expired, ended_at={"NULL": True})
        new = await store.create(make_event(invoker="new", created_at=clock()))
        await rows.put({"pk": {"S": LAYOUT.event_key("junk")}, "status": {"S": "active"}})
        ids = [event.id for event in (*old_events, expired, new) if event != old_events[1]]
        before = [await store.get(event_id) for event_id in ids]

        adoption = await adopt_table(client, table_name, clock=clock)
        assert adoption == Adoption(adopted=7, skipped=1, resume=None)

        assert [await store.get(event_id) for event_id in ids] == before
        for event in before:
            (entry,) = await store.history(event.id)
            assert entry.action is (CREATED if event == new else ADOPTED)
            assert entry.event == event
            assert entry.by == ("new" if event == new else None)
        await rows.remove(LAYOUT.event_key("junk"))
        await rows.remove(LAYOUT.event_key(old_events[1].id))
        assert audit(await rows.all()) == []

    async def test_adoption_keeps_when_an_old_event_ended(
        self,
        client: DynamoDBClient,
        table_name: str,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """The row gets the time that follows from its last change, before it changes again."""
        await previous.close(await previous.read(old_events[0].id), clock())
        await adopt_table(client, table_name, clock=clock)
        row: Any = await rows.event(old_events[0].id)
        assert row["ended_at"] == row["updated_at"]

    async def test_adoption_can_be_repeated(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """The second call finds nothing to do, and writes nothing."""
        await adopt_table(client, table_name, clock=clock)
        before = await rows.all()
        recorder = Recorder(client)
        assert await adopt_table(client, table_name, clock=clock) == Adoption()
        assert recorder.requests == ["Scan"]
        assert sorted(map(str, await rows.all())) == sorted(map(str, before))

    async def test_each_adoption_is_one_transaction(
        self,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """An event costs one write against the row that the scan returned."""
        recorder = Recorder(client)
        await adopt_table(client, table_name, clock=clock)
        scan, *writes = recorder.requests
        assert scan == "Scan"
        assert writes == ["TransactWriteItems(Put, Update)"] * len(old_events)

    @pytest.mark.parametrize("retention", [timedelta(days=30), timedelta(days=4000), None])
    async def test_adopted_row_goes_before_its_history(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
        retention: timedelta | None,
    ) -> None:
        """The row is kept for as long as before, and the history for longer than that."""
        before: Any = await rows.event(old_events[0].id)
        await adopt_table(client, table_name, retention=retention, clock=clock)
        row: Any = await rows.event(old_events[0].id)
        if retention is None:
            assert "ttl" not in row
            assert "history_ttl" not in row
        else:
            latest = old_events[0].expires_at + retention
            assert int(row["ttl"]["N"]) == max(int(before["ttl"]["N"]), int(latest.timestamp()))
            assert int(row["history_ttl"]["N"]) >= int(row["ttl"]["N"]) + WEEK
        assert audit(await rows.all()) == []

    async def test_row_that_is_kept_for_ever_stays_so(
        self, client: DynamoDBClient, table_name: str, rows: Rows, clock: FakeClock
    ) -> None:
        """An adoption with a shorter retention removes no evidence."""
        old = make_event(status="expired", created_at=clock() - timedelta(days=3000))
        await rows.put_event(old)
        await adopt_table(client, table_name, retention=timedelta(days=1), clock=clock)
        row: Any = await rows.event(old.id)
        (entry,) = await rows.history(old.id)
        assert row["revision"] == {"N": "1"}
        assert [name for name in ("ttl", "history_ttl") if name in row or name in entry] == []


class TestResume:
    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scan, "PAGE_ROWS", 3)

    async def test_progress_after_each_page(
        self,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """The counts grow from page to page, and the last progress is the result."""
        seen: list[Adoption] = []

        async def note(progress: Adoption) -> None:
            seen.append(progress)

        result = await adopt_table(client, table_name, clock=clock, on_progress=note)
        assert result == seen[-1] == Adoption(adopted=len(old_events))
        # Seven events and their guards, three rows on a page.
        assert len(seen) >= 5
        counts = [progress.adopted for progress in seen]
        assert counts == sorted(counts)
        assert all(progress.resume is not None for progress in seen[:-1])

    async def test_adoption_goes_on_where_it_was_interrupted(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """A call with `resume` reads only the rows after it, and adopts the rest."""
        seen: list[Adoption] = []

        async def stop_after_two(progress: Adoption) -> None:
            seen.append(progress)
            if len(seen) == 2:
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            await adopt_table(client, table_name, clock=clock, on_progress=stop_after_two)
        starts: list[Any] = []

        def note_start(params: dict[str, Any], **_: object) -> None:
            starts.append(params.get("ExclusiveStartKey"))

        client.meta.events.register("provide-client-params.dynamodb.Scan", note_start)
        rest = await adopt_table(client, table_name, clock=clock, resume=seen[-1].resume)
        assert seen[-1].adopted + rest.adopted == len(old_events)
        assert starts[0] == {"pk": {"S": seen[-1].resume}}
        assert audit(await rows.all()) == []

    async def test_adoption_ends_at_the_first_failure(
        self,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        old_events: list[BreakGlassEvent],
    ) -> None:
        """The caller gets the error itself, and can go on from the last progress."""

        async def deny() -> None:
            raise ConnectionError("the network is down")

        broken: Any = Interposing(client, deny)
        with pytest.raises(StoreUnavailableError):
            await adopt_table(broken, table_name, clock=clock)
        assert (await adopt_table(client, table_name, clock=clock)).adopted >= 1


async def closes(store: AsyncDynamoDBStore, event_id: str) -> None:
    await store.close(event_id, closed_by="bob", closed_reason="Over")


async def deletes(store: AsyncDynamoDBStore, event_id: str) -> None:
    await store.delete(event_id)


class TestBesideOtherWriters:
    @pytest.fixture
    async def old(self, previous: PreviousRelease, clock: FakeClock) -> BreakGlassEvent:
        event = make_event(created_at=clock())
        await previous.create(event)
        clock.advance(timedelta(minutes=1))
        return event

    @pytest.mark.parametrize(
        ("change", "expected"),
        [(closes, [ADOPTED, CLOSED]), (deletes, [ADOPTED, Action.DELETED])],
    )
    async def test_event_that_somebody_changes_first(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
        old: BreakGlassEvent,
        change: Callable[[AsyncDynamoDBStore, str], Awaitable[None]],
        expected: list[Action],
    ) -> None:
        """The change has adopted the event, so nothing is left to do."""
        late: Any = Interposing(client, lambda: change(store, old.id))
        assert await adopt_table(late, table_name, clock=clock) == Adoption()
        assert [entry.action for entry in await store.history(old.id)] == expected
        assert audit(await rows.all()) == []

    async def test_event_that_the_previous_release_changes_first(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        previous: PreviousRelease,
        rows: Rows,
        clock: FakeClock,
        old: BreakGlassEvent,
    ) -> None:
        """The event is adopted as it is, and not as it was read."""

        async def close() -> None:
            await previous.close(await previous.read(old.id), clock())

        late: Any = Interposing(client, close)
        assert (await adopt_table(late, table_name, clock=clock)).adopted == 1
        (entry,) = await store.history(old.id)
        assert entry.event == await store.get(old.id)
        assert entry.event.status == "closed"
        assert audit(await rows.all()) == []

    async def test_event_that_is_removed_first(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        old: BreakGlassEvent,
    ) -> None:
        """An event that is gone gets no history."""
        late: Any = Interposing(client, lambda: rows.remove_event(old.id))
        assert await adopt_table(late, table_name, clock=clock) == Adoption()
        assert await rows.history(old.id) == []

    async def test_change_of_an_event_that_is_adopted_first(
        self,
        client: DynamoDBClient,
        table_name: str,
        rows: Rows,
        clock: FakeClock,
        old: BreakGlassEvent,
    ) -> None:
        """The change is pinned to the row without a record, so it starts over: one adoption."""
        late: Any = Interposing(client, lambda: adopt_table(client, table_name, clock=clock))
        store = AsyncDynamoDBStore(late, table_name, clock=clock)
        await closes(store, old.id)
        assert [entry.action for entry in await store.history(old.id)] == [ADOPTED, CLOSED]
        assert audit(await rows.all()) == []

    async def test_event_that_another_writer_has_changed(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """The history records what is stored, and verification still names the change."""
        event = await store.create(make_event(created_at=clock()))
        await closes(store, event.id)
        await rows.set(event.id, justification={"S": "Something else that is long enough"})
        changed = await store.get(event.id)
        assert (await adopt_table(client, table_name, clock=clock)).adopted == 1
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, CLOSED, ADOPTED]
        assert await store.get(event.id) == history[-1].event == changed
        findings = verify_history(history, changed)
        assert [finding.kind for finding in findings] == ["altered"]
        assert await adopt_table(client, table_name, clock=clock) == Adoption()

    async def test_event_that_lost_its_record(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        rows: Rows,
        clock: FakeClock,
    ) -> None:
        """An event that has a history goes on with it."""
        event = await store.create(make_event(created_at=clock()))
        await closes(store, event.id)
        await rows.unset(event.id, *RECORD)
        assert (await adopt_table(client, table_name, clock=clock)).adopted == 1
        history = await store.history(event.id)
        assert [entry.action for entry in history] == [CREATED, CLOSED, ADOPTED]
        assert audit(await rows.all()) == []


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"retention": timedelta(seconds=-1)}, ValueError, "retention"),
            ({"retention": 365}, TypeError, "retention"),
            ({"resume": 7}, TypeError, "resume must be a str or None, not int"),
            ({"on_progress": print}, TypeError, "on_progress must be an async function"),
            ({"layout": {}}, TypeError, "layout must be a TableLayout"),
            ({"clock": lambda: datetime(2024, 3, 1)}, ValueError, r"clock\(\)"),  # noqa: DTZ001 - that is the mistake
        ],
        ids=lambda value: str(value)[:30],
    )
    async def test_wrong_argument_is_refused_before_anything_is_sent(
        self,
        client: DynamoDBClient,
        table_name: str,
        arguments: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        """Each argument is checked, and the error names it."""
        recorder = Recorder(client)
        with pytest.raises(error, match=message):
            await adopt_table(client, table_name, **arguments)
        assert recorder.requests == []

    async def test_missing_table(self, client: DynamoDBClient) -> None:
        """A table that is not there is an error, and not an empty one."""
        with pytest.raises(TableError):
            await adopt_table(client, "no-such-table")
