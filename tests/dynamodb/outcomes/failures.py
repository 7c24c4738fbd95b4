"""Failures of an attempt: DynamoDB's refusals, and broken connections."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

ENDPOINT = "http://127.0.0.1:1"

CONDITION_FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
FINE = {"Code": "None"}


def client_error(code: str, status: int = 400, message: str = "DynamoDB's words") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "r-1",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "TransactWriteItems",
    )


def cancelled(*reasons: Mapping[str, Any]) -> ClientError:
    error = client_error("TransactionCanceledException")
    response: Any = error.response
    response["CancellationReasons"] = list(reasons)
    return error


def connector_error(kind: type[aiohttp.ClientConnectorError]) -> aiohttp.ClientConnectorError:
    key: Any = SimpleNamespace(host="127.0.0.1", port=1, ssl=True)
    return kind(key, OSError(111, "Connection refused"))


CONNECTION_REFUSED = EndpointConnectionError(
    endpoint_url=ENDPOINT, error=connector_error(aiohttp.ClientConnectorError)
)
CONNECTION_RESET = EndpointConnectionError(
    endpoint_url=ENDPOINT, error=aiohttp.ClientOSError(104, "Connection reset by peer")
)
READ_TIMEOUT = ReadTimeoutError(endpoint_url=ENDPOINT, error=TimeoutError())
CONNECT_TIMEOUT = ConnectTimeoutError(endpoint_url=ENDPOINT, error=TimeoutError())
CONNECTION_CLOSED = ConnectionClosedError(
    endpoint_url=ENDPOINT, request=None, error=aiohttp.ServerDisconnectedError()
)
NO_CREDENTIALS = NoCredentialsError()
WRONG_CHECKSUM = ChecksumError(checksum_type="crc32", expected_checksum="1", actual_checksum="2")
NOT_JSON = ResponseParserError("the body of a 200 is not JSON")
