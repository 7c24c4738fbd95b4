"""What a check reads, and what it does not believe."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    StoreUnavailableError,
)
from aiobreakglass._dynamodb.codec import encode_event, encode_guard
from aiobreakglass._dynamodb.holders import RecentHolders
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.calls.conftest import Transport
from tests.dynamodb.conftest import PAIR, REGION
from tests.dynamodb.example import LAYOUT
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local

NAMES = ("alice", "prod")


class TestRecentHolders:
    def test_least_recent_holder_is_forgotten(self) -> None:
        """The memory is bounded, and keeps the pairs that were asked about most recently."""
        recent = RecentHolders(limit=2)
        recent.remember(("a", "p"), "1")
        recent.remember(("b", "p"), "2")
        assert recent.recall(("a", "p")) == "1"
        recent.remember(("c", "p"), "3")
        assert recent.recall(("b", "p")) is None
        assert recent.recall(("a", "p")) == "1"
        assert recent.recall(("c", "p")) == "3"

    def test_one_holder_is_remembered_for_a_pair(self) -> None:
        """A new event replaces the one before it; a pair can be forgotten twice."""
        recent = RecentHolders(limit=2)
        recent.remember(("a", "p"), "1")
        recent.remember(("a", "p"), "2")
        recent.remember(("b", "p"), "3")
        assert recent.recall(("a", "p")) == "2"
        recent.forget(("a", "p"))
        recent.forget(("a", "p"))
        assert recent.recall(("a", "p")) is None


@pytest.fixture
def recorder(client: DynamoDBClient) -> Recorder:
    return Recorder(client)


@pytest.fixture
async def store(
    client: DynamoDBClient, table_name: str, clock: FakeClock, recorder: Recorder
) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, table_name, clock=clock)


@pytest.fixture
async def event(
    store: AsyncDynamoDBStore, clock: FakeClock, recorder: Recorder
) -> BreakGlassEvent:
    """An event whose access a check has found once."""
    event = await store.create(make_event(**PAIR, created_at=clock()))
    assert await store.find_active_by_invoker_and_profile(*NAMES) == event
    recorder.requests.clear()
    return event


class TestCheckOfOne:
    async def test_check_with_access(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, recorder: Recorder
    ) -> None:
        """After the first yes a check reads only the event's row."""
        for _ in range(3):
            assert await store.find_active_by_invoker_and_profile(*NAMES) == event
        assert recorder.requests == ["GetItem"] * 3

    async def test_check_without_access(
        self, store: AsyncDynamoDBStore, recorder: Recorder
    ) -> None:
        """Without access a check reads the guard each time."""
        for _ in range(3):
            assert await store.find_active_by_invoker_and_profile(*NAMES) is None
        assert recorder.requests == ["GetItem"] * 3

    async def test_check_after_access_has_ended(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, recorder: Recorder
    ) -> None:
        """The check reads a row that grants nothing any more once, and forgets it."""
        await store.close(event.id, closed_by="alice", closed_reason="done")
        recorder.requests.clear()
        assert await store.find_active_by_invoker_and_profile(*NAMES) is None
        assert await store.find_active_by_invoker_and_profile(*NAMES) is None
        assert recorder.requests == ["GetItem"] * 3

    async def test_check_after_a_close_by_hand(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, rows: Rows
    ) -> None:
        """The check reads a remembered event again, so a close in the console counts."""
        await rows.set(event.id, status={"S": "closed"})
        assert await store.find_active_by_invoker_and_profile(*NAMES) is None

    async def test_check_after_another_store_opened_a_new_event(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        event: BreakGlassEvent,
        clock: FakeClock,
    ) -> None:
        """The check sees what another process has done meanwhile."""
        other = AsyncDynamoDBStore(client, table_name, clock=clock)
        await other.close(event.id, closed_by="alice", closed_reason="done")
        new = await other.create(make_event(**PAIR, created_at=clock()))
        assert await store.find_active_by_invoker_and_profile(*NAMES) == new

    async def test_check_after_the_event_moved_to_another_pair(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, rows: Rows
    ) -> None:
        """A remembered event counts only for its own pair."""
        await rows.set(event.id, invoker={"S": "bob"})
        assert await store.find_active_by_invoker_and_profile(*NAMES) is None

    async def test_check_at_the_lapse(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, clock: FakeClock
    ) -> None:
        """A remembered event has lapsed as soon as `expires_at` is reached."""
        clock.set(event.expires_at)
        assert await store.find_active_by_invoker_and_profile(*NAMES) is None

    async def test_check_after_the_guard_was_removed_by_hand(
        self,
        client: DynamoDBClient,
        table_name: str,
        store: AsyncDynamoDBStore,
        event: BreakGlassEvent,
    ) -> None:
        """If the event is remembered, removing its guard revokes nothing; closing its row does."""
        await client.delete_item(TableName=table_name, Key={"pk": {"S": LAYOUT.guard_key(*NAMES)}})
        assert await store.find_active_by_invoker_and_profile(*NAMES) == event

    async def test_check_of_a_remembered_row_that_is_not_an_event(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, rows: Rows
    ) -> None:
        """An active row that cannot be read is an error, and not "no access"."""
        await rows.set(event.id, expires_at={"S": "tomorrow"})
        with pytest.raises(CorruptItemError, match="expires_at"):
            await store.find_active_by_invoker_and_profile(*NAMES)


class TestCheckOfMany:
    @pytest.mark.parametrize(("asked", "held"), [(1, 0), (1, 1), (50, 5), (100, 3), (101, 1)])
    async def test_check_of_many_sends_batches_of_100(
        self,
        store: AsyncDynamoDBStore,
        clock: FakeClock,
        recorder: Recorder,
        asked: int,
        held: int,
    ) -> None:
        """One request reads at most 100 guards or 100 events."""
        profiles = [f"profile-{number}" for number in range(asked)]
        for name in profiles[:held]:
            await store.create(make_event(invoker="alice", profile=name, created_at=clock()))
        recorder.requests.clear()
        answer = await store.find_active_by_invoker_and_profiles("alice", profiles)
        assert list(answer) == profiles[:held]
        assert recorder.requests == ["BatchGetItem"] * (ceil(asked / 100) + ceil(held / 100))

    async def test_check_of_no_profiles_sends_nothing(
        self, store: AsyncDynamoDBStore, recorder: Recorder
    ) -> None:
        """A check of no profiles returns nothing, without a request."""
        assert await store.find_active_by_invoker_and_profiles("alice", []) == {}
        assert recorder.requests == []

    @pytest.mark.parametrize(
        ("profiles", "error", "rule"),
        [
            ("prod", TypeError, "profiles must be an iterable of names"),
            (None, TypeError, "profiles must be an iterable of names"),
            (["prod", 1], TypeError, "profiles must be a str"),
            (["prod", ""], ValueError, "profiles must have 1 to 256 characters"),
        ],
    )
    async def test_check_of_bad_profiles_is_refused(
        self,
        store: AsyncDynamoDBStore,
        recorder: Recorder,
        profiles: Any,
        error: type[Exception],
        rule: str,
    ) -> None:
        """The store refuses bad names before it sends anything."""
        with pytest.raises(error, match=rule):
            await store.find_active_by_invoker_and_profiles("alice", profiles)
        assert recorder.requests == []

    async def test_check_of_many_after_a_close_by_hand(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, rows: Rows
    ) -> None:
        """The event's row decides here as well."""
        await rows.set(event.id, status={"S": "closed"})
        assert await store.find_active_by_invoker_and_profiles("alice", ["prod"]) == {}

    async def test_check_of_many_with_a_stale_guard(
        self, store: AsyncDynamoDBStore, event: BreakGlassEvent, rows: Rows
    ) -> None:
        """A guard whose event is gone grants nothing."""
        await rows.remove_event(event.id)
        assert await store.find_active_by_invoker_and_profiles("alice", ["prod"]) == {}


class TestKeysThatAreLeft:
    """DynamoDB may answer a part of a batch, and return the other keys as unprocessed."""

    @pytest.fixture(params=["fast", "standard"])
    def transport(self, request: pytest.FixtureRequest) -> Transport:
        transport: Transport = request.param
        return transport

    async def test_unprocessed_keys_are_read_again(
        self, transport: Transport, clock: FakeClock
    ) -> None:
        """The store reads every key, however few of them each answer has."""
        backend = Halving()
        async with backend.store(transport, clock) as store:
            held = await store.find_active_by_invoker_and_profiles("alice", backend.profiles)
        assert list(held) == backend.profiles
        assert len(backend.batches) > 4
        assert all(batch["ConsistentRead"] for batch in backend.batches)

    @pytest.mark.slow
    async def test_unprocessed_keys_until_the_time_limit_are_an_error(
        self, transport: Transport, clock: FakeClock
    ) -> None:
        """Keys that stay unprocessed until the time limit are an error, and never "no access"."""
        backend = Halving(gives=False)
        limit = timedelta(seconds=3)
        async with backend.store(transport, clock, operation_timeout=limit) as store:
            with pytest.raises(StoreUnavailableError, match="in time") as caught:
                await store.find_active_by_invoker_and_profiles("alice", backend.profiles)
        assert not caught.value.outcome_unknown


class Halving:
    """A DynamoDB that has every guard and event, but answers at most half of each batch."""

    def __init__(self, *, gives: bool = True) -> None:
        self.gives = gives
        self.profiles = [f"profile-{number}" for number in range(8)]
        self.batches: list[dict[str, Any]] = []

    @asynccontextmanager
    async def store(
        self, transport: Transport, clock: FakeClock, **options: Any
    ) -> AsyncIterator[AsyncDynamoDBStore]:
        """Start this server, and open a store at it."""
        application = web.Application()
        application.router.add_post("/", self.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with AsyncDynamoDBStore.open(
                "breakglass",
                region_name=REGION,
                endpoint_url=url,
                transport=transport,
                clock=clock,
                **options,
            ) as store:
                yield store
        finally:
            await runner.cleanup()

    async def answer(self, request: web.Request) -> web.Response:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        body = json.loads(await request.read())
        answer: dict[str, Any] = {}
        if operation == "BatchGetItem":
            ((name, batch),) = body["RequestItems"].items()
            self.batches.append(batch)
            keys = batch["Keys"]
            count = (len(keys) + 1) // 2 if self.gives else 0
            rows = [self.row(key["pk"]["S"]) for key in keys[:count]]
            left = {name: {"Keys": keys[count:]}} if keys[count:] else {}
            answer = {"Responses": {name: rows}, "UnprocessedKeys": left}
        text = json.dumps(answer).encode()
        return web.Response(
            body=text,
            content_type="application/x-amz-json-1.0",
            headers={"x-amz-crc32": str(zlib.crc32(text))},
        )

    def row(self, key: str) -> Any:
        number = int(key[-1])
        event = make_event(
            id=f"{number:016x}",
            invoker="alice",
            profile=f"profile-{number}",
            created_at=FakeClock.START,
        )
        if key.startswith(LAYOUT.guard_prefix):
            return encode_guard(event, LAYOUT)
        return encode_event(event, LAYOUT, write_id="w")
