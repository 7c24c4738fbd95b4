"""The end of a history: when faults stop, everybody is served, and the record is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    LimitExceededError,
    Limits,
)
from aiobreakglass.testing import make_event
from tests.simulation import draws
from tests.simulation.callers import names
from tests.simulation.process import START, Process
from tests.simulation.record import Call, Finding, Kind
from tests.simulation.timeline import DELETED, LAYOUT

if TYPE_CHECKING:
    from tests.simulation.world import World

_SETTLED_AFTER: Final = 150.0
"""When the last packet has arrived, in seconds."""
_SERVED_WITHIN: Final = 1.0
_SWEEP_EVERY: Final = 30.0
_SWEPT_WITHIN: Final = 150.0
"""Several passes, and the pauses between them."""
_ONE_IN: Final = 8
"""In how many histories one has a row that can never be marked."""
_STARVING: Final = 3
_DELETED: Final = 12
"""How many events are deleted at the end."""
_SLOWEST_CLOCK: Final = 1.001
"""How much longer any process waits for an instant of its own clock, at most."""
_BLINK: Final = 2e-6
"""Clocks tell microseconds."""
_Work = Callable[[], Coroutine[Any, Any, Any]]


async def ending(world: World) -> None:
    """Stop all faults, and see whether everybody is served."""
    world.network.fault_rate = 0.0
    world.tell("the faults stop")
    await asyncio.sleep(_SETTLED_AFTER)
    if not world.history.conditions.is_searched:
        await _look(world)
    for process in world.processes:
        process.die()
    await asyncio.sleep(_SETTLED_AFTER)


async def _look(world: World) -> None:
    for process in world.processes:
        for call in [call for call in process.calls if call.kind == "sweeper"]:
            assert call.task is not None
            call.task.cancel()
        process.resume()
    calls = Calls(world)
    for number, process in enumerate(world.processes):
        await calls.serve(process, number)
    await _sweep(world, calls)
    await calls.compare_lists(world.processes[0])
    await calls.compare_reviews(world.processes[0])
    world.look_at_chains()
    world.network.hot_key = None
    await asyncio.sleep(_SERVED_WITHIN)
    for place, process in enumerate(world.processes):
        await calls.open_at_last(process, names(place))
    await calls.settle_holds(world.processes[0])
    await _delete(world, calls)


async def _sweep(world: World, calls: Calls) -> None:
    """Let a sweeper mark what has lapsed, also beside a row that can never be marked."""
    process = world.processes[-1]
    if draws.number(world.history.seed, 1) % _ONE_IN == 0:
        keys = [await calls.short(process, number) for number in range(_STARVING)]
        world.network.hot_key = keys[0]
        await asyncio.sleep(_SERVED_WITHIN)
    world.database.spread_all()
    world.sweep_for_ever(process, _SWEEP_EVERY)
    lapsed = process.clock.present()
    await asyncio.sleep(_SWEPT_WITHIN)
    for event in world.timeline.events():
        key = LAYOUT.event_key(event.id)
        if event.is_lapsed(lapsed) and key != world.network.hot_key:
            world.find(Finding(Kind.STUCK, f"{event.id} lapsed, and nobody marked it"))


async def _delete(world: World, calls: Calls) -> None:
    """Delete some events, first those that others have changed: histories end, whatever was."""
    is_disturbed = world.invariants.chains.is_disturbed
    event_ids = [
        event_id
        for event_id in world.timeline.event_ids()
        if world.timeline.event(event_id).said not in (None, DELETED)
        and not _is_held(world, event_id)
    ]
    event_ids.sort(key=lambda event_id: not is_disturbed(event_id))
    for event_id in event_ids[:_DELETED]:
        await calls.delete(world.processes[0], event_id)


def _is_held(world: World, event_id: str) -> bool:
    event = world.timeline.event(event_id).event
    return event is not None and event.held_by is not None


async def old_age(world: World) -> None:
    """Let time pass until TTL has deleted all that it may; the invariants watch the order."""
    database = world.database
    database.spread_all()
    while (instant := database.next_instant()) is not None:
        await asyncio.sleep(max(0.0, instant - START.timestamp() - world.loop.time()))
        database.background()


class Calls:
    """The calls that look at the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = len(world.history.steps) + 1_000_000

    async def serve(self, process: Process, place: int) -> None:
        """See whether a process answers, and can open and close access."""
        # Nobody has used up a limit of theirs.
        pair = f"last-{place}", f"last-{place}"
        store = process.store
        event = self._event(process, pair, timedelta(hours=1))
        await self._make(
            process,
            "check",
            partial(store.find_active_by_invoker_and_profile, *names(0)),
            pair=names(0),
        )
        await self._make(
            process, "create", self._created(store, event), subject=event, event_id=event.id
        )
        await self._close(process, event.id)

    async def short(self, process: Process, number: int) -> str:
        """Open access that lapses soon, and return the key of its row."""
        name = f"starving-{number}"
        event = self._event(process, (name, name), timedelta(seconds=1))
        await self._make(
            process,
            "create",
            self._created(process.store, event),
            subject=event,
            event_id=event.id,
        )
        return LAYOUT.event_key(event.id)

    async def delete(self, process: Process, event_id: str) -> None:
        """Delete an event, and read how its history ends."""
        delete = partial(process.store.delete, event_id, by=f"step-{self._number + 1}")
        deleted = await self._make(process, "delete", delete, event_id=event_id)
        history = partial(process.store.history, event_id)
        call = await self._make(process, "history", history, event_id=event_id)
        # A released event may be due, and its row deleted by TTL before this.
        is_deleted = self._world.timeline.event(event_id).said == DELETED
        is_read = is_deleted and deleted.error is None and call.error is None
        ends = self._world.invariants.chains.ends_with_deletion
        if is_read and not ends(event_id, call.value, self._world.present):
            text = f"{event_id} was deleted, and its history ends otherwise"
            self._world.find(Finding(Kind.UNRECORDED, text))

    def _created(self, store: AsyncDynamoDBStore, event: BreakGlassEvent) -> _Work:
        return partial(store.create, event, by=f"step-{self._number + 1}")

    async def compare_lists(self, process: Process) -> None:
        """Compare what indexes say that have caught up with the table itself."""
        for status in ("active", "closed", "expired"):
            self._world.database.background()
            self._world.database.spread_all()
            before = self._ids(status)
            work = partial(process.store.list_by_status, status, 1000, on_corrupt="skip")
            asked = {"field": "status", "value": status}
            call = await self._make(process, "list", work, asked=asked)
            after = self._ids(status)
            listed = {event.id for event in call.value or ()}
            # A row may be deleted by TTL in between.
            if not before & after <= listed <= before | after:
                text = f"{status}: listed are {sorted(listed)}, there are {sorted(after)}"
                self._world.find(Finding(Kind.LOST, text))

    def _ids(self, status: str) -> set[str]:
        return {event.id for event in self._world.timeline.events() if event.status == status}

    def _event(
        self, process: Process, pair: tuple[str, str], duration: timedelta
    ) -> BreakGlassEvent:
        self._number += 1
        return make_event(
            id=f"{self._number:016x}",
            invoker=pair[0],
            profile=pair[1],
            created_at=process.clock.present(),
            duration=duration,
        )

    async def compare_reviews(self, process: Process) -> None:
        """Compare the list of what waits for a review with the table itself."""
        if self._world.timeline.has_corrupt:
            return
        for outcome in (None, "needs_follow_up"):
            self._world.database.background()
            self._world.database.spread_all()
            before = self._waiting(process, outcome)
            work = partial(process.store.list_awaiting_review, 1000, outcome=outcome)
            call = await self._make(process, "list reviews", work, asked={"outcome": outcome})
            after = self._waiting(process, outcome)
            listed = {event.id for event in call.value or ()}
            if not before & after <= listed <= before | after:
                text = f"{outcome}: listed are {sorted(listed)}, there are {sorted(after)}"
                self._world.find(Finding(Kind.LOST, text))

    def _waiting(self, process: Process, outcome: str | None) -> set[str]:
        now = process.clock.present()
        return {
            event.id
            for event in self._world.timeline.events()
            if event.review_outcome == outcome and not event.is_active(now)
        }

    async def open_at_last(self, process: Process, pair: tuple[str, str]) -> None:
        """Open access as soon as the limits say that it can be opened, having done what they ask.

        Nobody else opens any, so each limit is in the way at most once.
        """
        refused: list[tuple[str, Limits]] = []
        while True:
            event = self._event(process, pair, timedelta(seconds=1))
            create = self._created(process.store, event)
            call = await self._make(process, "create", create, subject=event, event_id=event.id)
            error = call.error
            if isinstance(error, ActiveEventExistsError):
                await self._close(process, error.event.id)
            elif isinstance(error, LimitExceededError):
                by = error.limit, process.rules_of(call)[-1]
                if by in refused:
                    text = f"{call} was refused by {error.limit} again, though nobody opened any"
                    self._world.find(Finding(Kind.STUCK, text))
                    return
                refused.append(by)
                if not await self._make_room(process, error):
                    return
            else:
                return

    async def _make_room(self, process: Process, error: LimitExceededError) -> bool:
        """Wait until a limit frees a use, or review what it waits for; tell whether that helps."""
        if error.retry_at is not None:
            left = (error.retry_at - process.clock.present()).total_seconds()
            await asyncio.sleep(max(0.0, left * _SLOWEST_CLOCK + _BLINK))
            return True
        for event_id in error.event_ids:
            event = self._world.timeline.event(event_id).event
            if event is not None:
                if event.is_active(process.clock.present()):
                    await self._close(process, event_id)
                await self._oversee(process, "review", event_id)
                return True
        # What was deleted before its review cannot be reviewed any more.
        return False

    async def settle_holds(self, process: Process) -> None:
        """Complete all holds, and release every other one; then an unheld event is released."""
        held = [event.id for event in self._world.timeline.events() if event.held_by is not None]
        for place, event_id in enumerate(held):
            await self._oversee(process, "hold", event_id)
            if place % 2:
                await self._oversee(process, "release", event_id)
        released = [event.id for event in self._world.timeline.events() if event.held_by is None]
        for event_id in released[-_DELETED:]:
            await self._oversee(process, "release", event_id)

    async def _close(self, process: Process, event_id: str) -> None:
        sign = f"step-{self._number + 1}"
        close = partial(process.store.close, event_id, closed_by=sign, closed_reason="done")
        await self._make(process, "close", close, event_id=event_id, note="done")

    async def _oversee(self, process: Process, kind: str, event_id: str) -> None:
        store, sign = process.store, f"step-{self._number + 1}"
        match kind:
            case "review":
                asked = {"reviewed_by": sign, "outcome": "justified"}
                work = partial(store.review, event_id, comment="done", **asked)
            case "hold":
                asked, work = {}, partial(store.hold, event_id, held_by=sign, reason="done")
            case _:
                asked = {}
                work = partial(store.release_hold, event_id, released_by=sign, reason="done")
        await self._make(process, kind, work, event_id=event_id, note="done", asked=asked)

    async def _make(
        self,
        process: Process,
        kind: str,
        work: _Work,
        **about: Any,
    ) -> Call:
        self._number += 1
        call = Call(self._number, kind, process, sign=f"step-{self._number}", **about)
        await self._world.call(call, work, None)
        took = call.ended_at - call.began_at - call.paused
        if took > _SERVED_WITHIN:
            self._world.find(Finding(Kind.STUCK, f"{call} took {took:.3f} s without a fault"))
        return call
