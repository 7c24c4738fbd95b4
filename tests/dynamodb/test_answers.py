"""What counts as an answer: complete JSON in UTF-8, in the shape of its operation."""

from __future__ import annotations

import json
import zlib
from typing import Any

import orjson
import pytest
from botocore.exceptions import ChecksumError
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass._aws.answers import is_aws_endpoint, read_answer, read_json

ROW = {"pk": {"S": "café"}, "n": {"N": "1"}}
COUNTING = {"Select": "COUNT"}
parsers = pytest.mark.parametrize("loads", [read_json, orjson.loads], ids=["json", "orjson"])


def read(
    operation: str,
    body: bytes,
    *,
    request: dict[str, Any] | None = None,
    checksum: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    headers = {} if checksum is None else {"x-amz-crc32": checksum}
    return read_answer(operation, request or {}, headers, body, **{"from_aws": False, **options})


def crc32(body: bytes) -> str:
    return str(zlib.crc32(body))


class TestChecksum:
    BODY = json.dumps({"Item": ROW}).encode()

    @pytest.mark.parametrize("from_aws", [True, False])
    def test_right_checksum_is_accepted(self, from_aws: bool) -> None:
        """The body is the one that DynamoDB sent."""
        answer = read("GetItem", self.BODY, checksum=crc32(self.BODY), from_aws=from_aws)
        assert answer == {"Item": ROW}

    @pytest.mark.parametrize("checksum", ["0", "", "junk", f"{zlib.crc32(BODY) + 1}"])
    @pytest.mark.parametrize("from_aws", [True, False])
    def test_wrong_checksum_is_an_error(self, from_aws: bool, checksum: str) -> None:
        """A body that is not the one that DynamoDB sent is an error, even if it is JSON."""
        with pytest.raises(ChecksumError, match="crc32"):
            read("GetItem", self.BODY, checksum=checksum, from_aws=from_aws)

    def test_missing_checksum_is_an_error_from_aws_only(self) -> None:
        """Only servers other than AWS may leave out the checksum."""
        assert read("GetItem", self.BODY) == {"Item": ROW}
        with pytest.raises(ResponseParserError, match=r"has no x-amz-crc32$"):
            read("GetItem", self.BODY, from_aws=True)


def endpoints_of_botocore() -> set[str]:
    """Return DynamoDB's URLs in all partitions, for one region and account."""
    loader = create_loader()
    rules = json.dumps(loader.load_service_model("dynamodb", "endpoint-rule-set-1"))
    found = set()
    for partition in loader.load_data("partitions")["partitions"]:
        outputs = partition["outputs"]
        for url in {part for part in rules.split('"') if part.startswith("https://")}:
            filled = (
                url.replace("{Region}", next(iter(partition["regions"])))
                .replace("{PartitionResult#dnsSuffix}", outputs["dnsSuffix"])
                .replace("{PartitionResult#dualStackDnsSuffix}", outputs["dualStackDnsSuffix"])
                .replace("{AccountId}", "123456789012")
                .replace("{ParsedArn#accountId}", "123456789012")
            )
            found.add(filled)
    return found


class TestEndpoint:
    def test_endpoints_in_every_partition_are_of_aws(self) -> None:
        """Regional, dual-stack, FIPS and account-based endpoints belong to AWS."""
        endpoints = endpoints_of_botocore()
        assert len(endpoints) > 30
        assert not [url for url in endpoints if "{" in url]
        assert [url for url in endpoints if not is_aws_endpoint(url)] == []

    @pytest.mark.parametrize(
        "url",
        [
            "https://vpce-1a2b-3c4d.dynamodb.eu-central-1.vpce.amazonaws.com",
            "https://DynamoDB.eu-central-1.AmazonAWS.com:443/",
            "https://dynamodb.eu-central-1.amazonaws.com.",
        ],
    )
    def test_endpoint_in_another_spelling_is_of_aws(self, url: str) -> None:
        """Endpoints of a VPC, capital letters, a port and a final dot change nothing."""
        assert is_aws_endpoint(url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost",
            "https://dynamodb.example",
            "https://dynamodb.amazonaws.com.example",
            "https://dynamodb.eu-central-1.notamazonaws.com",
            "https://ec2-1-2-3-4.eu-central-1.compute.amazonaws.com:8000",
            "https://dynamodb-1.eu-central-1.elb.amazonaws.com",
            "file:///etc/passwd",
        ],
    )
    def test_other_endpoint_is_not_of_aws(self, url: str) -> None:
        """An emulator is not AWS, even on a machine of AWS."""
        assert not is_aws_endpoint(url)


class TestText:
    TEXT = json.dumps({"Item": ROW}, ensure_ascii=False)

    @parsers
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"\xef\xbb\xbf" + TEXT.encode(), id="byte-order mark"),
            pytest.param(TEXT.encode("utf-16"), id="UTF-16"),
            pytest.param(TEXT.encode("utf-16-le"), id="UTF-16 without a mark"),
            pytest.param(TEXT.encode("utf-32"), id="UTF-32"),
            pytest.param(TEXT.encode("latin-1"), id="Latin-1"),
            pytest.param(b'{"Item": {"pk": {"S": "\xed\xa0\x80"}}}', id="a surrogate"),
            pytest.param(b'{"Item": {"pk": {"S": "\xc0\xaf"}}}', id="an overlong form"),
            pytest.param(b"", id="empty"),
            pytest.param(b"<html>", id="a page"),
            pytest.param(b'{"Item": {"pk', id="cut off"),
            pytest.param(b"{} {}", id="two objects"),
            pytest.param(b"[" * 100_000, id="nested without end"),
        ],
    )
    def test_body_that_is_not_json_in_utf_8_is_an_error(self, body: bytes, loads: Any) -> None:
        """The reader accepts only JSON in UTF-8, even if a parser could read more."""
        for checksum in (None, crc32(body)):
            with pytest.raises(ResponseParserError, match=r"is not JSON in UTF-8$"):
                read("GetItem", body, checksum=checksum, loads=loads)

    @parsers
    @pytest.mark.parametrize("body", [b"[]", b"null", b'"Item"', b"1", b"true"])
    def test_body_that_is_not_an_object_is_an_error(self, body: bytes, loads: Any) -> None:
        """Other JSON does not mean "no item"."""
        with pytest.raises(ResponseParserError, match=r"is not a JSON object$"):
            read("GetItem", body, loads=loads)

    @parsers
    @given(text=st.text())
    def test_any_text_is_read_unchanged(self, loads: Any, text: str) -> None:
        """The reader returns any text that DynamoDB can hold."""
        answer = {"Item": {"pk": {"S": text}}}
        body = json.dumps(answer, ensure_ascii=False).encode()
        assert read("GetItem", body, loads=loads) == answer


ATTRIBUTES = [
    {"S": ""},
    {"N": "1"},
    {"B": "/w=="},
    {"BOOL": False},
    {"NULL": True},
    {"SS": ["a"]},
    {"NS": ["1"]},
    {"BS": ["/w=="]},
    {"L": [{"S": "a"}, {"L": []}]},
    {"M": {"a": {"M": {}}}},
]
NO_OBJECTS: list[Any] = [None, "x", 5, []]
NO_ATTRIBUTES: list[Any] = [
    *NO_OBJECTS,
    {},
    {"S": "a", "N": "1"},
    {"S": 5},
    {"S": None},
    {"N": 1},
    {"B": 5},
    {"B": "a"},
    {"BOOL": "true"},
    {"NULL": None},
    {"SS": "a"},
    {"SS": [1]},
    {"BS": ["a"]},
    {"L": {"S": "a"}},
    {"L": ["a"]},
    {"L": [{"L": [5]}]},
    {"M": []},
    {"M": {"a": {"M": {"b": 5}}}},
    {"message": "x"},
    {"X": {"S": "a"}},
]
NO_ROWS: list[Any] = [None, "x", 5, [], [ROW], *({"pk": it} for it in NO_ATTRIBUTES)]
NO_LISTS: list[Any] = [None, "x", 5, {}, ROW]
NO_LISTS_OF_ROWS: list[Any] = [*NO_LISTS, *([ROW, it] for it in NO_ROWS)]
NO_LISTED_ROWS: list[Any] = [
    *NO_LISTS,
    *([ROW, it] for it in (None, "x", 5, [], [ROW], *({"pk": it} for it in NO_OBJECTS))),
]
"""For queries: the values of attributes are checked when the rows are decoded."""
NO_COUNTS: list[Any] = [None, True, False, "1", 1.0, -1, [1], {}]
NONE_BY_TABLE: list[Any] = [None, [], [ROW], "x"]

RIGHT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("GetItem", {}, {}),
    ("GetItem", {}, {"Item": {}}),
    ("GetItem", {}, {"Item": ROW, "ConsumedCapacity": {}}),
    *(("GetItem", {}, {"Item": {"pk": it}}) for it in ATTRIBUTES),
    ("Query", {}, {"Items": [], "Count": 0}),
    ("Query", {}, {"Items": [ROW], "Count": 1, "ScannedCount": 7, "LastEvaluatedKey": ROW}),
    ("Query", COUNTING, {"Count": 3}),
    ("Query", COUNTING, {"Count": 3, "LastEvaluatedKey": ROW}),
    ("TransactWriteItems", {}, {}),
    ("TransactWriteItems", {}, {"ConsumedCapacity": []}),
    ("BatchGetItem", {}, {"Responses": {}, "UnprocessedKeys": {}}),
    ("BatchGetItem", {}, {"Responses": {"breakglass": [ROW]}}),
    (
        "BatchGetItem",
        {},
        {"Responses": {"breakglass": []}, "UnprocessedKeys": {"breakglass": {"Keys": [ROW]}}},
    ),
    ("DescribeTable", {}, {"Table": {"TableName": "breakglass"}}),
]
WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *(("GetItem", {}, {"Item": it}) for it in NO_ROWS),
    *(("Query", {}, {"Items": it, "Count": 1}) for it in NO_LISTED_ROWS),
    *(("Query", {}, {"Items": [ROW], "Count": it}) for it in NO_COUNTS),
    *(("Query", {}, {"Items": [ROW], "Count": 1, "LastEvaluatedKey": it}) for it in NO_ROWS),
    ("Query", {}, {}),
    ("Query", {}, {"Items": [ROW]}),
    ("Query", {}, {"Count": 1}),
    ("Query", COUNTING, {}),
    ("Query", COUNTING, {"Count": True}),
    ("BatchGetItem", {}, {}),
    ("BatchGetItem", {}, {"UnprocessedKeys": {}}),
    *(("BatchGetItem", {}, {"Responses": it}) for it in NONE_BY_TABLE),
    *(("BatchGetItem", {}, {"Responses": {"breakglass": it}}) for it in NO_LISTS_OF_ROWS),
    *(
        ("BatchGetItem", {}, {"Responses": {}, "UnprocessedKeys": it})
        for it in [
            *NONE_BY_TABLE,
            {"breakglass": []},
            {"breakglass": {}},
            *({"breakglass": {"Keys": keys}} for keys in NO_LISTS_OF_ROWS),
        ]
    ),
]
FOREIGN = {"message": "hello"}
NAMES = ["Item", "Items", "Count", "LastEvaluatedKey", "Responses", "UnprocessedKeys", "Keys"]
NAMES += ["breakglass", "S", "N", "B", "L", "M", "SS", "BOOL"]


class TestShape:
    @parsers
    @pytest.mark.parametrize(("operation", "request_", "answer"), RIGHT)
    def test_answer_is_returned_with_unknown_members(
        self, operation: str, request_: dict[str, Any], answer: dict[str, Any], loads: Any
    ) -> None:
        """The reader returns each operation's answer unchanged, with members it does not know."""
        body = json.dumps(answer).encode()
        assert read(operation, body, request=request_, loads=loads) == answer
        body = json.dumps(answer | FOREIGN).encode()
        assert read(
            operation, body, request=request_, checksum=crc32(body), from_aws=True, loads=loads
        ) == (answer | FOREIGN)

    @parsers
    @pytest.mark.parametrize(("operation", "request_", "answer"), WRONG)
    def test_answer_of_another_shape_is_an_error(
        self, operation: str, request_: dict[str, Any], answer: dict[str, Any], loads: Any
    ) -> None:
        """A success of another shape is an error, even if its checksum is right."""
        body = json.dumps(answer).encode()
        with pytest.raises(ResponseParserError, match=f"^the answer to {operation} has "):
            read(
                operation, body, request=request_, checksum=crc32(body), from_aws=True, loads=loads
            )

    @pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
    def test_answer_with_only_unknown_members_is_an_error(self, operation: str) -> None:
        """Only unknown members mean neither "no item" nor "written"."""
        with pytest.raises(ResponseParserError, match=r"has none of its members$"):
            read(operation, json.dumps(FOREIGN).encode())

    @given(
        operation=st.sampled_from(["GetItem", "Query", "BatchGetItem", "TransactWriteItems"]),
        answer=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(NAMES),
                    inner,
                    max_size=3,
                )
            ),
        ),
    )
    def test_any_json_is_an_answer_or_an_error(self, operation: str, answer: Any) -> None:
        """Any JSON is an answer, or one of botocore's errors."""
        body = json.dumps(answer).encode()
        try:
            assert read(operation, body) == answer
        except ResponseParserError as error:
            assert "has" in str(error) or "is not" in str(error)  # noqa: PT017 - both outcomes are valid
