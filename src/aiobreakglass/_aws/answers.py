"""Parse successful responses strictly, in the form in which DynamoDB sends them.

botocore turns a body that it cannot parse into an empty answer, which would mean "no access" for
a read and "done" for a write. Here an answer that breaks a rule raises botocore's own error, and
the request is sent again.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ChecksumError

Check = Callable[[Any], bool]

# A test compares the domains with botocore's list of partitions. The pattern requires the
# service's label, because load balancers and virtual machines, which may run an emulator, have
# these domains too.
_AWS_ENDPOINT: Final = re.compile(
    r"(?:[^.]+\.)*(?:search-)?(?:dynamodb|ddb)(?:-fips)?\.(?:[^.]+\.)*(?:"
    r"amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu"
    r"|api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov"
    r"|api\.aws\.ic\.gov|api\.aws\.scloud|api\.cloud-aws\.adc-e\.uk|api\.aws\.hci\.ic\.gov"
    r")\.?"
)


@lru_cache(maxsize=64)
def is_aws_endpoint(url: str) -> bool:
    """Return whether AWS itself serves DynamoDB at a URL, so that every answer has a checksum."""
    return _AWS_ENDPOINT.fullmatch(urlsplit(url).hostname or "") is not None


def read_json(body: bytes) -> Any:
    """Parse JSON that must be plain UTF-8.

    From bytes, `json.loads` would also accept UTF-16, UTF-32, a byte-order mark and surrogates.
    """
    return json.loads(body.decode())


loads: Callable[[bytes], Any]
"""Parses JSON as `read_json` does, with orjson if that is installed, which is much faster."""
try:
    from orjson import loads
except ImportError:
    loads = read_json


def read_answer(
    operation: str,
    request: Mapping[str, Any],
    headers: Mapping[str, str],
    body: bytes,
    *,
    from_aws: bool,
    loads: Callable[[bytes], Any] = read_json,
) -> dict[str, Any]:
    """Return the answer in the body of a successful response, or raise botocore's own error.

    An answer from AWS must have a checksum; emulators and other servers may omit it.
    """
    checksum = headers.get("x-amz-crc32")
    if checksum is None and from_aws:
        raise _parser_error("the answer has no x-amz-crc32")
    if checksum is not None and checksum != (actual := str(zlib.crc32(body))):
        raise ChecksumError(
            checksum_type="crc32", expected_checksum=checksum, actual_checksum=actual
        )
    try:
        answer = loads(body)
    except (ValueError, RecursionError) as error:
        raise _parser_error("the body of a successful response is not JSON in UTF-8") from error
    if type(answer) is not dict:
        raise _parser_error("the body of a successful response is not a JSON object")
    problem = _problem(operation, request, answer)
    if problem is None and checksum is None and _is_foreign(operation, answer):
        problem = "has none of its members"
    if problem is not None:
        raise _parser_error(f"the answer to {operation} {problem}")
    return answer


def _problem(operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the shape of an answer, if anything."""
    for name, is_right in _MEMBERS.get(operation, {}).items():
        if name in answer:
            if not is_right(answer[name]):
                return f"has {name} of another shape"
        elif name in _REQUIRED and not (name == "Items" and request.get("Select") == "COUNT"):
            return f"has no {name}"
    return None


def _is_foreign(operation: str, answer: Mapping[str, Any]) -> bool:
    """Return whether an answer has only unknown members, as a gateway's message has."""
    known = _MEMBERS.get(operation)
    return known is not None and bool(answer) and not answer.keys() & (known.keys() | _UNREAD)


def _is_row(value: Any) -> bool:
    """Return whether each attribute is an object with one type and its content.

    Every check of access calls this. For speed it catches exceptions instead of testing first:
    JSON of another shape does not unpack, lacks the key, or names an unknown type.
    """
    if type(value) is not dict:
        return False
    try:
        for attribute in value.values():
            (kind,) = attribute
            content = attribute[kind]
            # Most attributes are texts. A set lookup would take longer.
            if type(content) is str and (kind == "S" or kind == "N"):
                continue
            if not _CONTENTS[kind](content):
                return False
    except (TypeError, ValueError, LookupError):
        return False
    return True


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_bool(value: Any) -> bool:
    return type(value) is bool


def _is_binary(value: Any) -> bool:
    try:
        # Like botocore's, this decoder ignores characters outside the alphabet.
        return type(value) is str and b64decode(value) is not None
    except ValueError:
        return False


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_list(is_right: Check) -> Check:
    return lambda value: type(value) is list and all(map(is_right, value))


def _is_mapping(is_right: Check) -> Check:
    return lambda value: type(value) is dict and all(map(is_right, value.values()))


def _is_attribute(value: Any) -> bool:
    return _is_row({"": value})


def _has_keys(value: Any) -> bool:
    return type(value) is dict and _are_rows(value.get("Keys"))


def _are_listed_rows(value: Any) -> bool:
    """Return whether each row is an object of objects.

    This does not look inside the attributes. Whoever asks checks each one when it decodes its row,
    so a malformed attribute makes one row corrupt, not the whole answer.
    """
    if type(value) is not list:
        return False
    try:
        return {*map(type, chain.from_iterable(map(dict.values, value)))} <= _OBJECT
    except TypeError:
        return False


_are_rows: Final = _is_list(_is_row)
_OBJECT: Final = frozenset({dict})

_CONTENTS: Final[Mapping[str, Check]] = {
    "S": _is_text,
    "N": _is_text,
    "B": _is_binary,
    "BOOL": _is_bool,
    "NULL": _is_bool,
    "SS": _is_list(_is_text),
    "NS": _is_list(_is_text),
    "BS": _is_list(_is_binary),
    "L": _is_list(_is_attribute),
    "M": _is_row,
}

_MEMBERS: Final[Mapping[str, Mapping[str, Check]]] = {
    "GetItem": {"Item": _is_row},
    "Query": {"Items": _are_listed_rows, "Count": _is_count, "LastEvaluatedKey": _is_row},
    "Scan": {"Items": _are_listed_rows, "Count": _is_count, "LastEvaluatedKey": _is_row},
    "BatchGetItem": {
        "Responses": _is_mapping(_are_rows),
        "UnprocessedKeys": _is_mapping(_has_keys),
    },
    "TransactWriteItems": {},
}
_REQUIRED: Final = frozenset({"Items", "Count", "Responses"})
_UNREAD: Final = frozenset({"ConsumedCapacity", "ItemCollectionMetrics"})


def _parser_error(problem: str) -> Exception:
    # Imported here because it costs more than the rest of this package; clients import it anyway.
    from botocore.parsers import ResponseParserError

    return ResponseParserError(problem)
