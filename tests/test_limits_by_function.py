"""Functions of an event that return its limits: what they are asked, and how they may fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassEvent,
    LimitExceededError,
    Limits,
    Quota,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.limited_stores import STORES, Open

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> Open:
    make: Open = request.param
    return make


class _NeverOpened(Exception):  # noqa: N818 - it is no error
    """Raised by a function of limits, as any exception may be."""


def _raising(error: BaseException) -> Callable[[BreakGlassEvent], Limits]:
    def function(_: BreakGlassEvent) -> Limits:
        raise error

    return function


async def _later(_: BreakGlassEvent) -> Limits:
    return Limits()


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (_raising(_NeverOpened()), TypeError),
        (_raising(StopIteration()), TypeError),
        (_raising(LimitExceededError("mine", "no")), TypeError),
        (lambda _: None, TypeError),
        (lambda _: Limits, TypeError),
        (lambda _: Quota(1, HOUR), TypeError),
        (lambda event: _later(event), TypeError),
        (_raising(asyncio.CancelledError()), asyncio.CancelledError),
        (_raising(KeyboardInterrupt()), KeyboardInterrupt),
    ],
    ids=[
        "raises",
        "raises StopIteration",
        "raises one of ours",
        "returns None",
        "returns a class",
        "returns a quota",
        "returns a coroutine",
        "is cancelled",
        "is interrupted",
    ],
)
async def test_function_of_limits_that_fails_opens_and_extends_nothing(
    open_store: Open, function: Callable[[BreakGlassEvent], Any], error: type[BaseException]
) -> None:
    """Its exception is told as a `TypeError`, unless it ends the task or the program."""
    clock = FakeClock()
    functions: list[Callable[[BreakGlassEvent], Any]] = [lambda _: Limits(cooldown=HOUR)]
    store = open_store(clock, lambda event: functions[-1](event))
    event = await store.create(make_event(created_at=clock()))
    history = await store.history(event.id)
    functions.append(function)
    later = event.expires_at + HOUR
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.create(make_event(invoker="bob", created_at=clock())),
        lambda: store.create(event),
        lambda: store.update(event.model_copy(update={"expires_at": later})),
        lambda: store.extend(event.id, expires_at=later, extended_by="bob", reason="More"),
    ]
    for call in calls:
        with pytest.raises(error):
            await call()
    assert await store.history(event.id) == history
    assert await store.count_by_invoker_since("bob", clock() - DAY) == 0
    await store.close(event.id, closed_by="bob", closed_reason="done")


async def test_function_of_limits_is_asked_only_about_openings_and_extensions(
    open_store: Open,
) -> None:
    """It gets the event that is to be opened, or the stored event that is to be extended."""
    clock = FakeClock()
    asked: list[BreakGlassEvent] = []

    def function(event: BreakGlassEvent) -> Limits:
        asked.append(event)
        return Limits(per_invoker=Quota(9, DAY), max_duration=4 * HOUR)

    store = open_store(clock, function)
    new = make_event(created_at=clock())
    opened = await store.create(new)
    extended = await store.extend(
        opened.id, expires_at=new.created_at + 2 * HOUR, extended_by="bob", reason="More"
    )
    longer = extended.model_copy(update={"expires_at": new.created_at + 3 * HOUR})
    updated = await store.update(longer)
    assert asked == [new, opened, extended]
    shorter = updated.model_copy(update={"expires_at": new.created_at + HOUR})
    await store.update(shorter)
    await store.close(new.id, closed_by="bob", closed_reason="done")
    await store.review(new.id, reviewed_by="carol", outcome="justified", comment="seen")
    await store.hold(new.id, held_by="carol", reason="Case 7")
    await store.create(make_event(created_at=clock() - DAY, status="closed"))
    assert len(asked) == 3
