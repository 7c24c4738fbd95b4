"""The changes as server-sent events.

The first message of a stream is a `snapshot`. Each later one is an `update`, with the differences
from the previous message. Both have the ids of all events that grant access, the time of the last
reading, and whether it is current. Until the process has read the table once, it knows nothing, so
it sends `unread` instead of a snapshot. After 15 seconds without a message, FastAPI sends a
comment, so that no proxy closes the connection.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from .authentication import SignedIn
from .changes import State, utc_now
from .dependencies import Feed, InForce
from .models import Event
from .problems import ProblemError

RECONNECT_AFTER: Final = 2000
"""How many milliseconds a browser waits before it reconnects after the end of a stream."""
LONGEST_STREAM: Final = timedelta(minutes=15)
"""After this time the browser must reconnect, which checks the session again. So a stream cannot
outlive a session by more than this."""

# Revisions start at zero in each process, so a message's id needs the process too.
_PROCESS: Final = secrets.token_hex(4)


class Unread(BaseModel):
    now: datetime


class Message(BaseModel):
    ids: list[str]
    """The ids of all events that grant access, so that a client can drop any other event."""
    held: list[Event]
    """All events that grant access in a snapshot; in an update the new and changed ones."""
    ended: list[str]
    """The ids of events that no longer grant access."""
    read_at: datetime
    is_current: bool
    unreadable: int
    """How many rows with status active cannot be read; they may grant access."""
    now: datetime
    """The time by the server's clock, which ends access; a browser's clock may be wrong."""


def message(before: State | None, state: State) -> ServerSentEvent:
    """Return the message for a client that knows `before`."""
    identity = f"{_PROCESS}-{state.revision}"
    if state.read_at is None:
        return ServerSentEvent(
            event="unread", data=Unread(now=utc_now()), id=identity, retry=RECONNECT_AFTER
        )
    known = {} if before is None else before.events
    content = Message(
        ids=list(state.events),
        held=[
            Event.model_validate(event)
            for event in state.events.values()
            if event != known.get(event.id)
        ],
        ended=[event_id for event_id in known if event_id not in state.events],
        read_at=state.read_at,
        is_current=state.is_current,
        unreadable=state.unreadable,
        now=utc_now(),
    )
    return ServerSentEvent(
        event="snapshot" if before is None else "update",
        data=content,
        id=identity,
        retry=RECONNECT_AFTER if before is None else None,
    )


async def room_for_one_more(
    person: SignedIn, feed: Feed, settings: InForce
) -> AsyncIterator[None]:
    """Take a place for a stream until it ends, or refuse the stream if no place is free.

    Nothing is awaited between the check and the taking, so concurrent requests cannot share a
    place.
    """
    if feed.places_taken_by(person.name) >= settings.max_streams_per_person:
        # Unlike the other refusal, this person caused it and can do something about it.
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-streams-of-yours",
            "You have too many pages open",
            "Close another page to keep this one up to date. Everything else works.",
            headers={"Retry-After": "30"},
        )
    if feed.places_taken >= settings.max_streams:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many pages are open",
            "This page is not up to date for now. Everything else works.",
            headers={"Retry-After": "30"},
        )
    with feed.place(person.name):
        yield


router = APIRouter()


@router.get(
    "/changes",
    response_class=EventSourceResponse,
    dependencies=[Depends(room_for_one_more)],
)
async def changes(feed: Feed) -> AsyncIterable[ServerSentEvent]:
    """Stream who holds access now, and each change as soon as it is known."""
    before: State | None = None
    clock = asyncio.get_running_loop().time
    ends_at = clock() + LONGEST_STREAM.total_seconds()
    async with aclosing(feed.watch()) as states:
        async for state in states:
            yield message(before, state)
            before = state if state.read_at else None
            if clock() >= ends_at:
                return
