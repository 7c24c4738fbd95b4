"""Rows in our own spelling: the fast reader returns the same events as the other one."""

from __future__ import annotations

import string
from datetime import UTC, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiobreakglass import BreakGlassEvent, CorruptItemError, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.canonical import read_canonical
from aiobreakglass._dynamodb.codec import decode_events, encode_event, read_any
from tests.dynamodb.codec.example import (
    HELD,
    LAYOUT,
    MISSING,
    REVIEWED,
    ROW,
    changed,
    encoded,
    event,
)
from tests.dynamodb.codec.strategies import ARBITRARY_ROWS
from tests.strategies import events

ASCII_NAMES = st.text(string.printable, min_size=1, max_size=9).map(str.strip)
NEARLY_CANONICAL = st.dictionaries(
    st.sampled_from(
        ["invoker", "profile", "justification", "closed_by", "closed_reason", "request_id"]
    ),
    (ASCII_NAMES | st.text(string.printable, min_size=19, max_size=30)).map(
        lambda text: {"S": text}
    )
    | st.just(MISSING),
    max_size=2,
).map(changed)
TIMES = st.sampled_from(
    [
        "2024-02-29T23:59:60.000000Z",
        "2024-02-30T00:00:00.000000Z",
        "2024-03-01T12:00:00.000001Z",
        "2024-03-01T24:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "0000-01-01T00:00:00.000000Z",
    ]
)
STRANGE_TIMES = st.dictionaries(
    st.sampled_from(["created_at", "updated_at", "expires_at"]),
    TIMES.map(lambda text: {"S": text}),
).map(changed)
DURATIONS = st.integers(0, 15 * 10**12).map(
    lambda number: changed({"duration": {"N": str(number)}})
)


def read_one(row: Item, layout: TableLayout) -> BreakGlassEvent | None:
    read = read_canonical([row], layout)
    return None if read is None else read[0]


def same(one: BreakGlassEvent, other: BreakGlassEvent) -> bool:
    """Compare all attributes and outputs of two events, not only those that `==` compares."""
    return (
        one == other
        and repr(one) == repr(other)
        and one.model_fields_set == other.model_fields_set
        and one.model_dump_json() == other.model_dump_json()
        and one.model_copy() == other.model_copy()
    )


@given(ARBITRARY_ROWS | NEARLY_CANONICAL | STRANGE_TIMES | DURATIONS | events().map(encoded))
@example(changed({"extensions": {"N": "0"}}))
@example(changed({"extensions": {"N": "1000000"}}))
@example(changed({"extensions": {"N": "01"}}))
@example(changed({"labels": {"M": {}}}))
@example(changed({"labels": {"M": {"Ticket": {"S": "INC-7"}}}}))
@example(changed({"labels": {"M": {"ticket": {"S": "INC-7", "N": "7"}}}}))
@example(changed({"duration": {"N": "999"}}))
@example(changed({"duration": {"N": "14400000000000"}}))
@example(changed({"duration": {"N": "14400000000001"}}))
@example(changed({"pk": {"S": "BREAKGLASS#fedcba9876543210"}}))
@example(changed({"closed_by": {"S": "bob"}}))
@example(changed({"mfa_method": {"S": "totp"}}))
@example(changed({"invoker": {"S": "alice\n"}}))
def test_fast_reader_agrees_with_the_other_reader(row: Item) -> None:
    """The fast reader returns the same event as the other reader, or leaves the row to it."""
    read = read_one(row, LAYOUT)
    try:
        expected = read_any(row, LAYOUT)
    except CorruptItemError:
        assert read is None
    else:
        assert read is None or same(read, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "closed", "closed_by": "bob", "closed_reason": "It answers\nagain"},
        {"status": "expired", "request_id": "r-1"},
        {"mfa_verified": True, "mfa_method": "totp", "mfa_challenge_id": "c-1"},
        {"labels": {"ticket": "INC-7"}, "extensions": 3},
        {"status": "expired", **REVIEWED, **HELD},
        {"duration": timedelta(hours=4)},
        {"duration": timedelta(microseconds=1)},
        {"justification": "a" * 20},
        {"justification": "a" * 1000},
        {"invoker": "a" * 256},
    ],
)
def test_fast_reader_reads_every_own_row(changes: dict[str, object]) -> None:
    """The fast reader reads every row that this library writes."""
    written = event(**changes)
    read = read_one(encoded(written), LAYOUT)
    assert read is not None
    assert read == written
    assert read.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    "field",
    [name for name in BreakGlassEvent.model_fields if name not in ROW or name == "mfa_verified"],
)
@pytest.mark.parametrize(
    "attribute", [{"N": "-1"}, {"B": b"x"}, {"SS": ["x"]}, {"NULL": True}, {}]
)
def test_optional_attribute_of_another_type_is_not_absent(
    field: str, attribute: dict[str, object]
) -> None:
    """The fast reader leaves such a row to the other reader."""
    assert read_one(changed({field: attribute}), LAYOUT) is None


def test_fast_reader_in_another_layout() -> None:
    """The reader takes the key and its prefix from the layout."""
    layout = TableLayout(partition_key="key", event_prefix="EVENT/")
    row = encode_event(event(), layout, write_id="w1")
    assert read_one(row, layout) == event()
    assert read_one(row, LAYOUT) is None
    assert read_one(ROW, layout) is None


def test_one_row_of_another_writer_among_own_rows() -> None:
    """If one row is another writer's, the other reader reads all rows, in their order."""
    others = changed({"created_at": {"S": "2024-03-01T12:00:00Z"}})
    closed = encoded(event(id="fedcba9876543210", status="expired"))
    assert read_canonical([ROW, others], LAYOUT) is None
    assert decode_events([ROW, others, closed], LAYOUT) == [
        event(),
        event(),
        event(id="fedcba9876543210", status="expired"),
    ]
    assert decode_events([], LAYOUT) == []
