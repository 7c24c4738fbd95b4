"""Cancellation that lets what has been begun come to its end, for a bounded time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

CANCELLATION_GRACE: Final = timedelta(seconds=1)
"""How long a cancelled caller waits for what it has begun."""

_Result = TypeVar("_Result")


def end_of_patience(deadline: float = math.inf) -> float:
    """Return until when a caller that is cancelled now waits, by the event loop's clock."""
    now = asyncio.get_running_loop().time()
    return min(deadline, now + CANCELLATION_GRACE.total_seconds())


async def shielded(work: Coroutine[Any, Any, _Result], deadline: float = math.inf) -> _Result:
    """Await work that a cancellation of the caller lets finish, or cuts off after the grace.

    So does the `deadline`, by the event loop's clock. The caller is cancelled all the same, when
    the work has ended; who is cancelled again and again meanwhile may leave work behind that is
    cancelled, too, and is just ending.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    # Unlike `asyncio.shield`, it reports no failure of the work to the loop behind our back.
    ended = loop.create_future()

    def note(task: asyncio.Task[_Result]) -> None:
        # A cancelled caller is not there to retrieve the exception, and nobody else would.
        if not task.cancelled():
            task.exception()
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(note)
    try:
        await ended
        return task.result()
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=max(0, end_of_patience(deadline) - loop.time()))
        raise
    finally:
        if task.cancel():
            await asyncio.wait({task})
