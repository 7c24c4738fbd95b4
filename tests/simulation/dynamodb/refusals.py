"""What DynamoDB answers instead of a success.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

Reason = dict[str, Any]
"""Why one action of a transaction was cancelled."""

_SERVER_ERRORS = frozenset({"InternalServerError", "ServiceUnavailable"})


class NotModelledError(Exception):
    """A request that this model does not know, and so must not answer."""


class RefusedError(Exception):
    """A refusal by DynamoDB, for the operation at hand."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.members = members

    def client_error(self, operation: str) -> ClientError:
        """Return what the client raises."""
        response: Any = {
            "Error": {"Message": self.message, "Code": self.code},
            "ResponseMetadata": {
                "HTTPStatusCode": 500 if self.code in _SERVER_ERRORS else 400,
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
            "message": self.message,
            **self.members,
        }
        return ClientError(response, operation)


def invalid(message: str) -> RefusedError:
    """Refuse a request that is not well-formed."""
    return RefusedError("ValidationException", message)


def condition_failed(row: Mapping[str, Any] | None, wanted: str) -> RefusedError:
    """Refuse a single write; `wanted` is its ReturnValuesOnConditionCheckFailure."""
    members = {} if row is None or wanted != "ALL_OLD" else {"Item": dict(row)}
    return RefusedError(
        "ConditionalCheckFailedException", "The conditional request failed", **members
    )


def cancelled(reasons: Sequence[Reason]) -> RefusedError:
    """Refuse a transaction, with one reason for each action."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    return RefusedError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=list(reasons),
    )


def no_reason() -> Reason:
    """Say that an action was cancelled only because of others."""
    return {"Code": "None"}


def reason(refused: RefusedError) -> Reason:
    """Say that an action is invalid for the row that it met."""
    if refused.code == "ConditionalCheckFailedException":
        return {"Code": "ConditionalCheckFailed", "Message": refused.message, **refused.members}
    return {"Code": "ValidationError", "Message": refused.message}
