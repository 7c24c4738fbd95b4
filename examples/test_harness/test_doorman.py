"""Test the doorman, each test in memory and on a DynamoDB that moto serves."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from doorman import Doorman

from aiobreakglass import ActiveEventExistsError, BreakGlassEvent, BreakGlassStore
from aiobreakglass.testing import FakeClock

WHY = "The primary database does not answer"


@pytest.fixture(params=["breakglass_store", "breakglass_dynamodb"])
def store(request: pytest.FixtureRequest) -> BreakGlassStore:
    store: BreakGlassStore = request.getfixturevalue(request.param)
    return store


@pytest.fixture
def doorman(store: BreakGlassStore, breakglass_clock: FakeClock) -> Doorman:
    return Doorman(store, breakglass_clock)


async def test_person_without_access_may_not_run(doorman: Doorman) -> None:
    assert not await doorman.may_run("alice", "prod")


async def test_opened_access_covers_only_its_pair(doorman: Doorman) -> None:
    await doorman.ensure_access("alice", "prod", WHY)
    assert await doorman.may_run("alice", "prod")
    assert not await doorman.may_run("alice", "staging")
    assert not await doorman.may_run("bob", "prod")


async def test_held_access_is_reused(doorman: Doorman, breakglass_clock: FakeClock) -> None:
    first = await doorman.ensure_access("alice", "prod", WHY)
    breakglass_clock.advance(timedelta(minutes=10))
    assert await doorman.ensure_access("alice", "prod", WHY) == first


async def test_lapsed_access_is_opened_anew(doorman: Doorman, breakglass_clock: FakeClock) -> None:
    first = await doorman.ensure_access("alice", "prod", WHY)
    breakglass_clock.set(first.expires_at)
    assert not await doorman.may_run("alice", "prod")
    assert await doorman.ensure_access("alice", "prod", WHY) != first
    assert await doorman.may_run("alice", "prod")


async def test_two_requests_at_once(doorman: Doorman) -> None:
    first, second = await asyncio.gather(
        doorman.ensure_access("alice", "prod", WHY), doorman.ensure_access("alice", "prod", WHY)
    )
    assert first == second


class HastyDoorman(Doorman):
    """The first version of the doorman. Can you see its bug?"""

    async def ensure_access(self, person: str, profile: str, why: str) -> BreakGlassEvent:
        held = await self.store.find_active_by_invoker_and_profile(person, profile)
        return held or await self.store.create(self.request(person, profile, why))


async def test_two_requests_at_once_in_the_first_version(
    store: BreakGlassStore, breakglass_clock: FakeClock
) -> None:
    """Both requests find no access, both open it, and one of them fails.

    The test needs no sleep and no luck: every call of a store, also of the one in memory, lets
    other tasks run.
    """
    hasty = HastyDoorman(store, breakglass_clock)
    with pytest.raises(ActiveEventExistsError):
        await asyncio.gather(
            hasty.ensure_access("alice", "prod", WHY), hasty.ensure_access("alice", "prod", WHY)
        )
