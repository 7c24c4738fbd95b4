"""In-memory stores that fail or lag behind, as DynamoDB can."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from aiobreakglass import (
    BreakGlassEvent,
    BreakGlassStatus,
    CorruptItemError,
    EventPage,
    InMemoryStore,
    StoreUnavailableError,
)


class FaultyStore(InMemoryStore):
    """A store that fails while a test wants it to."""

    failure: Exception | None = None
    """The exception that every call raises."""
    answers_get_lost = False
    """Whether writes succeed but raise as if their answer was lost."""
    corrupt: tuple[CorruptItemError, ...] = ()
    """The errors of corrupt rows that every list finds."""

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        self._fail()
        return self._lose(await super().create(event, by=by, note=note))

    async def get(self, event_id: str) -> BreakGlassEvent:
        self._fail()
        return await super().get(event_id)

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        self._fail()
        return self._lose(await super().update(event, by=by, note=note))

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        self._fail()
        return self._lose(
            await super().close(event_id, closed_by=closed_by, closed_reason=closed_reason)
        )

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        self._fail()
        return await super().find_active_by_invoker_and_profile(invoker, profile)

    async def list_by_status(
        self, status: BreakGlassStatus | str, limit: int | None = None, **bounds: Any
    ) -> EventPage:
        self._fail()
        return self._meet(await super().list_by_status(status, limit, **bounds), **bounds)

    async def list_by_invoker(
        self, invoker: str, limit: int | None = None, **bounds: Any
    ) -> EventPage:
        self._fail()
        return self._meet(await super().list_by_invoker(invoker, limit, **bounds), **bounds)

    async def list_by_profile(
        self, profile: str, limit: int | None = None, **bounds: Any
    ) -> EventPage:
        self._fail()
        return self._meet(await super().list_by_profile(profile, limit, **bounds), **bounds)

    def _meet(self, page: EventPage, *, on_corrupt: str = "raise", **_: object) -> EventPage:
        if self.corrupt and on_corrupt == "raise":
            raise self.corrupt[0]
        return replace(page, corrupt=self.corrupt)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _lose(self, event: BreakGlassEvent) -> BreakGlassEvent:
        if self.answers_get_lost:
            raise StoreUnavailableError("the connection was reset", outcome_unknown=True)
        return event


class LaggingStore(FaultyStore):
    """A store whose lists show the state at its last `catch_up`."""

    _index: tuple[BreakGlassEvent, ...] = ()

    async def catch_up(self) -> None:
        """Let the list of active events show the current state."""
        self._index = (await super().list_by_status("active", 1000)).events

    async def list_by_status(
        self,
        status: BreakGlassStatus | str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        **bounds: Any,
    ) -> EventPage:
        self._fail()
        page = EventPage(
            tuple(event for event in self._index if since is None or event.created_at >= since)
        )
        return self._meet(page, **bounds)
