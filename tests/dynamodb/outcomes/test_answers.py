"""What an answer says: whether it is whole, and whether it is about the row that was asked."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from botocore.exceptions import ChecksumError
from botocore.parsers import ResponseParserError

from aiobreakglass._dynamodb.failures import BrokenAnswerError
from aiobreakglass._dynamodb.outcomes import check_integrity, check_rows
from aiobreakglass._dynamodb.transaction import Item


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


ASKED: Item = {"pk": {"S": "A"}}


class TestCheckRows:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({}, id="no row"),
            pytest.param({"Item": {"pk": {"S": "A"}, "n": {"N": "1"}}}, id="the row"),
            pytest.param({"Items": [], "Count": 0}, id="no rows"),
            pytest.param({"Items": [{"pk": {"S": "A"}}] * 2, "Count": 2}, id="rows"),
            pytest.param({"Count": 2}, id="a count"),
        ],
    )
    def test_rows_that_were_asked_for(self, answer: dict[str, Any]) -> None:
        """Rows with the attributes that were asked by pass."""
        check_rows(answer, ASKED)

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({"Item": {"pk": {"S": "B"}}}, id="another row"),
            pytest.param({"Item": {}}, id="a row without a key"),
            pytest.param({"Items": [{"pk": {"S": "A"}}, {"pk": {"S": "B"}}]}, id="one of two"),
        ],
    )
    def test_another_row(self, answer: dict[str, Any]) -> None:
        """A row that was not asked for is a broken answer, and grants nothing."""
        with pytest.raises(BrokenAnswerError):
            check_rows(answer, ASKED)
