"""What came back: responses and failures, turned into facts and our exceptions. Pure."""

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
"""Returns how long an attempt may still take: None without bound, zero if it is too late."""

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
    """Bound no attempt."""


@dataclass(slots=True)
class Transmission:
    """What is known of one request, over all the attempts that the SDK and we make of it."""

    in_flight: bool = False
    may_have_landed: bool = False
    last_failure: str = ""
    """How the last attempt ended that did not just run out of time."""
    time_left: TimeLeft = unbounded
    """How long a further attempt may still take."""

    def sent(self) -> None:
        """Note that an attempt is being sent, or raise `TooLateError` if it must not be."""
        # Already in flight, it is the client that takes up what the fast transport has sent.
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
            # A server that fails may have written first, and a success may be damaged on its way
            # to the caller; any other answer is definite.
            self.may_have_landed |= status_code >= 500 or status_code < 300
            self.last_failure = "" if status_code < 300 else f"HTTP status {status_code}"

    def gave_up(self, error: Exception) -> None:
        """Note that no further attempt follows by itself."""
        self.may_have_landed |= self.in_flight
        self.in_flight = False
        if isinstance(error, ClientError):
            self.last_failure = _code(error)
            # An earlier attempt under the same token has yet to come to its end.
            self.may_have_landed |= self.last_failure == "TransactionInProgressException"
        elif not isinstance(error, TimeoutError):
            self.last_failure = describe(error)

    @property
    def outcome_unknown(self) -> bool:
        """Whether some attempt may have been carried out, for all that its sender knows."""
        return self.in_flight or self.may_have_landed


def refusal(error: Exception, parts: Sequence[Part]) -> Refusal | None:
    """Return the refusal that a failed transaction amounts to, if it is one.

    `BrokenAnswerError` if the answer is about other rows than those that were asked.
    """
    try:
        return transaction.refusal(_cancellation_reasons(error), parts)
    except ValueError as problem:
        raise BrokenAnswerError(str(problem)) from error


def too_large(error: Exception, parts: Sequence[Part]) -> ItemTooLargeError | None:
    """Return our exception for a transaction that failed because an item is too large."""
    # The provider of credentials may ask another table on the way, with another operation.
    if not isinstance(error, ClientError) or error.operation_name != "TransactWriteItems":
        return None
    part = transaction.too_large(_cancellation_reasons(error), parts)
    if _code(error) == "ValidationException" and transaction.is_about_size(_message(error)):
        # Refused as a whole, without a reason for each part.
        part = max(parts, key=lambda part: len(repr(part.action)))
    return (
        None if part is None else ItemTooLargeError(*(value["S"] for value in part.key.values()))
    )


def check_rows(answer: Mapping[str, Any], is_asked: Callable[[Item], bool]) -> None:
    """Raise `BrokenAnswerError` if a read returned another row than was asked for.

    An answer to somebody else's request must not grant access.
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
    """Tell whether the same request is worth sending again."""
    if isinstance(error, ClientError):
        reasons = _cancellation_reasons(error)
        if reasons:
            codes = {reason.get("Code") for reason in reasons}
            return not codes.isdisjoint(_TRANSIENT_CODES)
        return _code(error) in _TRANSIENT_CODES or _status(error) >= 500
    if is_settings_error(error):
        return False
    # Lost on the way there or back; anything else was raised before there was a request.
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
    """Return our exception for one of DynamoDB's operations that failed for good."""
    if isinstance(error, ClientError):
        code, message = _code(error), _message(error)
        if error.operation_name not in operations:
            # Another service's, which the provider of credentials asked on the way.
            return StoreUnavailableError(
                f"the request could not be made: {error.operation_name}: {code}", outcome_unknown
            )
        # Our requests are well-formed; where DynamoDB finds one invalid, the table is another's.
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
    # Of a wrong signature AWS quotes, from the second line on, all that was signed: the session
    # token is part of it.
    # And where there is only a status for a code, the text is somebody else's page.
    text = str(error.response.get("Error", {}).get("Message", "")).partition("\n")[0]
    return "" if _code(error).isdecimal() else text


def _refusal_message(operation: str, code: str, message: str) -> str:
    """Return what a refusal for good means."""
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
        # botocore gives the status for a code if the body is not of DynamoDB's form.
        return (
            f"the answer has HTTP status {code} and no error code of DynamoDB's; "
            "check endpoint_url and proxies"
        )
    return f"DynamoDB refused: {code}: {message}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
