from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import (
    MAX_DURATION,
    BreakGlassEvent,
    BreakGlassStore,
    EventPage,
    InMemoryStore,
    access_at,
)
from aiobreakglass.testing import FakeClock, make_event

MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> InMemoryStore:
    return InMemoryStore(clock=clock)


async def opened(store: BreakGlassStore, clock: FakeClock, **fields: Any) -> BreakGlassEvent:
    return await store.create(make_event(created_at=clock(), **fields))


async def test_event_grants_access_from_its_creation_to_its_end(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """The first instant counts, and the last one does not: created_at <= at < expires_at."""
    event = await opened(store, clock)
    clock.advance(MAX_DURATION)
    assert await access_at(store, event.created_at - TICK) == []
    assert await access_at(store, event.created_at) == [event]
    assert await access_at(store, event.expires_at - TICK) == [event]
    assert await access_at(store, event.expires_at) == []


async def test_closed_event_grants_access_until_it_was_closed(
    store: InMemoryStore, clock: FakeClock
) -> None:
    event = await opened(store, clock)
    clock.advance(10 * MINUTE)
    closed = await store.close(event.id, closed_by="bob", closed_reason="done")
    assert await access_at(store, clock() - TICK) == [closed]
    assert await access_at(store, clock()) == []


async def test_expired_and_extended_events_end_at_their_last_expiry(
    store: InMemoryStore, clock: FakeClock
) -> None:
    event = await opened(store, clock)
    end = event.created_at + MAX_DURATION
    extended = await store.update(event.model_copy(update={"expires_at": end}))
    clock.set(end)
    expired = await store.update(extended.expire(at=clock()))
    assert await access_at(store, end - TICK) == [expired]
    assert await access_at(store, end) == []


async def test_names_narrow_the_answer_and_both_must_match(
    store: InMemoryStore, clock: FakeClock
) -> None:
    pairs = [("alice", "prod"), ("alice", "audit"), ("bob", "prod")]
    events = [
        await opened(store, clock, invoker=invoker, profile=profile) for invoker, profile in pairs
    ]

    async def names(**asked: Any) -> set[str]:
        return {event.id for event in await access_at(store, clock(), **asked)}

    assert await names() == {event.id for event in events}
    assert await names(invoker="alice") == {events[0].id, events[1].id}
    assert await names(profile="prod") == {events[0].id, events[2].id}
    assert await names(invoker="bob", profile="prod") == {events[2].id}
    assert await names(invoker="bob", profile="audit") == set()


async def test_newest_event_comes_first(store: InMemoryStore, clock: FakeClock) -> None:
    events = []
    for invoker in ("alice", "bob", "carol"):
        clock.advance(MINUTE)
        events.append(await opened(store, clock, invoker=invoker))
    assert await access_at(store, clock()) == events[::-1]


async def test_future_instant_is_refused(store: InMemoryStore, clock: FakeClock) -> None:
    """Nobody can know who will hold access."""
    with pytest.raises(ValueError, match="at must not be in the future"):
        await access_at(store, clock() + TICK, now=clock())
    assert await access_at(store, clock(), now=clock()) == []
    with pytest.raises(ValueError, match="future"):
        await access_at(store, datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"at": datetime(2024, 1, 1)}, ValueError),  # noqa: DTZ001 - naive on purpose
        ({"at": "2024-01-01"}, TypeError),
        ({"invoker": " alice"}, ValueError),
        ({"profile": 7}, TypeError),
        ({"now": 7}, TypeError),
    ],
)
async def test_wrong_argument_is_refused_before_anything_is_read(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    """The store is None, so reading it would raise another error."""
    asked: dict[str, Any] = {"at": FakeClock.START, **arguments}
    with pytest.raises(error):
        await access_at(None, asked.pop("at"), **asked)  # type: ignore[arg-type] # see above


async def test_beginning_of_time_is_an_instant_like_any_other(store: InMemoryStore) -> None:
    assert await access_at(store, datetime.min.replace(tzinfo=UTC)) == []


class Watching:
    """A store that users wrote, which forwards its calls; it notes the lists."""

    def __init__(self, store: BreakGlassStore) -> None:
        self._store = store
        self.pages: list[EventPage] = []
        self.after_list: Callable[[str], Awaitable[object]] | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        assert name.startswith("list_by_"), "only lists are asked"

        async def listed(key: str, *args: Any, **options: Any) -> EventPage:
            page: EventPage = await method(key, *args, **options)
            self.pages.append(page)
            if self.after_list is not None:
                await self.after_list(key)
            return page

        return listed


async def test_only_events_around_the_instant_are_read(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """The cost does not grow with the history, because no event lasts longer than 4 hours."""
    for day in range(60):
        created_at = clock() + timedelta(days=day)
        await store.create(make_event(created_at=created_at, status="expired"))
    watching: Any = Watching(store)
    at = clock() + timedelta(days=30, minutes=1)
    assert len(await access_at(watching, at)) == 1
    assert sum(map(len, watching.pages)) <= 3
    assert len(watching.pages) == 3


async def test_pages_are_followed(store: InMemoryStore, clock: FakeClock) -> None:
    """More events than the largest page has are all found."""
    created_at = clock()
    for _ in range(1003):
        await store.create(make_event(created_at=created_at, status="expired"))
    assert len(await access_at(store, created_at, profile="prod")) == 1003


async def test_event_that_ends_between_two_lists_is_found_once(
    store: InMemoryStore, clock: FakeClock
) -> None:
    """It moves from the list of active events to another list while the lists are read."""
    event = await opened(store, clock)
    clock.advance(MINUTE)
    watching: Any = Watching(store)

    async def close(listed: str) -> None:
        if listed == "active":
            await store.close(event.id, closed_by="bob", closed_reason="done")

    watching.after_list = close
    assert [found.id for found in await access_at(watching, event.created_at)] == [event.id]


@given(
    starts=st.lists(st.integers(-300, 300), max_size=8),
    lengths=st.lists(st.integers(1, 240), min_size=8, max_size=8),
    minute=st.integers(-300, 300),
)
async def test_answer_is_that_of_the_definition(
    starts: list[int], lengths: list[int], minute: int
) -> None:
    """It has exactly the events with created_at <= at < end."""
    clock = FakeClock()
    store = InMemoryStore(clock=clock)
    events = []
    for start, length in zip(starts, lengths, strict=False):
        created_at = clock() + start * MINUTE
        event = make_event(created_at=created_at, duration=length * MINUTE, status="expired")
        events.append(await store.create(event))
    at = clock() + minute * MINUTE
    expected = {event.id for event in events if event.created_at <= at < event.expires_at}
    assert {event.id for event in await access_at(store, at)} == expected
