"""The checks of the simulation, on histories in which they were once mistaken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    LimitExceededError,
    Limits,
    Quota,
    StoreUnavailableError,
)
from aiobreakglass._aws.transaction import Part
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.history import HistoryPart
from aiobreakglass.testing import make_event
from tests.simulation import chains
from tests.simulation.ending import Calls, old_age
from tests.simulation.faults import NEVER, Fate
from tests.simulation.living import quiet
from tests.simulation.plan import Conditions, History
from tests.simulation.process import Process
from tests.simulation.record import Call, Kind
from tests.simulation.timeline import LAYOUT
from tests.simulation.world import World

EVENT_ID: Final = "0123456789abcdef"
LOST: Final = Fate("answer lost", back=NEVER)
ENDS_OTHERWISE: Final = (
    Kind.UNRECORDED,
    f"{EVENT_ID} was deleted, and its history ends otherwise",
)
SIGNATURES: Final = {
    "close": "closed_by",
    "review": "reviewed_by",
    "hold": "held_by",
    "release": "released_by",
}
CALM: Final = Conditions(
    processes=1,
    tasks=1,
    pairs=1,
    fault_rate=0.0,
    attempts=1,
    retentions=(None,),
    is_forgetful=True,
    sweep_every=None,
    leads=(0.0,),
    drifts=(0.0,),
    prompt=True,
    is_on_the_brink=False,
)
"""One process, without faults: nothing happens but what a test does."""


def found(
    lived: Callable[[World], Awaitable[Any]],
    store_class: type[AsyncDynamoDBStore] = AsyncDynamoDBStore,
    conditions: Conditions = CALM,
) -> set[tuple[Kind, str]]:
    """Return what the checks find in a world in which this is lived."""
    with quiet():
        world = World(History(1, (), conditions), store_class)
        with closing(world.loop):
            world.loop.run_until_complete(lived(world))
        return {(finding.kind, finding.text) for finding in world.outcome.findings}


async def opened(world: World, seconds: float = 60) -> Any:
    """Open access that lasts for some seconds."""
    (process,) = world.processes
    event = make_event(
        id=EVENT_ID, created_at=process.clock.present(), duration=timedelta(seconds=seconds)
    )
    return await made(process, world, "create", partial(process.store.create, event), event)


async def made(
    process: Process,
    world: World,
    kind: str,
    work: Callable[..., Any],
    subject: BreakGlassEvent | None = None,
) -> Any:
    """Make one call, signed as all calls are, and return what came of it."""
    number = len(world.outcome.calls) + 1
    call = Call(number, kind, process, subject=subject, event_id=EVENT_ID, sign=f"step-{number}")
    signature = SIGNATURES.get(kind, "by")
    await world.call(call, partial(work, **{signature: call.sign}), None)
    return call.value if call.error is None else call.error


async def updated(world: World, event: BreakGlassEvent) -> Any:
    """Update an event, and return what came of it."""
    (process,) = world.processes
    number = len(world.outcome.calls) + 1
    changed = event.model_copy(update={"request_id": f"step-{number}"})
    return await made(process, world, "update", partial(process.store.update, changed), changed)


async def restored_in_part(world: World) -> None:
    """Set the row of an event back to its first entry, and lose the second entry of three."""
    event = await opened(world)
    key = LAYOUT.event_key(EVENT_ID)
    first = world.database.rows[key]
    for _ in range(2):
        event = await updated(world, event)
    world.database.put(first)
    world.database.remove(LAYOUT.history_key(EVENT_ID, 2))


async def deleted_after_a_restore(world: World) -> None:
    """Have the deletion become the second entry, before the old third one."""
    await restored_in_part(world)
    await Calls(world).delete(world.processes[0], EVENT_ID)
    entries = world.timeline.entries(EVENT_ID, world.timeline.serial)
    assert [(entry.revision, entry.action.value) for entry in entries] == [
        (1, "created"),
        (2, "deleted"),
        (3, "updated"),
    ]


def test_deletion_before_an_entry_that_a_restore_has_left() -> None:
    """It need not come last, because verification calls that history broken."""
    assert found(deleted_after_a_restore) == set()


def test_deletion_that_verification_takes_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that goes on after a deletion must not be called whole."""
    monkeypatch.setattr(chains, "verify_history", lambda *_, **__: [])
    assert ENDS_OTHERWISE in found(deleted_after_a_restore)


async def deleted(world: World) -> None:
    await opened(world)
    await Calls(world).delete(world.processes[0], EVENT_ID)


def test_deletion_without_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The history of a deleted event ends with its deletion."""
    parts = HistoryPart.parts

    def mutated(self: HistoryPart, attempt: Attempt) -> list[Part]:
        return [] if attempt.change.after is None else parts(self, attempt)

    assert found(deleted) == set()
    monkeypatch.setattr(HistoryPart, "parts", mutated)
    assert ENDS_OTHERWISE in found(deleted)


def meet(world: World, *fates: Fate) -> None:
    """Let the next requests meet these fates."""
    rest = iter(fates)
    world.network.fault_rate = 1.0
    world.network._fate = lambda place, operation: next(rest, Fate())  # type: ignore[method-assign]


async def marked_after_an_update_that_was_lost(world: World) -> None:
    """Lose the answers to an update and to the mark that follows its lapse; both are repeated."""
    event = await opened(world, seconds=2)
    meet(world, Fate(), LOST, Fate(), LOST)
    answer = await updated(world, event)
    assert isinstance(answer, StoreUnavailableError)
    assert answer.outcome_unknown


def test_mark_that_is_repeated_after_a_lost_update() -> None:
    """The entry that its refusal shows is that of the mark, and does not confirm the update."""
    assert found(marked_after_an_update_that_was_lost) == set()


async def repeated_after_a_restore(world: World) -> None:
    """Undo an update by hand, and let a copy of its packet land after that."""
    event = await opened(world)
    key = LAYOUT.event_key(EVENT_ID)
    first = world.database.rows[key]
    meet(world, Fate(), Fate("request twice, late", again=30))
    await updated(world, event)
    second = world.database.rows[key]
    world.database.put(first)
    world.database.remove(LAYOUT.history_key(EVENT_ID, 2))
    await asyncio.sleep(40)
    assert world.database.rows[key] == second


def test_write_that_a_late_copy_repeats_after_a_restore() -> None:
    """It is one entry still."""
    assert found(repeated_after_a_restore) == set()


async def held_without_its_second_step(world: World) -> None:
    """Lose the answer to the first step of a hold, show its own entry, and deny the second."""
    await opened(world)
    (process,) = world.processes
    meet(world, Fate(), LOST, Fate(), Fate("denied", refused="AccessDeniedException"))
    hold = partial(process.store.hold, EVENT_ID, reason="A case of ours")
    answer = await made(process, world, "hold", hold)
    assert isinstance(answer, StoreUnavailableError)
    assert answer.outcome_unknown


def test_hold_that_is_confirmed_before_its_second_step() -> None:
    """Its outcome is unknown all the same, because the history has not followed."""
    assert found(held_without_its_second_step) == set()


async def held_again_by_a_restore(world: World) -> None:
    """Set a deleted event back to its hold, and lose the third entry of four."""
    await opened(world)
    (process,) = world.processes
    store, key = process.store, LAYOUT.event_key(EVENT_ID)
    await made(process, world, "hold", partial(store.hold, EVENT_ID, reason="A case"))
    held = world.database.rows[key]
    await made(process, world, "release", partial(store.release_hold, EVENT_ID, reason="Over"))
    await made(process, world, "delete", partial(store.delete, EVENT_ID))
    world.database.put(held)
    world.database.remove(LAYOUT.history_key(EVENT_ID, 3))
    await made(process, world, "hold", partial(store.hold, EVENT_ID, reason="A case"))
    await old_age(world)
    assert LAYOUT.history_key(EVENT_ID, 2) in world.database.rows
    assert LAYOUT.history_key(EVENT_ID, 4) not in world.database.rows


def test_entry_behind_a_gap_that_a_hold_cannot_see() -> None:
    """It is not of the history that the row tells of, so it may go before the row."""
    conditions = replace(CALM, retentions=(0.0,))
    assert found(held_again_by_a_restore, conditions=conditions) == set()


async def refused_after_a_restore_of_the_unreviewed(world: World) -> None:
    """Set a reviewed event back to what it was before, and open access again."""
    await opened(world)
    (process,) = world.processes
    store, key = process.store, LAYOUT.event_key(EVENT_ID)
    await made(process, world, "close", partial(store.close, EVENT_ID, closed_reason="Over"))
    unreviewed = world.database.rows[key]
    review = partial(store.review, EVENT_ID, outcome="justified", comment="It was needed")
    await made(process, world, "review", review)
    world.database.put(unreviewed)
    event = make_event(created_at=process.clock.present())
    answer = await made(process, world, "create", partial(store.create, event), event)
    assert isinstance(answer, LimitExceededError)
    assert answer.event_ids == (EVENT_ID,)


def test_debt_that_a_restore_brings_back() -> None:
    """The store believes the row, which has no review."""
    rules = Limits(max_unreviewed=1)
    conditions = replace(CALM, rules=(rules, rules), stricter_from=(None,))
    assert found(refused_after_a_restore_of_the_unreviewed, conditions=conditions) == set()


async def opened_again_after_a_restore(world: World) -> None:
    """Undo an opening, open the event again and another one, and ask for a third."""
    await opened(world)
    (process,) = world.processes
    world.database.restore_some(at=0, share=1)
    process.clock.step(1)
    await opened(world)
    others = [
        make_event(profile=profile, created_at=process.clock.present())
        for profile in ("staging", "archive")
    ]
    answers = [
        await made(process, world, "create", partial(process.store.create, event), event)
        for event in others
    ]
    assert isinstance(answers[1], LimitExceededError)
    assert answers[1].event_ids == (EVENT_ID, others[0].id)


def test_event_that_is_opened_again_after_a_restore_has_removed_it() -> None:
    """Its slot tells of the second opening, and so does the refusal of another one."""
    rules = Limits(per_invoker=Quota(2, timedelta(hours=1)))
    conditions = replace(CALM, rules=(rules, rules), stricter_from=(None,))
    assert found(opened_again_after_a_restore, conditions=conditions) == set()
