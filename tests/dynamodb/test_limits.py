"""Limits in the table: which rows openings take, what is sent, and what races cannot exceed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ConnectionClosedError

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass import _randomness as randomness
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.interposing import Interposing
from tests.dynamodb.rows import Rows

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.on_dynamodb_local

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

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

    async def test_debt_that_is_taken_over_meanwhile_is_read_again(
        self, client: DynamoDBClient, open_store: Open, clock: FakeClock
    ) -> None:
        """A slot is taken over only from the event that was seen in it."""
        store = open_store(Limits(max_unreviewed=1))
        event = await opened_and_closed(store, clock)
        await store.review(event.id, reviewed_by="rev", outcome="justified", comment="Fine")

        async def opens_elsewhere() -> None:
            await store.create(alice(clock, profile="staging"))

        racing = open_store(Limits(max_unreviewed=1), client=Interposing(client, opens_elsewhere))
        with pytest.raises(LimitExceededError):
            await racing.create(alice(clock))

    async def test_sixty_people_open_one_profile_at_once(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """All of them get through, in at most four rounds, though all read before any writes."""
        limits = Limits(per_profile=Quota(90, DAY))
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

    async def test_own_attempt_that_lands_while_the_store_makes_way(
        self, client: DynamoDBClient, open_store: Open, rows: Rows, clock: FakeClock
    ) -> None:
        """Before it reads the limits again, the store looks for its own opening."""
        limits = Limits(cooldown=MINUTE, per_invoker=Quota(2, DAY))
        holder = await open_store(limits).create(alice(clock))
        clock.set(holder.expires_at)
        store = open_store(limits, client=_DeliversLate(client))
        event = await store.create(alice(clock))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        assert len(await store.history(event.id)) == 1
        uses = [row["event_id"]["S"] for row in (await slots(rows)).values()]
        assert sorted(uses) == sorted([event.id, event.id, holder.id])


class _DeliversLate:
    """Loses the first write on its way, and delivers it after the third one."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._requests: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        self._requests.append(request)
        if len(self._requests) == 1:
            raise ConnectionClosedError(endpoint_url="dynamodb")
        answer = await self._client.transact_write_items(**request)
        if len(self._requests) == 3:
            late = {**self._requests[0], "ClientRequestToken": uuid4().hex}
            await self._client.transact_write_items(**late)
        return answer


class _LosesFirstAnswer:
    """Carries out the first write, loses its answer, and forgets its token."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._is_lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        if not self._is_lost:
            self._is_lost = True
            await self._client.transact_write_items(**request)
            raise ConnectionClosedError(endpoint_url="dynamodb")
        return await self._client.transact_write_items(
            **{**request, "ClientRequestToken": uuid4().hex}
        )
