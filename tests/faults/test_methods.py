"""Every method under every fault: what the caller sees, and what the table contains then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.retries.standard import ExponentialBackoff

from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    EventHeldError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._aws.client import Opened, open_client
from aiobreakglass._aws.fast.transport import FastTransport
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import temporary_table
from tests.faults.audit import audit
from tests.faults.calls import CALLS, WRITE, Call, Scene
from tests.faults.expectations import (
    EXPECTATIONS,
    READ_TIMEOUT,
    REFUSED,
    RIGHT,
    UNKNOWN,
    Expectation,
    Seen,
    table,
)
from tests.faults.proxy import Exchange, Fault, FaultProxy, fault_proxy, none

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"

LONG_ENOUGH = timedelta(minutes=1)
# Ends before the third hanging attempt.
TOO_SHORT = timedelta(seconds=2.5 * READ_TIMEOUT)


class Setting(NamedTuple):
    """How clients are set up."""

    read_timeout: float = LONG_ENOUGH.total_seconds()
    sdk_attempts: int = 1
    transport: str = "standard"


PATIENT = Setting()
HASTY = Setting(read_timeout=READ_TIMEOUT)
REPEATING = Setting(sdk_attempts=3)

# The SDK makes its own attempts only for this sample, so that each of the store's is seen.
WITHIN_THE_SDKS_ATTEMPTS = (
    "response lost, after the commit",
    "connection reset",
    "wrong crc32",
    "500 `InternalServerError`",
    "`ThrottlingException`",
    "`TransactionConflict`",
    "expired token",
    "response lost, then access denied",
    "response lost, then `ThrottlingException`",
)

# The expectations of each setting, by name.
TRIED: list[tuple[Setting, dict[str, Expectation]]] = [
    (setting._replace(transport=transport), expectations)
    for transport in ("standard", "fast")
    for setting, expectations in (
        (PATIENT, {name: it for name, it in EXPECTATIONS.items() if not it.hangs}),
        (HASTY, {name: it for name, it in EXPECTATIONS.items() if it.hangs}),
        (
            REPEATING,
            {
                f"{name}, within the SDK's attempts": EXPECTATIONS[name]
                for name in WITHIN_THE_SDKS_ATTEMPTS
            },
        ),
    )
]

faults = pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param(setting, expected, id=f"{setting.transport}: {name}")
        for setting, expectations in TRIED
        for name, expected in expectations.items()
    ],
)


@dataclass(frozen=True)
class Trial:
    """The outcome of a call under a fault."""

    call: Call
    scene: Scene
    result: object
    error: StoreUnavailableError | None
    stored: BreakGlassEvent | None
    recorded: list[Action]
    """The actions in the history of the event."""
    requests: list[Exchange]

    @property
    def seen(self) -> Seen:
        """How the call ended."""
        if self.error is None:
            return RIGHT
        return UNKNOWN if self.error.outcome_unknown else REFUSED

    @property
    def is_true(self) -> bool:
        """Whether the table matches what the caller was told."""
        before = None if self.call.is_new else self.scene.event
        after = self.call.leaves(self.scene)
        if self.seen is RIGHT:
            return self.result == self.call.returns(self.scene) and self.stored == after
        return self.stored == before or (self.seen is UNKNOWN and self.stored == after)

    @property
    def is_recorded_once(self) -> bool:
        """Whether the history has one entry for each change that happened, and no other."""
        before = () if self.call.is_new else self.call.recorded
        has_happened = self.stored == self.call.leaves(self.scene)
        return self.recorded == [*before, *(self.call.records if has_happened else ())]

    @property
    def is_each_write_one(self) -> bool:
        """Whether no two different bodies share a token."""
        bodies = {request.body for request in self.requests if request.operation == WRITE}
        return len({json.loads(body)["ClientRequestToken"] for body in bodies}) == len(bodies)


@dataclass(frozen=True)
class Bench:
    """The place where one call is tried: its own client behind its own proxy."""

    call: Call
    proxy: FaultProxy
    client: DynamoDBClient
    transport: FastTransport | None
    """The fast transport that sends the client's calls, if any."""
    backend: DynamoDBClient
    """A client that bypasses the proxy."""

    async def set(self, table_name: str, day: datetime) -> Scene:
        """Prepare the table for the call, with a pair that nothing else uses."""
        self.proxy.exchanges.clear()
        names = {"invoker": f"invoker-{day.date()}", "profile": f"profile-{day.date()}"}
        there = make_event(**names, created_at=day)
        now = there.expires_at if self.call.has_lapsed else day + timedelta(minutes=1)
        if self.call.has_lapsed or not self.call.is_new:
            store = self._past_the_proxy(table_name, day)
            there = await self.call.given(store, there)
        return Scene(make_event(**names, created_at=now) if self.call.is_new else there, now)

    async def try_out(
        self,
        table_name: str,
        scene: Scene,
        script: tuple[Fault, ...],
        limit: timedelta,
        *,
        for_good: bool,
    ) -> Trial:
        """Make the call under the faults, and read what is stored afterwards."""
        store = AsyncDynamoDBStore(
            self.client,
            table_name,
            clock=lambda: scene.now,
            operation_timeout=limit,
            limits=self.call.limits,
            transport=self.transport,
        )
        self.proxy.plan = plan(self.call.operation, script, for_good=for_good)
        result, error = None, None
        try:
            result = await self.call.run(store, scene)
        except StoreUnavailableError as caught:
            error = caught
        await self.proxy.settle()
        requests = list(self.proxy.exchanges)
        reader = self._past_the_proxy(table_name, scene.now)
        try:
            stored = await reader.get(scene.event.id)
        except EventNotFoundError:
            stored = None
        try:
            recorded = [entry.action for entry in await reader.history(scene.event.id)]
        except EventNotFoundError:
            recorded = []
        if self.call.has_second_step and error is not None and error.outcome_unknown:
            with suppress(EventHeldError, InvalidStateTransitionError):
                await self.call.run(reader, scene)
        return Trial(self.call, scene, result, error, stored, recorded, requests)

    def _past_the_proxy(self, table_name: str, now: datetime) -> AsyncDynamoDBStore:
        return AsyncDynamoDBStore(self.backend, table_name, clock=lambda: now)


@dataclass(frozen=True)
class Laboratory:
    """A bench for each call, and one table for all of them."""

    benches: dict[str, Bench]
    backend: DynamoDBClient
    table_name: str

    async def try_all(
        self, script: tuple[Fault, ...], limit: timedelta, *, for_good: bool
    ) -> dict[str, Trial]:
        """Apply the same faults to every call; each starts once the one before has met its fault.

        So hanging calls hang at the same time, and none is slow only because all begin at once.
        """
        trials: dict[str, asyncio.Task[Trial]] = {}
        async with asyncio.TaskGroup() as tasks:
            for day, (name, bench) in enumerate(self.benches.items()):
                scene = await bench.set(self.table_name, FakeClock.START + timedelta(days=day))
                trials[name] = tasks.create_task(
                    bench.try_out(self.table_name, scene, script, limit, for_good=for_good)
                )
                arrival = tasks.create_task(bench.proxy.arrival(bench.call.operation))
                await asyncio.wait({trials[name], arrival}, return_when=asyncio.FIRST_COMPLETED)
                arrival.cancel()
        return {name: trial.result() for name, trial in trials.items()}

    async def audit(self) -> list[str]:
        """Return what is wrong with the table."""
        return audit(await Rows(self.backend, self.table_name).all())


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


class Benches:
    """The benches of each setting, which stay until the last test.

    Creating this many clients takes longer than any test.
    """

    def __init__(self, stack: AsyncExitStack, endpoint_url: str, session: AioSession) -> None:
        self._stack = stack
        self._endpoint_url = endpoint_url
        self._session = session
        self._of_setting: dict[Setting, dict[str, Bench]] = {}

    async def of(self, setting: Setting) -> dict[str, Bench]:
        """Return a bench for each call."""
        if setting not in self._of_setting:
            self._of_setting[setting] = await self._new(setting)
        return self._of_setting[setting]

    async def _new(self, setting: Setting) -> dict[str, Bench]:
        config = AioConfig(
            read_timeout=setting.read_timeout,
            retries={"mode": "standard", "total_max_attempts": setting.sdk_attempts},
        )
        backend = (await self._open(self._endpoint_url, config)).client
        benches = {}
        for name, call in CALLS.items():
            proxy = await self._stack.enter_async_context(fault_proxy(self._endpoint_url))
            own = await self._open(proxy.url, config)
            transport = await own.transport("breakglass") if setting.transport == "fast" else None
            assert (transport is not None) == (setting.transport == "fast")
            benches[name] = Bench(call, proxy, own.client, transport, backend)
        return benches

    async def _open(self, endpoint_url: str, config: AioConfig) -> Opened:
        client = open_client(REGION, endpoint_url, self._session, config)
        return await self._stack.enter_async_context(client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def benches(dynamodb_local_endpoint: str, session: AioSession) -> AsyncIterator[Benches]:
    async with AsyncExitStack() as stack:
        yield Benches(stack, dynamodb_local_endpoint, session)


@pytest_asyncio.fixture(loop_scope="module")
async def laboratory(benches: Benches, setting: Setting) -> AsyncIterator[Laboratory]:
    of_setting = await benches.of(setting)
    backend = next(iter(of_setting.values())).backend
    async with temporary_table(backend) as table_name:
        yield Laboratory(of_setting, backend, table_name)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the SDK's pauses as short as the store's first pause."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)


@pytest.mark.asyncio(loop_scope="module")
class TestEveryMethod:
    @faults
    async def test_method_hides_a_fault_that_passes(
        self, laboratory: Laboratory, expected: Expectation
    ) -> None:
        """A fault that passes within the time limit is invisible, and a write happens once."""
        trials = await laboratory.try_all(expected.script, LONG_ENOUGH, for_good=False)
        check(trials, expected, read=expected.read_once, write=expected.write_once)
        assert await laboratory.audit() == []

    @faults
    async def test_method_reports_a_fault_that_stays(
        self, laboratory: Laboratory, few_attempts: None, expected: Expectation
    ) -> None:
        """The error for a fault that stays says truly whether the write may have happened."""
        limit = TOO_SHORT if expected.hangs else LONG_ENOUGH
        trials = await laboratory.try_all(expected.script, limit, for_good=True)
        check(trials, expected, read=expected.read_for_good, write=expected.write_for_good)
        assert await laboratory.audit() == []


def check(trials: dict[str, Trial], expected: Expectation, *, read: Seen, write: Seen) -> None:
    assert {name: trial.seen for name, trial in trials.items()} == {
        name: write if call.is_write else read for name, call in CALLS.items()
    }
    assert [name for name, trial in trials.items() if not trial.is_true] == []
    assert [name for name, trial in trials.items() if not trial.is_recorded_once] == []
    assert [name for name, trial in trials.items() if not trial.is_each_write_one] == []
    for trial in trials.values():
        assert trial.error is None or expected.said in str(trial.error)
        if expected.is_final:
            sent = [
                request for request in trial.requests if request.operation == trial.call.operation
            ]
            assert len(sent) == len(expected.script)


def test_docs_show_these_expectations() -> None:
    """The table in the docs is the one that is tested here."""
    _, _, section = DOCS.read_text(encoding="utf-8").partition("\n## What the caller sees\n")
    lines = section.partition("\n## ")[0].splitlines(keepends=True)
    assert "".join(line for line in lines if line.startswith("|")) == table()
