"""Wrap a store, so that its calls are observed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from aiobreakglass import (
    BreakGlassEvent,
    BreakGlassStatus,
    EventPage,
    GovernedStore,
    HistoryEntry,
    ReviewOutcome,
)
from aiobreakglass._contract.arguments import check_at_most
from aiobreakglass._contract.store import OnCorrupt
from aiobreakglass._telemetry.observer import About, Observer


class ObservedStore:
    """A `GovernedStore` that reports each call of another one as a span and as metrics.

    Spans and metrics follow the semantic conventions for database clients. No attribute has a
    name of a person or a profile, a justification, or the text of an exception, unless `names`
    asks for the first two.

    Args:
        store: The store that does the work.
        collection: The table's name, for the attribute `db.collection.name`.
        system: The database, for the attribute `db.system.name`.
        names: Whether spans have the invoker and the profile, and the counter of openings the
            profile.
        tracer_provider: Where spans go; None means the global provider.
        meter_provider: Where metrics go; None means the global provider.
    """

    def __init__(
        self,
        store: GovernedStore,
        *,
        collection: str | None = None,
        system: str = "aws.dynamodb",
        names: bool = False,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._store = store
        self._observer = Observer(
            collection,
            system,
            names=names,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        stored = await self._observer.call(
            "create", self._store.create(event, by=by, note=note), self._pair_of(event)
        )
        self._observer.opened(stored)
        return stored

    async def get(self, event_id: str) -> BreakGlassEvent:
        return await self._observer.call("get", self._store.get(event_id))

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        return await self._observer.call(
            "update", self._store.update(event, by=by, note=note), self._pair_of(event)
        )

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        await self._observer.call("delete", self._store.delete(event_id, by=by, note=note))

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
        return await self._observer.call(
            "list_by_invoker",
            self._store.list_by_invoker(
                invoker, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
            self._observer.pair(invoker, None),
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
        return await self._observer.call(
            "list_by_status",
            self._store.list_by_status(
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
        return await self._observer.call(
            "list_by_profile",
            self._store.list_by_profile(
                profile, limit, since=since, until=until, cursor=cursor, on_corrupt=on_corrupt
            ),
            self._observer.pair(None, profile),
        )

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._observer.call(
            "find_active_by_invoker_and_profile",
            self._store.find_active_by_invoker_and_profile(invoker, profile),
            self._observer.pair(invoker, profile),
        )

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        return await self._observer.call(
            "find_active_by_invoker_and_profiles",
            self._store.find_active_by_invoker_and_profiles(invoker, profiles),
            self._observer.pair(invoker, None),
        )

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._observer.call(
            "count_by_invoker_since",
            self._store.count_by_invoker_since(invoker, since, at_most=at_most),
            self._observer.pair(invoker, None),
        )

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        return await self._observer.call(
            "count_by_profile_since",
            self._store.count_by_profile_since(profile, since, at_most=at_most),
            self._observer.pair(None, profile),
        )

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        return await self._observer.call(
            "get_last_by_invoker_and_profile",
            self._store.get_last_by_invoker_and_profile(invoker, profile),
            self._observer.pair(invoker, profile),
        )

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        return await self._observer.call(
            "close",
            self._store.close(event_id, closed_by=closed_by, closed_reason=closed_reason),
        )

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        return await self._observer.call(
            "extend",
            self._store.extend(
                event_id, expires_at=expires_at, extended_by=extended_by, reason=reason
            ),
        )

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        return await self._observer.call(
            "review",
            self._store.review(
                event_id, reviewed_by=reviewed_by, outcome=outcome, comment=comment
            ),
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
        return await self._observer.call(
            "list_awaiting_review",
            self._store.list_awaiting_review(
                limit,
                outcome=outcome,
                since=since,
                until=until,
                cursor=cursor,
                on_corrupt=on_corrupt,
            ),
        )

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        return await self._observer.call(
            "hold", self._store.hold(event_id, held_by=held_by, reason=reason)
        )

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        return await self._observer.call(
            "release_hold",
            self._store.release_hold(event_id, released_by=released_by, reason=reason),
        )

    async def history(self, event_id: str) -> list[HistoryEntry]:
        return await self._observer.call("history", self._store.history(event_id))

    async def measure_review_debt(self, *, at_most: int = 1000) -> int:
        """Report and return how many ended events lack a final review.

        Call it now and then, for example once a minute in one program.

        Args:
            at_most: Where to stop counting: a larger debt is reported as this number.

        Raises:
            BreakGlassError: The store's `list_awaiting_review` failed; nothing is reported then.
        """
        check_at_most(at_most)
        debt = 0
        for outcome in (None, ReviewOutcome.NEEDS_FOLLOW_UP):
            cursor: str | None = None
            while debt < at_most:
                page = await self.list_awaiting_review(
                    at_most - debt, outcome=outcome, cursor=cursor, on_corrupt="skip"
                )
                debt += len(page)
                cursor = page.next_cursor
                if cursor is None:
                    break
        self._observer.owed(debt)
        return debt

    def _pair_of(self, event: BreakGlassEvent) -> About:
        # The store refuses what is no event, in its own words.
        return self._observer.pair(
            getattr(event, "invoker", None), getattr(event, "profile", None)
        )
