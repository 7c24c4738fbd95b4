"""The verb that marks what has run out: expire."""

from __future__ import annotations

from typing import Final

import typer

from aiobreakglass import BreakGlassEvent, ExpiryError, expire_due
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.statuses import Status

PANEL: Final = "Table"


def add_to(app: typer.Typer) -> None:
    """Add this verb to the command."""
    verb(app, "expire", panel=PANEL)(expire)


def expire(run: Invocation) -> Status:
    """Mark every event that has run out; such events grant nothing, marked or not."""
    try:
        expired = run.run(_expire(run))
    except ExpiryError as error:
        run.output.events(error.expired, run.now())
        raise
    run.output.events(expired, run.now())
    if not expired:
        run.output.note("Nothing has run out.")
    return Status.DONE


async def _expire(run: Invocation) -> list[BreakGlassEvent]:
    async with run.store() as store, run.output.working("Marking"):
        return await expire_due(store)
