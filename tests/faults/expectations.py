"""What the caller sees of each fault: the table that the tests check and the docs show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.faults import proxy
from tests.faults.proxy import Fault


class Seen(StrEnum):
    """How a call ends."""

    RIGHT = "the right result"
    REFUSED = "`StoreUnavailableError`"
    UNKNOWN = "`StoreUnavailableError`, `outcome_unknown`"


RIGHT, REFUSED, UNKNOWN = Seen


@dataclass(frozen=True)
class Expectation:
    """A fault, and how calls end if it meets their reads or their writes.

    Once: the faults of the script happen, one per request, and then no more.
    For good: the last fault of the script repeats for as long as the store tries.
    """

    script: tuple[Fault, ...]
    read_once: Seen
    read_for_good: Seen
    write_once: Seen
    write_for_good: Seen
    said: str = ""
    """A text that the error contains."""

    @property
    def is_final(self) -> bool:
        """Whether retrying does not help after the last answer of the script."""
        return self.read_once is not RIGHT


def lost(fault: Fault) -> Expectation:
    """Expect that attempts without a proper answer may have been carried out."""
    return Expectation((fault,), RIGHT, REFUSED, RIGHT, UNKNOWN)


def failed(status: int, code: str) -> Expectation:
    """Expect that a server that fails, or is still working, may have written."""
    return Expectation((proxy.answer(status, code),), RIGHT, REFUSED, RIGHT, UNKNOWN, code)


def postponed(code: str, fault: Fault | None = None) -> Expectation:
    """Expect that an answer of "not now" means that nothing was written."""
    script = (fault or proxy.answer(400, code, "not now"),)
    return Expectation(script, RIGHT, REFUSED, RIGHT, REFUSED, code)


def refused(code: str) -> Expectation:
    """Expect that an answer of "not you" ends the attempts."""
    script = (proxy.answer(400, code, "not you"),)
    return Expectation(script, REFUSED, REFUSED, REFUSED, REFUSED, code)


def lost_then_refused(code: str) -> Expectation:
    """Expect that a definite answer says nothing about the attempt before it."""
    script = (proxy.lose_response, proxy.answer(400, code, "not you"))
    return Expectation(script, REFUSED, REFUSED, UNKNOWN, UNKNOWN, code)


def lost_then_postponed(code: str) -> Expectation:
    """Expect the same of an answer of "not now" that never changes."""
    script = (proxy.lose_response, proxy.answer(400, code, "not now"))
    return Expectation(script, RIGHT, REFUSED, RIGHT, UNKNOWN, code)


_CANCELLED = "TransactionCanceledException"

EXPECTATIONS = {
    "response lost, after the commit": lost(proxy.lose_response),
    "no response, after the commit": lost(proxy.hang_after),
    "no response, and never carried out": lost(proxy.hang),
    "connection reset": lost(proxy.reset),
    "carried out when nobody waits any more": lost(proxy.come_late),
    "body cut short": lost(proxy.cut_body),
    "wrong crc32": lost(proxy.emptied),
    "invalid JSON": lost(proxy.invalid_json),
    "500 `InternalServerError`": failed(500, "InternalServerError"),
    "503 `ServiceUnavailable`": failed(503, "ServiceUnavailable"),
    "500, after the commit": lost(proxy.after(proxy.answer(500, "InternalServerError"))),
    "`ThrottlingException`": postponed("ThrottlingException"),
    "`ProvisionedThroughputExceededException`": postponed(
        "ProvisionedThroughputExceededException"
    ),
    "`RequestLimitExceeded`": postponed("RequestLimitExceeded"),
    "`TransactionInProgressException`": failed(400, "TransactionInProgressException"),
    "`ReplicatedWriteConflictException`": postponed("ReplicatedWriteConflictException"),
    "`TransactionConflict`": postponed(_CANCELLED, proxy.cancelled("TransactionConflict", "None")),
    "`TransactionConflict` and `ConditionalCheckFailed`": postponed(
        _CANCELLED, proxy.cancelled("TransactionConflict", "ConditionalCheckFailed")
    ),
    "`ThrottlingError` within a transaction": postponed(
        _CANCELLED, proxy.cancelled("None", "ThrottlingError")
    ),
    "expired token": refused("ExpiredTokenException"),
    "access denied": refused("AccessDeniedException"),
    "unknown key": refused("UnrecognizedClientException"),
    "response lost, then expired token": lost_then_refused("ExpiredTokenException"),
    "response lost, then access denied": lost_then_refused("AccessDeniedException"),
    "response lost, then `ThrottlingException`": lost_then_postponed("ThrottlingException"),
}


def table() -> str:
    """Return the expectations as the docs show them."""
    rows = [("fault", "read, once", "read, for good", "write, once", "write, for good")]
    rows += [("---",) * 5]
    rows += [
        (
            fault,
            expected.read_once,
            expected.read_for_good,
            expected.write_once,
            expected.write_for_good,
        )
        for fault, expected in EXPECTATIONS.items()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
