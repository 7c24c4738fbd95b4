"""What came back: answers and failures as facts, and as our exceptions."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import BreakGlassEvent, CorruptItemError, StoreUnavailableError, TableError
from aiobreakglass._dynamodb.codec import Item, encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.outcomes import (
    Refusal,
    Transmission,
    active_event,
    check_integrity,
    event_row,
    is_transient,
    refusal,
    translate,
)
from aiobreakglass.testing import make_event

LAYOUT = TableLayout()
ENDPOINT = "http://127.0.0.1:1"
HELD: Item = {"pk": {"S": "BREAKGLASS#0123456789abcdef"}, "status": {"S": "active"}}

CONDITION_FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
FINE = {"Code": "None"}


OPERATIONS = ["GetItem", "TransactWriteItems"]


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

UNSENT = Transmission()
LOST = Transmission(may_have_landed=True)


class TestRefusal:
    @pytest.mark.parametrize(
        ("reasons", "rows"),
        [
            pytest.param([{**CONDITION_FAILED, "Item": HELD}], {0: HELD}, id="the only part"),
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, FINE], {0: HELD}, id="the first part"
            ),
            pytest.param(
                [FINE, {**CONDITION_FAILED, "Item": HELD}], {1: HELD}, id="the second part"
            ),
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, CONDITION_FAILED],
                {0: HELD, 1: None},
                id="both parts, one by a missing row",
            ),
            pytest.param([{}, CONDITION_FAILED], {1: None}, id="a part without a code"),
            pytest.param(
                [{"Code": None}, CONDITION_FAILED], {1: None}, id="a part with a null code"
            ),
        ],
    )
    def test_conditions_that_failed(
        self, reasons: list[dict[str, Any]], rows: dict[int, Item | None]
    ) -> None:
        """A refusal tells of each part that was refused the row in its place, if any."""
        assert refusal(cancelled(*reasons)) == Refusal(rows, may_still_land=False)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(cancelled(CONDITION_FAILED, CONFLICT), id="mixed with a conflict"),
            pytest.param(
                cancelled({"Code": "ThrottlingError"}, CONDITION_FAILED),
                id="mixed with throttling",
            ),
            pytest.param(
                cancelled({"Code": "ValidationError"}, CONDITION_FAILED), id="mixed with invalid"
            ),
            pytest.param(cancelled(CONFLICT, FINE), id="a conflict"),
            pytest.param(cancelled(FINE, FINE), id="no reason at all"),
            pytest.param(cancelled(), id="no reasons"),
            pytest.param(client_error("TransactionCanceledException"), id="reasons left out"),
            pytest.param(client_error("ConditionalCheckFailedException"), id="not a transaction"),
            pytest.param(client_error("InternalServerError", 500), id="a failed server"),
            pytest.param(READ_TIMEOUT, id="no answer"),
            pytest.param(ValueError("ConditionalCheckFailed"), id="not of DynamoDB"),
        ],
    )
    def test_other_failures(self, error: Exception) -> None:
        """A refusal is a transaction of which conditions, and only conditions, have failed."""
        assert refusal(error) is None


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
    def test_codes_of_the_moment(self, code: str) -> None:
        """What throttling and contention refuse is worth another try, in a transaction as well."""
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
    def test_answers(self, error: ClientError, expected: bool) -> None:
        """A definite no is final, a failed server is not."""
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
    def test_broken_transport(self, error: Exception) -> None:
        """A broken connection is worth another try, sent or not."""
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
    def test_other_failures(self, error: Exception) -> None:
        """Anything else is worth another try only where this attempt was under way."""
        assert not is_transient(error, UNSENT)
        assert not is_transient(error, LOST)
        assert is_transient(error, Transmission(in_flight=True))


class TestTransmission:
    @pytest.mark.parametrize(
        ("error", "last_failure"),
        [
            pytest.param(client_error("ThrottlingException"), "ThrottlingException", id="AWS"),
            pytest.param(WRONG_CHECKSUM, str(WRONG_CHECKSUM), id="wrong checksum"),
            pytest.param(RuntimeError("AKIA-secret"), "RuntimeError", id="anything else"),
            pytest.param(TimeoutError(), "HTTP status 503", id="out of time"),
        ],
    )
    @pytest.mark.parametrize("under_way", [True, False])
    def test_broken_down(self, error: Exception, last_failure: str, under_way: bool) -> None:
        """What was under way may have landed; a time-out says less than what was before."""
        transmission = Transmission(under_way, last_failure="HTTP status 503")
        transmission.broke_down(error)
        assert transmission == Transmission(False, under_way, last_failure)

    def test_in_progress(self) -> None:
        """What DynamoDB is still at, under the same token, may yet be carried out."""
        transmission = Transmission()
        transmission.broke_down(client_error("TransactionInProgressException"))
        assert transmission.outcome_unknown

    def test_nothing_sent(self) -> None:
        """What was not sent cannot have been carried out."""
        assert not Transmission().outcome_unknown

    def test_under_way(self) -> None:
        """What was sent and has no answer yet may have been carried out."""
        transmission = Transmission()
        transmission.sent()
        assert transmission.outcome_unknown

    @pytest.mark.parametrize(
        ("status_code", "unknown"),
        [(200, True), (400, False), (413, False), (499, False), (500, True), (503, True)],
    )
    def test_answers(self, status_code: int, unknown: bool) -> None:
        """Only a refusal is definite: a failing server may have written, a success has."""
        transmission = Transmission()
        transmission.sent()
        transmission.answered(status_code, None)
        assert transmission.outcome_unknown is unknown

    @pytest.mark.parametrize(
        ("error", "unknown"),
        [
            pytest.param(CONNECTION_REFUSED, False, id="connection refused"),
            pytest.param(CONNECT_TIMEOUT, False, id="no connection in time"),
            pytest.param(
                EndpointConnectionError(
                    endpoint_url=ENDPOINT, error=connector_error(aiohttp.ClientConnectorDNSError)
                ),
                False,
                id="no such host",
            ),
            pytest.param(
                ProxyConnectionError(
                    proxy_url=ENDPOINT, error=connector_error(aiohttp.ClientProxyConnectionError)
                ),
                False,
                id="no proxy",
            ),
            pytest.param(CONNECTION_RESET, True, id="connection reset"),
            pytest.param(CONNECTION_CLOSED, True, id="connection closed"),
            pytest.param(READ_TIMEOUT, True, id="no answer in time"),
            pytest.param(
                EndpointConnectionError(endpoint_url=ENDPOINT), True, id="without a cause"
            ),
            pytest.param(
                HTTPClientError(error=connector_error(aiohttp.ClientConnectorError)),
                True,
                id="not a failure to connect",
            ),
            pytest.param(NOT_JSON, True, id="an answer that is none"),
            pytest.param(None, True, id="nothing known"),
        ],
    )
    def test_no_answer(self, error: Exception | None, unknown: bool) -> None:
        """Without an answer an attempt may have been carried out, unless it never left."""
        transmission = Transmission()
        transmission.sent()
        transmission.answered(None, error)
        assert transmission.outcome_unknown is unknown

    @pytest.mark.parametrize(
        ("answers", "last_failure"),
        [
            pytest.param([], "", id="none yet"),
            pytest.param([(200, None)], "", id="success"),
            pytest.param([(400, None)], "HTTP status 400", id="refusal"),
            pytest.param([(None, CONNECTION_RESET)], str(CONNECTION_RESET), id="no answer"),
            pytest.param([(None, READ_TIMEOUT), (503, None)], "HTTP status 503", id="the last"),
            pytest.param([(503, None), (200, None)], "", id="success at last"),
        ],
    )
    def test_the_last_failure(
        self, answers: list[tuple[int | None, Exception | None]], last_failure: str
    ) -> None:
        """Of several attempts, what the last one met is remembered."""
        transmission = Transmission()
        for status_code, error in answers:
            transmission.answered(status_code, error)
        assert transmission.last_failure == last_failure

    @given(
        st.lists(
            st.sampled_from(
                [(200, None), (400, None), (None, CONNECTION_REFUSED), (500, None), (None, None)]
            )
        )
    )
    def test_several_attempts(self, answers: list[tuple[int | None, Exception | None]]) -> None:
        """One attempt that may have been carried out is enough, whatever the others came to."""
        transmission = Transmission()
        for status_code, error in answers:
            transmission.sent()
            transmission.answered(status_code, error)
        definite = [(400, None), (None, CONNECTION_REFUSED)]
        assert transmission.outcome_unknown is any(answer not in definite for answer in answers)


class TestTranslate:
    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
    def test_a_table_of_somebody_elses(self, code: str) -> None:
        """A table that is missing, or does not know our keys and indexes, is a `TableError`."""
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
                CONNECTION_REFUSED,
                "DynamoDB gave no proper answer: "
                f'Could not connect to the endpoint URL: "{ENDPOINT}"',
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
                "the request could not be made: NoCredentialsError",
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
    def test_failures(self, error: Exception, message: str, outcome_unknown: bool) -> None:
        """What fails for good says why, and whether the write may have happened."""
        translated = translate(error, OPERATIONS, "breakglass", outcome_unknown=outcome_unknown)
        assert type(translated) is StoreUnavailableError
        assert translated.message == message
        assert translated.outcome_unknown is outcome_unknown

    @pytest.mark.parametrize("code", ["AccessDenied", "ValidationException"])
    def test_a_service_that_gives_credentials(self, code: str) -> None:
        """What another service refused on the way is said of it, and not of the table."""
        refused = ClientError({"Error": {"Code": code}}, "AssumeRole")
        error = translate(refused, OPERATIONS, "breakglass", outcome_unknown=False)
        assert type(error) is StoreUnavailableError
        assert error.message == f"the request could not be made: AssumeRole: {code}"

    @pytest.mark.parametrize("outcome_unknown", [False, True])
    def test_out_of_time_after_failures(self, outcome_unknown: bool) -> None:
        """Whoever ran out of time is told what the last attempt met."""
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
    def test_a_table_that_went_while_a_write_was_under_way(self, code: str) -> None:
        """Where the write may have happened, saying so comes first."""
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
    def test_secrets(self, error: Exception) -> None:
        """What providers of credentials say stays in the cause: it may quote a secret."""
        translated = translate(error, OPERATIONS, "breakglass", outcome_unknown=False)
        assert "AKIA-secret" not in f"{translated} {translated!r}"

    def test_secrets_of_the_last_attempt(self) -> None:
        """What an attempt met is told without what some library had to say of it."""
        transmission = Transmission()
        transmission.answered(None, HTTPClientError(error=ValueError("AKIA-secret")))
        assert "AKIA-secret" not in transmission.last_failure


class TestCheckIntegrity:
    BODY = b'{"Item": {}}'
    CHECKSUM = str(zlib.crc32(BODY))

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            pytest.param({"x-amz-crc32": CHECKSUM}, BODY, id="right checksum"),
            pytest.param({}, BODY, id="no checksum"),
            pytest.param({}, b"{}", id="an empty object"),
            pytest.param({"x-amz-crc32": "2745614147"}, b"{}", id="checksum of an empty object"),
        ],
    )
    def test_whole_answers(self, headers: dict[str, str], body: bytes) -> None:
        """A JSON object whose checksum is right, or not given, passes."""
        check_integrity("GetItem", 200, headers, body)

    @pytest.mark.parametrize("checksum", ["0", "", "junk", f"{int(CHECKSUM) + 1}"])
    def test_a_wrong_checksum(self, checksum: str) -> None:
        """A body that is not the one DynamoDB sent is a fault, JSON or not."""
        with pytest.raises(ChecksumError, match="crc32"):
            check_integrity("GetItem", 200, {"x-amz-crc32": checksum}, self.BODY)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            pytest.param(b"", "is not JSON$", id="empty"),
            pytest.param(b"<html>", "is not JSON$", id="a proxy's page"),
            pytest.param(b'{"Item": {"pk', "is not JSON$", id="truncated"),
            pytest.param(b"\xff\xfe\xff", "is not JSON$", id="not text"),
            pytest.param(b"[]", "is not a JSON object$", id="an array"),
            pytest.param(b"null", "is not a JSON object$", id="null"),
            pytest.param(b'"Item"', "is not a JSON object$", id="a string"),
        ],
    )
    @pytest.mark.parametrize("status_code", [200, 204])
    def test_a_body_that_is_no_answer(self, status_code: int, body: bytes, problem: str) -> None:
        """A body that is no JSON object is a fault, checksum or not: it is not "no item"."""
        with pytest.raises(ResponseParserError, match=problem):
            check_integrity("GetItem", status_code, {}, body)
        with pytest.raises(ResponseParserError, match=problem):
            check_integrity("GetItem", status_code, {"x-amz-crc32": str(zlib.crc32(body))}, body)

    @pytest.mark.parametrize("status_code", [300, 400, 500, 503])
    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
    def test_errors(self, status_code: int, body: bytes) -> None:
        """An error's body is botocore's to read."""
        check_integrity("GetItem", status_code, {"x-amz-crc32": "0"}, body)


EVENT = make_event(created_at=datetime(2024, 3, 1, 12, tzinfo=UTC))
ROW = encode_event(EVENT, LAYOUT, write_id="w1", retention=None)
TOMBSTONE = encode_tombstone(EVENT.id, LAYOUT, deleted_at=EVENT.created_at, retention=None)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(None, None, id="no row"),
        pytest.param(TOMBSTONE, None, id="a tombstone"),
        pytest.param(ROW, ROW, id="an event"),
        pytest.param({"pk": {"S": "x"}}, {"pk": {"S": "x"}}, id="a row that is no event"),
    ],
)
def test_the_row_of_an_event(item: Item | None, expected: Item | None) -> None:
    """A deleted event is not there."""
    assert event_row(item) == expected


class TestActiveEvent:
    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            pytest.param(ROW, EVENT, id="active, be it lapsed"),
            pytest.param(None, None, id="gone"),
            pytest.param(TOMBSTONE, None, id="deleted"),
            pytest.param(encode_guard(EVENT, LAYOUT), None, id="a guard"),
            pytest.param({**ROW, "status": {"S": "closed"}}, None, id="closed by hand"),
            pytest.param({**ROW, "invoker": {"S": "bob"}}, None, id="of another invoker"),
            pytest.param({**ROW, "profile": {"S": "dev"}}, None, id="of another profile"),
        ],
    )
    def test_whose_access_it_is(self, item: Item | None, expected: BreakGlassEvent | None) -> None:
        """An event holds access only while its row says so, and for its own pair."""
        assert active_event(item, "alice", "prod", LAYOUT) == expected

    def test_a_row_that_holds_access_but_is_no_event(self) -> None:
        """A row that says it is active and cannot be read is reported, not taken for no access."""
        with pytest.raises(CorruptItemError, match="expires_at is missing"):
            active_event(
                {name: value for name, value in ROW.items() if name != "expires_at"},
                "alice",
                "prod",
                LAYOUT,
            )
