"""Whether a request may have been carried out."""

from __future__ import annotations

import aiohttp
import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError, ProxyConnectionError
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass._aws.outcomes import Transmission

from .failures import (
    CONNECT_TIMEOUT,
    CONNECTION_CLOSED,
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    ENDPOINT,
    NOT_JSON,
    READ_TIMEOUT,
    WRONG_CHECKSUM,
    client_error,
    connector_error,
)


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
    def test_attempt_that_gave_up(
        self, error: Exception, last_failure: str, under_way: bool
    ) -> None:
        """An attempt under way may have landed; a time-out keeps the failure before it."""
        transmission = Transmission(under_way, last_failure="HTTP status 503")
        transmission.gave_up(error)
        assert transmission == Transmission(False, under_way, last_failure)

    def test_transaction_in_progress_is_unknown(self) -> None:
        """DynamoDB may still carry out a transaction that it reports as in progress."""
        transmission = Transmission()
        transmission.gave_up(client_error("TransactionInProgressException"))
        assert transmission.outcome_unknown

    def test_unsent_request_is_known(self) -> None:
        """A request that was not sent was not carried out."""
        assert not Transmission().outcome_unknown

    def test_request_without_an_answer_yet_is_unknown(self) -> None:
        """A request that was sent and has no answer yet may have been carried out."""
        transmission = Transmission()
        transmission.sent()
        assert transmission.outcome_unknown

    @pytest.mark.parametrize(
        ("status_code", "unknown"),
        [(200, True), (400, False), (413, False), (499, False), (500, True), (503, True)],
    )
    def test_only_a_refusal_is_known(self, status_code: int, unknown: bool) -> None:
        """After a refusal nothing was written; after any other answer a write may have been."""
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
    def test_attempt_without_an_answer(self, error: Exception | None, unknown: bool) -> None:
        """Without an answer an attempt may have been carried out, unless it was never sent."""
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
            pytest.param([(None, READ_TIMEOUT)], str(READ_TIMEOUT), id="no answer"),
            pytest.param([(None, READ_TIMEOUT), (503, None)], "HTTP status 503", id="the last"),
            pytest.param([(503, None), (200, None)], "", id="success at last"),
        ],
    )
    def test_last_failure_of_several_attempts(
        self, answers: list[tuple[int | None, Exception | None]], last_failure: str
    ) -> None:
        """The transmission remembers the failure of the last attempt."""
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
    def test_one_unknown_attempt_makes_the_outcome_unknown(
        self, answers: list[tuple[int | None, Exception | None]]
    ) -> None:
        """The outcome is unknown if any attempt may have been carried out."""
        transmission = Transmission()
        for status_code, error in answers:
            transmission.sent()
            transmission.answered(status_code, error)
        definite = [(400, None), (None, CONNECTION_REFUSED)]
        assert transmission.outcome_unknown is any(answer not in definite for answer in answers)
