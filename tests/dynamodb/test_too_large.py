"""Rows that DynamoDB refuses because of their size."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassStatus,
    ExpiryError,
    ItemTooLargeError,
    TableLayout,
    expire_due,
)
from aiobreakglass._aws.outcomes import too_large
from aiobreakglass._aws.transaction import Part
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.outcomes.failures import CONDITION_FAILED, FINE, cancelled, client_error
from tests.dynamodb.rows import Rows

SIZE = "Item size has exceeded the maximum allowed size"
UPDATE = "Item size to update has exceeded the maximum allowed size"

EVENT = Part("event", {"pk": {"S": "BREAKGLASS#1"}}, {"Put": {"Item": {"blob": {"S": "x" * 99}}}})
GUARD = Part("guard", {"pk": {"S": "ACTIVE#1"}}, {"Delete": {}})


def of_somebody_else(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (client_error("ValidationException", message=SIZE), "BREAKGLASS#1"),
        (cancelled(FINE, {"Code": "ValidationError", "Message": SIZE}), "BREAKGLASS#1"),
        (cancelled({"Code": "ValidationError", "Message": UPDATE}, FINE), "ACTIVE#1"),
        (cancelled({"Code": "ValidationError", "Message": "wrong type"}, FINE), None),
        (cancelled({"Code": "ValidationError"}, FINE), None),
        (cancelled(CONDITION_FAILED, FINE), None),
        (client_error("ValidationException", message="no such index"), None),
        (client_error("AccessDeniedException", message=SIZE), None),
        (
            ClientError({"Error": {"Code": "ValidationException", "Message": SIZE}}, "PutItem"),
            None,
        ),
        (ValueError(SIZE), None),
    ],
)
def test_part_that_is_too_large_is_named(error: Exception, key: str | None) -> None:
    """DynamoDB names the part, or else the library names the part that sends the most."""
    translated = too_large(error, [GUARD, EVENT])
    assert (None if translated is None else translated.key) == key


@pytest.fixture
async def full(store: AsyncDynamoDBStore, rows: Rows, clock: FakeClock) -> str:
    """Return the id of an event whose row has no room for another byte."""
    event = await store.create(make_event(created_at=clock()))
    row = await rows.event(event.id)
    assert row is not None
    fits, too_many = 390_000, 420_000
    while too_many - fits > 1:
        size = (fits + too_many) // 2
        try:
            await rows.put(row | {"blob": {"S": "x" * size}})
            fits = size
        except ClientError:
            too_many = size
    return event.id


async def test_change_of_a_full_row_is_refused(
    store: AsyncDynamoDBStore, rows: Rows, full: str
) -> None:
    """The error names the row and says that nothing was written."""
    before = await rows.event(full)
    event = await store.get(full)
    with pytest.raises(ItemTooLargeError, match="400 KB") as caught:
        await store.update(event.model_copy(update={"request_id": "r-1"}))
    assert caught.value.key == TableLayout().event_key(full)
    assert not caught.value.outcome_unknown
    with pytest.raises(ItemTooLargeError):
        await store.close(full, closed_by="bob", closed_reason="done")
    assert await rows.event(full) == before


async def test_pass_marks_all_others_beside_a_full_row(
    store: AsyncDynamoDBStore, clock: FakeClock, full: str
) -> None:
    """One event that cannot be marked does not stop the pass."""
    others = [
        await store.create(make_event(invoker=f"invoker-{index}", created_at=clock()))
        for index in range(3)
    ]
    clock.advance(timedelta(hours=1))
    with pytest.raises(ExpiryError) as caught:
        await expire_due(store, now=clock())
    (error,) = caught.value.exceptions
    assert isinstance(error, ItemTooLargeError)
    assert error.key == TableLayout().event_key(full)
    assert {event.id for event in caught.value.expired} == {event.id for event in others}
    assert (await store.get(full)).status is BreakGlassStatus.ACTIVE
