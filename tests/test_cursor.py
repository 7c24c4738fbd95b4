"""Page cursors: a store accepts the cursors that it issued, and no others."""

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
    """Return content with a valid checksum, which anybody can compute."""
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
    def test_cursor_of_any_query_decodes_to_its_position(
        self,
        field: str,
        value: str,
        times: list[datetime],
        is_open: tuple[bool, bool],
        event_id: str,
        key: bytes | None,
    ) -> None:
        """A cursor decodes to the position that it encodes, and is safe in a URL."""
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
    def test_cursor_keeps_created_at_of_another_writer(
        self, created_at: str, key: bytes | None
    ) -> None:
        """A cursor keeps the row's own text, because DynamoDB compares that text."""
        position = replace(POSITION, created_at=created_at)
        assert decode_cursor(encode_cursor(LISTING, position, key), LISTING, key) == position

    @with_and_without_key
    def test_cursor_at_start_of_range_is_accepted(self, key: bytes | None) -> None:
        """The first instant of a range belongs to the range."""
        position = replace(POSITION, created_at=CONTENT["since"])
        assert decode_cursor(encode_cursor(LISTING, position, key), LISTING, key) == position

    def test_cursor_sealed_by_hand_equals_a_genuine_one(self) -> None:
        """The forgeries below differ from a genuine cursor only in what they change."""
        assert sealed(json.dumps(CONTENT, separators=(",", ":")).encode()) == encode_cursor(
            LISTING, POSITION, None
        )


class TestTamperedCursor:
    @pytest.mark.slow
    @with_and_without_key
    def test_cursor_with_one_changed_character_is_refused(self, key: bytes | None) -> None:
        """Every character counts, even the spare bits that base64 leaves at the end."""
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
    def test_cursor_with_changed_length_is_refused(self, key: bytes | None) -> None:
        """Nothing can be cut from a cursor or added to it."""
        cursor = encode_cursor(LISTING, POSITION, key)
        shorter = [cursor[:length] for length in range(len(cursor))]
        headless = [cursor[start:] for start in range(1, len(cursor))]
        longer = [cursor + more for more in ("A", "AA", "=", "==", "\n", cursor)]
        padded = [f" {cursor}", f"={cursor}"]
        for tampered in (*shorter, *headless, *longer, *padded):
            with pytest.raises(ValueError, match="cursor"):
                decode_cursor(tampered, LISTING, key)

    @given(text=st.text())
    def test_arbitrary_text_is_refused(self, text: str) -> None:
        """Text that is not a cursor is refused."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(text, LISTING, KEY)

    @pytest.mark.parametrize("cursor", ["\u00e9", "\ud800", "\uff10", "e\u0301" * 8])
    def test_non_ascii_cursor_is_refused(self, cursor: str) -> None:
        """A cursor is ASCII; other text is refused with the same error."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(cursor, LISTING, None)

    @pytest.mark.parametrize("cursor", [None, 7, True, b"cursor"])
    def test_non_string_cursor_is_refused(self, cursor: Any) -> None:
        """Anything other than a `str` is a `TypeError`."""
        with pytest.raises(TypeError, match="cursor must be a str"):
            decode_cursor(cursor, LISTING, None)

    @pytest.mark.parametrize(
        ("key", "other"), [(KEY, OTHER_KEY), (KEY, None), (None, KEY)], ids=repr
    )
    def test_cursor_signed_with_another_key_is_refused(
        self, key: bytes | None, other: bytes | None
    ) -> None:
        """A store accepts only cursors signed with its own key, or unsigned ones without a key."""
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
    def test_cursor_of_another_query_is_refused(
        self, differing: str, listing: Listing, key: bytes | None
    ) -> None:
        """A cursor belongs to one query, and the error says which part differs."""
        for ours, theirs in [(LISTING, listing), (listing, LISTING)]:
            cursor = encode_cursor(theirs, POSITION, key)
            with pytest.raises(ValueError, match=f"another query: its {differing} differs"):
                decode_cursor(cursor, ours, key)

    def test_cursor_of_another_version_is_refused(self) -> None:
        """A cursor that another release wrote is refused, not misread."""
        cursor = sealed(json.dumps(CONTENT | {"version": 2}).encode())
        with pytest.raises(ValueError, match="its version differs"):
            decode_cursor(cursor, LISTING, None)


class TestForgedCursor:
    @pytest.mark.parametrize(("part", "value"), FORGERIES)
    def test_forged_cursor_with_a_wrong_part_is_refused(self, part: str, value: object) -> None:
        """Wrong content is refused despite its valid checksum."""
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
    def test_forged_cursor_without_json_object_is_refused(self, content: bytes) -> None:
        """Content that is not a JSON object is refused despite its valid checksum."""
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(sealed(content), LISTING, None)


class TestCursorKey:
    @pytest.mark.parametrize("key", [None, KEY, bytes(64)])
    def test_cursor_key_of_16_bytes_or_none_passes(self, key: bytes | None) -> None:
        """A key has at least 16 bytes, or is None."""
        assert check_cursor_key(key) == key

    @pytest.mark.parametrize("key", [b"", bytes(15)])
    def test_short_cursor_key_is_refused(self, key: bytes) -> None:
        """A key shorter than 16 bytes is refused, because it could be guessed."""
        with pytest.raises(ValueError, match="cursor_key must have at least 16 bytes"):
            check_cursor_key(key)

    @pytest.mark.parametrize("key", ["sixteen bytes at", 7, True, bytearray(KEY)])
    def test_non_bytes_cursor_key_is_refused(self, key: Any) -> None:
        """A key must be `bytes`, because text has none until it is encoded."""
        with pytest.raises(TypeError, match="cursor_key must be bytes or None"):
            check_cursor_key(key)
