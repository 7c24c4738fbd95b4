"""Page cursors: what is given out comes back, and nothing else is taken."""

from __future__ import annotations

import base64
import hmac
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass._contract.arguments import Listing
from aiobreakglass._contract.cursor import Position, check_cursor_key, decode_cursor, encode_cursor
from aiobreakglass._domain.timestamps import encode_time
from tests.strategies import event_ids, instants, names

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISTING = Listing("invoker", "alice", NOON - HOUR, NOON + HOUR)
POSITION = Position("2024-03-01T12:00:00.000000Z", "0123456789abcdef")
CONTENT: dict[str, Any] = {
    "version": 1,
    "field": "invoker",
    "value": "alice",
    "since": "2024-03-01T11:00:00.000000Z",
    "until": "2024-03-01T13:00:00.000000Z",
    "created_at": "2024-03-01T12:00:00.000000Z",
    "id": "0123456789abcdef",
}
KEY = b"sixteen bytes at"
OTHER_KEY = b"sixteen bytes of"
MISSING: Any = ...

FORGERIES: list[tuple[str, Any]] = [
    *(("created_at", value) for value in (MISSING, None, 7, True, ["noon"], "", "noon")),
    ("created_at", "2024-02-30T12:00:00Z"),
    ("created_at", "2024-03-01T10:59:59.999999Z"),
    ("created_at", "2024-03-01T13:00:00.000000Z"),
    *(("id", value) for value in (MISSING, None, 7, True, ["0" * 16], "", "0" * 15)),
    ("id", "0123456789ABCDEF"),
    *(("version", value) for value in (MISSING, None, "1", [1])),
    *(("field", value) for value in (MISSING, None, 7, ["invoker"])),
    *(("value", value) for value in (MISSING, None, 7, {"S": "alice"})),
    *(("since", value) for value in (MISSING, None, 7)),
    *(("until", value) for value in (MISSING, None, 7)),
]

with_and_without_key = pytest.mark.parametrize("key", [None, KEY], ids=["checksum", "signature"])


def sealed(content: bytes) -> str:
    """Seal any content with a right checksum, as anybody can."""
    tag = hmac.digest(b"", content, "sha256")
    return base64.urlsafe_b64encode(tag + content).decode().rstrip("=")


class TestGenuineCursor:
    @given(
        field=st.sampled_from(["invoker", "profile", "status"]),
        value=names(),
        times=st.lists(instants(), min_size=3, max_size=3, unique=True).map(sorted),
        is_open=st.tuples(st.booleans(), st.booleans()),
        event_id=event_ids(),
        key=st.none() | st.binary(min_size=16, max_size=64),
    )
    def test_of_any_query(
        self,
        field: str,
        value: str,
        times: list[datetime],
        is_open: tuple[bool, bool],
        event_id: str,
        key: bytes | None,
    ) -> None:
        """The position comes back as it was, and the cursor is fit for an URL."""
        since, created_at, until = times
        listing = Listing(
            field, value, None if is_open[0] else since, None if is_open[1] else until
        )
        position = Position(encode_time(created_at), event_id)
        cursor = encode_cursor(listing, position, key)
        assert decode_cursor(cursor, listing, key) == position
        assert set(cursor) <= {*string.ascii_letters, *string.digits, "-", "_"}

    @with_and_without_key
    @pytest.mark.parametrize(
        "created_at", ["2024-03-01T12:00:00.123456789Z", "2024-03-01T12:00:00.1-01:00"]
    )
    def test_after_a_row_of_another_writer(self, created_at: str, key: bytes | None) -> None:
        """The row's own text comes back, for that is what DynamoDB compares."""
        position = replace(POSITION, created_at=created_at)
        assert decode_cursor(encode_cursor(LISTING, position, key), LISTING, key) == position

    @with_and_without_key
    def test_at_the_beginning_of_the_range(self, key: bytes | None) -> None:
        """The first instant of a range belongs to it."""
        position = replace(POSITION, created_at=CONTENT["since"])
        assert decode_cursor(encode_cursor(LISTING, position, key), LISTING, key) == position

    def test_that_is_sealed_by_hand(self) -> None:
        """The tests below forge what a store would give out, but for what they change."""
        assert sealed(json.dumps(CONTENT, separators=(",", ":")).encode()) == encode_cursor(
            LISTING, POSITION, None
        )


class TestTamperedCursor:
    @with_and_without_key
    def test_in_a_single_character(self, key: bytes | None) -> None:
        """Every character counts, also the bits that base64 leaves over at the end."""
        alphabet = f"{string.ascii_letters}{string.digits}-_+/= \n\u00e9"
        for spare in range(3):
            listing = replace(LISTING, value="alice" + "x" * spare)
            cursor = encode_cursor(listing, POSITION, key)
            for place, character in enumerate(cursor):
                for other in alphabet.replace(character, ""):
                    tampered = f"{cursor[:place]}{other}{cursor[place + 1 :]}"
                    with pytest.raises(ValueError, match="cursor"):
                        decode_cursor(tampered, listing, key)

    @with_and_without_key
    def test_in_its_length(self, key: bytes | None) -> None:
        """Nothing can be cut off, nor added."""
        cursor = encode_cursor(LISTING, POSITION, key)
        shorter = [cursor[:length] for length in range(len(cursor))]
        headless = [cursor[start:] for start in range(1, len(cursor))]
        longer = [cursor + more for more in ("A", "AA", "=", "==", "\n", cursor)]
        padded = [f" {cursor}", f"={cursor}"]
        for tampered in (*shorter, *headless, *longer, *padded):
            with pytest.raises(ValueError, match="cursor"):
                decode_cursor(tampered, LISTING, key)

    @given(text=st.text())
    def test_beyond_recognition(self, text: str) -> None:
        """Text that is no cursor is refused as such."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(text, LISTING, KEY)

    @pytest.mark.parametrize("cursor", ["\u00e9", "\ud800", "\uff10", "e\u0301" * 8])
    def test_with_what_is_not_ascii(self, cursor: str) -> None:
        """A cursor is ASCII, and what is not is refused like any other."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(cursor, LISTING, None)

    @pytest.mark.parametrize("cursor", [None, 7, True, b"cursor"])
    def test_into_something_else(self, cursor: Any) -> None:
        """A cursor is text."""
        with pytest.raises(TypeError, match="cursor must be a str"):
            decode_cursor(cursor, LISTING, None)

    @pytest.mark.parametrize(
        ("key", "other"), [(KEY, OTHER_KEY), (KEY, None), (None, KEY)], ids=repr
    )
    def test_by_another_signature(self, key: bytes | None, other: bytes | None) -> None:
        """A store with a key takes only what that key has signed."""
        cursor = encode_cursor(LISTING, POSITION, key)
        with pytest.raises(ValueError, match="not one that this store has given out"):
            decode_cursor(cursor, LISTING, other)


class TestCursorOfAnotherQuery:
    @with_and_without_key
    @pytest.mark.parametrize(
        ("differing", "listing"),
        [
            ("field", replace(LISTING, field="profile")),
            ("value", replace(LISTING, value="bob")),
            ("since", replace(LISTING, since=NOON - 2 * HOUR)),
            ("since", replace(LISTING, since=None)),
            ("until", replace(LISTING, until=NOON + 2 * HOUR)),
            ("until", replace(LISTING, until=None)),
        ],
    )
    def test_that_differs_in_one_part(
        self, differing: str, listing: Listing, key: bytes | None
    ) -> None:
        """A cursor belongs to one query, and the error says what differs."""
        for ours, theirs in [(LISTING, listing), (listing, LISTING)]:
            cursor = encode_cursor(theirs, POSITION, key)
            with pytest.raises(ValueError, match=f"another query: its {differing} differs"):
                decode_cursor(cursor, ours, key)

    def test_of_another_version(self) -> None:
        """A cursor that a different release has written is not misread."""
        cursor = sealed(json.dumps(CONTENT | {"version": 2}).encode())
        with pytest.raises(ValueError, match="its version differs"):
            decode_cursor(cursor, LISTING, None)


class TestForgedCursor:
    @pytest.mark.parametrize(("part", "value"), FORGERIES)
    def test_with_a_part_of_the_wrong_kind(self, part: str, value: object) -> None:
        """A right checksum over wrong content opens nothing."""
        content = {**CONTENT, part: value}
        if value is MISSING:
            del content[part]
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(sealed(json.dumps(content).encode()), LISTING, None)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"null",
            b"7",
            b'"alice"',
            b"not JSON",
            b"{",
            b"\xff",
            b"[" * 100_000,
            b"7" * 5_000,
        ],
        ids=lambda content: repr(content[:10]),
    )
    def test_that_is_no_object(self, content: bytes) -> None:
        """A right checksum over no content opens nothing either."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(sealed(content), LISTING, None)


class TestCursorKey:
    @pytest.mark.parametrize("key", [None, KEY, bytes(64)])
    def test_that_is_good(self, key: bytes | None) -> None:
        """A key has 16 bytes or more, or there is none."""
        assert check_cursor_key(key) == key

    @pytest.mark.parametrize("key", [b"", bytes(15)])
    def test_that_is_short(self, key: bytes) -> None:
        """A key that could be guessed is refused, without being shown."""
        with pytest.raises(ValueError, match="cursor_key must have at least 16 bytes"):
            check_cursor_key(key)

    @pytest.mark.parametrize("key", ["sixteen bytes at", 7, True, bytearray(KEY)])
    def test_that_is_no_bytes(self, key: Any) -> None:
        """A key is bytes: text has none until it is encoded."""
        with pytest.raises(TypeError, match="cursor_key must be bytes or None"):
            check_cursor_key(key)
