"""Expiry passes over a table that other programs write to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassStatus,
    CorruptItemError,
    ExpiryError,
    TableLayout,
    expire_due,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import Rows

HOUR = timedelta(hours=1)


async def test_pass_marks_all_others_beside_a_corrupt_row(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock
) -> None:
    """The pass reports the row by its key, and marks all other events."""
    corrupt, *others = [
        await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        for index in range(3)
    ]
    await rows.set(corrupt.id, expires_at={"S": "tomorrow"})
    clock.advance(HOUR)
    with pytest.raises(ExpiryError) as caught:
        await expire_due(store, now=clock())
    (error,) = caught.value.exceptions
    assert isinstance(error, CorruptItemError)
    assert error.key == TableLayout().event_key(corrupt.id)
    assert {event.id for event in caught.value.expired} == {event.id for event in others}


@pytest.mark.parametrize("hours", [-12, 14])
async def test_pass_marks_a_row_with_another_offset(
    store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock, hours: int
) -> None:
    """The pass marks a lapsed row wherever its `created_at` sorts in the index."""
    event = make_event(created_at=clock())
    elsewhere = (event.created_at + hours * HOUR).strftime("%Y-%m-%dT%H:%M:%S")
    await rows.put_event(event, created_at={"S": f"{elsewhere}{hours:+03d}:00"})
    clock.set(event.expires_at)
    (expired,) = await expire_due(store, now=clock())
    assert expired.id == event.id
    assert expired.created_at == event.created_at
    assert expired.status is BreakGlassStatus.EXPIRED
