"""The operations on events. The person comes from the authentication, never from the request."""

from __future__ import annotations

import logging
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypedDict

from fastapi import APIRouter, Header, Query, Response

from aiobreakglass import (
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    EventExistsError,
    EventNotFoundError,
    EventPage,
)

from .authentication import Person, SignedIn
from .dependencies import Feed, Store
from .models import Access, Change, Closing, Event, EventId, Listing, Me, Name, Opening, Page, etag
from .problems import ProblemError, refusing_values

logger = logging.getLogger("web_backend")

router = APIRouter()


class Bounds(TypedDict):
    """The arguments of a list besides its key and its limit."""

    since: datetime | None
    until: datetime | None
    cursor: str | None
    on_corrupt: Literal["skip"]


@router.get("/me")
async def me(person: SignedIn) -> Me:
    """Return who is signed in, and which profiles they may open."""
    return Me(name=person.name, is_reviewer=person.is_reviewer, profiles=sorted(person.profiles))


@router.get("/access")
async def am_i_allowed(profile: Name, person: SignedIn, store: Store) -> Access:
    """Return whether this person holds access to a profile right now; strongly consistent."""
    with refusing_values("query"):
        event = await store.find_active_by_invoker_and_profile(person.name, profile)
    if event is None:
        return Access(allowed=False)
    return Access(allowed=True, event_id=event.id, expires_at=event.expires_at)


@router.post(
    "/events",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK: {"model": Event, "description": "It was open already"}},
)
async def open_access(
    opening: Opening, person: SignedIn, store: Store, feed: Feed, response: Response
) -> Event:
    """Open access for the signed-in person.

    Choose the `id` yourself. If the outcome of a request is unknown, repeat the same request: if
    the first one opened access, the answer is its event, with status 200.
    """
    check_profile(person, opening.profile)
    with refusing_values():
        event = new_event(person, **opening.model_dump(exclude_none=True))
        try:
            stored = await store.create(event)
        except EventExistsError as error:
            stored = await _opened_before(store, event, error)
            response.status_code = HTTPStatus.OK
    feed.publish(stored)
    return shown(stored, response)


@router.get("/events")
async def list_events(listing: Annotated[Listing, Query()], _: SignedIn, store: Store) -> Page:
    """List the events of a status, invoker or profile, newest first; eventually consistent."""
    with refusing_values("query"):
        page = await _list(store, listing)
    return shown_page(page)


@router.get("/events/{event_id}")
async def get_event(event_id: EventId, _: SignedIn, store: Store, response: Response) -> Event:
    """Return one event; a change must name its ETag."""
    with refusing_values("path"):
        event = await store.get(event_id)
    return shown(event, response)


@router.patch("/events/{event_id}")
async def change_expiry(
    event_id: EventId,
    change: Change,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
    if_match: Annotated[str | None, Header()] = None,
) -> Event:
    """Move the end of access, within four hours of its beginning.

    Only a person who could open the access may extend it. A reviewer may shorten anybody's access.
    """
    event = await own_event(store, event_id, person)
    if change.expires_at > event.expires_at:
        # If it was shortened since, the store refuses, because the version has changed.
        check_may_hold(person, event)
    if if_match is None:
        raise ProblemError(
            HTTPStatus.PRECONDITION_REQUIRED,
            "if-match-required",
            "If-Match is required",
            "Send the ETag of the event that you read in the If-Match header.",
        )
    if not {"*", etag(event)} & {tag.strip() for tag in if_match.split(",")}:
        raise ConcurrentModificationError(event_id, event)
    with refusing_values():
        moved = BreakGlassEvent.model_validate(
            event.model_dump() | {"expires_at": change.expires_at}
        )
        stored = await store.update(moved, by=person.name)
    feed.publish(stored)
    return shown(stored, response)


@router.post("/events/{event_id}/close")
async def close_event(
    event_id: EventId,
    closing: Closing,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
) -> Event:
    """End access now. A repeat is safe: if access has ended, the refusal says how."""
    await own_event(store, event_id, person)
    with refusing_values():
        stored = await store.close(event_id, closed_by=person.name, closed_reason=closing.reason)
    feed.publish(stored)
    return shown(stored, response)


def new_event(person: Person, **fields: Any) -> BreakGlassEvent:
    """Return a new event of a person, with the second factor that they signed in with."""
    return BreakGlassEvent(
        invoker=person.name,
        mfa_verified=person.mfa_method is not None,
        mfa_method=person.mfa_method,
        **fields,
    )


async def _opened_before(
    store: BreakGlassStore, event: BreakGlassEvent, error: EventExistsError
) -> BreakGlassEvent:
    """Return the event that an earlier attempt of the same request opened, or raise."""
    try:
        stored = await store.get(event.id)
    except EventNotFoundError:
        # It was deleted.
        raise error from None
    requested = {
        *("invoker", "profile", "reason_code", "justification", "duration"),
        *("request_id", "labels"),
    }
    if stored.model_dump(include=requested) != event.model_dump(include=requested):
        raise error
    return stored


async def own_event(store: BreakGlassStore, event_id: str, person: Person) -> BreakGlassEvent:
    """Return an event that this person may end or change. Its invoker never changes."""
    with refusing_values("path"):
        event = await store.get(event_id)
    if event.invoker != person.name and not person.is_reviewer:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "not-yours",
            "Another person's access",
            "Only the person who opened it or a reviewer may do this.",
        )
    return event


def check_may_hold(person: Person, event: BreakGlassEvent) -> None:
    """Refuse an extension by a person who could not open the access, such as a reviewer."""
    if event.invoker != person.name:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "not-yours",
            "Another person's access",
            "Only the person who opened it may extend it.",
        )
    check_profile(person, event.profile)


def check_reviewer(person: Person) -> None:
    """Refuse what only reviewers may do."""
    if not person.is_reviewer:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "reviewers-only",
            "Only for reviewers",
            "Only a reviewer may do this.",
        )


def check_profile(person: Person, profile: str) -> None:
    """Refuse a profile that this person may never open."""
    if profile not in person.profiles:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "profile-not-allowed",
            "Profile not allowed",
            "You may not have access to this profile, not even in an emergency.",
        )


async def _list(store: BreakGlassStore, listing: Listing) -> EventPage:
    bounds = Bounds(
        since=listing.since, until=listing.until, cursor=listing.cursor, on_corrupt="skip"
    )
    match listing:
        case Listing(status=BreakGlassStatus() as status):
            return await store.list_by_status(status, listing.limit, **bounds)
        case Listing(invoker=str() as invoker):
            return await store.list_by_invoker(invoker, listing.limit, **bounds)
        case Listing(profile=str() as profile):
            return await store.list_by_profile(profile, listing.limit, **bounds)
    raise AssertionError("exactly one of the three is given: the model has checked it")


def shown(event: BreakGlassEvent, response: Response) -> Event:
    """Return the answer that shows one event, with its version in the headers."""
    response.headers["ETag"] = etag(event)
    return Event.model_validate(event)


def shown_page(page: EventPage) -> Page:
    """Return the answer that shows one page of a list; the log names the rows that it lacks."""
    for error in page.corrupt:
        logger.error("a list leaves out a row: %s", error)
    return Page(
        events=[Event.model_validate(event) for event in page],
        next_cursor=page.next_cursor,
        unreadable=len(page.corrupt),
    )
