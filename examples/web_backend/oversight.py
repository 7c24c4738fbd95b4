"""What happens after access: reviews, legal holds, the history of an event, and who held what.

Only reviewers review, hold and release. The store refuses a review by the invoker of the event.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from aiobreakglass import (
    BreakGlassEvent,
    ConcurrentModificationError,
    EventHeldError,
    EventNotFoundError,
    GovernedStore,
    HistoryEntry,
    InvalidStateTransitionError,
    ReviewRefusedError,
    access_at,
    verify_history,
)

from .authentication import Person, SignedIn
from .dependencies import Feed, Store
from .events import check_reviewer, shown, shown_page
from .models import (
    Entry,
    Event,
    EventId,
    Finding,
    Held,
    History,
    Holding,
    Instant,
    Page,
    Queue,
    Releasing,
    Reviewing,
)
from .problems import ProblemError, refusing_values

READINGS: Final = 3
"""How often to read an event and its history until they are of one moment."""

router = APIRouter()


@router.get("/reviews")
async def list_awaiting_review(
    queue: Annotated[Queue, Query()], person: SignedIn, store: Store
) -> Page:
    """List the ended events that wait for a review, oldest first; eventually consistent."""
    check_reviewer(person)
    with refusing_values("query"):
        page = await store.list_awaiting_review(
            queue.limit, outcome=queue.outcome, cursor=queue.cursor, on_corrupt="skip"
        )
    return shown_page(page)


@router.post("/events/{event_id}/review")
async def review_event(
    event_id: EventId,
    reviewing: Reviewing,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
) -> Event:
    """Decide about an ended event of somebody else.

    A repeat is safe: if the event has this review already, the answer is the event.
    """
    check_reviewer(person)
    with refusing_values("path"):
        event = await store.get(event_id)
    if _is_reviewed_so(event, person, reviewing):
        return shown(event, response)
    has_read = "reviewed_at" in reviewing.model_fields_set
    if has_read and _needs_decision(event) and event.reviewed_at != reviewing.reviewed_at:
        raise ConcurrentModificationError(event_id, event)
    with refusing_values():
        try:
            stored = await store.review(
                event_id,
                reviewed_by=person.name,
                outcome=reviewing.outcome,
                comment=reviewing.comment,
            )
        except ReviewRefusedError as error:
            # The first attempt may have landed since the event was read.
            if not _is_reviewed_so(error.event, person, reviewing):
                raise
            stored = error.event
    feed.publish(stored)
    return shown(stored, response)


@router.post("/events/{event_id}/hold")
async def hold_event(
    event_id: EventId,
    holding: Holding,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
) -> Event:
    """Put an event under a legal hold. A repeat is safe, and completes the first attempt."""
    check_reviewer(person)
    with refusing_values():
        try:
            stored = await store.hold(event_id, held_by=person.name, reason=holding.reason)
        except EventHeldError as error:
            stored = _held_before(error, person.name, holding.reason)
    feed.publish(stored)
    return shown(stored, response)


@router.post("/events/{event_id}/release")
async def release_event(
    event_id: EventId,
    releasing: Releasing,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
) -> Event:
    """End the legal hold of an event.

    A repeat is safe if it names the hold by its `held_at`: it is refused as not held, or as held
    by the hold that is on now.
    """
    check_reviewer(person)
    if releasing.held_at is not None:
        with refusing_values("path"):
            event = await _get(store, event_id)
        if event is not None and event.held_at not in (None, releasing.held_at):
            raise EventHeldError(event)
    with refusing_values():
        try:
            stored = await store.release_hold(
                event_id, released_by=person.name, reason=releasing.reason
            )
        except InvalidStateTransitionError:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "event-not-held",
                "The event is not held",
                "There is no hold to release.",
                event_id=event_id,
            ) from None
    feed.publish(stored)
    return shown(stored, response)


@router.get("/events/{event_id}/history")
async def read_history(event_id: EventId, _: SignedIn, store: Store) -> History:
    """Return each change of an event, also of a deleted one, and whether the chain is whole."""
    with refusing_values("path"):
        event, entries = await _of_one_moment(store, event_id)
    return History(
        entries=[Entry.model_validate(entry) for entry in entries],
        findings=[Finding.model_validate(each) for each in verify_history(entries, event)],
    )


@router.get("/holders")
async def who_held_access(instant: Annotated[Instant, Query()], _: SignedIn, store: Store) -> Held:
    """Return the events that granted access at an instant of the past, newest first.

    Deleted events are missing, and for a moment events that have changed just now.
    """
    with refusing_values("query"):
        events = await access_at(
            store, instant.at, profile=instant.profile, invoker=instant.invoker
        )
    return Held(events=[Event.model_validate(event) for event in events])


def _is_reviewed_so(event: BreakGlassEvent, person: Person, reviewing: Reviewing) -> bool:
    """Return whether an event has this review already."""
    sent = (person.name, reviewing.outcome, reviewing.comment.strip())
    return (event.reviewed_by, event.review_outcome, event.review_comment) == sent


def _needs_decision(event: BreakGlassEvent) -> bool:
    """Return whether an event has no final review; a final one has a refusal of its own."""
    return event.review_outcome is None or not event.review_outcome.is_final


def _held_before(error: EventHeldError, name: str, reason: str) -> BreakGlassEvent:
    """Return the event if an earlier attempt of the same request holds it, or raise."""
    if (error.event.held_by, error.event.held_reason) != (name, reason.strip()):
        raise error
    return error.event


async def _of_one_moment(
    store: GovernedStore, event_id: str
) -> tuple[BreakGlassEvent | None, list[HistoryEntry]]:
    """Return an event and its history, without a change between the two reads if possible."""
    event = await _get(store, event_id)
    entries = await store.history(event_id)
    for _ in range(READINGS - 1):
        if (again := await _get(store, event_id)) == event:
            break
        event, entries = again, await store.history(event_id)
    return event, entries


async def _get(store: GovernedStore, event_id: str) -> BreakGlassEvent | None:
    try:
        return await store.get(event_id)
    except EventNotFoundError:
        return None
