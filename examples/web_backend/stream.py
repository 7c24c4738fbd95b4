"""The changes as server-sent events.

The first message of a stream is a `snapshot`; each that follows is an `update`, which has the
differences from the one before. Both name all that grant access, and say when the table was last
read, and whether that is the latest there is. Until this process has read the table once it knows
nothing, so it sends no snapshot, only that the table is `unread`. Where nothing is to be said for
15 seconds FastAPI sends a comment, so that no proxy takes the connection for dead.
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
"""Milliseconds that a browser waits when a stream has ended."""
LONGEST_STREAM: Final = timedelta(minutes=15)
"""After so long the browser has to connect anew, and is asked again who it is: a stream does not
outlive a session by more."""

# Revisions begin at zero in each process, so they alone do not tell one state from another.
_PROCESS: Final = secrets.token_hex(4)


class Unread(BaseModel):
    now: datetime


class Message(BaseModel):
    ids: list[str]
    """Of all that grant access, so that who believes in another finds out."""
    held: list[Event]
    """In a snapshot all that grant access; in an update those that are new or have changed."""
    ended: list[str]
    """The ids of those that grant nothing any more."""
    read_at: datetime
    is_current: bool
    unreadable: int
    """How many rows that say active cannot be read: somebody may hold access by them."""
    now: datetime
    """By the server's clock, which ends access; a browser's may be wrong."""


def message(before: State | None, state: State) -> ServerSentEvent:
    """Say what somebody who knows `before` has to be told."""
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
    """Take a place for a stream until it has ended, or refuse it where all are taken.

    Nothing is awaited in between: requests that come at once are given no place twice.
    """
    if feed.places_taken_by(person.name) >= settings.max_streams_per_person:
        # Unlike the other refusal, this one is about who asks, who can do something about it.
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-streams-of-yours",
            "You have too many pages open",
            "This page is not kept up to date until you close another; everything else works.",
            headers={"Retry-After": "30"},
        )
    if feed.places_taken >= settings.max_streams:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many pages are open",
            "This page is not kept up to date for now; everything else works.",
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
    """Tell who holds access now, and each change to that as soon as it is known."""
    before: State | None = None
    clock = asyncio.get_running_loop().time
    ends_at = clock() + LONGEST_STREAM.total_seconds()
    async with aclosing(feed.watch()) as states:
        async for state in states:
            yield message(before, state)
            before = state if state.read_at else None
            if clock() >= ends_at:
                return
