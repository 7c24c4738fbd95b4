"""The verbs of auditors: export, verify, audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
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
from aiobreakglass._evidence.unfinished import UNFINISHED
from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.statuses import Status, WrongUseError, advise
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

_Read = Callable[..., Awaitable[list[Finding]]]
"""Reads a table, given a client, `resume` and `on_progress`; returns the findings that count."""

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

    The files appear only when all of them are complete. After an interruption, repeat the command
    with the same folder and options: it goes on from there.
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
                resumable=True,
            )

    unfinished = folder / UNFINISHED
    how = f"with the same folder and options{_exactly(first, last)}"
    with _continued(unfinished.is_file, how):
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
    if event_id is not None:
        if checkpoint is not None:
            raise WrongUseError("--checkpoint is for verifying every history")
        findings = run.run(_verify_event(run, event_id))
        run.output.findings(findings)
        return judged(run, findings)
    if against is None:
        saved = Checkpoint(checkpoint, f"verify {run.table}")
        return _read_all(run, saved, "rows", segments, audit_table, left_out=_ABOUT_GUARDS)
    saved = Checkpoint(checkpoint, f"verify {run.table} against an anchor")
    compare = partial(verify_anchor, manifest=against)
    return _read_all(run, saved, "lines and rows", segments, compare)


def audit(run: Invocation, checkpoint: CheckpointFile = None, segments: Segments = 1) -> Status:
    """Read every row of the table, and show what does not belong: status 1 if anything is wrong.

    Besides histories it judges guards, and finds rows that are not understood.
    """
    saved = Checkpoint(checkpoint, f"audit {run.table}")
    return _read_all(run, saved, "rows", segments, audit_table)


def judged(run: Invocation, findings: Iterable[Finding]) -> Status:
    """Say how much is wrong, and return 1 if a finding is more than an explanation."""
    return _status(run, _wrong(findings))


def _read_all(
    run: Invocation,
    saved: Checkpoint,
    unit: str,
    segments: int,
    function: _Read,
    left_out: Collection[str] = (),
) -> Status:
    """Read the whole table, print each finding when it is found, and return the status.

    Args:
        run: The run of the command.
        saved: How far an earlier run has come.
        unit: What is counted while it lasts.
        segments: How many pages are read side by side.
        function: The library's function that reads the table.
        left_out: The kinds of findings that this verb is not about.
    """
    read = partial(
        function,
        name=run.table,
        layout=run.settings.layout.value,
        segments=segments,
        keep_findings=False,
    )
    if saved.wrong:
        run.output.note(f"Before the interruption: {_number(saved.wrong)}.")
    with _continued(lambda: saved.is_kept, "with the same --checkpoint"):
        return _status(run, run.run(_wrong_of_all(run, saved, unit, read, left_out)))


async def _wrong_of_all(
    run: Invocation, saved: Checkpoint, unit: str, read: _Read, left_out: Collection[str]
) -> int:
    wrong = saved.wrong
    async with run.client() as client, run.output.working("Reading the table") as working:

        def show(findings: Iterable[Finding]) -> None:
            nonlocal wrong
            asked_for = [finding for finding in findings if finding.kind not in left_out]
            wrong += _wrong(asked_for)
            if asked_for:
                with working.out_of_the_way():
                    run.output.findings(asked_for)

        async def report(progress: ScanProgress) -> None:
            working.count(progress.rows, unit)
            # Before it is saved, so that an interruption in between repeats a finding, and never
            # loses one.
            show(progress.findings)
            saved.report(progress.resume, wrong)

        try:
            await refuse_foreign_table(run, client)
            show(await read(client, resume=saved.resume, on_progress=report))
        except BaseException:
            saved.save()
            raise
    saved.remove()
    return wrong


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


def _exactly(first: datetime | None, last: datetime | None) -> str:
    """Return the times to repeat an export with: "24h" would mean another time then."""
    times = {"--since": first, "--until": last}
    spelled = [
        # In one word, which is easy to copy.
        f"{option} {instant.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"
        for option, instant in times.items()
        if instant is not None
    ]
    return f", with {' '.join(spelled)}" if spelled else ""


@contextmanager
def _continued(is_kept: Callable[[], bool], how: str) -> Iterator[None]:
    """Say after an interruption how to go on, if there is something to go on with."""
    try:
        yield
    except BaseException as error:
        if is_kept():
            advise(error, f"Repeat the command {how}: it goes on from there.")
        raise


def _wrong(findings: Iterable[Finding]) -> int:
    return sum(finding.severity != "info" for finding in findings)


def _status(run: Invocation, wrong: int) -> Status:
    if wrong:
        run.output.note(_number(wrong))
        return Status.NO
    run.output.say("nothing is wrong", "bold green")
    return Status.DONE


def _number(wrong: int) -> str:
    return f"{wrong} {'finding' if wrong == 1 else 'findings'}"
