"""Repeat passes over events, work on several events at a time, and call back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple

from aiobreakglass import _randomness
from aiobreakglass._back_off import back_off
from aiobreakglass._domain.errors import StoreUnavailableError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._shielding import shielded

_Subject = TypeVar("_Subject")
_Subjects = TypeVarTuple("_Subjects")

About = Mapping[str, str]
"""The extra fields of a log record."""

CONCURRENCY: Final = 16
"""How many events a pass works on at the same time."""

_LONGEST_BACK_OFF: Final = timedelta(minutes=5)


async def repeat(
    name: str,
    one_pass: Callable[[], Awaitable[StoreUnavailableError | None]],
    interval: timedelta,
    jitter: timedelta,
    logger: logging.Logger,
) -> NoReturn:
    """Make passes until the caller is cancelled or a pass raises an error that lasts.

    Args:
        name: What the passes are for, for the log.
        one_pass: Makes one pass. It raises or returns the error that stopped it, if the store was
            unavailable.
        interval: How long to wait between two passes.
        jitter: The longest random addition to `interval`.
        logger: Logs each failed pass.
    """
    failures = 0
    while True:
        try:
            stopped_by = await one_pass()
        except StoreUnavailableError as error:
            stopped_by = error
        failures = 0 if stopped_by is None else failures + 1
        if stopped_by is not None:
            logger.warning(
                "%s pass failed (%d in a row): %s",
                name,
                failures,
                stopped_by,
                extra={"failures": failures, "outcome_unknown": stopped_by.outcome_unknown},
            )
        chance = _randomness.source.get().random()
        await asyncio.sleep(pause(interval, jitter, failures, chance))


async def for_each(
    subjects: Sequence[_Subject],
    work: Callable[[_Subject], Coroutine[Any, Any, None]],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Work on up to `CONCURRENCY` subjects at the same time.

    If the caller is cancelled, it begins no other subject, and finishes those under way, for a
    bounded time.
    """
    waiting = iter(subjects)

    async def work_on_some() -> None:
        for subject in waiting:
            await shielded(work(subject))
            if is_stopped():
                return

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(CONCURRENCY, len(subjects))):
            workers.create_task(work_on_some())


async def call_back(
    name: str,
    callback: Callable[[*_Subjects], Awaitable[object]] | None,
    *subjects: *_Subjects,
    about: About,
    logger: logging.Logger,
) -> bool:
    """Await a callback, and return whether it succeeded.

    Its exception is logged, so that the other callbacks still run.
    """
    if callback is None:
        return True
    try:
        await callback(*subjects)
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            raise
        logger.exception("%s failed", name, extra=about)
        return False
    return True


def pause(interval: timedelta, jitter: timedelta, failures: int, chance: float) -> float:
    """Return how many seconds to wait before the next pass.

    Args:
        interval: The shortest pause.
        jitter: The longest addition.
        failures: How many passes in a row have failed.
        chance: The share of `jitter` to add, from 0 to 1.
    """
    seconds = back_off(interval.total_seconds(), _LONGEST_BACK_OFF.total_seconds(), failures)
    return seconds + jitter.total_seconds() * chance


def log_fields(event: BreakGlassEvent) -> About:
    """Return the fields that a log record has for an event; never its justification."""
    return {"event_id": event.id, "invoker": event.invoker, "profile": event.profile}
