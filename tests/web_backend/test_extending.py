"""People extend their own access, up to what is left of the four hours, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from aiobreakglass import BreakGlassEvent, Limits
from aiobreakglass.testing import make_event

from .api import ID, named, opened
from .conftest import SignIn
from .stores import FaultyStore

HOUR = timedelta(hours=1)
PATH = f"/api/events/{ID}"


async def extended(
    client: httpx.AsyncClient, event: dict[str, Any], by: timedelta
) -> httpx.Response:
    end = datetime.fromisoformat(event["expires_at"]) + by
    return await client.post(
        f"/api/events/{event['id']}/extend",
        json={"expires_at": end.isoformat(), "reason": "The restore takes longer"},
    )


async def test_extension_is_recorded_with_its_reason(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    event = await opened(alice, id=ID)
    response = await extended(alice, event, HOUR)
    assert (response.status_code, response.json()["extensions"]) == (200, 1)
    entry = (await store.history(ID))[-1]
    assert (entry.action, entry.by) == ("extended", "alice")
    assert entry.note == "The restore takes longer"


async def test_possible_extension_is_what_is_left_of_four_hours(alice: httpx.AsyncClient) -> None:
    event = await opened(alice, id=ID)
    possible = (await alice.get(f"{PATH}/extension")).json()
    begin = datetime.fromisoformat(event["created_at"])
    assert datetime.fromisoformat(possible["latest"]) == begin + timedelta(hours=4)
    assert (possible["left"], possible["extensions_left"]) == ("PT3H", None)
    assert (await extended(alice, event, timedelta(hours=3))).status_code == 200
    beyond = await extended(alice, event, timedelta(hours=3, microseconds=1))
    assert (beyond.status_code, named(beyond)) == (422, "invalid-request")
    possible = (await alice.get(f"{PATH}/extension")).json()
    assert possible["left"] == "PT0S"


@pytest.mark.parametrize("limits", [Limits(max_duration=2 * HOUR, max_extensions=1)])
async def test_rules_narrow_the_extension(alice: httpx.AsyncClient, limits: Limits) -> None:
    event = await opened(alice, id=ID)
    possible = (await alice.get(f"{PATH}/extension")).json()
    assert (possible["left"], possible["extensions_left"]) == ("PT1H", 1)
    beyond = await extended(alice, event, HOUR + timedelta(microseconds=1))
    assert (named(beyond), beyond.json()["limit"]) == ("limit-exceeded", "max_duration")
    assert (await extended(alice, event, HOUR / 2)).status_code == 200
    again = await extended(alice, event, HOUR)
    assert (named(again), again.json()["limit"]) == ("limit-exceeded", "max_extensions")
    assert (await alice.get(f"{PATH}/extension")).json()["extensions_left"] == 0


async def test_repeated_extension_after_a_lost_answer_is_recognised(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    event = await opened(alice, id=ID)
    store.answers_get_lost = True
    lost = await extended(alice, event, HOUR)
    assert (lost.status_code, lost.json()["outcome_unknown"]) == (503, True)
    store.answers_get_lost = False
    response = await extended(alice, event, HOUR)
    assert (response.status_code, response.json()["extensions"]) == (200, 1)
    # Another reason is another request, and nothing has recorded it.
    other = {"expires_at": response.json()["expires_at"], "reason": "Something else"}
    refused = await alice.post(f"{PATH}/extend", json=other)
    assert (refused.status_code, named(refused)) == (422, "invalid-request")


@pytest.mark.parametrize("minutes", [0, -1])
async def test_extension_to_no_later_end_is_refused(
    alice: httpx.AsyncClient, minutes: int
) -> None:
    event = await opened(alice, id=ID)
    response = await extended(alice, event, timedelta(minutes=minutes))
    assert (response.status_code, named(response)) == (422, "invalid-request")


@pytest.mark.parametrize("name", ["bob", "rita"])
async def test_extension_of_another_persons_access_is_refused(
    alice: httpx.AsyncClient, sign_in: SignIn, store: FaultyStore, name: str
) -> None:
    """Not even a reviewer gives access."""
    event = await opened(alice, id=ID)
    response = await extended(sign_in(name), event, HOUR)
    assert (response.status_code, named(response)) == (403, "not-yours")
    assert (await store.get(ID)).extensions == 0


async def test_extension_of_forbidden_profile_is_refused(
    bob: httpx.AsyncClient, store: FaultyStore
) -> None:
    """People cannot extend what they could not open now."""
    event = await store.create(make_event(id=ID, invoker="bob", profile="customer-data"))
    response = await extended(bob, shown(event), HOUR)
    assert (response.status_code, named(response)) == (403, "profile-not-allowed")


async def test_extension_of_ended_access_is_refused(alice: httpx.AsyncClient) -> None:
    """Nothing is left of access that has ended, and both answers say so."""
    event = await opened(alice, id=ID)
    await alice.post(f"{PATH}/close", json={"reason": "Done"})
    extension = await alice.get(f"{PATH}/extension")
    for response in (await extended(alice, event, HOUR), extension):
        assert (response.status_code, named(response)) == (409, "invalid-state-transition")
        assert response.json()["current_status"] == "closed"


async def test_nothing_is_left_of_lapsed_access(
    alice: httpx.AsyncClient, store: FaultyStore
) -> None:
    """Access that has lapsed has ended, whether or not somebody has marked it."""
    begin = datetime.now(UTC) - 2 * HOUR
    store._events[ID] = make_event(id=ID, created_at=begin, duration=HOUR)
    response = await alice.get(f"{PATH}/extension")
    assert (response.status_code, named(response)) == (409, "invalid-state-transition")
    assert response.json()["current_status"] == "expired"


def shown(event: BreakGlassEvent) -> dict[str, Any]:
    return {"id": event.id, "expires_at": event.expires_at.isoformat()}
