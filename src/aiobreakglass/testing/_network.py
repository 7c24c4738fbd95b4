"""Lose calls as networks do, by a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Final, Literal, TypeVar

from aiobreakglass._contract import arguments
from aiobreakglass._domain.errors import BreakGlassError, StoreUnavailableError

_Answer = TypeVar("_Answer")
Lost = Literal["request", "answer"]

NO_TIME: Final = timedelta(0)
WRITES: Final = frozenset(
    {"create", "update", "delete", "close", "extend", "review", "hold", "release_hold"}
)


class Network:
    """Delays the calls of a store's methods, and loses some of their requests and answers."""

    def __init__(
        self, seed: int, lost_requests: float, lost_answers: float, longest_delay: timedelta
    ) -> None:
        _check_share("lost_requests", lost_requests)
        _check_share("lost_answers", lost_answers)
        if lost_requests + lost_answers > 1:
            raise ValueError("lost_requests and lost_answers must not exceed 1 together")
        arguments.check_interval("longest_delay", longest_delay, at_least=NO_TIME)
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        self._lost_requests = lost_requests
        self._lost_answers = lost_answers
        self._longest_delay = longest_delay.total_seconds()
        self.losses: list[tuple[str, Lost]] = []
        """The losses so far, each as the name of the method and what was lost."""

    async def call(self, name: str, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Make a call of a method, or lose it."""
        # All at once, so that the fate of a call depends on no other's progress.
        lost = self._fate()
        way_there, way_back = (self._random.uniform(0, self._longest_delay) for _ in range(2))
        await asyncio.sleep(way_there)
        # A read is carried out in any case, because only the store inside checks its arguments.
        if lost == "request" and name in WRITES:
            raise self._loss(name, lost)
        try:
            answer = await call()
        except BreakGlassError as error:
            await asyncio.sleep(way_back)
            if lost is not None:
                raise self._loss(name, lost) from error
            raise
        await asyncio.sleep(way_back)
        if lost is not None:
            raise self._loss(name, lost)
        return answer

    def _fate(self) -> Lost | None:
        chance = self._random.random()
        if chance < self._lost_requests:
            return "request"
        return "answer" if chance < self._lost_requests + self._lost_answers else None

    def _loss(self, name: str, lost: Lost) -> StoreUnavailableError:
        self.losses.append((name, lost))
        return StoreUnavailableError(
            f"FaultyStore lost the {lost} of {name}", outcome_unknown=name in WRITES
        )


def _check_share(argument: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise TypeError(f"{argument} must be a float, not {type(share).__name__}")
    if not 0 <= share <= 1:
        raise ValueError(f"{argument} must be from 0 to 1")
