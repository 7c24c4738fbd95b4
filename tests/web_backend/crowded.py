"""The application with so many active events that a snapshot fills every buffer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import web_backend.app
from fastapi import FastAPI
from web_backend.settings import Settings

from aiobreakglass import GovernedStore, InMemoryStore
from aiobreakglass.testing import make_event

from .conftest import SETTINGS


async def crowd(store: GovernedStore) -> None:
    for number in range(2000):
        # Each character has four bytes: eight megabytes in total.
        event = make_event(invoker=f"person-{number}", justification="\N{FIRE}" * 1000)
        await store.create(event)


@asynccontextmanager
async def open_crowded(settings: Settings) -> AsyncIterator[GovernedStore]:
    store = InMemoryStore(cursor_key=settings.cursor_key.get_secret_value())
    await crowd(store)
    yield store


def create_app() -> FastAPI:
    return web_backend.app.create_app(SETTINGS, open_store=open_crowded)
