"""The exact part that takes a slot, and what a slot's row says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiobreakglass import CorruptItemError, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.rules import decide_create
from aiobreakglass._domain.slots import Pool, Slot, SlotKind, Taken, Use, slots_of
from aiobreakglass._dynamodb.parts.slot import SlotPart, read_use
from aiobreakglass.testing import make_event
from tests.dynamodb.example import CREATED_AT, EVENT, ID, LAYOUT, TABLE, attempt_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
NOON, ELEVEN = "2024-03-01T12:00:00.000000Z", "2024-03-01T11:00:00.000000Z"
NOON_IN_SECONDS = 1709294400
OLDER = "fedcba9876543210"

COOLDOWN = Taken(
    Pool("cooldown", SlotKind.PAIR, 1, HOUR), Slot(SlotKind.PAIR, "alice", "prod", 0), None
)
PER_INVOKER = Taken(
    Pool("per_invoker", SlotKind.INVOKER, 9, DAY), Slot(SlotKind.INVOKER, "alice", "", 7), None
)
PER_PROFILE = Taken(
    Pool("per_profile", SlotKind.PROFILE, 90, HOUR), Slot(SlotKind.PROFILE, "", "prod", 89), None
)
UNREVIEWED = Taken(
    Pool("max_unreviewed", SlotKind.UNREVIEWED, 2, None),
    Slot(SlotKind.UNREVIEWED, "alice", "", 1),
    None,
)


def put_of(taken: Taken) -> dict[str, Any]:
    """Return the part that takes a slot at noon."""
    attempt = attempt_of(decide_create(EVENT, CREATED_AT), None)._replace(slots=[taken])
    parts = [each for kind in SlotKind for each in SlotPart(TABLE, kind).parts(attempt)]
    (part,) = parts
    assert part.role == f"slot {taken.slot.kind}"
    put: dict[str, Any] = part.action["Put"]
    assert put["Item"].items() >= part.key.items()
    return put


@pytest.mark.parametrize(
    ("taken", "key", "latest", "seconds"),
    [
        (COOLDOWN, "SLOT#C#5#alice#prod", ELEVEN, 3600),
        (PER_INVOKER, "SLOT#I#alice#07", "2024-02-29T12:00:00.000000Z", 86400),
        (PER_PROFILE, "SLOT#P#prod#89", ELEVEN, 3600),
        (
            COOLDOWN._replace(pool=COOLDOWN.pool._replace(within=MICROSECOND)),
            "SLOT#C#5#alice#prod",
            "2024-03-01T11:59:59.999999Z",
            1,
        ),
        (
            COOLDOWN._replace(pool=COOLDOWN.pool._replace(within=timedelta.max)),
            "SLOT#C#5#alice#prod",
            "0001-01-01T00:00:00.000000Z",
            86_400_000_000_000,
        ),
    ],
    ids=["cooldown", "per_invoker", "per_profile", "a microsecond", "the longest interval"],
)
def test_slot_that_time_frees(taken: Taken, key: str, latest: str, seconds: int) -> None:
    """A slot is taken if its use is over, and is kept until a day after its interval."""
    ttl = {"N": str(NOON_IN_SECONDS + seconds + 86400)}
    assert put_of(taken) == {
        "TableName": "breakglass",
        "Item": {
            "pk": {"S": key},
            "used_at": {"S": NOON},
            "event_id": {"S": ID},
            "write_id": {"S": "w2"},
            "ttl": ttl,
        },
        "ConditionExpression": "(attribute_not_exists(#pk) OR #used_at <= :latest) "
        "AND NOT #ttl > :ttl",
        "ExpressionAttributeNames": {"#pk": "pk", "#used_at": "used_at", "#ttl": "ttl"},
        "ExpressionAttributeValues": {":latest": {"S": latest}, ":ttl": ttl},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@pytest.mark.parametrize(
    ("seen", "condition", "names", "values"),
    [
        (None, "attribute_not_exists(#pk)", {"#pk": "pk"}, {}),
        (
            Use(CREATED_AT - DAY, OLDER),
            "attribute_not_exists(#pk) OR #event_id = :seen",
            {"#pk": "pk", "#event_id": "event_id"},
            {"ExpressionAttributeValues": {":seen": {"S": OLDER}}},
        ),
    ],
    ids=["never taken", "taken over"],
)
def test_slot_that_a_review_frees(
    seen: Use | None, condition: str, names: dict[str, str], values: dict[str, Any]
) -> None:
    """It is taken over only from the event that was seen in it, and no time deletes it."""
    assert put_of(UNREVIEWED._replace(seen=seen)) == {
        "TableName": "breakglass",
        "Item": {
            "pk": {"S": "SLOT#U#alice#01"},
            "used_at": {"S": NOON},
            "event_id": {"S": ID},
            "write_id": {"S": "w2"},
        },
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **values,
    }


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (NOON_IN_SECONDS, NOON_IN_SECONDS + 90000),
        (NOON_IN_SECONDS + 89999, NOON_IN_SECONDS + 90000),
        (NOON_IN_SECONDS + 90001, NOON_IN_SECONDS + 90001),
    ],
    ids=["over", "earlier", "later"],
)
def test_slot_is_kept_as_long_as_the_use_that_it_replaces(seen: int, expected: int) -> None:
    """A limit that looks further back may still count that use."""
    put = put_of(COOLDOWN._replace(seen=Use(CREATED_AT - DAY, OLDER, seen)))
    assert put["Item"]["ttl"] == put["ExpressionAttributeValues"][":ttl"] == {"N": str(expected)}


NAMES = st.text("aA#07Uß", min_size=1, max_size=5)


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    """Draw a slot as an opening has it."""
    kind = draw(st.sampled_from(SlotKind))
    pool = Pool("any", kind, 1 if kind is SlotKind.PAIR else 90, HOUR)
    event = make_event(invoker=draw(NAMES), profile=draw(NAMES))
    return draw(st.sampled_from(slots_of(pool, event)))


@given(one=slots(), other=slots())
@example(Slot(SlotKind.PAIR, "a#b", "c", 0), Slot(SlotKind.PAIR, "a", "b#c", 0))
@example(Slot(SlotKind.INVOKER, "a", "", 7), Slot(SlotKind.UNREVIEWED, "a", "", 7))
@example(Slot(SlotKind.PROFILE, "", "a#07", 0), Slot(SlotKind.PROFILE, "", "a", 7))
@example(Slot(SlotKind.PROFILE, "", "a", 7), Slot(SlotKind.PROFILE, "", "A", 7))
def test_two_slots_never_share_a_key(one: Slot, other: Slot) -> None:
    """Whatever is in the names, the key of a slot is its own; letters keep their case."""
    assert (LAYOUT.slot_key(one) == LAYOUT.slot_key(other)) == (one == other)


@pytest.mark.parametrize("kind", SlotKind)
def test_slot_key_of_the_longest_names(kind: SlotKind) -> None:
    """A partition key has at most 2,048 bytes."""
    longest = TableLayout(slot_prefix="s" * 255)
    key = longest.slot_key(Slot(kind, "ß" * 256, "ß" * 256, 89))
    assert len(key.encode()) <= 2048


ROW: Item = {
    "pk": {"S": "SLOT#C#5#alice#prod"},
    "used_at": {"S": NOON},
    "event_id": {"S": ID},
    "ttl": {"N": "7"},
}


@pytest.mark.parametrize(
    ("row", "ttl"), [(ROW, 7), ({**ROW, "other": {"S": "x"}}, 7)], ids=["ours", "more"]
)
def test_slot_of_ours(row: Item, ttl: int) -> None:
    """A row says when it was used, by which event, and until when it is kept."""
    assert read_use(row, LAYOUT) == Use(CREATED_AT, ID, ttl)
    del (unreviewed := dict(row))["ttl"]
    assert read_use(unreviewed, LAYOUT) == Use(CREATED_AT, ID, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"used_at": None},
        {"event_id": None},
        {"event_id": {"S": "x"}},
        {"used_at": {"N": "7"}},
        {"used_at": {"S": "2024-03-01T14:00:00.000000+02:00"}},
        {"used_at": {"S": "2024-03-01T12:00:00Z"}},
        {"used_at": {"S": ""}},
        {"ttl": {"S": "7"}},
        {"ttl": {"N": "7.5"}},
    ],
    ids=str,
)
def test_row_that_is_no_slot(changes: dict[str, Any]) -> None:
    """DynamoDB compares the time as text, so a store trusts only its own spelling."""
    row = {name: value for name, value in {**ROW, **changes}.items() if value is not None}
    with pytest.raises(CorruptItemError, match="is not that of a slot") as caught:
        read_use(row, LAYOUT)
    assert caught.value.key == "SLOT#C#5#alice#prod"
