"""What rows say about histories: entries, and the newest entry of an event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given

from aiobreakglass import BreakGlassEvent, CorruptItemError, HistoryEntry, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import Tip, digest_of, tip_of
from aiobreakglass._domain.rules import decide_delete
from aiobreakglass._dynamodb.record import (
    decode_entry,
    decode_record,
    decode_tip,
    encode_entry,
    encode_record,
)
from aiobreakglass._dynamodb.retention import Retention
from tests.dynamodb.codec.strategies import ARBITRARY_ROWS, ATTRIBUTES
from tests.dynamodb.example import (
    ABSENT,
    CREATED_AT,
    EVENT,
    ID,
    LAYOUT,
    ROW,
    UNTIL,
    attempt_of,
    first_entry,
)
from tests.strategies import events

BEGINNING = datetime.min.replace(tzinfo=UTC)
A_YEAR = Retention(timedelta(days=365))
ENTRY = first_entry(EVENT, A_YEAR)
DELETED = attempt_of(decide_delete(EVENT, UNTIL), ROW).record.entries[-1]
KEY = f"HISTORY#{ID}#000001"
ENTRY_ROW: Item = {
    "pk": {"S": KEY},
    "event_id": {"S": ID},
    "revision": {"N": "1"},
    "entry": {"S": ENTRY.entry},
    "hash": {"S": sha256(ENTRY.entry.encode()).hexdigest()},
    "history_ttl": {"N": "1741536000"},
    "write_id": {"S": "w1"},
}
RECORD: Item = {
    "revision": {"N": "1"},
    "head": {"S": ENTRY.hash},
    "digest": {"S": digest_of(EVENT)},
    "recorded_at": {"S": "2024-03-01T12:00:00.000000Z"},
    "history_ttl": {"N": "1741536000"},
}
TIP = Tip(1, ENTRY.hash, CREATED_AT, digest_of(EVENT), 1741536000)


def changed(item: Item, changes: dict[str, Any]) -> Item:
    return {name: value for name, value in {**item, **changes}.items() if value is not ABSENT}


class TestRecordOfARow:
    def test_row_names_its_newest_entry(self) -> None:
        """The row of an event says where its history ends, and what the event was then."""
        assert encode_record(tip_of(ENTRY)) == RECORD
        assert decode_record(RECORD) == TIP == tip_of(ENTRY)

    def test_tombstone_names_its_newest_entry(self) -> None:
        """A tombstone has no event, and so no digest; a history kept for ever has no end."""
        assert encode_record(tip_of(DELETED)) == {
            "revision": {"N": "2"},
            "head": {"S": DELETED.hash},
            "recorded_at": {"S": "2024-03-02T12:00:00.000000Z"},
        }
        assert decode_record(encode_record(tip_of(DELETED))) == tip_of(DELETED)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param({"digest": ABSENT}, TIP._replace(digest=None), id="no digest"),
            pytest.param({"digest": {"S": "x"}}, TIP._replace(digest=None), id="no hash"),
            pytest.param({"history_ttl": ABSENT}, TIP._replace(history_ttl=None), id="for ever"),
            pytest.param(
                {"history_ttl": {"N": "1e9"}}, TIP._replace(history_ttl=None), id="no integer"
            ),
            pytest.param(
                {"recorded_at": ABSENT, "updated_at": {"S": "2024-03-02T12:00:00Z"}},
                TIP._replace(at=UNTIL),
                id="recorded when it was last changed",
            ),
            pytest.param(
                {"recorded_at": {"S": "noon"}, "updated_at": {"N": "7"}},
                TIP._replace(at=BEGINNING),
                id="recorded nobody knows when",
            ),
            pytest.param({"revision": {"N": "999997"}}, TIP._replace(revision=999_997), id="last"),
            pytest.param({"revision": {"N": "999998"}}, None, id="no room for a change"),
            *(
                pytest.param({"revision": attribute}, None, id=f"revision {attribute}")
                for attribute in (
                    *(ABSENT, {"S": "1"}, {"N": "0"}, {"N": "-1"}, {"N": "1.5"}, {"N": "1E2"}),
                    *({"N": 1}, {"N": "1000000"}, {"N": "9" * 38}, {"N": "\uff11"}, {}, "1"),
                )
            ),
            *(
                pytest.param({"head": attribute}, None, id=f"head {attribute}")
                for attribute in (ABSENT, {"S": ""}, {"S": "A" * 64}, {"B": b"x"}, {"S": "a" * 65})
            ),
        ],
    )
    def test_row_that_another_writer_changed(
        self, changes: dict[str, Any], expected: Tip | None
    ) -> None:
        """A row without a usable revision and hash names no entry; nothing else is needed."""
        assert decode_record(changed(RECORD, changes)) == expected

    @given(ARBITRARY_ROWS, ATTRIBUTES, ATTRIBUTES)
    def test_any_row_names_an_entry_or_none(
        self, row: Item, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        """No row makes the decoder fail."""
        tip = decode_record({**row, "revision": one, "head": {"S": "a" * 64}, "digest": other})
        assert tip is None or 1 <= tip.revision <= 999_999


class TestRowOfAnEntry:
    def test_row_of_an_entry(self) -> None:
        """The row has the entry's text and hash, and no attribute that an index lists by."""
        assert encode_entry(ENTRY, LAYOUT, write_id="w1", ttl=None) == ENTRY_ROW
        with_ttl = encode_entry(ENTRY, LAYOUT, write_id="w1", ttl=1741536000)
        assert with_ttl == {**ENTRY_ROW, "ttl": {"N": "1741536000"}}
        assert not set(with_ttl) & {*LAYOUT.indexes.values(), "created_at"}
        assert decode_entry(ENTRY_ROW, KEY) == ENTRY

    def test_row_of_an_entry_in_another_layout(self) -> None:
        """The layout names the key, its prefix, and the attributes that it may name."""
        layout = TableLayout(
            partition_key="key", history_prefix="H/", ttl_attribute="gone", write_id_attribute="w"
        )
        item = encode_entry(ENTRY, layout, write_id="w1", ttl=7)
        assert item == changed(
            ENTRY_ROW,
            {
                "pk": ABSENT,
                "key": {"S": f"H/{ID}#000001"},
                "write_id": ABSENT,
                "w": {"S": "w1"},
                "gone": {"N": "7"},
            },
        )

    @given(events())
    def test_entry_of_any_event_is_decoded_unchanged(self, event: BreakGlassEvent) -> None:
        """Encoding and decoding an entry changes no field."""
        (entry,) = [first_entry(event, A_YEAR)]
        item = encode_entry(entry, LAYOUT, write_id="w1", ttl=None)
        assert decode_entry(item, KEY) == entry

    @pytest.mark.parametrize(
        "changes",
        [
            {"entry": ABSENT},
            {"hash": ABSENT},
            {"entry": {"S": "junk"}},
            {"entry": {"S": "[]"}},
            {"entry": {"S": "{}"}},
            {"entry": {"S": "[" * 100_000}},
            {"entry": {"S": json.dumps({**json.loads(ENTRY.entry), "action": "invented"})}},
            {"entry": {"S": json.dumps({**json.loads(ENTRY.entry), "revision": True})}},
            {"entry": {"S": json.dumps({**json.loads(ENTRY.entry), "event": {"id": ID}})}},
            {"entry": {"B": b"x"}},
            {"entry": {"S": None}},
        ],
        ids=lambda changes: str(changes)[:60],
    )
    def test_row_that_is_not_an_entry_is_corrupt(self, changes: dict[str, Any]) -> None:
        """The error has the row's key, and none of its values."""
        with pytest.raises(CorruptItemError) as caught:
            decode_entry(changed(ENTRY_ROW, changes), KEY)
        assert caught.value.key == KEY
        assert "junk" not in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param({}, TIP._replace(digest=None), id="an entry"),
            pytest.param(
                {"hash": ABSENT}, TIP._replace(digest=None), id="the hash follows from the text"
            ),
            pytest.param(
                {"entry": {"S": "junk"}},
                TIP._replace(digest=None, at=BEGINNING),
                id="a text that is none",
            ),
            pytest.param(
                {"entry": ABSENT, "hash": ABSENT},
                TIP._replace(digest=None, at=BEGINNING, head=sha256(b"").hexdigest()),
                id="nothing of an entry",
            ),
            pytest.param(
                {"history_ttl": ABSENT},
                TIP._replace(digest=None, history_ttl=None),
                id="kept for ever",
            ),
        ],
    )
    def test_any_row_can_be_the_end_of_a_history(
        self, changes: dict[str, Any], expected: Tip
    ) -> None:
        """An event stays changeable, whatever was written over its newest entry."""
        assert decode_tip(1, changed(ENTRY_ROW, changes)) == expected


def test_entry_is_what_its_text_says() -> None:
    """The fields of an entry are those of its text."""
    assert HistoryEntry(
        event_id=ID,
        revision=1,
        at=CREATED_AT,
        action=ENTRY.action,
        by="alice",
        note=None,
        event=EVENT,
        previous=None,
        entry=ENTRY.entry,
        hash=sha256(ENTRY.entry.encode()).hexdigest(),
        history_ttl=1741536000,
    ) == decode_entry(ENTRY_ROW, KEY)
