"""Your own store: a wrapper that reports each successful write of another store."""

from __future__ import annotations

from collections.abc import Callable

from aiobreakglass import BreakGlassEvent, BreakGlassStore


class AuditedStore:
    """Wraps any store, and calls `report(what, event_id)` after each write."""

    def __init__(self, store: BreakGlassStore, report: Callable[[str, str], None]) -> None:
        self._store = store
        self._report = report
        self.get = store.get
        self.list_by_invoker = store.list_by_invoker
        self.list_by_status = store.list_by_status
        self.list_by_profile = store.list_by_profile
        self.find_active_by_invoker_and_profile = store.find_active_by_invoker_and_profile
        self.find_active_by_invoker_and_profiles = store.find_active_by_invoker_and_profiles
        self.count_by_invoker_since = store.count_by_invoker_since
        self.count_by_profile_since = store.count_by_profile_since
        self.get_last_by_invoker_and_profile = store.get_last_by_invoker_and_profile

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        created = await self._store.create(event, by=by, note=note)
        self._report("created", created.id)
        return created

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        updated = await self._store.update(event, by=by, note=note)
        self._report("updated", updated.id)
        return updated

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        await self._store.delete(event_id, by=by, note=note)
        self._report("deleted", event_id)

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        closed = await self._store.close(
            event_id, closed_by=closed_by, closed_reason=closed_reason
        )
        self._report("closed", closed.id)
        return closed
