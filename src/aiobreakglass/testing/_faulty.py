"""A store that fails as networks do, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, cast

from aiobreakglass._contract import arguments
from aiobreakglass._contract.governed import GovernedStore
from aiobreakglass._contract.store import BreakGlassStore, EventPage, OnCorrupt
from aiobreakglass._domain.event import BreakGlassEvent, BreakGlassStatus, ReviewOutcome
from aiobreakglass._domain.history import HistoryEntry
from aiobreakglass.testing._network import NO_TIME, Network


class FaultyStore(GovernedStore):
    """A store around another one that loses requests and answers, and delays calls, by a seed.

    Try code against unknown outcomes with it::

        store = FaultyStore(InMemoryStore(clock=clock), seed=7, lost_answers=0.2)

    `lost_requests` and `lost_answers` are the shares of calls that get lost, from 0 to 1. A write
    whose request is lost never happens. A write whose answer is lost has happened, or was refused.
    The caller cannot tell: both raise `StoreUnavailableError` with `outcome_unknown=True`, and a
    read without. Each call also waits up to `longest_delay` on its way there, and again on its way
    back, so that calls overtake one another.

    It has the methods of a `GovernedStore`. Those that a `BreakGlassStore` lacks raise `TypeError`
    if `store` lacks them.

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
        longest_delay: timedelta = NO_TIME,
    ) -> None:
        self._network = Network(seed, lost_requests, lost_answers, longest_delay)
        self._store = store

    @property
    def lost(self) -> tuple[tuple[str, Literal["request", "answer"]], ...]:
        """The losses so far, each as the name of the method, and "request" or "answer"."""
        return tuple(self._network.losses)

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_new_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._network.call(
            "create", lambda: self._store.create(event, by=by, note=note)
        )

    async def get(self, event_id: str) -> BreakGlassEvent:
        return await self._network.call("get", lambda: self._store.get(event_id))

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._network.call(
            "update", lambda: self._store.update(event, by=by, note=note)
        )

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        event_id = arguments.check_event_id(event_id)
        by, note = arguments.check_by_and_note(by, note)
        await self._network.call("delete", lambda: self._store.delete(event_id, by=by, note=note))

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
        return await self._network.call(
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
        return await self._network.call(
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
        return await self._network.call(
            "list_by_profile",
            lambda: self._store.list_by_profile(
                profile, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
        )

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._network.call(
            "find_active_by_invoker_and_profile",
            lambda: self._store.find_active_by_invoker_and_profile(invoker, profile),
        )

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        return await self._network.call(
            "find_active_by_invoker_and_profiles",
            lambda: self._store.find_active_by_invoker_and_profiles(invoker, profiles),
        )

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._network.call(
            "count_by_invoker_since",
            lambda: self._store.count_by_invoker_since(invoker, since, at_most=at_most),
        )

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._network.call(
            "count_by_profile_since",
            lambda: self._store.count_by_profile_since(profile, since, at_most=at_most),
        )

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._network.call(
            "get_last_by_invoker_and_profile",
            lambda: self._store.get_last_by_invoker_and_profile(invoker, profile),
        )

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        event_id, by, reason = arguments.check_closing(event_id, closed_by, closed_reason)
        return await self._network.call(
            "close",
            lambda: self._store.close(event_id, closed_by=by, closed_reason=reason),
        )

    async def history(self, event_id: str) -> list[HistoryEntry]:
        store = self._governed("history")
        return await self._network.call("history", lambda: store.history(event_id))

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        store = self._governed("extend")
        event_id, end, by, why = arguments.check_extension(
            event_id, expires_at, extended_by, reason
        )
        return await self._network.call(
            "extend",
            lambda: store.extend(event_id, expires_at=end, extended_by=by, reason=why),
        )

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        store = self._governed("review")
        event_id, by, decided, why = arguments.check_review(
            event_id, reviewed_by, outcome, comment
        )
        return await self._network.call(
            "review",
            lambda: store.review(event_id, reviewed_by=by, outcome=decided, comment=why),
        )

    async def list_awaiting_review(
        self,
        limit: int | None = None,
        *,
        outcome: ReviewOutcome | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        store = self._governed("list_awaiting_review")
        return await self._network.call(
            "list_awaiting_review",
            lambda: store.list_awaiting_review(
                limit,
                outcome=outcome,
                since=since,
                until=until,
                cursor=cursor,
                on_corrupt=on_corrupt,
            ),
        )

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        store = self._governed("hold")
        event_id, by, why = arguments.check_hold(event_id, "held_by", held_by, reason)
        return await self._network.call(
            "hold", lambda: store.hold(event_id, held_by=by, reason=why)
        )

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        store = self._governed("release_hold")
        event_id, by, why = arguments.check_hold(event_id, "released_by", released_by, reason)
        return await self._network.call(
            "release_hold", lambda: store.release_hold(event_id, released_by=by, reason=why)
        )

    def _governed(self, method: str) -> GovernedStore:
        if not hasattr(self._store, method):
            raise TypeError(
                f"store must be a GovernedStore for {method}, not {type(self._store).__name__}"
            )
        return cast(GovernedStore, self._store)
