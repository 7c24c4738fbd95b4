"""The verbs around access itself: open, check, extend, close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from aiobreakglass import BreakGlassEvent, ReasonCode
from aiobreakglass._domain.fields import Justification, valid_event_id, valid_name, valid_reason
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.durations import parse_duration, rough_duration, spelled_duration
from aiobreakglass.cli.events import event_object
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.people import checked_duration
from aiobreakglass.cli.statuses import Status, WrongUseError, note_event
from aiobreakglass.cli.times import spelled_time

PANEL: Final = "Access"

By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does it; otherwise your identity by STS."),
]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; - reads standard input.")
]

_JUSTIFICATION: Final[TypeAdapter[str]] = TypeAdapter(Justification)


def _event_id(text: str) -> str:
    try:
        return valid_event_id(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


EventId = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the event.", callback=_event_id)
]


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "open", panel=PANEL)(open_access)
    verb(app, "check", panel=PANEL, writes=False)(check)
    verb(app, "extend", panel=PANEL)(extend)
    verb(app, "close", panel=PANEL)(close)


def open_access(
    run: Invocation,
    profile: Annotated[
        str | None, typer.Argument(metavar="PROFILE", help="The profile to open.")
    ] = None,
    invoker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who will hold the access; otherwise your identity by STS."
        ),
    ] = None,
    reason_code: Annotated[
        ReasonCode | None, typer.Option(case_sensitive=False, help="The kind of reason.")
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Why, in 20 to 1000 characters; - reads standard input."
        ),
    ] = None,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, such as 1h30m.")
    ] = "1h",
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A fact to keep, such as ticket=INC-4711."),
    ] = None,
    request_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The request to find in CloudTrail.")
    ] = None,
) -> Status:
    """Open emergency access: one active event for one person and one profile.

    On a terminal it asks for what is missing. It prints who is recorded before it writes.
    """
    questions = run.questions
    length = checked_duration(duration, "--for", parse_duration)
    labels = _labels(label or ())
    _check_options(length, labels, request_id)
    profile = questions.text(profile, "PROFILE", "Which profile?", valid_name)
    invoker = run.person(invoker, "--invoker", "Who will hold the access?", valid_name)
    code = reason_code or ReasonCode(
        questions.text(
            None, "--reason-code", f"What kind of reason ({', '.join(ReasonCode)})?", _reason_code
        )
    )
    why = questions.long_text(
        justification, "--justification", "Why (20 to 1000 characters)?", _justification
    )
    event = BreakGlassEvent(
        invoker=invoker,
        profile=profile,
        reason_code=code,
        justification=why,
        duration=length,
        labels=labels,
        request_id=request_id,
    )
    run.output.note(f"Recording that {invoker} opens {profile} for {spelled_duration(length)}.")
    try:
        stored = run.run(_open(run, event))
        run.output.objects([event_object(stored, run.now())])
        run.output.say(_granted(run, stored), "bold green")
        run.output.say(f"event {stored.id}")
    except BaseException as error:
        # Shown if nobody can know whether it was written.
        note_event(error, event.id)
        raise
    return Status.DONE


def check(
    run: Invocation,
    invoker: Annotated[str, typer.Argument(metavar="INVOKER", help="The person.")],
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="The profile.")],
) -> Status:
    """Answer whether a person holds access to a profile right now: status 0 yes, 1 no.

    Status 3 means that it could not be told. It never means no.
    """
    event = run.run(_check(run, invoker, profile))
    now = run.now()
    if event is None or not event.is_active(now):
        run.output.objects([{"access": False}])
        run.output.say(f"no: {invoker} does not hold {profile}", "bold red")
        return Status.NO
    run.output.objects([{"access": True, "event": event_object(event, now)}])
    run.output.say(f"yes: {_granted(run, event)}", "bold green")
    run.output.say(f"event {event.id}")
    return Status.DONE


def extend(
    run: Invocation,
    event_id: EventId,
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="How much longer, such as 30m."),
    ] = None,
    by: By = None,
    reason: Reason = None,
) -> Status:
    """Move the end of active access later."""
    questions = run.questions
    text = questions.text(duration, "--for", "How much longer?", parse_duration)
    by = run.person(by, "--by", "Who extends it?", valid_name)
    why = questions.long_text(reason, "--reason", "Why?", valid_reason)
    event = run.run(_extend(run, event_id, parse_duration(text), by, why))
    run.output.objects([event_object(event, run.now())])
    run.output.say(f"extended by {by}: {_granted(run, event)}", "bold green")
    return Status.DONE


def close(
    run: Invocation,
    event_id: EventId,
    closed_by: Annotated[
        str | None,
        typer.Option(
            "--closed-by",
            "--by",
            metavar="NAME",
            help="Who closes it; otherwise your identity by STS.",
        ),
    ] = None,
    reason: Reason = None,
) -> Status:
    """End access before its time."""
    by = run.person(closed_by, "--closed-by", "Who closes it?", valid_name)
    why = run.questions.long_text(reason, "--reason", "Why is it closed?", valid_reason)
    event = run.run(_close(run, event_id, by, why))
    run.output.objects([event_object(event, run.now())])
    run.output.say(f"closed by {by}: {event.invoker} no longer holds {event.profile}")
    return Status.DONE


async def _open(run: Invocation, event: BreakGlassEvent) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Opening"):
        return await store.create(event)


async def _check(run: Invocation, invoker: str, profile: str) -> BreakGlassEvent | None:
    async with run.store() as store, run.output.working("Asking"):
        return await store.find_active_by_invoker_and_profile(invoker, profile)


async def _extend(
    run: Invocation, event_id: str, longer: timedelta, by: str, why: str
) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Extending"):
        event = await store.get(event_id)
        try:
            later = event.expires_at + longer
        except OverflowError as error:
            raise ValueError("--for must be shorter") from error
        return await store.extend(event_id, expires_at=later, extended_by=by, reason=why)


async def _close(run: Invocation, event_id: str, by: str, why: str) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Closing"):
        return await store.close(event_id, closed_by=by, closed_reason=why)


def _granted(run: Invocation, event: BreakGlassEvent) -> str:
    until = spelled_time(event.expires_at, run.output.zone)
    left = rough_duration(event.remaining(run.now()))
    return f"{event.invoker} holds {event.profile} until {until} ({left} left)"


def _check_options(duration: timedelta, labels: dict[str, str], request_id: str | None) -> None:
    """Find a mistake before a person has answered questions."""
    BreakGlassEvent(
        invoker="anybody",
        profile="any",
        reason_code=ReasonCode.OTHER,
        justification="This event is never stored.",
        duration=duration,
        labels=labels,
        request_id=request_id,
    )


def _labels(texts: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise WrongUseError(f"--label must be KEY=VALUE, and {text!r} has no =")
        if key in labels:
            raise WrongUseError(f"--label {key!r} is given twice")
        labels[key] = value
    return labels


def _reason_code(text: str) -> None:
    if text not in tuple(ReasonCode):
        raise ValueError(f"must be one of {', '.join(ReasonCode)}")


def _justification(text: str) -> None:
    try:
        _JUSTIFICATION.validate_python(text)
    except ValidationError as error:
        (mistake,) = error.errors(include_input=False, include_url=False)
        raise ValueError(mistake["msg"].removeprefix("Value error, ")) from None
