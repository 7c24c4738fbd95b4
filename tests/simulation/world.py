"""Live one history: start its processes, take its steps, let the rest happen, look at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, StoreUnavailableError, run_expiry
from tests.simulation import draws
from tests.simulation.answers import judge
from tests.simulation.by_hand import ByHand
from tests.simulation.callers import Callers
from tests.simulation.dynamodb.database import PROMPT, USUAL, Commit, Database
from tests.simulation.dynamodb.writes import TOKEN_SECONDS
from tests.simulation.ending import ending, old_age
from tests.simulation.invariants import Invariants
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network
from tests.simulation.plan import BY_HAND, History, Step
from tests.simulation.process import START, HostClock, Process, Rules
from tests.simulation.record import CALL, Apart, Call, Finding, Kind
from tests.simulation.timeline import LAYOUT, Timeline

_LONGEST_CALL: Final = 10.001
"""The time limit of each call, and the blink after which its end is seen."""

_OPERATIONS: Final = {"review": 2, "hold": 40, "release": 40}
"""How many time limits a call may have, one after the other."""

Work = Callable[[], Coroutine[Any, Any, Any]]


@dataclass
class Outcome:
    """What came of a history."""

    history: History
    findings: list[Finding] = field(default_factory=list)
    apart: Counter[Apart] = field(default_factory=Counter)
    calls: list[Call] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    met: list[tuple[int, int]] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    seconds: float = 0.0
    """How much virtual time has passed."""
    trace: list[str] = field(default_factory=list)
    is_searched: bool = False
    undecided: int = 0
    """How many pairs a search gave up."""


class World:
    """Everything that a history needs."""

    def __init__(
        self, history: History, store_class: type[AsyncDynamoDBStore], *, traced: bool = False
    ) -> None:
        conditions = history.conditions
        self.history = history
        self.outcome = Outcome(history)
        self.loop = VirtualLoop(draws.seeded(history.seed, "order"))
        self.timeline = Timeline()
        self.invariants = Invariants(
            self.timeline,
            self.find,
            self._note_apart,
            one_retention=len(set(conditions.retentions)) == 1,
        )
        self.database = Database(
            LAYOUT,
            now=lambda: START.timestamp() + self.loop.time(),
            random=draws.seeded(history.seed, "service"),
            habits=PROMPT if conditions.prompt else USUAL,
            token_seconds=0.0 if conditions.is_forgetful else TOKEN_SECONDS,
            on_commit=self._on_commit,
        )
        self.network = Network(
            self.loop,
            self.database,
            seed=history.seed,
            fault_rate=conditions.fault_rate,
            reads_in_parts=conditions.reads_in_parts,
            spared=history.spared,
        )
        self._store_class = store_class
        self._traced = traced
        if traced:
            self.network.trace = self.tell
        self._lives = Counter[int]()
        self._sweepers = 0
        self.processes = [self._started(index) for index in range(conditions.processes)]
        self.callers = Callers(self)
        self.by_hand = ByHand(self)

    def find(self, finding: Finding) -> None:
        """Note that something is wrong."""
        self.outcome.findings.append(finding)
        self.tell(f"WRONG: {finding.kind}: {finding.text}")

    def tell(self, text: str) -> None:
        """Add a line to the trace."""
        if self._traced:
            self.outcome.trace.append(f"{self.loop.time():12.6f} {text}")

    async def live(self) -> None:
        """Take all steps, and look at the end."""
        by_task = attrgetter("process", "task")
        steps = sorted(self.history.steps, key=by_task)
        tasks = [
            self.loop.create_task(self._take_all(list(group)))
            for _, group in groupby(steps, by_task)
        ]
        for task in tasks:
            await task
        await ending(self)
        self.outcome.seconds = self.loop.time()
        self.look_at_chains()
        self.invariants.chains.end(self.outcome.calls)
        await old_age(self)
        self.outcome.timeline = self.timeline
        self.outcome.findings += [
            Finding(Kind.BROKEN, f"nobody handled {failure!r}") for failure in self.loop.failures
        ]
        self.outcome.faults = self.network.faults
        self.outcome.requests = self.network.requests
        self.outcome.met = self.network.met

    def look_at_chains(self) -> None:
        """Judge all histories as they are now."""
        self.invariants.chains.look(self.present)

    @property
    def present(self) -> datetime:
        """The present by a clock that nobody sets."""
        return START + timedelta(seconds=self.loop.time())

    async def call(self, call: Call, work: Work, cut: float | None) -> None:
        """Have a process make a call, and judge its answer; `cut` cancels it after so long."""
        process, loop = call.process, self.loop
        heard = loop.create_future()

        def hear(_: object = None) -> None:
            if not heard.done():
                heard.set_result(None)

        context = process.context.copy()
        context.run(CALL.set, call)
        call.began = self.timeline.serial
        call.disturbances = process.disturbances
        call.task = loop.create_task(self._observed(call, work), context=context)
        process.calls[call] = hear
        call.task.add_done_callback(hear, context=copy_context())
        timer = None if cut is None else loop.call_later(cut, call.task.cancel)
        await heard
        if timer is not None:
            timer.cancel()
        process.calls.pop(call, None)
        call.ended_at = loop.time()
        self.outcome.calls.append(call)
        self._judge(call)

    async def _observed(self, call: Call, work: Work) -> None:
        """Await a call, and note at once what came of it."""
        value: Any = None
        error: BaseException | None = None
        # A process that pauses begins it later than it was asked to.
        call.began_at, call.invoked = self.loop.time(), self.loop.steps
        try:
            value = await work()
        except asyncio.CancelledError:
            error = asyncio.CancelledError()
        except Exception as problem:  # noqa: BLE001 - which may come is judged
            error = problem
        if call.kind == "sweeper" and isinstance(error, Exception):
            self.find(Finding(Kind.BROKEN, f"a sweeper ended with {error!r}"))
        if not call.process.is_dead:
            call.value, call.error, call.ended = value, error, self.timeline.serial
            call.returned = self.loop.steps

    def _judge(self, call: Call) -> None:
        answer = "nothing, dead" if call.ended is None else type(call.error).__name__
        answer = "ok" if call.ended is not None and call.error is None else answer
        self.outcome.answers[answer] += 1
        self.tell(f"{call.process} is told by {call}: {answer}")
        if call.ended is not None and not isinstance(call.error, asyncio.CancelledError):
            if call.is_refused:
                self.invariants.refused(call, call.written)
            self.invariants.holds.told(call)
            for finding in chain(self._of_service(call), judge(call, self.timeline)):
                self.find(finding)
        self.callers.note(call)

    def _of_service(self, call: Call) -> Iterator[Finding]:
        """Tell whether a caller was served as promised: in time, and without a needless excuse."""
        is_disturbed = call.disturbances != call.process.disturbances
        may_be_half_done = call.kind in ("hold", "release") and not call.is_refused
        if (
            call.confirmed_at is not None
            and isinstance(call.error, Exception)
            and not _ran_out(call)
            and not is_disturbed
            and not may_be_half_done
        ):
            text = f"{call} was shown that it had happened, and raised {call.error!r}"
            yield Finding(Kind.UNTRUE, text)
        if call.is_refused and call.under_way:
            text = f"{call} was refused, and a packet of it has yet to arrive"
            yield Finding(Kind.LANDED, text)
        if is_disturbed or call.kind == "sweep":
            return
        took = call.ended_at - call.began_at
        if took > _LONGEST_CALL * _OPERATIONS.get(call.kind, 1):
            yield Finding(Kind.STUCK, f"{call} took {took:.3f} s")
        if self.network.fault_rate == 0 and isinstance(call.error, StoreUnavailableError):
            yield Finding(Kind.STUCK, f"{call} met no fault, and raised {call.error!r}")

    async def _take_all(self, steps: list[Step]) -> None:
        for step in steps:
            if step.at > self.loop.time():
                await asyncio.sleep(step.at - self.loop.time())
            await self._take(step)

    async def _take(self, step: Step) -> None:
        if step.kind in BY_HAND:
            self.by_hand.take(step)
        elif step.kind == "pause":
            self._pause(self.processes[step.process], step.lifetime)
        elif step.kind == "kill":
            self._kill(step)
        elif step.kind == "set clock":
            process = self.processes[step.process]
            process.disturbances += 1
            process.clock.step(step.lifetime)
        else:
            await self.callers.take(step)

    def _pause(self, process: Process, seconds: float) -> None:
        self.tell(f"{process} pauses for {seconds:.3f} s")
        process.pause()
        self.loop.call_later(seconds, process.resume)

    def _kill(self, step: Step) -> None:
        self.tell(f"{self.processes[step.process]} is killed")
        self.processes[step.process].die()
        self.processes[step.process] = self._started(step.process)

    def _started(self, index: int) -> Process:
        conditions = self.history.conditions
        life = self._lives[index]
        self._lives[index] += 1
        retention = conditions.retentions[index]
        process = Process(
            f"p{index}" + "'" * life,
            self.loop,
            self.network,
            HostClock(self.loop, conditions.leads[index], conditions.drifts[index]),
            draws.seeded(self.history.seed, "process", index, life),
            self._store_class,
            attempts=conditions.attempts,
            rules=self._rules(index),
            retention=None if retention is None else timedelta(seconds=retention),
        )
        if conditions.sweep_every is not None:
            self.sweep_for_ever(process, conditions.sweep_every)
        return process

    def _rules(self, index: int) -> Rules | None:
        conditions = self.history.conditions
        if conditions.rules is None:
            return None
        return Rules(self.loop, *conditions.rules, conditions.stricter_from[index])

    def sweep_for_ever(self, process: Process, every: float) -> None:
        """Have a process run the sweeper beside whatever else it does."""
        self._sweepers += 1
        call = Call(-self._sweepers, "sweeper", process)
        context = process.context.copy()
        context.run(CALL.set, call)
        work = partial(
            run_expiry,
            process.store,
            interval=timedelta(seconds=every),
            clock=process.clock.read,
            on_expired=partial(self._marked, call),
        )
        call.task = self.loop.create_task(self._observed(call, work), context=context)
        process.calls[call] = lambda: None

    async def _marked(self, call: Call, event: BreakGlassEvent) -> None:
        """Hear of a mark: it was made, by this very sweeper."""
        if all(row.after.event != event for row in call.written):
            self.find(Finding(Kind.LOST, f"{event.id} was said to be marked"))

    def _on_commit(self, commit: Commit) -> None:
        packet = self.network.under_way
        if commit.cause != "request":
            packet = None
        self.invariants.commit(commit, packet, self.loop.time())
        if self._traced:
            self.tell(f"commit {commit.serial} ({commit.cause}) {', '.join(commit.changes)}")

    def _note_apart(self, apart: Apart) -> None:
        self.outcome.apart[apart] += 1
        self.tell(f"apart: {apart}")


def _ran_out(call: Call) -> bool:
    """Tell whether the time of a call was over at the very instant of its answer."""
    cause = None if call.error is None else call.error.__cause__
    return isinstance(cause, TimeoutError) and call.ended_at == call.confirmed_at
