"""Dependencies that give handlers what the lifespan opened."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from aiobreakglass import GovernedStore

from .changes import Changes
from .policy import LimitsFor
from .settings import Settings


async def opened_store(request: Request) -> GovernedStore:
    return cast("GovernedStore", request.app.state.store)


async def followed_changes(request: Request) -> Changes:
    return cast("Changes", request.app.state.changes)


async def settings_in_force(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def rules_in_force(request: Request) -> LimitsFor:
    return cast("LimitsFor", request.app.state.limits)


Store = Annotated[GovernedStore, Depends(opened_store)]
Feed = Annotated[Changes, Depends(followed_changes)]
InForce = Annotated[Settings, Depends(settings_in_force)]
Rules = Annotated[LimitsFor, Depends(rules_in_force)]
