"""The rules of the door before they refuse somebody, and the extension of access under them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from aiobreakglass import MAX_DURATION, BreakGlassEvent

from .authentication import SignedIn
from .changes import utc_now
from .dependencies import Feed, Rules, Store
from .events import check_may_hold, check_profile, own_event, shown
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
        event = BreakGlassEvent(
            invoker=person.name,
            justification="A forecast, which opens no access",
            **asking.model_dump(),
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

    A repeat is safe: if the access ends at that instant by an extension, the answer is the event.
    """
    event = await own_event(store, event_id, person)
    check_may_hold(person, event)
    if event.extensions and event.expires_at == extending.expires_at:
        # Nobody else extends it, so an earlier attempt of this request has.
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
