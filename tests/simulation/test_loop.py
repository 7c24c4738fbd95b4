"""The loop itself: time, lanes, and an order that a seed decides."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import closing
from contextvars import copy_context
from typing import Any

import pytest

from tests.simulation.draws import seeded
from tests.simulation.loop import LANE, Lane, StandstillError, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    with closing(VirtualLoop(seeded("loop"))) as loop:
        yield loop


def in_lane(
    loop: VirtualLoop, work: Coroutine[Any, Any, object]
) -> tuple[Lane, asyncio.Task[Any]]:
    lane, context = Lane(loop), copy_context()
    context.run(LANE.set, lane)
    return lane, loop.create_task(work, context=context)


def test_time_passes_without_waiting(loop: VirtualLoop) -> None:
    """A century of sleep costs nothing."""
    century = 100 * 365 * 24 * 3600.0
    loop.run_until_complete(asyncio.sleep(century))
    assert loop.time() == century


def test_timers_go_off_in_their_order(loop: VirtualLoop) -> None:
    """And a cancelled one does not, nor does it hold up time."""
    told: list[float] = []

    async def work() -> None:
        for delay in (3, 1, 2):
            loop.call_later(delay, lambda: told.append(loop.time()))
        loop.call_later(1.5, told.append, -1).cancel()
        await asyncio.sleep(4)

    loop.run_until_complete(work())
    assert told == [1, 2, 3]


def test_standing_still_is_an_error(loop: VirtualLoop) -> None:
    """Who waits for what cannot happen would wait for ever."""
    with pytest.raises(StandstillError):
        loop.run_until_complete(asyncio.Event().wait())


def interleaving(seed: int) -> list[str]:
    loop = VirtualLoop(seeded(seed))
    told: list[str] = []

    async def work(name: str) -> None:
        for number in range(4):
            told.append(f"{name}{number}")
            await asyncio.sleep(0)

    tasks = [in_lane(loop, work(name))[1] for name in "abc"]
    for task in tasks:
        loop.run_until_complete(task)
    loop.close()
    return told


def test_processes_are_interleaved_by_the_seed() -> None:
    """Each goes on in its own order, and the seed alone decides among them."""
    assert len({tuple(interleaving(seed)) for seed in range(10)}) > 5
    for seed in range(10):
        told = interleaving(seed)
        assert told == interleaving(seed)
        for name in "abc":
            assert [one for one in told if one[0] == name] == [f"{name}{i}" for i in range(4)]


def test_a_paused_process_catches_up(loop: VirtualLoop) -> None:
    """Its timers go off late, all of them, in their order."""
    told: list[float] = []

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            told.append(loop.time())

    lane, task = in_lane(loop, work())
    loop.call_at(1.5, lane.pause)
    loop.call_at(60, lane.resume)
    loop.run_until_complete(task)
    assert told == [1, 60, 61]


def cancellations() -> list[int]:
    loop = VirtualLoop(seeded("loop"))
    told: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(9)
        finally:
            told.append(number)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(wait(number))
            await asyncio.sleep(1)
            raise KeyError

    with closing(loop), pytest.raises(ExceptionGroup):
        loop.run_until_complete(work())
    return told


def test_tasks_are_cancelled_in_one_order() -> None:
    """asyncio keeps the tasks of a group in a set: by their addresses, no two runs are alike."""
    first = cancellations()
    assert sorted(first) == list(range(50))
    kept = []
    for size in range(10):
        kept.append([object() for _ in range(size)])
        assert cancellations() == first
