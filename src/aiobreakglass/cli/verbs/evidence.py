"""The verbs of auditors: export, verify, audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from aiobreakglass import (
    EventNotFoundError,
    Finding,
    ScanProgress,
    audit_table,
    export_events,
    verify_anchor,
)
from aiobreakglass._evidence.single import verify_event
from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.statuses import Status, WrongUseError
from aiobreakglass.cli.texts import shown
from aiobreakglass.cli.verbs.lists import Since, Until

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PANEL: Final = "Evidence"

CheckpointFile = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Keep the progress in this file, and go on from there the next time.",
        dir_okay=False,
    ),
]
Segments = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        metavar="NUMBER",
        help="Read so many pages side by side: faster, and dearer.",
    ),
]

_ANY_ID: Final = "0" * 16

_ABOUT_GUARDS: Final = frozenset(
    {"without guard", "guard of another event", "guard without event"}
)
"""What an audit finds besides broken histories."""


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "export", panel=PANEL, writes=False)(export)
    verb(app, "verify", panel=PANEL, writes=False)(verify)
    verb(app, "audit", panel=PANEL, writes=False)(audit)


def export(
    run: Invocation,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to put the files; made if missing.")
    ],
    since: Since = None,
    until: Until = None,
    file_format: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option("--format", case_sensitive=False, help="Only this format; otherwise both."),
    ] = None,
    what: Annotated[
        Literal["events", "history"],
        typer.Option(case_sensitive=False, help="What to export."),
    ] = "events",
    justifications: Annotated[bool, typer.Option(help="Whether to export justifications.")] = True,
    segments: Segments = 1,
) -> Status:
    """Export events or histories, with a manifest and an anchor for verify --against.

    The files appear only when all of them are complete. Ctrl-C leaves no export.
    """
    first, last = run.time_if_given("--since", since), run.time_if_given("--until", until)
    formats: Sequence[Literal["jsonl", "csv"]] = ("jsonl", "csv")
    if file_format is not None:
        formats = (file_format,)

    async def work() -> Path:
        async with run.client() as client, run.output.working("Exporting") as working:

            async def show(progress: ScanProgress) -> None:
                working.count(progress.rows, "rows")

            await refuse_foreign_table(run, client)
            return await export_events(
                client,
                run.table,
                folder,
                layout=run.settings.layout.value,
                what=what,
                formats=formats,
                justifications=justifications,
                segments=segments,
                since=first,
                until=last,
                on_progress=show,
            )

    manifest = run.run(work())
    run.output.objects([{"manifest": str(manifest)}])
    run.output.verbatim(shown(f"exported: {manifest}"))
    run.output.note("Keep the manifest where nobody who can write to the table can write.")
    return Status.DONE


def verify(
    run: Invocation,
    event_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One event; otherwise every history.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="MANIFEST",
            help="The manifest.json of an earlier export.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    checkpoint: CheckpointFile = None,
    segments: Segments = 1,
) -> Status:
    """Verify that no history was altered: status 0 if all are whole, 1 if there are findings.

    Against a manifest it also finds what was removed since.
    """
    if event_id is not None and against is not None:
        raise WrongUseError("an ID and --against are two questions: ask one")
    if checkpoint is not None and (event_id is not None or against is not None):
        raise WrongUseError("--checkpoint is for verifying every history")
    if event_id is not None:
        return _answer(run, run.run(_verify_event(run, event_id)))
    if against is not None:
        return _answer(run, run.run(_verify_anchor(run, against, segments)))
    findings = run.run(_audit(run, "verify", checkpoint, segments))
    return _answer(run, (each for each in findings if each.kind not in _ABOUT_GUARDS))


def audit(run: Invocation, checkpoint: CheckpointFile = None, segments: Segments = 1) -> Status:
    """Read every row of the table, and show what does not belong: status 1 if anything is wrong.

    Besides histories it judges guards, and finds rows that are not understood.
    """
    return _answer(run, run.run(_audit(run, "audit", checkpoint, segments)))


async def _audit(
    run: Invocation, name: str, checkpoint: Path | None, segments: int
) -> list[Finding]:
    saved = Checkpoint(checkpoint, f"{name} {run.table}")
    earlier = list(saved.findings)
    async with run.client() as client, run.output.working("Reading the table") as working:

        async def show(progress: ScanProgress) -> None:
            working.count(progress.rows, "rows")
            saved.report(progress.resume, progress.findings)

        try:
            await refuse_foreign_table(run, client)
            findings = await audit_table(
                client,
                run.table,
                layout=run.settings.layout.value,
                resume=saved.resume,
                segments=segments,
                on_progress=show,
            )
        except BaseException:
            saved.save()
            raise
    saved.remove()
    return earlier + findings


async def _verify_anchor(run: Invocation, manifest: Path, segments: int) -> list[Finding]:
    async with run.client() as client, run.output.working("Comparing") as working:

        async def show(progress: ScanProgress) -> None:
            working.count(progress.rows, "lines and rows")

        await refuse_foreign_table(run, client)
        return await verify_anchor(
            client,
            run.table,
            manifest,
            layout=run.settings.layout.value,
            segments=segments,
            on_progress=show,
        )


async def _verify_event(run: Invocation, event_id: str) -> Sequence[Finding]:
    async with run.client() as client, run.output.working("Reading"):
        return await verify_event(client, run.table, event_id, layout=run.settings.layout.value)


async def refuse_foreign_table(run: Invocation, client: DynamoDBClient) -> None:
    """Read a row by its key, which only a break-glass table has; a scan reads any table.

    Raises:
        TableError: The table is missing, or is not laid out as a break-glass table.
    """
    with suppress(EventNotFoundError):
        await verify_event(client, run.table, _ANY_ID, layout=run.settings.layout.value)


def _answer(run: Invocation, found: Iterable[Finding]) -> Status:
    """Print findings, and return the status that they deserve."""
    findings = list(found)
    run.output.findings(findings)
    return judged(run, findings)


def judged(run: Invocation, findings: Sequence[Finding]) -> Status:
    """Say how much is wrong, and return 1 if a finding is more than an explanation."""
    wrong = sum(finding.severity != "info" for finding in findings)
    if wrong:
        run.output.note(f"{wrong} {'finding' if wrong == 1 else 'findings'}")
        return Status.NO
    run.output.say("nothing is wrong", "bold green")
    return Status.DONE
