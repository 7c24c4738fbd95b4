"""The verbs of reviewers and of counsel: review, hold, release."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from aiobreakglass import BreakGlassEvent, ReviewOutcome
from aiobreakglass._domain.fields import valid_name, valid_reason
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.events import event_object
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.statuses import Status
from aiobreakglass.cli.verbs.access import By, EventId, Reason

PANEL: Final = "Review and hold"


class Outcome(StrEnum):
    """The outcomes of a review, spelled as options are."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    NEEDS_FOLLOW_UP = "needs-follow-up"


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "review", panel=PANEL)(review)
    verb(app, "hold", panel=PANEL)(hold)
    verb(app, "release", panel=PANEL)(release)


def review(
    run: Invocation,
    event_id: EventId,
    by: By = None,
    outcome: Annotated[
        Outcome | None, typer.Option(case_sensitive=False, help="What the reviewer decided.")
    ] = None,
    comment: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; - reads standard input.")
    ] = None,
) -> Status:
    """Record what a reviewer decided about an ended event; never its own invoker."""
    by = run.person(by, "--by", "Who reviews it?", valid_name)
    decided = outcome or Outcome(
        run.questions.text(None, "--outcome", f"The outcome ({', '.join(Outcome)})?", _outcome)
    )
    why = run.questions.long_text(comment, "--comment", "Why?", valid_reason)
    event = run.run(_review(run, event_id, by, ReviewOutcome(decided.replace("-", "_")), why))
    run.output.objects([event_object(event, run.now())])
    run.output.say(f"reviewed by {by}: {decided}")
    return Status.DONE


def hold(run: Invocation, event_id: EventId, by: By = None, reason: Reason = None) -> Status:
    """Put an event under a legal hold: nothing deletes it until the hold is released."""
    by = run.person(by, "--by", "Who holds it?", valid_name)
    why = run.questions.long_text(reason, "--reason", "Why is it held?", valid_reason)
    event = run.run(_hold(run, event_id, by, why))
    run.output.objects([event_object(event, run.now())])
    run.output.say(f"held by {by}: no retention removes event {event.id}")
    return Status.DONE


def release(run: Invocation, event_id: EventId, by: By = None, reason: Reason = None) -> Status:
    """End the legal hold of an event."""
    by = run.person(by, "--by", "Who releases it?", valid_name)
    why = run.questions.long_text(reason, "--reason", "Why is it released?", valid_reason)
    event = run.run(_release(run, event_id, by, why))
    run.output.objects([event_object(event, run.now())])
    run.output.say(f"released by {by}: event {event.id} has its retention again")
    return Status.DONE


async def _review(
    run: Invocation, event_id: str, by: str, outcome: ReviewOutcome, why: str
) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Reviewing"):
        return await store.review(event_id, reviewed_by=by, outcome=outcome, comment=why)


async def _hold(run: Invocation, event_id: str, by: str, why: str) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Holding"):
        return await store.hold(event_id, held_by=by, reason=why)


async def _release(run: Invocation, event_id: str, by: str, why: str) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Releasing"):
        return await store.release_hold(event_id, released_by=by, reason=why)


def _outcome(text: str) -> None:
    if text not in tuple(Outcome):
        raise ValueError(f"must be one of {', '.join(Outcome)}")
