"""What came back: responses and failures, turned into facts and our exceptions. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as TransportError

from aiobreakglass._dynamodb.codec import Item, decode_event, guarded_pair, is_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._errors import BreakGlassError, StoreUnavailableError, TableError
from aiobreakglass._model import BreakGlassEvent

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

_DISCREET_ERRORS: Final = (
    ChecksumError,
    ConnectTimeoutError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction cancelled because conditions failed: nothing of it was written."""

    rows: Mapping[int, Item | None]
    """Of each part that was refused, by its index, the row that was in its place, if any."""
    may_still_land: bool = False
    """Whether an earlier attempt of the same write got lost and may yet be carried out."""


@dataclass(slots=True)
class Transmission:
    """What is known of one request, over all the attempts that the SDK and we make of it."""

    in_flight: bool = False
    may_have_landed: bool = False
    last_failure: str = ""
    """How the last attempt ended that did not just run out of time."""

    def sent(self) -> None:
        """Note that an attempt is being sent."""
        self.in_flight = True

    def answered(self, status_code: int | None, error: Exception | None) -> None:
        """Note how an attempt ended: with an HTTP status, or without an answer."""
        self.in_flight = False
        if status_code is None:
            self.may_have_landed |= not _never_sent(error)
            self.last_failure = _described(error)
        else:
            # A server that fails may have written first, and a success may be damaged on its way
            # to the caller; any other answer is definite.
            self.may_have_landed |= status_code >= 500 or status_code < 300
            self.last_failure = "" if status_code < 300 else f"HTTP status {status_code}"

    def broke_down(self, error: Exception) -> None:
        """Note that no further attempt follows by itself."""
        self.may_have_landed |= self.in_flight
        self.in_flight = False
        if isinstance(error, ClientError):
            self.last_failure = _code(error)
            # An earlier attempt under the same token has yet to come to its end.
            self.may_have_landed |= self.last_failure == "TransactionInProgressException"
        elif not isinstance(error, TimeoutError):
            self.last_failure = _described(error)

    @property
    def outcome_unknown(self) -> bool:
        """Whether some attempt may have been carried out, for all that its sender knows."""
        return self.in_flight or self.may_have_landed


def refusal(error: Exception) -> Refusal | None:
    """Return the refusal that a failed call amounts to, if it is one.

    Only `ConditionalCheckFailed` is a refusal, and only where no part failed for another reason:
    then the whole transaction is worth another try, and its answer will be clear.
    """
    reasons = _cancellation_reasons(error)
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    if codes != {"ConditionalCheckFailed"}:
        return None
    return Refusal(
        {
            index: reason.get("Item")
            for index, reason in enumerate(reasons)
            if reason.get("Code") == "ConditionalCheckFailed"
        }
    )


def is_transient(error: Exception, transmission: Transmission) -> bool:
    """Tell whether the same request is worth sending again."""
    if isinstance(error, ClientError):
        reasons = _cancellation_reasons(error)
        if reasons:
            codes = {reason.get("Code") for reason in reasons}
            return not codes.isdisjoint(_TRANSIENT_CODES)
        return _code(error) in _TRANSIENT_CODES or _status(error) >= 500
    # Lost on the way there or back; anything else was raised before there was a request.
    return transmission.in_flight or isinstance(error, (TransportError, HTTPClientError))


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
        return StoreUnavailableError(f"DynamoDB refused: {code}: {message}", outcome_unknown)
    if _is_discreet(error) or isinstance(error, (TransportError, HTTPClientError)):
        return StoreUnavailableError(
            f"DynamoDB gave no proper answer: {_described(error)}", outcome_unknown
        )
    if isinstance(error, TimeoutError):
        problem = f", at last: {last_failure}" if last_failure else ""
        return StoreUnavailableError(f"DynamoDB gave no answer in time{problem}", outcome_unknown)
    return StoreUnavailableError(
        f"the request could not be made: {_described(error)}", outcome_unknown
    )


def event_row(item: Item | None) -> Item | None:
    """Return the row of an event that is there; a tombstone is none."""
    return None if item is None or is_tombstone(item) else item


def active_event(
    item: Item | None, invoker: str, profile: str, layout: TableLayout
) -> BreakGlassEvent | None:
    """Return the event of a row that says it is an active one of this pair, lapsed or not."""
    if item is None or guarded_pair(item) != (invoker, profile):
        return None
    return decode_event(item, layout)


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


def _described(error: Exception | None) -> str:
    # What others raise, providers of credentials above all, may quote credentials: the cause has
    # it, the message not. These are botocore's own words and the endpoint's URL.
    return str(error) if _is_discreet(error) else type(error).__name__


def _is_discreet(error: Exception | None) -> bool:
    # Imported here, because it costs more than all the rest of this package; a client has it.
    from botocore.parsers import ResponseParserError

    return isinstance(error, (*_DISCREET_ERRORS, ResponseParserError))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _never_sent(error: Exception | None) -> bool:
    if isinstance(error, ConnectTimeoutError):
        return True
    # aiobotocore reports a connection that could not be made, and one that broke down later, by
    # the same exception; aiohttp's, inside it, tells them apart.
    from aiohttp import ClientConnectorError

    return isinstance(error, TransportError) and isinstance(
        error.kwargs.get("error"), ClientConnectorError
    )
