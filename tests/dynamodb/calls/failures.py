"""The kinds of failures that requests meet."""

from __future__ import annotations

import pytest

from tests.faults import proxy as faults
from tests.faults.proxy import Fault

WRITE = "TransactWriteItems"

TRANSIENT = {
    "500": faults.answer(500, "InternalServerError"),
    "503 of a proxy": faults.answer(503, "ServiceUnavailable"),
    "throttled": faults.answer(400, "ThrottlingException"),
    "over capacity": faults.answer(400, "ProvisionedThroughputExceededException"),
    "over the limit": faults.answer(400, "RequestLimitExceeded"),
    "reset": faults.reset,
    "hang": faults.hang,
    "response lost": faults.lose_response,
    "body cut": faults.cut_body,
    "wrong crc32": faults.wrong_checksum,
    "not JSON": faults.invalid_json,
}
TRANSIENT_FOR_WRITES = {
    **TRANSIENT,
    "conflict": faults.cancelled("TransactionConflict", "None"),
    "conflict and refusal": faults.cancelled("TransactionConflict", "ConditionalCheckFailed"),
    "throttled within": faults.cancelled("None", "ThrottlingError"),
    "in progress": faults.answer(400, "TransactionInProgressException"),
    "replicated": faults.answer(400, "ReplicatedWriteConflictException"),
}
FATAL = {
    "access denied": faults.answer(400, "AccessDeniedException", "not authorized"),
    "expired token": faults.answer(400, "ExpiredTokenException", "the token is expired"),
    "bad signature": faults.answer(400, "UnrecognizedClientException", "the key is unknown"),
}


def table(cases: dict[str, Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", cases.values(), ids=cases.keys())
