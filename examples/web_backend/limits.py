"""The rules of the door before they refuse somebody, and the extension of access under them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from aiobreakglass import (
    MAX_DURATION,
    Action,
    BreakGlassEvent,
    BreakGlassStatus,
    GovernedStore,
    InvalidStateTransitionError,
)

from .authentication import SignedIn
from .changes import utc_now
from .dependencies import Feed, Rules, Store
from .events import check_may_hold, check_profile, new_event, own_event, shown
from .forecast import forecast
from .models import Asking, Event, EventId, Extending, Extension, Forecast, Rule
from .policy import limits_of
from .problems import refusing_values

router = APIRouter()


@router.get("/limits")
async def forecast_limits(
    asking: Annotated[Asking, Query()], person: SignedIn, store: Store, rules: Rules
) -> Forecast:
    """Return the rules for opening a profile, and which would refuse this person now.

    This is a forecast: the store decides when access is opened.
    """
    check_profile(person, asking.profile)
    with refusing_values("query"):
        event = new_event(
            person,
            justification="A forecast, which opens no access",
            labels=_labels(asking.label),
            **asking.model_dump(exclude={"label"}),
        )
    limits = limits_of(rules, event)
    standings = await forecast(store, limits, event, utc_now())
    return Forecast(rules=[Rule.model_validate(standing) for standing in standings])


@router.get("/events/{event_id}/extension")
async def possible_extension(
    event_id: EventId, _: SignedIn, store: Store, rules: Rules
) -> Extension:
    """Return how far an event can be extended: what is left of the four hours, or of less."""
    with refusing_values("path"):
        event = await store.get(event_id)
    if not event.is_active(utc_now()):
        # A lapsed event has expired, even if nobody has marked it yet.
        status = event.status if event.status.is_terminal else BreakGlassStatus.EXPIRED
        raise InvalidStateTransitionError(event_id, status, BreakGlassStatus.ACTIVE)
    limits = limits_of(rules, event)
    longest = min(MAX_DURATION, limits.max_duration or MAX_DURATION)
    latest = event.created_at + longest
    most = limits.max_extensions
    return Extension(
        latest=latest,
        left=max(timedelta(0), latest - event.expires_at),
        extensions_left=None if most is None else max(0, most - event.extensions),
    )


@router.post("/events/{event_id}/extend")
async def extend_access(
    event_id: EventId,
    extending: Extending,
    person: SignedIn,
    store: Store,
    feed: Feed,
    response: Response,
) -> Event:
    """Move the end of your own access later.

    A repeat is safe: if the last extension was this one, the answer is the event.
    """
    event = await own_event(store, event_id, person)
    check_may_hold(person, event)
    if await _is_extended_so(store, event, extending):
        return shown(event, response)
    with refusing_values():
        stored = await store.extend(
            event_id,
            expires_at=extending.expires_at,
            extended_by=person.name,
            reason=extending.reason,
        )
    feed.publish(stored)
    return shown(stored, response)


def _labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, colon, value = pair.partition(":")
        if not colon:
            raise ValueError("label must be name:value")
        labels[name] = value
    return labels


async def _is_extended_so(
    store: GovernedStore, event: BreakGlassEvent, extending: Extending
) -> bool:
    """Return whether an earlier attempt of this request, which nobody else may make, succeeded."""
    if not event.extensions or event.expires_at != extending.expires_at:
        return False
    entries = reversed(await store.history(event.id))
    last = next((entry for entry in entries if entry.action is Action.EXTENDED), None)
    return last is not None and last.note == extending.reason.strip()
