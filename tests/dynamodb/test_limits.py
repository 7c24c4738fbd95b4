"""Limits in the table: which rows openings take, what is sent, and what races cannot exceed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ConnectionClosedError

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    EventExistsError,
    LimitExceededError,
    Limits,
    Quota,
    StoreUnavailableError,
)
from aiobreakglass import _randomness as randomness
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.calls import Recorder
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
THREE = Limits(cooldown=HOUR, per_invoker=Quota(3, DAY), per_profile=Quota(4, DAY))
COOLDOWN_KEY = "SLOT#C#5#alice#prod"

Open = Callable[..., AsyncDynamoDBStore]


@pytest.fixture
def open_store(client: DynamoDBClient, table_name: str, clock: FakeClock) -> Open:
    """Make a store on the table, with these limits."""

    def make(limits: Limits | None, **options: Any) -> AsyncDynamoDBStore:
        return AsyncDynamoDBStore(
            options.pop("client", client), table_name, **{"clock": clock, **options}, limits=limits
        )

    return make


def alice(clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    return make_event(**{"invoker": "alice", "profile": "prod", "created_at": clock(), **fields})


async def opened_and_closed(
    store: AsyncDynamoDBStore, clock: FakeClock, **fields: Any
) -> BreakGlassEvent:
    event = await store.create(alice(clock, **fields))
    return await store.close(event.id, closed_by="bob", closed_reason="Over")


async def slots(rows: Rows) -> dict[str, Item]:
    """Return the slots in the table, by key."""
    return {row["pk"]["S"]: row for row in await rows.all() if row["pk"]["S"].startswith("SLOT#")}


class TestRows:
    async def test_opening_takes_one_slot_of_each_limit(
        self, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """A slot says when it was used, and for which event, and goes a day after its window."""
        limits = Limits(
            cooldown=HOUR, per_invoker=Quota(3, DAY), per_profile=Quota(4, DAY), max_unreviewed=2
        )
        event = await open_store(limits).create(alice(clock, created_at=clock() - MINUTE))
        found = await slots(rows)
        kinds = {key.rpartition("#")[0]: row for key, row in found.items()}
        assert kinds.keys() == {
            "SLOT#C#5#alice",
            "SLOT#I#alice",
            "SLOT#P#prod",
            "SLOT#U#alice",
        }
        now = int(clock().timestamp())
        for key, row in kinds.items():
            assert row["used_at"] == {"S": encode_time(clock())}, key
            assert row["event_id"] == {"S": event.id}
        day = DAY // timedelta(seconds=1)
        assert kinds["SLOT#C#5#alice"]["ttl"] == {"N": str(now + 3600 + day)}
        assert kinds["SLOT#P#prod"]["ttl"] == {"N": str(now + 2 * day)}
        assert set(kinds["SLOT#U#alice"]) == {"pk", "used_at", "event_id", "write_id"}

    async def test_lists_and_counts_never_meet_a_slot(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """A slot has none of the indexes' keys."""
        store = open_store(THREE)
        event = await store.create(alice(clock))
        assert list(await store.list_by_invoker("alice")) == [event]
        assert await store.count_by_profile_since("prod", clock() - DAY) == 1


class TestRequests:
    @pytest.mark.parametrize("limits", [None, Limits()], ids=["none", "no rules"])
    async def test_create_without_limits_sends_what_it_sent_before(
        self, client: DynamoDBClient, open_store: Open, clock: FakeClock, limits: Limits | None
    ) -> None:
        """Nobody pays for limits who has none."""
        store, recorder = open_store(limits), Recorder(client)
        await store.create(alice(clock))
        assert recorder.requests == ["TransactWriteItems(Put, Put, Put)"]

    async def test_create_with_three_limits(
        self, client: DynamoDBClient, open_store: Open, clock: FakeClock
    ) -> None:
        """One request reads all slots, and one writes."""
        store, recorder = open_store(THREE), Recorder(client)
        await store.create(alice(clock))
        assert recorder.requests == [
            "BatchGetItem",
            "TransactWriteItems(Put, Put, Put, Put, Put, Put)",
        ]

    async def test_create_with_a_review_debt_reads_the_events_that_owe(
        self, client: DynamoDBClient, open_store: Open, clock: FakeClock
    ) -> None:
        """With `max_unreviewed` among three limits, `create` sends three requests."""
        limits = Limits(cooldown=MINUTE, per_profile=Quota(90, DAY), max_unreviewed=2)
        store = open_store(limits)
        await opened_and_closed(store, clock)
        clock.advance(HOUR)
        recorder = Recorder(client)
        await store.create(alice(clock))
        assert recorder.requests == [
            "BatchGetItem",
            "BatchGetItem",
            "TransactWriteItems(Put, Put, Put, Put, Put, Put)",
        ]

    async def test_import_takes_no_slot_and_reads_none(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """Imports of ended events do not count."""
        store, recorder = open_store(THREE), Recorder(client)
        await store.create(alice(clock, created_at=clock() - DAY, status="expired"))
        assert recorder.requests == ["TransactWriteItems(Put, Put)"]
        assert await slots(rows) == {}


class TestOrder:
    async def test_taken_id_comes_before_every_limit(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """A create that is repeated with its event is told that the event exists."""
        store = open_store(THREE)
        event = await store.create(alice(clock))
        with pytest.raises(EventExistsError):
            await store.create(event)
        await store.delete(event.id)
        with pytest.raises(EventExistsError):
            await store.create(event)

    async def test_holder_comes_before_the_limits_that_it_has_used_up(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """Whoever already holds access is told so, and not when to try again."""
        store = open_store(Limits(cooldown=HOUR, per_invoker=Quota(1, DAY)))
        event = await store.create(alice(clock))
        with pytest.raises(ActiveEventExistsError) as caught:
            await store.create(alice(clock))
        assert caught.value.event == event

    async def test_static_rule_comes_before_the_holder(
        self, open_store: Open, clock: FakeClock
    ) -> None:
        """An event that breaks a rule by itself is refused for that."""
        store = open_store(Limits(require_mfa=True, cooldown=HOUR))
        await open_store(None).create(alice(clock))
        with pytest.raises(LimitExceededError) as caught:
            await store.create(alice(clock))
        assert caught.value.limit == "require_mfa"

    async def test_lapsed_holder_makes_way(self, open_store: Open, clock: FakeClock) -> None:
        """A holder that has lapsed is marked, and the limits decide."""
        store = open_store(Limits(per_profile=Quota(2, DAY)))
        first = await store.create(alice(clock))
        clock.set(first.expires_at)
        second = await store.create(alice(clock))
        clock.set(second.expires_at)
        with pytest.raises(LimitExceededError) as caught:
            await store.create(alice(clock))
        assert list(caught.value.event_ids) == [first.id, second.id]
        assert caught.value.retry_at == first.created_at + DAY


class TestRaces:
    async def test_slot_that_another_opening_takes_first_is_read_again(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """The last free slot goes to one of two; the other is told when to try again."""
        limits = Limits(per_profile=Quota(1, DAY))
        other = open_store(limits)

        async def bob_opens() -> None:
            await other.create(alice(clock, invoker="bob"))

        store = open_store(limits, client=Interposing(client, bob_opens))
        with pytest.raises(LimitExceededError) as caught:
            await store.create(alice(clock))
        assert caught.value.retry_at == clock() + DAY
        assert await rows.guard("alice", "prod") is None
        assert len(await slots(rows)) == 1

    async def test_opening_takes_another_slot_if_its_own_is_taken(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """While slots are free, a race refuses nobody."""
        limits = Limits(per_profile=Quota(2, DAY))
        randomness.source.set(_Choosing(lambda free: free[0]))

        async def bob_takes_the_same() -> None:
            await open_store(limits).create(alice(clock, invoker="bob"))

        store = open_store(limits, client=Interposing(client, bob_takes_the_same))
        await store.create(alice(clock))
        assert {row["event_id"]["S"] for row in (await slots(rows)).values()} == {
            row["id"]["S"] for row in await rows.active()
        }
        assert len(await slots(rows)) == 2

    async def test_sixty_people_open_one_profile_at_once(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """All of them get through, in at most four rounds, though all read before any writes."""
        limits = Limits(cooldown=HOUR, per_invoker=Quota(2, DAY), per_profile=Quota(90, DAY))
        together = _Together(client, 60)

        async def opens(number: int) -> None:
            choices = Random(number)  # noqa: S311 - repeatable on purpose
            randomness.source.set(_Choosing(choices.choice))
            store = open_store(
                limits, client=_Counted(together, number), operation_timeout=5 * MINUTE
            )
            await store.create(alice(clock, invoker=f"person-{number}"))

        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                tasks.create_task(opens(number))
        assert len(together.rounds) == 60
        assert max(together.rounds.values()) <= 4
        assert max(together.rounds.values()) > 1, "nobody met anybody, so nothing was tried"
        of_profile = [row for key, row in (await slots(rows)).items() if key[:7] == "SLOT#P#"]
        assert len({row["event_id"]["S"] for row in of_profile}) == 60


class _Choosing(SystemRandom):
    """Chooses slots in a known way; everything else stays random, above all the tokens."""

    def __init__(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__()
        self._choose = choose

    def choice(self, seq: Any) -> Any:
        return self._choose(seq)


class _Together:
    """Holds the first write of each store until all of them have read."""

    def __init__(self, client: DynamoDBClient, number: int) -> None:
        self.client = client
        self.rounds: Counter[int] = Counter()
        self._barrier = asyncio.Barrier(number)

    async def write(self, number: int, request: dict[str, Any]) -> Any:
        self.rounds[number] += 1
        if self.rounds[number] == 1:
            await self._barrier.wait()
        return await self.client.transact_write_items(**request)


class _Counted:
    def __init__(self, together: _Together, number: int) -> None:
        self._together = together
        self._number = number
        self._tokens: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._together.client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        if request["ClientRequestToken"] in self._tokens:
            # DynamoDB was busy, so the store sends the same round again.
            return await self._together.client.transact_write_items(**request)
        self._tokens.add(request["ClientRequestToken"])
        return await self._together.write(self._number, request)


class TestLostAnswers:
    async def test_own_attempt_that_landed_unseen_counts_once(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """The store recognises its own opening, though the slots are full by then."""
        store = open_store(
            Limits(cooldown=HOUR, per_invoker=Quota(1, DAY)), client=_LosesFirstAnswer(client)
        )
        event = await store.create(alice(clock))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        assert len(await store.history(event.id)) == 1
        assert {row["event_id"]["S"] for row in (await slots(rows)).values()} == {event.id}
        assert len(await slots(rows)) == 2

    async def test_create_that_is_repeated_by_the_caller_counts_once(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """The same event is refused by its id, so it takes no second slot."""
        store = open_store(
            Limits(per_invoker=Quota(3, DAY)),
            client=_LosesFirstAnswer(client, for_good=True),
            operation_timeout=timedelta(seconds=1),
        )
        event = alice(clock)
        with pytest.raises(StoreUnavailableError) as caught:
            await store.create(event)
        assert caught.value.outcome_unknown
        with pytest.raises(EventExistsError):
            await open_store(Limits(per_invoker=Quota(3, DAY))).create(event)
        assert len(await slots(rows)) == 1


class _LosesFirstAnswer:
    """Carries out the first write, loses its answer, and forgets its token."""

    def __init__(self, client: DynamoDBClient, *, for_good: bool = False) -> None:
        self._client = client
        self._for_good = for_good
        self._is_lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        if not self._is_lost:
            self._is_lost = True
            await self._client.transact_write_items(**request)
            raise ConnectionClosedError(endpoint_url="dynamodb")
        if self._for_good:
            raise TimeoutError
        return await self._client.transact_write_items(
            **{**request, "ClientRequestToken": uuid4().hex}
        )


class TestDebt:
    @pytest.fixture
    def store(self, open_store: Open) -> AsyncDynamoDBStore:
        return open_store(Limits(max_unreviewed=1))

    async def test_final_review_frees_the_slot(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """A review touches no slot; the next opening takes over the slot of the reviewed event."""
        event = await opened_and_closed(store, clock)
        with pytest.raises(LimitExceededError) as caught:
            await store.create(alice(clock, profile="staging"))
        assert (caught.value.limit, caught.value.retry_at) == ("max_unreviewed", None)
        for outcome in ("needs_follow_up", "justified"):
            await store.review(event.id, reviewed_by="rev", outcome=outcome, comment="Looked at")
            if outcome == "needs_follow_up":
                with pytest.raises(LimitExceededError):
                    await store.create(alice(clock, profile="staging"))
        second = await store.create(alice(clock, profile="staging"))
        (slot,) = (await slots(rows)).values()
        assert slot["event_id"] == {"S": second.id}

    async def test_deleting_an_unreviewed_event_frees_nothing_before_its_history_goes(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Otherwise deleting would evade the review."""
        event = await opened_and_closed(store, clock)
        await store.delete(event.id)
        with pytest.raises(LimitExceededError):
            await store.create(alice(clock))
        tombstone = await rows.event(event.id)
        assert tombstone is not None
        kept = int(tombstone["history_ttl"]["N"])
        clock.advance(timedelta(seconds=kept - 1 - int(clock().timestamp())))
        with pytest.raises(LimitExceededError):
            await store.create(alice(clock))
        clock.advance(timedelta(seconds=1))
        await store.create(alice(clock))

    async def test_deleting_a_finally_reviewed_event_frees_its_slot(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """The tombstone keeps that the event was finally reviewed."""
        event = await opened_and_closed(store, clock)
        await store.review(event.id, reviewed_by="rev", outcome="unjustified", comment="No")
        await store.delete(event.id)
        tombstone = await rows.event(event.id)
        assert tombstone is not None
        assert tombstone["review_outcome"] == {"S": "unjustified"}
        await store.create(alice(clock))

    async def test_tombstone_of_a_follow_up_keeps_no_outcome(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """Only a final review frees a debt."""
        event = await opened_and_closed(store, clock)
        await store.review(event.id, reviewed_by="rev", outcome="needs_follow_up", comment="?")
        await store.delete(event.id)
        tombstone = await rows.event(event.id)
        assert tombstone is not None
        assert "review_outcome" not in tombstone
        with pytest.raises(LimitExceededError):
            await store.create(alice(clock))

    async def test_slot_of_an_event_that_is_gone_is_free(
        self, store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
    ) -> None:
        """TTL has deleted the event, and nobody can review it any more."""
        event = await opened_and_closed(store, clock)
        await rows.remove_event(event.id)
        await store.create(alice(clock))

    async def test_slot_that_is_taken_over_meanwhile_is_read_again(
        self, client: DynamoDBClient, open_store: Open, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        """A slot is taken over only from the event that was seen in it."""
        event = await opened_and_closed(store, clock)
        await store.review(event.id, reviewed_by="rev", outcome="justified", comment="Fine")

        async def opens_elsewhere() -> None:
            await store.create(alice(clock, profile="staging"))

        racing = open_store(Limits(max_unreviewed=1), client=Interposing(client, opens_elsewhere))
        with pytest.raises(LimitExceededError):
            await racing.create(alice(clock))


CORRUPT: dict[str, Item] = {
    "nothing but the key": {},
    "no event": {"used_at": {"S": "2024-01-01T00:00:00.000000Z"}},
    "no time": {"event_id": {"S": "0" * 16}},
    "another id": {"used_at": {"S": "2024-01-01T00:00:00.000000Z"}, "event_id": {"S": "x"}},
    "a number": {"used_at": {"N": "7"}, "event_id": {"S": "0" * 16}},
    "another spelling": {
        "used_at": {"S": "2024-01-01T02:00:00+02:00"},
        "event_id": {"S": "0" * 16},
    },
    "no decimals": {"used_at": {"S": "2024-01-01T00:00:00Z"}, "event_id": {"S": "0" * 16}},
}


@pytest.mark.parametrize("row", CORRUPT.values(), ids=CORRUPT)
async def test_slot_that_is_no_slot_is_named(
    open_store: Open, rows: Rows, clock: FakeClock, row: Item
) -> None:
    """DynamoDB compares the time as text, so a store trusts only its own spelling."""
    await rows.put({"pk": {"S": COOLDOWN_KEY}, **row})
    with pytest.raises(CorruptItemError) as caught:
        await open_store(THREE).create(alice(clock))
    assert caught.value.key == COOLDOWN_KEY
    assert await rows.guard("alice", "prod") is None


async def test_lowered_quota_holds_for_the_slots_that_it_has(
    open_store: Open, clock: FakeClock
) -> None:
    """Uses beyond a lowered quota are forgotten; it holds fully after its window."""
    wide, narrow = (open_store(Limits(per_invoker=Quota(uses, DAY))) for uses in (3, 1))
    for profile in ("a", "b", "c"):
        await opened_and_closed(wide, clock, profile=profile)
    with pytest.raises(LimitExceededError) as caught:
        await narrow.create(alice(clock))
    assert caught.value.retry_at == clock() + DAY
    clock.advance(DAY)
    await opened_and_closed(narrow, clock)
    with pytest.raises(LimitExceededError):
        await narrow.create(alice(clock, profile="other"))


REFUSED: dict[str, Callable[[BreakGlassEvent], Any]] = {
    "raises": lambda event: 1 / 0,
    "returns no limits": lambda event: None,
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED)
async def test_limits_function_that_fails_writes_nothing(
    client: DynamoDBClient,
    open_store: Open,
    rows: Rows,
    clock: FakeClock,
    function: Callable[[BreakGlassEvent], Awaitable[Limits]],
) -> None:
    """The caller gets a `TypeError`, and no request is sent."""
    store: Any = open_store(function)
    recorder = Recorder(client)
    with pytest.raises(TypeError, match="limits function"):
        await store.create(alice(clock))
    assert recorder.requests == []
    assert await rows.all() == []
