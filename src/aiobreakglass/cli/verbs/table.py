"""The verbs for those who run the table: table create, verify, harden, adopt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Final

import typer

from aiobreakglass import (
    Adoption,
    Finding,
    Hardening,
    TableError,
    adopt_table,
    create_table,
    harden_table,
)
from aiobreakglass._table.definition import Definition, check_definition
from aiobreakglass._table.verify import Comparison, compare_table
from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.durations import parse_duration
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.people import checked_duration
from aiobreakglass.cli.statuses import Status
from aiobreakglass.cli.verbs import templates
from aiobreakglass.cli.verbs.evidence import CheckpointFile, judged, refuse_foreign_table
from aiobreakglass.cli.verbs.templates import (
    DeletionProtection,
    KmsKey,
    PointInTimeRecovery,
    Stream,
)

PANEL: Final = "Table"

Timeout = Annotated[str, typer.Option(metavar="DURATION", help="How long to wait for the table.")]

_PATIENCE: Final = timedelta(seconds=30)


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command, under "table"."""
    table = typer.Typer(
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    verb(table, "create", panel=PANEL)(create)
    verb(table, "verify", panel=PANEL, writes=False)(verify)
    verb(table, "harden", panel=PANEL)(harden)
    verb(table, "adopt", panel=PANEL)(adopt)
    templates.add_to(table, "As text")
    app.add_typer(
        table,
        name="table",
        help="Make the table, verify and repair it, and write it as text.",
        rich_help_panel=PANEL,
    )


def create(
    run: Invocation,
    point_in_time_recovery: PointInTimeRecovery = True,
    deletion_protection: DeletionProtection = True,
    timeout: Timeout = "5m",
) -> Status:
    """Create the table, or add what it lacks; safe to repeat."""
    longest = checked_duration(timeout, "--timeout", parse_duration)
    with _repeatable():
        run.run(_create(run, point_in_time_recovery, deletion_protection, longest))
    run.output.objects([{"table": run.table, "is_ready": True}])
    run.output.say(f"table {run.table} is ready")
    return Status.DONE


def verify(
    run: Invocation,
    point_in_time_recovery: PointInTimeRecovery = True,
    deletion_protection: DeletionProtection = True,
    kms_key: KmsKey = None,
    stream: Stream = None,
) -> Status:
    """Compare the table with what it should be: status 0 if nothing is wrong, 1 with findings.

    It shows how to fix each difference, reads no rows and changes nothing. For the rows there is
    audit. A table that is missing, or that is not one of ours, is status 2.
    """

    async def work() -> Comparison:
        definition: Definition = check_definition(
            run.table,
            run.settings.layout.value,
            point_in_time_recovery=point_in_time_recovery,
            deletion_protection=deletion_protection,
            kms_key=kms_key,
            stream=stream,
        )
        async with run.client() as client, run.output.working("Looking at the table"):
            return await compare_table(client, definition, _PATIENCE)

    comparison = run.run(work())
    run.output.differences(comparison.findings)
    if not comparison.is_ours:
        raise TableError(f"table {run.table!r} is not laid out as a break-glass table")
    return judged(run, comparison.findings)


def harden(
    run: Invocation,
    point_in_time_recovery: PointInTimeRecovery = True,
    deletion_protection: DeletionProtection = True,
    kms_key: KmsKey = None,
    stream: Stream = None,
    time_to_live: Annotated[
        bool,
        typer.Option(
            "--time-to-live",
            help="Turn on TTL too: DynamoDB then deletes the rows whose retention has ended.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be repaired, and change nothing.")
    ] = False,
    is_agreed: Annotated[bool, typer.Option("--yes", help="Repair without asking.")] = False,
    timeout: Timeout = "5m",
) -> Status:
    """Repair what table verify finds, where that takes nothing away; safe to repeat.

    On a terminal it shows what it would repair, and asks. Each repair is one request, and is shown
    when it is in effect. Status 1 means that something is left that needs a decision.
    """
    longest = checked_duration(timeout, "--timeout", parse_duration)

    async def work(*, dry_run: bool) -> Hardening:
        what = "Looking at the table" if dry_run else "Repairing"
        async with run.client() as client, run.output.working(what) as working:

            async def show(finding: Finding) -> None:
                with working.out_of_the_way():
                    run.output.objects([{"outcome": "repaired", **asdict(finding)}])
                    run.output.say(f"repaired: {finding.subject}: {finding.kind}", "green")

            return await harden_table(
                client,
                run.table,
                layout=run.settings.layout.value,
                point_in_time_recovery=point_in_time_recovery,
                deletion_protection=deletion_protection,
                time_to_live=time_to_live,
                kms_key=kms_key,
                stream=stream,
                dry_run=dry_run,
                on_repaired=show,
                timeout=longest,
            )

    if dry_run or (run.questions.is_attended and not is_agreed):
        plan = run.run(work(dry_run=True))
        run.output.differences(plan.repaired, "planned")
        if dry_run:
            run.output.differences(plan.left, "left")
            return judged(run, [*plan.repaired, *plan.left])
        if plan.repaired and not run.questions.agree("Repair this?"):
            run.output.note("Nothing was changed.")
            return Status.NO
    with _repeatable():
        hardening = run.run(work(dry_run=False))
    run.output.differences(hardening.left, "left")
    return judged(run, hardening.left)


def adopt(run: Invocation, checkpoint: CheckpointFile = None) -> Status:
    """Give events from before histories existed their first entry; safe to repeat.

    Upgrade every writer of the table first.
    """
    with _repeatable():
        adoption = run.run(_adopt(run, Checkpoint(checkpoint, f"adopt {run.table}")))
    run.output.objects([{"adopted": adoption.adopted, "skipped": adoption.skipped}])
    run.output.say(f"{adoption.adopted} events adopted, {adoption.skipped} rows skipped")
    if adoption.skipped:
        run.output.note("aiobreakglass audit names the rows that were skipped.")
    return Status.DONE


@contextmanager
def _repeatable() -> Iterator[None]:
    """Say after an interruption that the same command goes on."""
    try:
        yield
    except BaseException as error:
        error.add_note("Repeat the command: it goes on with what is left.")
        raise


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
            await refuse_foreign_table(run, client)
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
