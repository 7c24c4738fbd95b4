"""The code under test: a service that lets people run commands only while they hold access."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiobreakglass import ActiveEventExistsError, BreakGlassEvent, BreakGlassStore, ReasonCode


@dataclass(frozen=True)
class Doorman:
    store: BreakGlassStore
    clock: Callable[[], datetime]

    async def may_run(self, person: str, profile: str) -> bool:
        return await self.store.find_active_by_invoker_and_profile(person, profile) is not None

    async def ensure_access(self, person: str, profile: str, why: str) -> BreakGlassEvent:
        """Return the access that this person holds, or open new access."""
        try:
            return await self.store.create(self.request(person, profile, why))
        except ActiveEventExistsError as refusal:
            return refusal.event

    def request(self, person: str, profile: str, why: str) -> BreakGlassEvent:
        return BreakGlassEvent(
            invoker=person,
            profile=profile,
            reason_code=ReasonCode.INCIDENT,
            justification=why,
            created_at=self.clock(),
        )
