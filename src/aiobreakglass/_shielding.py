"""Let work that has started finish after a cancellation, for a bounded time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

CANCELLATION_GRACE: Final = timedelta(seconds=1)
"""How long a cancelled caller waits for the work that it started."""

_Result = TypeVar("_Result")


def grace_deadline(deadline: float = math.inf) -> float:
    """Return when a caller that is cancelled now stops waiting, by the event loop's clock."""
    now = asyncio.get_running_loop().time()
    return min(deadline, now + CANCELLATION_GRACE.total_seconds())


async def shielded(work: Coroutine[Any, Any, _Result], deadline: float = math.inf) -> _Result:
    """Await work; if the caller is cancelled, let the work finish first, for a bounded time.

    The work is cancelled after `CANCELLATION_GRACE`, or at the deadline if that is sooner. The
    caller is cancelled when the work has ended. A caller that is cancelled several times meanwhile
    may leave before that; its work is then cancelled, too, and is about to end.

    Args:
        work: The coroutine to await.
        deadline: When to stop waiting at the latest, by the event loop's clock.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    # `asyncio.shield` would report a failure of the work to the loop's exception handler.
    ended = loop.create_future()

    def on_done(task: asyncio.Task[_Result]) -> None:
        # A cancelled caller does not retrieve the exception, and asyncio would log that.
        if not task.cancelled():
            task.exception()
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(on_done)
    try:
        await ended
        return task.result()
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=max(0, grace_deadline(deadline) - loop.time()))
        raise
    finally:
        if task.cancel():
            await asyncio.wait({task})
