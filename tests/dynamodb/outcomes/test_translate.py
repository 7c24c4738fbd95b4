"""The library's exceptions for failures, and the secrets that they must not quote."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    ParamValidationError,
)

from aiobreakglass import StoreUnavailableError, TableError
from aiobreakglass._aws.outcomes import Transmission, translate

from .failures import (
    CONNECTION_REFUSED,
    ENDPOINT,
    NO_CREDENTIALS,
    NOT_JSON,
    READ_TIMEOUT,
    WRONG_CHECKSUM,
    client_error,
)

OPERATIONS = ["GetItem", "TransactWriteItems"]


class TestTranslate:
    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
    def test_missing_or_different_table_is_a_table_error(self, code: str) -> None:
        """A table that is missing, or that lacks our keys or indexes, is a `TableError`."""
        error = translate(client_error(code), OPERATIONS, "breakglass", outcome_unknown=False)
        assert type(error) is TableError
        assert "'breakglass'" in str(error)
        assert f"{code}: DynamoDB's words" in str(error)

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            *(
                pytest.param(
                    client_error(code), f"DynamoDB refused: {code}: DynamoDB's words", id=code
                )
                for code in (
                    "AccessDeniedException",
                    "ExpiredTokenException",
                    "ProvisionedThroughputExceededException",
                    "TransactionCanceledException",
                )
            ),
            pytest.param(
                client_error("InternalServerError", 500),
                "DynamoDB refused: InternalServerError: DynamoDB's words",
                id="a failed server",
            ),
            pytest.param(
                ClientError({"Error": {}}, "TransactWriteItems"),
                "DynamoDB refused: : ",
                id="without a word",
            ),
            pytest.param(
                client_error("407", 407, "<html>"),
                "the proxy refused with HTTP status 407; "
                "check user name and password in the proxy's URL",
                id="a proxy that refuses",
            ),
            pytest.param(
                client_error("502", 502, "<html>"),
                "the answer has HTTP status 502 and no error code of DynamoDB's; "
                "check endpoint_url and proxies",
                id="somebody else's answer",
            ),
            pytest.param(
                client_error("UnknownOperationException"),
                "the endpoint does not know TransactWriteItems, which every write needs; "
                "DynamoDB, DynamoDB Local, moto and LocalStack have it",
                id="no transactions",
            ),
            pytest.param(
                ClientError({"Error": {"Code": "UnknownOperationException"}}, "GetItem"),
                "the endpoint does not know GetItem",
                id="another operation that is not known",
            ),
            pytest.param(
                CONNECTION_REFUSED,
                "the endpoint 127.0.0.1:1 could not be reached: connection refused",
                id="connection refused",
            ),
            pytest.param(
                READ_TIMEOUT,
                f'DynamoDB gave no proper answer: Read timeout on endpoint URL: "{ENDPOINT}"',
                id="read time-out",
            ),
            pytest.param(
                WRONG_CHECKSUM,
                "DynamoDB gave no proper answer: Checksum crc32 failed, "
                "expected checksum 1 did not match calculated checksum 2.",
                id="wrong checksum",
            ),
            pytest.param(
                NOT_JSON,
                "DynamoDB gave no proper answer: the body of a 200 is not JSON",
                id="not JSON",
            ),
            pytest.param(TimeoutError(), "DynamoDB gave no answer in time", id="out of time"),
            pytest.param(
                NO_CREDENTIALS,
                "the request could not be made: no credentials were found in the environment, in "
                "the AWS config files or from the host's role: "
                "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html",
                id="no credentials",
            ),
            pytest.param(
                RuntimeError("x"),
                "the request could not be made: RuntimeError",
                id="a provider of credentials",
            ),
        ],
    )
    @pytest.mark.parametrize("outcome_unknown", [False, True])
    def test_final_failure_says_why(
        self, error: Exception, message: str, outcome_unknown: bool
    ) -> None:
        """The error says why the call failed, and whether the write may have happened."""
        translated = translate(error, OPERATIONS, "breakglass", outcome_unknown=outcome_unknown)
        assert type(translated) is StoreUnavailableError
        assert translated.message == message
        assert translated.outcome_unknown is outcome_unknown

    @pytest.mark.parametrize("code", ["AccessDenied", "ValidationException"])
    def test_refusal_by_a_credential_service(self, code: str) -> None:
        """The error names the service that refused, and does not blame the table."""
        refused = ClientError({"Error": {"Code": code}}, "AssumeRole")
        error = translate(refused, OPERATIONS, "breakglass", outcome_unknown=False)
        assert type(error) is StoreUnavailableError
        assert error.message == f"the request could not be made: AssumeRole: {code}"

    @pytest.mark.parametrize("outcome_unknown", [False, True])
    def test_time_out_after_failures_names_the_last_one(self, outcome_unknown: bool) -> None:
        """If the time runs out, the error names the failure of the last attempt."""
        translated = translate(
            TimeoutError(),
            OPERATIONS,
            "breakglass",
            outcome_unknown=outcome_unknown,
            last_failure="HTTP status 503",
        )
        assert isinstance(translated, StoreUnavailableError)
        assert translated.message == ("DynamoDB gave no answer in time, at last: HTTP status 503")
        assert translated.outcome_unknown is outcome_unknown

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
    def test_table_deleted_during_a_lost_write(self, code: str) -> None:
        """The error says that the write may have happened, not that the table is missing."""
        error = translate(client_error(code), OPERATIONS, "breakglass", outcome_unknown=True)
        assert isinstance(error, StoreUnavailableError)
        assert error.outcome_unknown
        assert code in error.message

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("AKIA-secret"),
            KeyError("AKIA-secret"),
            OSError(5, "AKIA-secret"),
            json.JSONDecodeError("AKIA-secret", "AKIA-secret", 0),
            CredentialRetrievalError(provider="custom-process", error_msg="AKIA-secret"),
            ParamValidationError(report="AKIA-secret"),
            BotoCoreError(),
            TimeoutError("AKIA-secret"),
            HTTPClientError(error=ValueError("AKIA-secret")),
            client_error(
                "InvalidSignatureException",
                message="The Canonical String for this request should have been "
                "'POST\n/\n\nx-amz-security-token:AKIA-secret\n'",
            ),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_error_quotes_no_secret(self, error: Exception) -> None:
        """Third-party errors may quote credentials, so they stay in `__cause__`."""
        translated = translate(error, OPERATIONS, "breakglass", outcome_unknown=False)
        assert "AKIA-secret" not in f"{translated} {translated!r}"

    def test_last_failure_quotes_no_secret(self) -> None:
        """The failure of the last attempt does not quote a third-party error."""
        transmission = Transmission()
        transmission.answered(None, HTTPClientError(error=ValueError("AKIA-secret")))
        assert "AKIA-secret" not in transmission.last_failure
