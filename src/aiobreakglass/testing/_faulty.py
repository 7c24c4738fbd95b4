"""A store that fails as networks do, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal, TypeVar

from aiobreakglass._contract import arguments
from aiobreakglass._contract.store import BreakGlassStore, EventPage, OnCorrupt
from aiobreakglass._domain.errors import BreakGlassError, StoreUnavailableError
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus

_Answer = TypeVar("_Answer")
_Lost = Literal["request", "answer"]

_NO_TIME: Final = timedelta(0)
_WRITES: Final = frozenset({"create", "update", "delete", "close"})


class FaultyStore(BreakGlassStore):
    """A store around another one that loses requests and answers, and delays calls, by a seed.

    Try code against unknown outcomes with it::

        store = FaultyStore(InMemoryStore(clock=clock), seed=7, lost_answers=0.2)

    `lost_requests` and `lost_answers` are the shares of calls that get lost, from 0 to 1. A write
    whose request is lost never happens. A write whose answer is lost has happened, or was refused.
    The caller cannot tell: both raise `StoreUnavailableError` with `outcome_unknown=True`, and a
    read without. Each call also waits up to `longest_delay` on its way there, and again on its way
    back, so that calls overtake one another.

    The same seed gives the same faults to the same calls in the same order. Ask `store` itself,
    which can be any store, to see what has really happened.
    """

    def __init__(
        self,
        store: BreakGlassStore,
        *,
        seed: int,
        lost_requests: float = 0.0,
        lost_answers: float = 0.0,
        longest_delay: timedelta = _NO_TIME,
    ) -> None:
        _check_share("lost_requests", lost_requests)
        _check_share("lost_answers", lost_answers)
        if lost_requests + lost_answers > 1:
            raise ValueError("lost_requests and lost_answers must not exceed 1 together")
        arguments.check_interval("longest_delay", longest_delay, at_least=_NO_TIME)
        self._store = store
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        self._lost_requests = lost_requests
        self._lost_answers = lost_answers
        self._longest_delay = longest_delay.total_seconds()
        self._losses: list[tuple[str, _Lost]] = []

    @property
    def lost(self) -> tuple[tuple[str, Literal["request", "answer"]], ...]:
        """The losses so far, each as the name of the method, and "request" or "answer"."""
        return tuple(self._losses)

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_new_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._call("create", lambda: self._store.create(event, by=by, note=note))

    async def get(self, event_id: str) -> BreakGlassEvent:
        return await self._call("get", lambda: self._store.get(event_id))

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._call("update", lambda: self._store.update(event, by=by, note=note))

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        event_id = arguments.check_event_id(event_id)
        by, note = arguments.check_by_and_note(by, note)
        await self._call("delete", lambda: self._store.delete(event_id, by=by, note=note))

    async def list_by_invoker(
        self,
        invoker: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        return await self._call(
            "list_by_invoker",
            lambda: self._store.list_by_invoker(
                invoker, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
        )

    async def list_by_status(
        self,
        status: BreakGlassStatus | str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        return await self._call(
            "list_by_status",
            lambda: self._store.list_by_status(
                status, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
        )

    async def list_by_profile(
        self,
        profile: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        return await self._call(
            "list_by_profile",
            lambda: self._store.list_by_profile(
                profile, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
        )

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._call(
            "find_active_by_invoker_and_profile",
            lambda: self._store.find_active_by_invoker_and_profile(invoker, profile),
        )

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        return await self._call(
            "find_active_by_invoker_and_profiles",
            lambda: self._store.find_active_by_invoker_and_profiles(invoker, profiles),
        )

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._call(
            "count_by_invoker_since",
            lambda: self._store.count_by_invoker_since(invoker, since, at_most=at_most),
        )

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._call(
            "count_by_profile_since",
            lambda: self._store.count_by_profile_since(profile, since, at_most=at_most),
        )

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._call(
            "get_last_by_invoker_and_profile",
            lambda: self._store.get_last_by_invoker_and_profile(invoker, profile),
        )

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        event_id, by, reason = arguments.check_closing(event_id, closed_by, closed_reason)
        return await self._call(
            "close",
            lambda: self._store.close(event_id, closed_by=by, closed_reason=reason),
        )

    async def _call(self, name: str, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        # All at once, so that the fate of a call depends on no other's progress.
        lost = self._fate()
        way_there, way_back = (self._random.uniform(0, self._longest_delay) for _ in range(2))
        await asyncio.sleep(way_there)
        # A read is carried out in any case, because only the store inside checks its arguments.
        if lost == "request" and name in _WRITES:
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

    def _fate(self) -> _Lost | None:
        chance = self._random.random()
        if chance < self._lost_requests:
            return "request"
        return "answer" if chance < self._lost_requests + self._lost_answers else None

    def _loss(self, name: str, lost: _Lost) -> StoreUnavailableError:
        self._losses.append((name, lost))
        return StoreUnavailableError(
            f"FaultyStore lost the {lost} of {name}", outcome_unknown=name in _WRITES
        )


def _check_share(argument: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise TypeError(f"{argument} must be a float, not {type(share).__name__}")
    if not 0 <= share <= 1:
        raise ValueError(f"{argument} must be from 0 to 1")
