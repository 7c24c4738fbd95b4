"""Interpret responses and failures, and translate them into our exceptions; all pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as TransportError

from aiobreakglass._aws import transaction
from aiobreakglass._aws.failures import (
    BrokenAnswerError,
    TooLateError,
    describe,
    is_settings_error,
    is_transfer_failure,
    never_sent,
    refused_by_proxy,
)
from aiobreakglass._aws.transaction import Item, Part, Refusal
from aiobreakglass._domain.errors import (
    BreakGlassError,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
)

TimeLeft = Callable[[], timedelta | None]
"""Returns how long an attempt may still take: None if unlimited, zero if it is too late."""

# The SDK retries some of these by itself, and never a cancelled transaction:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_TRANSIENT_CODES: Final = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

_NO_TIME: Final = timedelta(0)


def unbounded() -> None:
    """Set no limit."""


@dataclass(slots=True)
class Transmission:
    """The state of one request across all its attempts, the SDK's and ours."""

    in_flight: bool = False
    may_have_landed: bool = False
    last_failure: str = ""
    """Why the last attempt failed, time-outs aside."""
    time_left: TimeLeft = unbounded
    """How long a further attempt may still take."""

    def sent(self) -> None:
        """Note that an attempt is being sent, or raise `TooLateError` if it must not be."""
        # If it is in flight already, the client is taking over an attempt of the fast transport.
        if not self.in_flight:
            self.check_time()
        self.in_flight = True

    def check_time(self) -> timedelta | None:
        """Return how long an attempt may take, or raise `TooLateError` if it must not be sent."""
        left = self.time_left()
        if left is not None and left <= _NO_TIME:
            raise TooLateError
        return left

    def answered(self, status_code: int | None, error: Exception | None) -> None:
        """Note how an attempt ended: with an HTTP status, or without an answer."""
        self.in_flight = False
        if status_code is None:
            self.may_have_landed |= not never_sent(error)
            self.last_failure = describe(error)
        else:
            # A server may write before it fails, and a successful response may be damaged on its
            # way. Any other answer is definite.
            self.may_have_landed |= status_code >= 500 or status_code < 300
            self.last_failure = "" if status_code < 300 else f"HTTP status {status_code}"

    def gave_up(self, error: Exception) -> None:
        """Note that the transport gave up: the SDK makes no further attempt."""
        self.may_have_landed |= self.in_flight
        self.in_flight = False
        if isinstance(error, ClientError):
            self.last_failure = _code(error)
            # An earlier attempt with the same token is still being processed.
            self.may_have_landed |= self.last_failure == "TransactionInProgressException"
        elif not isinstance(error, TimeoutError):
            self.last_failure = describe(error)

    @property
    def outcome_unknown(self) -> bool:
        """Whether a lost attempt may still commit, or may have committed."""
        return self.in_flight or self.may_have_landed


def refusal(error: Exception, parts: Sequence[Part]) -> Refusal | None:
    """Return the refusal if a transaction failed because of its conditions; otherwise None.

    Raises `BrokenAnswerError` if the answer has other rows than the transaction.
    """
    try:
        return transaction.refusal(_cancellation_reasons(error), parts)
    except ValueError as problem:
        raise BrokenAnswerError(str(problem)) from error


def too_large(error: Exception, parts: Sequence[Part]) -> ItemTooLargeError | None:
    """Return our exception if a transaction failed because an item is too large."""
    # A provider of credentials may have called another table, with another operation.
    if not isinstance(error, ClientError) or error.operation_name != "TransactWriteItems":
        return None
    part = transaction.too_large(_cancellation_reasons(error), parts)
    if _code(error) == "ValidationException" and transaction.is_about_size(_message(error)):
        # DynamoDB refused the whole transaction without reasons for its parts.
        part = max(parts, key=lambda part: len(repr(part.action)))
    return (
        None if part is None else ItemTooLargeError(*(value["S"] for value in part.key.values()))
    )


def check_rows(answer: Mapping[str, Any], is_asked: Callable[[Item], bool]) -> None:
    """Raise `BrokenAnswerError` if a read returned a row that was not asked for.

    The answer to another request must not grant access.
    """
    if not all(map(is_asked, rows_of(answer))):
        raise BrokenAnswerError("DynamoDB returned another row than was asked for")


def rows_of(answer: Mapping[str, Any]) -> Sequence[Item]:
    """Return the rows in an answer to `GetItem`, `BatchGetItem` or `Query`."""
    if answer.get("Item") is not None:
        return [answer["Item"]]
    if "Responses" in answer:
        return [row for rows in answer["Responses"].values() for row in rows]
    rows: Sequence[Item] = answer.get("Items", ())
    return rows


def is_transient(error: Exception, transmission: Transmission) -> bool:
    """Return whether the same request is worth sending again."""
    if isinstance(error, ClientError):
        reasons = _cancellation_reasons(error)
        if reasons:
            codes = {reason.get("Code") for reason in reasons}
            return not codes.isdisjoint(_TRANSIENT_CODES)
        return _code(error) in _TRANSIENT_CODES or _status(error) >= 500
    if is_settings_error(error):
        return False
    # The request or its response was lost; any other error came before there was a request.
    return transmission.in_flight or isinstance(
        error, (BrokenAnswerError, TransportError, HTTPClientError)
    )


def translate(
    error: Exception,
    operations: Collection[str],
    table_name: str,
    *,
    outcome_unknown: bool,
    last_failure: str = "",
) -> BreakGlassError:
    """Return our exception for an operation that failed for good."""
    if isinstance(error, ClientError):
        code, message = _code(error), _message(error)
        if error.operation_name not in operations:
            # The provider of credentials called another service.
            return StoreUnavailableError(
                f"the request could not be made: {error.operation_name}: {code}", outcome_unknown
            )
        # Our requests are well-formed; if DynamoDB finds one invalid, the table is not ours.
        if code in ("ResourceNotFoundException", "ValidationException") and not outcome_unknown:
            return TableError(
                f"table {table_name!r} is not the one that this layout names ({code}: {message}); "
                "check name and region, or make it with create_table"
            )
        return StoreUnavailableError(
            _refusal_message(error.operation_name, code, message), outcome_unknown
        )
    if isinstance(error, TimeoutError):
        problem = f", at last: {last_failure}" if last_failure else ""
        message = f"DynamoDB gave no answer in time{problem}"
    elif is_settings_error(error) or not is_transfer_failure(error):
        message = f"the request could not be made: {describe(error)}"
    elif never_sent(error):
        message = describe(error)
    else:
        message = f"DynamoDB gave no proper answer: {describe(error)}"
    return StoreUnavailableError(message, outcome_unknown)


def _cancellation_reasons(error: Exception) -> list[dict[str, Any]]:
    if not isinstance(error, ClientError) or _code(error) != "TransactionCanceledException":
        return []
    response: dict[str, Any] = dict(error.response)
    return response.get("CancellationReasons") or []


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _message(error: ClientError) -> str:
    # On a signature mismatch AWS echoes the signed text, token included, from the second line on.
    # If the code is only an HTTP status, the text is not DynamoDB's.
    text = str(error.response.get("Error", {}).get("Message", "")).partition("\n")[0]
    return "" if _code(error).isdecimal() else text


def _refusal_message(operation: str, code: str, message: str) -> str:
    """Return the message for a refusal that a retry cannot change."""
    if code == "UnknownOperationException":
        needed = (
            ", which every write needs; DynamoDB, DynamoDB Local, moto and LocalStack have it"
            if operation == "TransactWriteItems"
            else ""
        )
        return f"the endpoint does not know {operation}{needed}"
    if code == "407":
        return refused_by_proxy(407)
    if code.isdecimal():
        # botocore uses the status as the code if the body is not of DynamoDB's form.
        return (
            f"the answer has HTTP status {code} and no error code of DynamoDB's; "
            "check endpoint_url and proxies"
        )
    return f"DynamoDB refused: {code}: {message}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
