"""What an answer says: whether it is whole, and which event's row it has."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ChecksumError
from botocore.parsers import ResponseParserError

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._dynamodb.codec import Item, encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.outcomes import active_event, check_integrity, event_row
from aiobreakglass.testing import make_event


class TestCheckIntegrity:
    BODY = b'{"Item": {}}'
    CHECKSUM = str(zlib.crc32(BODY))

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            pytest.param({"x-amz-crc32": CHECKSUM}, BODY, id="right checksum"),
            pytest.param({}, BODY, id="no checksum"),
            pytest.param({}, b"{}", id="an empty object"),
            pytest.param({"x-amz-crc32": "2745614147"}, b"{}", id="checksum of an empty object"),
        ],
    )
    def test_whole_answers(self, headers: dict[str, str], body: bytes) -> None:
        """A JSON object whose checksum is right, or not given, passes."""
        check_integrity("GetItem", 200, headers, body)

    @pytest.mark.parametrize("checksum", ["0", "", "junk", f"{int(CHECKSUM) + 1}"])
    def test_a_wrong_checksum(self, checksum: str) -> None:
        """A body that is not the one DynamoDB sent is a fault, JSON or not."""
        with pytest.raises(ChecksumError, match="crc32"):
            check_integrity("GetItem", 200, {"x-amz-crc32": checksum}, self.BODY)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            pytest.param(b"", "is not JSON$", id="empty"),
            pytest.param(b"<html>", "is not JSON$", id="a proxy's page"),
            pytest.param(b'{"Item": {"pk', "is not JSON$", id="truncated"),
            pytest.param(b"\xff\xfe\xff", "is not JSON$", id="not text"),
            pytest.param(b"[]", "is not a JSON object$", id="an array"),
            pytest.param(b"null", "is not a JSON object$", id="null"),
            pytest.param(b'"Item"', "is not a JSON object$", id="a string"),
        ],
    )
    @pytest.mark.parametrize("status_code", [200, 204])
    def test_a_body_that_is_no_answer(self, status_code: int, body: bytes, problem: str) -> None:
        """A body that is no JSON object is a fault, checksum or not: it is not "no item"."""
        with pytest.raises(ResponseParserError, match=problem):
            check_integrity("GetItem", status_code, {}, body)
        with pytest.raises(ResponseParserError, match=problem):
            check_integrity("GetItem", status_code, {"x-amz-crc32": str(zlib.crc32(body))}, body)

    @pytest.mark.parametrize("status_code", [300, 400, 500, 503])
    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
    def test_errors(self, status_code: int, body: bytes) -> None:
        """An error's body is botocore's to read."""
        check_integrity("GetItem", status_code, {"x-amz-crc32": "0"}, body)


LAYOUT = TableLayout()
EVENT = make_event(created_at=datetime(2024, 3, 1, 12, tzinfo=UTC))
ROW = encode_event(EVENT, LAYOUT, write_id="w1", retention=None)
TOMBSTONE = encode_tombstone(EVENT.id, LAYOUT, deleted_at=EVENT.created_at, retention=None)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(None, None, id="no row"),
        pytest.param(TOMBSTONE, None, id="a tombstone"),
        pytest.param(ROW, ROW, id="an event"),
        pytest.param({"pk": {"S": "x"}}, {"pk": {"S": "x"}}, id="a row that is no event"),
    ],
)
def test_the_row_of_an_event(item: Item | None, expected: Item | None) -> None:
    """A deleted event is not there."""
    assert event_row(item) == expected


class TestActiveEvent:
    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            pytest.param(ROW, EVENT, id="active, be it lapsed"),
            pytest.param(None, None, id="gone"),
            pytest.param(TOMBSTONE, None, id="deleted"),
            pytest.param(encode_guard(EVENT, LAYOUT), None, id="a guard"),
            pytest.param({**ROW, "status": {"S": "closed"}}, None, id="closed by hand"),
            pytest.param({**ROW, "invoker": {"S": "bob"}}, None, id="of another invoker"),
            pytest.param({**ROW, "profile": {"S": "dev"}}, None, id="of another profile"),
        ],
    )
    def test_whose_access_it_is(self, item: Item | None, expected: BreakGlassEvent | None) -> None:
        """An event holds access only while its row says so, and for its own pair."""
        assert active_event(item, "alice", "prod", LAYOUT) == expected

    def test_a_row_that_holds_access_but_is_no_event(self) -> None:
        """A row that says it is active and cannot be read is reported, not taken for no access."""
        with pytest.raises(CorruptItemError, match="expires_at is missing"):
            active_event(
                {name: value for name, value in ROW.items() if name != "expires_at"},
                "alice",
                "prod",
                LAYOUT,
            )
