"""The in-memory store, beyond what the contract requires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiobreakglass import (
    MAX_QUERY_LIMIT,
    ActiveEventExistsError,
    BreakGlassEvent,
    ConcurrentModificationError,
    EventNotFoundError,
    EventPage,
    InMemoryStore,
    InvalidStateTransitionError,
)
from aiobreakglass.testing import FakeClock, make_event

KEY = b"sixteen bytes at"
OTHER_KEY = b"sixteen bytes of"

Operation = Callable[[InMemoryStore, BreakGlassEvent], Coroutine[Any, Any, object]]

OPERATIONS: dict[str, Operation] = {
    "create": lambda store, event: store.create(make_event(profile="staging")),
    "get": lambda store, event: store.get(event.id),
    "update": lambda store, event: store.update(event),
    "delete": lambda store, event: store.delete(event.id),
    "history": lambda store, event: store.history(event.id),
    "close": lambda store, event: store.close(event.id, closed_by="bob", closed_reason="Over"),
    "list_by_invoker": lambda store, event: store.list_by_invoker("alice"),
    "list_by_status": lambda store, event: store.list_by_status("active"),
    "list_by_profile": lambda store, event: store.list_by_profile("prod"),
    "find_active": lambda store, event: store.find_active_by_invoker_and_profile("alice", "prod"),
    "find_active_of_many": lambda store, event: store.find_active_by_invoker_and_profiles(
        "alice", ["prod"]
    ),
    "get_last": lambda store, event: store.get_last_by_invoker_and_profile("alice", "prod"),
    "count_by_invoker": lambda store, event: store.count_by_invoker_since(
        "alice", event.created_at
    ),
    "count_by_profile": lambda store, event: store.count_by_profile_since(
        "prod", event.created_at
    ),
}


class TestEventLoop:
    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
    async def test_operation_yields_before_and_after_its_effect(
        self, operation: Operation
    ) -> None:
        """Other tasks run before an operation takes effect, and again before it returns."""
        store = InMemoryStore()
        event = await store.create(make_event())
        assert list(operation(store, event).__await__()) == [None, None]

    async def test_change_is_judged_when_it_takes_effect(self) -> None:
        """A change is dated and judged at the instant when it takes effect."""
        clock = FakeClock()
        store = InMemoryStore(clock=clock)
        event = await store.create(make_event(created_at=clock()))
        closing = store.close(event.id, closed_by="bob", closed_reason="Over").__await__()
        next(closing)
        clock.advance(timedelta(minutes=1))
        next(closing)
        assert (await store.get(event.id)).updated_at == clock()
        late = await store.create(make_event(created_at=clock()))
        closing = store.close(late.id, closed_by="bob", closed_reason="Over").__await__()
        next(closing)
        clock.set(late.expires_at)
        with pytest.raises(InvalidStateTransitionError):
            next(closing)

    async def test_created_event_becomes_visible_between_two_yields(self) -> None:
        """A created event becomes visible all at once, between the two yields."""
        store = InMemoryStore()
        event = make_event()
        creation = store.create(event).__await__()
        next(creation)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        next(creation)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        with pytest.raises(StopIteration) as end:
            next(creation)
        assert end.value.value == event

    async def test_check_then_create_races(self) -> None:
        """Code that checks and then creates races here as it would in production."""
        store = InMemoryStore()

        async def open_unless_open() -> BreakGlassEvent:
            holder = await store.find_active_by_invoker_and_profile("alice", "prod")
            return holder or await store.create(make_event())

        outcomes = await asyncio.gather(
            open_unless_open(), open_unless_open(), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [BreakGlassEvent, ActiveEventExistsError]

    async def test_read_then_update_races(self) -> None:
        """Code that reads and then updates races here as it would in production."""
        store = InMemoryStore()
        event = await store.create(make_event())

        async def note(request_id: str) -> BreakGlassEvent:
            read = await store.get(event.id)
            return await store.update(read.model_copy(update={"request_id": request_id}))

        outcomes = await asyncio.gather(note("first"), note("second"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            BreakGlassEvent,
            ConcurrentModificationError,
        ]


class TestImport:
    async def test_import_of_expired_event_with_another_end_is_refused(self) -> None:
        """An imported event cannot hide that access lasted until `expires_at`."""
        store = InMemoryStore(clock=FakeClock())
        lapsed = make_event(created_at=FakeClock.START - timedelta(days=1), status="expired")
        forged = lapsed.model_copy(update={"ended_at": lapsed.created_at})
        with pytest.raises(
            ValueError, match="ended_at of an expired event must be its expires_at"
        ):
            await store.create(forged)
        with pytest.raises(EventNotFoundError):
            await store.history(forged.id)
        assert await store.create(lapsed) == lapsed


class TestLimit:
    async def test_limit_above_the_maximum_is_capped(self) -> None:
        """No page holds more than `MAX_QUERY_LIMIT` events, whatever the limit."""
        store = InMemoryStore()
        for number in range(MAX_QUERY_LIMIT + 1):
            await store.create(make_event(invoker=f"user-{number}"))
        for limit in (MAX_QUERY_LIMIT, MAX_QUERY_LIMIT + 1, 10**30):
            page = await store.list_by_profile("prod", limit)
            assert len(page) == MAX_QUERY_LIMIT
            rest = await store.list_by_profile("prod", limit, cursor=page.next_cursor)
            assert (len(rest), rest.next_cursor) == (1, None)


class TestClock:
    async def test_store_without_clock_uses_the_present(self) -> None:
        """Without a clock, the store uses the machine's time."""
        store = InMemoryStore()
        event = await store.create(make_event())
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        updated = await store.update(event)
        assert event.updated_at < updated.updated_at <= datetime.now(UTC)
        with pytest.raises(ValueError, match="expires_at"):
            await store.create(make_event(created_at=FakeClock.START))

    @pytest.mark.parametrize(
        ("present", "error"),
        [(datetime(2024, 3, 1), ValueError), (1709294400, TypeError), (None, TypeError)],  # noqa: DTZ001
    )
    async def test_clock_that_returns_no_instant_is_refused(
        self, present: Any, error: type[Exception]
    ) -> None:
        """If the clock returns no aware datetime, every operation that reads it says so."""
        store = InMemoryStore(clock=lambda: present)
        with pytest.raises(error, match=r"^clock\(\) must be"):
            await store.create(make_event())
        with pytest.raises(error, match=r"^clock\(\) must be"):
            await store.find_active_by_invoker_and_profile("alice", "prod")


class TestCursorKey:
    async def test_cursor_is_valid_only_for_its_key(self) -> None:
        """A cursor is valid only for the key that signed it."""
        pages: dict[bytes | None, EventPage] = {}
        stores = {key: InMemoryStore(cursor_key=key) for key in (None, KEY, OTHER_KEY)}
        for key, store in stores.items():
            for profile in ("prod", "staging"):
                await store.create(make_event(profile=profile))
            pages[key] = await store.list_by_invoker("alice", 1)
        for key, store in stores.items():
            for signed_with, page in pages.items():
                if signed_with == key:
                    assert len(await store.list_by_invoker("alice", cursor=page.next_cursor)) == 1
                else:
                    with pytest.raises(ValueError, match="cursor"):
                        await store.list_by_invoker("alice", cursor=page.next_cursor)

    def test_short_cursor_key_is_refused(self) -> None:
        """A key shorter than 16 bytes is refused at once, because it could be guessed."""
        with pytest.raises(ValueError, match="cursor_key must have at least 16 bytes"):
            InMemoryStore(cursor_key=b"short")
