"""An event loop in which time is a number and a seed decides who goes next.

It never sleeps, opens no socket and starts no thread. Each simulated process has a lane of its
own: within it handles run first in, first out, as in any event loop; which lane goes next is
drawn.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

LANE: Final[ContextVar[Lane]] = ContextVar("lane")
"""Where the handles of a context queue; unset, they are the world's own."""


class StandstillError(Exception):
    """Somebody waits, and nothing is left that could happen."""


class Lane:
    """The handles of one process that are ready to run."""

    __slots__ = ("_is_paused", "_loop", "ready")

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._is_paused = False
        self.ready: deque[asyncio.Handle] = deque()

    def add(self, handle: asyncio.Handle) -> None:
        """Have a handle run after those that are here."""
        if not self.ready and not self._is_paused:
            self._loop.runnable.append(self)
        self.ready.append(handle)

    def pause(self) -> None:
        """Let nothing of this process run, as though it were not given the processor."""
        if self.ready and not self._is_paused:
            self._loop.runnable.remove(self)
        self._is_paused = True

    def resume(self) -> None:
        """Let it go on with all that has come due meanwhile."""
        if self.ready and self._is_paused:
            self._loop.runnable.append(self)
        self._is_paused = False


class _Task(asyncio.Task[_Result]):
    """A task whose place in a set is the same in every run.

    asyncio keeps tasks in sets and cancels them in their order, which is that of their addresses.
    """

    def __init__(
        self,
        coroutine: Generator[Any, None, _Result] | Coroutine[Any, Any, _Result],
        *,
        number: int,
        **options: Any,
    ) -> None:
        # Before anything else, because asyncio puts a new task into a set.
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Run handles in an order that a seed decides, and let time pass when none is ready."""

    _stopping: bool

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.runnable: list[Lane] = []
        """The lanes that have something to run."""
        self.steps = 0
        """How many handles have run."""
        self.failures: list[dict[str, Any]] = []
        """What nobody handled."""
        self._choose = random.random
        self._now = 0.0
        self._world = Lane(self)
        self._timers: list[tuple[float, int, asyncio.TimerHandle | None, Any]] = []
        """When, in which order, and either a handle and its lane or what the world does."""
        self._numbers = count()
        self.set_task_factory(self._new_task)
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        lane = LANE.get(None) if context is None else context.get(LANE)
        (lane or self._world).add(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if context is None:
            context = copy_context()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        lane = context.get(LANE) or self._world
        heapq.heappush(self._timers, (when, next(self._numbers), timer, lane))
        return timer

    def happen(self, delay: float, what: Callable[[], object]) -> None:
        """Have something happen in the world, which is no process's doing."""
        heapq.heappush(self._timers, (self._now + delay, next(self._numbers), None, what))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave a cancelled timer where it is: its time passes as any other's."""

    def _run_once(self) -> None:
        runnable = self.runnable
        while not self._stopping:
            if not runnable:
                self._let_time_pass()
                continue
            # Drawn also if there is only one, for the choices to come not to depend on that.
            lane = runnable[int(self._choose() * len(runnable))]
            handle = lane.ready.popleft()
            if not lane.ready:
                runnable.remove(lane)
            if not handle.cancelled():
                self.steps += 1
                handle._run()

    def _let_time_pass(self) -> None:
        """Go to the next instant at which something is due, and have all that is due then."""
        timers = self._timers
        while timers and timers[0][2] is not None and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise StandstillError
        self._now = now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= now:
            _, _, timer, what = heapq.heappop(timers)
            if timer is None:
                self.steps += 1
                what()
            elif not timer.cancelled():
                what.add(timer)

    def _new_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Generator[Any, None, _Result] | Coroutine[Any, Any, _Result],
        **options: Any,
    ) -> _Task[_Result]:
        return _Task(coroutine, number=next(self._numbers), loop=loop, **options)
