"""The verbs of whoever runs the table: table create, table adopt."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

import typer

from aiobreakglass import Adoption, adopt_table, create_table
from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.durations import parse_duration
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.people import checked_duration
from aiobreakglass.cli.statuses import Status
from aiobreakglass.cli.verbs.evidence import CheckpointFile

PANEL: Final = "Table"


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command, under "table"."""
    table = typer.Typer(
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    verb(table, "create", panel=PANEL)(create)
    verb(table, "adopt", panel=PANEL)(adopt)
    app.add_typer(
        table, name="table", help="Make the table, and adopt what is in it.", rich_help_panel=PANEL
    )


def create(
    run: Invocation,
    point_in_time_recovery: Annotated[
        bool, typer.Option(help="Whether to turn on point-in-time recovery.")
    ] = True,
    deletion_protection: Annotated[
        bool, typer.Option(help="Whether to turn on deletion protection.")
    ] = True,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait for the table.")
    ] = "5m",
) -> Status:
    """Create the table, or add what it lacks; safe to repeat."""
    longest = checked_duration(timeout, "--timeout", parse_duration)
    run.run(_create(run, point_in_time_recovery, deletion_protection, longest))
    run.output.objects([{"table": run.table, "is_ready": True}])
    run.output.say(f"table {run.table} is ready")
    return Status.DONE


def adopt(run: Invocation, checkpoint: CheckpointFile = None) -> Status:
    """Give events from before histories existed their first entry; safe to repeat.

    Upgrade every writer of the table first.
    """
    adoption = run.run(_adopt(run, Checkpoint(checkpoint, f"adopt {run.table}")))
    run.output.objects([{"adopted": adoption.adopted, "skipped": adoption.skipped}])
    run.output.say(f"{adoption.adopted} events adopted, {adoption.skipped} rows skipped")
    if adoption.skipped:
        run.output.note("aiobreakglass audit names the rows that were skipped.")
    return Status.DONE


async def _create(run: Invocation, recovery: bool, protection: bool, longest: timedelta) -> None:
    async with run.client() as client, run.output.working("Waiting for the table"):
        await create_table(
            client,
            run.table,
            layout=run.settings.layout.value,
            point_in_time_recovery=recovery,
            deletion_protection=protection,
            timeout=longest,
        )


async def _adopt(run: Invocation, saved: Checkpoint) -> Adoption:
    async with run.client() as client, run.output.working("Adopting") as working:

        async def show(progress: Adoption) -> None:
            working.count(progress.adopted, "events adopted")
            saved.report(progress.resume)

        try:
            adoption = await adopt_table(
                client,
                run.table,
                layout=run.settings.layout.value,
                retention=run.settings.retention.value,
                resume=saved.resume,
                on_progress=show,
            )
        except BaseException:
            saved.save()
            raise
    saved.remove()
    return adoption
