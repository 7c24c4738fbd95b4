"""Which failures are worth another attempt."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidProxiesConfigError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)

from aiobreakglass._aws.outcomes import Transmission, is_transient

from .failures import (
    CONDITION_FAILED,
    CONFLICT,
    CONNECT_TIMEOUT,
    CONNECTION_CLOSED,
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    ENDPOINT,
    FINE,
    NO_CREDENTIALS,
    NOT_JSON,
    READ_TIMEOUT,
    WRONG_CHECKSUM,
    cancelled,
    client_error,
)

UNSENT = Transmission()
LOST = Transmission(may_have_landed=True)


class TestIsTransient:
    @pytest.mark.parametrize(
        "code",
        [
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
        ],
    )
    def test_throttling_and_contention_are_transient(self, code: str) -> None:
        """Throttling and contention are worth another attempt, also within a transaction."""
        assert is_transient(client_error(code), UNSENT)
        assert is_transient(cancelled(FINE, {"Code": code}), UNSENT)

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            *(
                pytest.param(client_error("Whatever", status), expected, id=f"HTTP {status}")
                for status, expected in [(400, False), (499, False), (500, True), (503, True)]
            ),
            pytest.param(
                ClientError({"Error": {}}, "TransactWriteItems"),
                False,
                id="an answer without a word",
            ),
            *(
                pytest.param(client_error(code), False, id=code)
                for code in (
                    "AccessDeniedException",
                    "ExpiredTokenException",
                    "IdempotentParameterMismatchException",
                    "ItemCollectionSizeLimitExceededException",
                    "MissingAuthenticationToken",
                    "ResourceNotFoundException",
                    "UnrecognizedClientException",
                    "ValidationException",
                )
            ),
            pytest.param(cancelled(CONDITION_FAILED, CONFLICT), True, id="mixed with a refusal"),
            pytest.param(cancelled(CONDITION_FAILED, FINE), False, id="a refusal"),
            pytest.param(cancelled({"Code": "ValidationError"}), False, id="an invalid part"),
            pytest.param(cancelled({}, {"Code": None}), False, id="parts without codes"),
            pytest.param(cancelled(), False, id="cancelled without reasons"),
        ],
    )
    def test_only_failures_of_the_server_are_transient(
        self, error: ClientError, expected: bool
    ) -> None:
        """A refusal is final; a failure of the server is not."""
        assert is_transient(error, UNSENT) is expected
        assert is_transient(error, LOST) is expected

    @pytest.mark.parametrize(
        "error",
        [
            CONNECTION_REFUSED,
            CONNECTION_RESET,
            CONNECTION_CLOSED,
            CONNECT_TIMEOUT,
            READ_TIMEOUT,
            ProxyConnectionError(proxy_url="http://127.0.0.1:1", error=OSError()),
            SSLError(endpoint_url=ENDPOINT, error=OSError()),
            HTTPClientError(error=OSError()),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_broken_connection_is_transient(self, error: Exception) -> None:
        """A broken connection is worth another attempt, whether or not the request was sent."""
        assert is_transient(error, UNSENT)
        assert is_transient(error, LOST)

    @pytest.mark.parametrize(
        "error",
        [
            NO_CREDENTIALS,
            CredentialRetrievalError(provider="sso", error_msg="expired"),
            ParamValidationError(report="no"),
            WRONG_CHECKSUM,
            NOT_JSON,
            TimeoutError(),
            RuntimeError("a provider of credentials"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_other_failure_is_transient_only_in_flight(self, error: Exception) -> None:
        """Any other failure is worth another attempt only if this attempt was in flight."""
        assert not is_transient(error, UNSENT)
        assert not is_transient(error, LOST)
        assert is_transient(error, Transmission(in_flight=True))

    @pytest.mark.parametrize("transmission", [UNSENT, LOST, Transmission(in_flight=True)])
    def test_wrong_setting_is_never_transient(self, transmission: Transmission) -> None:
        """A wrong setting stays wrong, and nothing was sent with it."""
        error = InvalidProxiesConfigError(error=ValueError("no port"))
        assert not is_transient(HTTPClientError(error=error), transmission)
