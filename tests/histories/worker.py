"""A process that lives through many histories: `python -m tests.histories.worker [--mutant NAME]`.

Each line of its standard input is an order in JSON; it answers with lines of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    ConcurrentModificationError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.histories.mutants import MUTANTS
from tests.histories.plan import History, Step
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version, microseconds

REGION: Final = "eu-central-1"

_HASTE: Final = AioConfig(read_timeout=0.25, connect_timeout=0.25)
"""Short, so that a call without an answer ends soon."""
_PATIENCE: Final = AioConfig(read_timeout=20)

_clock: ContextVar[_Clock] = ContextVar("_clock")


@dataclass(slots=True)
class _Clock:
    """The clock of one call, which remembers the instants that it returned.

    It reads `time.monotonic`, which on Linux all processes of a machine share, so that clocks
    differ only by `lead`. Events last for fractions of a second, so many lapse.
    """

    lead: timedelta
    told: list[datetime] = field(default_factory=list)

    def read(self) -> datetime:
        now = FakeClock.START + timedelta(seconds=time.monotonic()) + self.lead
        self.told.append(now)
        return now


def _now() -> datetime:
    return _clock.get().read()


@dataclass
class _Player:
    """The part of one process in a history."""

    history: History
    process: int
    store: AsyncDynamoDBStore
    holders: dict[int, BreakGlassEvent] = field(default_factory=dict)
    """The active event of each pair, as last seen."""
    seen: dict[int, list[BreakGlassEvent]] = field(default_factory=dict)
    """Every version of each pair's events that was seen, even if outdated."""
    calls: list[Call] = field(default_factory=list)

    async def play(self) -> None:
        await asyncio.gather(*map(self._task, range(self.history.tasks)))

    async def _task(self, task: int) -> None:
        for number, step in enumerate(self.history.steps_of(self.process, task)):
            await self._take(step, f"p{self.process}t{task}s{number}")

    async def _take(self, step: Step, caller: str) -> None:
        clock = _Clock(timedelta(microseconds=step.clock_lead))
        _clock.set(clock)
        kind, subject, call = self._call(step, caller)
        asked = (
            Version.of(subject) if subject is not None and kind in ("create", "update") else None
        )
        if kind == "close":
            asked = Version("closed", 0, 0, "", None, caller, "done")
        # The instants that were read so far only made the arguments.
        clock.told.clear()
        invoked = time.monotonic_ns()
        answer, event = await self._outcome(call, step.cancelled_after)
        returned = time.monotonic_ns()
        self.calls.append(
            Call(
                caller=caller,
                kind=kind,
                pair="/".join(self.history.pair(step.pair)),
                event_id="" if subject is None else subject.id,
                invoked=invoked,
                returned=None if answer == UNKNOWN else returned,
                nows=tuple(dict.fromkeys(map(microseconds, clock.told))) or (0,),
                answer=answer,
                asked=asked,
                seen_id=None if event is None else event.id,
                seen=None if event is None else Version.of(event),
            )
        )
        if event is not None:
            self._note(step.pair, event)

    def _note(self, pair: int, event: BreakGlassEvent) -> None:
        self.seen.setdefault(pair, []).append(event)
        holder = self.holders.get(pair)
        if event.status == "active":
            self.holders[pair] = event
        elif holder is not None and holder.id == event.id:
            del self.holders[pair]

    def _call(
        self, step: Step, caller: str
    ) -> tuple[str, BreakGlassEvent | None, Coroutine[Any, Any, BreakGlassEvent | None]]:
        """Return the call of a step: its kind, the event it is about, and the call itself."""
        if step.kind == "create":
            event = self._new_event(step, caller)
            # Known from now on, so that an attempt with an unknown outcome can be repeated.
            self.seen.setdefault(step.pair, []).append(event)
            return "create", event, self.store.create(event, by=caller)
        subject = self._subject(step)
        if step.kind == "find" or subject is None:
            names = self.history.pair(step.pair)
            return "find", None, self.store.find_active_by_invoker_and_profile(*names)
        if step.kind == "create again":
            return "create", subject, self.store.create(subject, by=caller)
        if step.kind == "get":
            return "get", subject, self.store.get(subject.id)
        if step.kind == "delete":
            return "delete", subject, self.store.delete(subject.id, by=caller)
        if step.kind == "close":
            close = self.store.close(subject.id, closed_by=caller, closed_reason="done")
            return "close", subject, close
        changed = _changed(subject, step, caller)
        return "update", changed, self.store.update(changed, by=caller)

    def _new_event(self, step: Step, caller: str) -> BreakGlassEvent:
        invoker, profile = self.history.pair(step.pair)
        return make_event(
            id=step.event_id,
            invoker=invoker,
            profile=profile,
            created_at=_now(),
            duration=timedelta(microseconds=step.lifetime),
            justification=f"{caller} needs to look after {profile}",
        )

    def _subject(self, step: Step) -> BreakGlassEvent | None:
        seen = self.seen.get(step.pair)
        if step.on_holder and step.pair in self.holders:
            return self.holders[step.pair]
        return seen[int(step.choice * len(seen))] if seen else None

    async def _outcome(
        self, call: Coroutine[Any, Any, BreakGlassEvent | None], cancelled_after: float | None
    ) -> tuple[str, BreakGlassEvent | None]:
        task = asyncio.create_task(call)
        await asyncio.wait({task}, timeout=cancelled_after)
        if not task.done():
            task.cancel()
        try:
            return OK, await task
        except asyncio.CancelledError:
            return UNKNOWN, None
        except StoreUnavailableError as error:
            return UNKNOWN if error.outcome_unknown else UNAVAILABLE, None
        except ActiveEventExistsError as error:
            return type(error).__name__, error.event
        except ConcurrentModificationError as error:
            return type(error).__name__, error.current
        except InvalidStateTransitionError as error:
            return f"{type(error).__name__}({error.current_status})", None
        except Exception as error:  # noqa: BLE001 - the checker knows which are allowed
            return type(error).__name__, None


def _changed(event: BreakGlassEvent, step: Step, caller: str) -> BreakGlassEvent:
    """Return an event as a step wants it; the store must judge whether that is allowed."""
    changes: dict[str, Any] = {"request_id": caller}
    if event.status == "active" and step.kind == "extend":
        changes["expires_at"] = max(event.expires_at, _now()) + timedelta(
            microseconds=step.lifetime
        )
    elif event.status == "active" and step.kind == "expire":
        changes["status"] = "expired"
    elif event.status == "active":
        changes |= {"status": "closed", "closed_by": caller, "closed_reason": "done"}
    return BreakGlassEvent.model_validate({**event.model_dump(), **changes})


class _Worker:
    """What this process keeps between histories: botocore's models, which load slowly."""

    def __init__(self, store_class: type[AsyncDynamoDBStore]) -> None:
        self._store_class = store_class
        self._session = get_session()

    async def play(self, order: dict[str, Any]) -> None:
        history = History(**order["history"])
        async with self._store_class.open(
            order["table"],
            region_name=REGION,
            endpoint_url=order["url"],
            session=self._session,
            config=_HASTE if history.faults else _PATIENCE,
            transport=history.transport,
            clock=_now,
            operation_timeout=timedelta(seconds=1.5 if history.faults else 30),
        ) as store:
            player = _Player(history, order["process"], store)
            await player.play()
        for call in player.calls:
            _say(call.to_json())
        _say("{}")

    def tell_state(self) -> None:
        """Report how much memory this process uses, and how many connections are open."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        targets = [_target(link) for link in Path("/proc/self/fd").iterdir()]
        sockets = [target for target in targets if target.startswith("socket:")]
        memory = pages * os.sysconf("SC_PAGE_SIZE")
        _say(json.dumps({"memory": memory, "sockets": len(sockets)}))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        # This file descriptor belonged to the listing itself.
        return ""


def _say(line: str) -> None:
    print(line, flush=True)


async def _main(store_class: type[AsyncDynamoDBStore]) -> None:
    worker = _Worker(store_class)
    _say("{}")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if order["do"] == "play":
            await worker.play(order)
        else:
            worker.tell_state()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    mutant = parser.parse_args().mutant
    asyncio.run(_main(AsyncDynamoDBStore if mutant is None else MUTANTS[mutant]()))
