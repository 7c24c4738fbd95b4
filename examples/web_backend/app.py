"""The application.

README.md shows how to run it. Its settings are environment variables; settings.py defines them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, GovernedStore, run_expiry

from . import authentication, events, limits, oversight, stream
from .changes import Changes, utc_now
from .edge import MAX_BODY, Application, handle_long_bodies
from .policy import LIMITS, LimitsFor
from .problems import DOCUMENTED, handle_problems
from .settings import Settings, naming_variables
from .shutdown import on_stop

PAGE = Path(__file__).parent / "page"

logger = logging.getLogger("web_backend")

OpenStore = Callable[[Settings], AbstractAsyncContextManager[GovernedStore]]


@asynccontextmanager
async def open_dynamodb(
    settings: Settings, *, rules: LimitsFor = LIMITS, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[GovernedStore]:
    """Open the store of a deployment."""
    async with AsyncDynamoDBStore.open(
        settings.table_name,
        region_name=settings.region_name,
        endpoint_url=settings.endpoint_url,
        cursor_key=settings.cursor_key.get_secret_value(),
        limits=rules,
        clock=clock,
    ) as store:
        yield store


def create_app(
    settings: Settings | None = None,
    *,
    open_store: OpenStore = open_dynamodb,
    rules: LimitsFor = LIMITS,
) -> FastAPI:
    """Make the application, by default with settings from the environment and on DynamoDB.

    `rules` are the rules that the store enforces; the application shows them.
    """
    with naming_variables():
        # The values come from the environment, which the type checker does not see.
        in_force = Settings() if settings is None else settings  # type: ignore[call-arg]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_store(in_force) as store:
            changes = Changes(store, interval=in_force.poll_interval)
            app.state.store, app.state.changes = store, changes
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(changes.follow())]
                if (interval := in_force.expiry_interval) is not None:
                    running.append(tasks.create_task(keep_expiring(store, changes, interval)))
                with on_stop(changes.end):
                    yield
                changes.end()
                for task in running:
                    task.cancel()

    app = Application(
        title="Emergency access",
        lifespan=lifespan,
        max_body_size=MAX_BODY,
        # A redirect would lead to the host that the request names.
        redirect_slashes=False,
        # These pages load scripts from other sites. The description is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.limits = in_force, rules
    handle_problems(app)
    handle_long_bodies(app)
    api = APIRouter(prefix="/api", responses=DOCUMENTED)
    api.include_router(events.router)
    api.include_router(limits.router)
    api.include_router(oversight.router)
    api.include_router(stream.router)
    app.include_router(api)
    if in_force.demo_sign_in:
        app.include_router(authentication.demo_router)
    app.add_api_route("/", page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/health", health, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return app


async def page() -> FileResponse:
    return FileResponse(PAGE / "index.html")


async def health() -> str:
    """Say that this process answers. The table is not checked: a restart cannot repair it."""
    return "ok"


async def keep_expiring(store: GovernedStore, changes: Changes, interval: timedelta) -> NoReturn:
    """Mark lapsed events expired. A failure here must not end the checks, which do not need it."""

    async def publish(event: BreakGlassEvent) -> None:
        changes.publish(event)

    while True:
        try:
            await run_expiry(store, interval=interval, on_expired=publish)
        except Exception:
            # If this task ended, the task group would close the store.
            logger.exception("lapsed events are not marked for now")
            await asyncio.sleep(interval.total_seconds())
