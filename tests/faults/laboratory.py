"""The place where every method is tried under a fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    EventHeldError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._aws.fast.transport import FastTransport
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.record import decode_entry
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import LAYOUT, Rows
from tests.dynamodb.tables import temporary_table
from tests.dynamodb.waiting import LONG_ENOUGH
from tests.faults.audit import audit
from tests.faults.calls import CALLS, WRITE, Call, Scene
from tests.faults.expectations import REFUSED, RIGHT, UNKNOWN, Seen
from tests.faults.proxy import Exchange, Fault, FaultProxy, none

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Ending:
    """How a call under a fault ended for its caller."""

    result: object
    error: StoreUnavailableError | None
    requests: list[Exchange]

    @property
    def seen(self) -> Seen:
        """What the caller sees."""
        if self.error is None:
            return RIGHT
        return UNKNOWN if self.error.outcome_unknown else REFUSED


@dataclass(frozen=True)
class Trial:
    """The outcome of a call under a fault."""

    call: Call
    scene: Scene
    ending: Ending
    stored: BreakGlassEvent | None
    recorded: list[Action]
    """The actions in the history of the event."""

    @property
    def is_true(self) -> bool:
        """Whether the table matches what the caller was told."""
        before = None if self.call.is_new else self.scene.event
        after = self.call.leaves(self.scene)
        seen = self.ending.seen
        if seen is RIGHT:
            return self.ending.result == self.call.returns(self.scene) and self.stored == after
        return self.stored == before or (seen is UNKNOWN and self.stored == after)

    @property
    def is_recorded_once(self) -> bool:
        """Whether the history has one entry for each change that happened, and no other."""
        before = () if self.call.is_new else self.call.recorded
        has_happened = self.stored == self.call.leaves(self.scene)
        return self.recorded == [*before, *(self.call.records if has_happened else ())]

    @property
    def is_each_write_one(self) -> bool:
        """Whether no two different bodies share a token."""
        bodies = {request.body for request in self.ending.requests if request.operation == WRITE}
        return len({json.loads(body)["ClientRequestToken"] for body in bodies}) == len(bodies)


class Trials(NamedTuple):
    """The outcomes of all calls under a fault."""

    by_name: dict[str, Trial]
    violations: list[str]
    """What is wrong with the table afterwards, once each second step has been repeated."""


class Scenery(NamedTuple):
    """What the calls begin with."""

    scenes: Mapping[str, Scene]
    rows: list[Item]
    """The rows that a table contains then."""


async def set_scenes(backend: DynamoDBClient) -> Scenery:
    """Prepare every call, each with a pair and a day that no other uses."""
    scenes = {}
    async with temporary_table(backend) as table_name:
        for number, (name, call) in enumerate(CALLS.items()):
            day = FakeClock.START + timedelta(days=number)
            names = {"invoker": f"invoker-{day.date()}", "profile": f"profile-{day.date()}"}
            there = make_event(**names, created_at=day)
            now = there.expires_at if call.has_lapsed else day + timedelta(minutes=1)
            if call.has_lapsed or not call.is_new:
                there = await call.given(past_the_proxy(backend, table_name, day), there)
            event = make_event(**names, created_at=now) if call.is_new else there
            scenes[name] = Scene(event, now)
        return Scenery(scenes, await Rows(backend, table_name).all())


def past_the_proxy(backend: DynamoDBClient, table_name: str, now: datetime) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(backend, table_name, clock=lambda: now)


class Connection(NamedTuple):
    """A client behind a proxy."""

    proxy: FaultProxy
    client: DynamoDBClient
    transport: FastTransport | None
    """The fast transport that sends the client's calls, if any."""


@dataclass(frozen=True)
class Laboratory:
    """A table with the rows that the calls begin with."""

    connection: Connection
    backend: DynamoDBClient
    """A client that bypasses the proxy."""
    table_name: str
    scenes: Mapping[str, Scene]

    async def try_all(self, script: tuple[Fault, ...], *, for_good: bool) -> Trials:
        """Apply the same faults to every call, one call after the other."""
        endings = {
            name: await self._try(call, self.scenes[name], script, for_good=for_good)
            for name, call in CALLS.items()
        }
        rows = await self._rows()
        by_key = {str(row["pk"]["S"]): row for row in rows}
        trials = {
            name: Trial(
                CALLS[name],
                self.scenes[name],
                ending,
                stored_event(by_key, self.scenes[name].event.id),
                recorded_actions(by_key, self.scenes[name].event.id),
            )
            for name, ending in endings.items()
        }
        unfinished = [
            trial
            for trial in trials.values()
            if trial.call.has_second_step and trial.ending.seen is UNKNOWN
        ]
        for trial in unfinished:
            reader = past_the_proxy(self.backend, self.table_name, trial.scene.now)
            with suppress(EventHeldError, InvalidStateTransitionError):
                await trial.call.run(reader, trial.scene)
        return Trials(trials, audit(await self._rows() if unfinished else rows))

    async def _try(
        self, call: Call, scene: Scene, script: tuple[Fault, ...], *, for_good: bool
    ) -> Ending:
        """Make the call under the faults."""
        proxy, client, transport = self.connection
        store = AsyncDynamoDBStore(
            client,
            self.table_name,
            clock=lambda: scene.now,
            operation_timeout=LONG_ENOUGH,
            limits=call.limits,
            transport=transport,
        )
        proxy.exchanges.clear()
        proxy.plan = plan(call.operation, script, for_good=for_good)
        result, error = None, None
        try:
            result = await call.run(store, scene)
        except StoreUnavailableError as caught:
            error = caught
        await proxy.settle()
        return Ending(result, error, list(proxy.exchanges))

    async def _rows(self) -> list[Item]:
        return await Rows(self.backend, self.table_name).all()


def stored_event(rows: Mapping[str, Item], event_id: str) -> BreakGlassEvent | None:
    row = rows.get(LAYOUT.event_key(event_id))
    return None if row is None or is_tombstone(row) else decode_event(row, LAYOUT)


def recorded_actions(rows: Mapping[str, Item], event_id: str) -> list[Action]:
    beginning = f"{LAYOUT.history_prefix}{event_id}#"
    keys = sorted(key for key in rows if key.startswith(beginning))
    return [decode_entry(rows[key], key).action for key in keys]


def plan(
    operation: str, script: tuple[Fault, ...], *, for_good: bool
) -> Callable[[Exchange], Fault]:
    """Apply the script to the requests of one operation."""
    remaining = list(script)

    def next_fault(exchange: Exchange) -> Fault:
        if exchange.operation != operation or not remaining:
            return none
        return remaining[0] if for_good and len(remaining) == 1 else remaining.pop(0)

    return next_fault
