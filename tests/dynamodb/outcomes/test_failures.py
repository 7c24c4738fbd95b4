"""Descriptions of failures, and the length of their tracebacks."""

from __future__ import annotations

import socket
import ssl
import traceback
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    CredentialRetrievalError,
    EndpointConnectionError,
    EndpointResolutionError,
    HTTPClientError,
    InvalidProxiesConfigError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from aiobreakglass._aws.failures import describe, is_settings_error, never_sent, shorten_traceback

from .failures import (
    CONNECT_TIMEOUT,
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    ENDPOINT,
    client_error,
)


def unreachable(host: str, problem: OSError) -> aiohttp.ClientConnectorError:
    key: Any = SimpleNamespace(host=host, port=3128, ssl=True)
    return aiohttp.ClientConnectorError(key, problem)


def untrusted() -> aiohttp.ClientConnectorCertificateError:
    key: Any = SimpleNamespace(host="127.0.0.1", port=1, is_ssl=True)
    problem = ssl.SSLCertVerificationError("no")
    problem.verify_message = "self-signed certificate"
    return aiohttp.ClientConnectorCertificateError(key, problem)


def without_tls() -> aiohttp.ClientConnectorSSLError:
    key: Any = SimpleNamespace(host="127.0.0.1", port=1, ssl=True)
    problem = ssl.SSLError(1, "no")
    problem.reason = "WRONG_VERSION_NUMBER"
    return aiohttp.ClientConnectorSSLError(key, problem)


UNKNOWN_HOST = socket.gaierror(-2, "Name or service not known")

NEVER_SENT = {
    "the endpoint 127.0.0.1:1 could not be reached: connection refused": CONNECTION_REFUSED,
    "the endpoint 127.0.0.1:1 could not be reached: no connection in time": CONNECT_TIMEOUT,
    "the endpoint dynamodb.example:3128 could not be reached: name or service not known": (
        EndpointConnectionError(
            endpoint_url="http://user:hunter2@dynamodb.example:3128/",
            error=unreachable("dynamodb.example", UNKNOWN_HOST),
        )
    ),
    "the proxy proxy.example:3128 could not be reached: name or service not known": (
        EndpointConnectionError(
            endpoint_url="https://dynamodb.example/",
            error=unreachable("proxy.example", UNKNOWN_HOST),
        )
    ),
    "the proxy [::1]:3128 could not be reached: OSError": ProxyConnectionError(
        proxy_url="http://user:hunter2@[::1]:3128",
        error=unreachable("::1", OSError("Multiple exceptions: hunter2")),
    ),
    "the endpoint 127.0.0.1:1 could not be reached: no TLS connection: wrong version number": (
        SSLError(endpoint_url=ENDPOINT, error=without_tls())
    ),
    "the endpoint 127.0.0.1:1 could not be reached: its certificate is not trusted: "
    "self-signed certificate": SSLError(endpoint_url=ENDPOINT, error=untrusted()),
    "the proxy refused with HTTP status 403": ProxyConnectionError(
        proxy_url="http://user:hunter2@proxy.example",
        error=aiohttp.ClientHttpProxyError(
            SimpleNamespace(real_url="hunter2"),  # type: ignore[arg-type] # all that its text has
            (),
            status=403,
            message="hunter2",
        ),
    ),
    "Invalid configuration value(s) provided for proxies_config.": HTTPClientError(
        error=InvalidProxiesConfigError(error=ValueError("hunter2"))
    ),
}

MAYBE_SENT = {
    "the connection to 127.0.0.1:1 broke: connection reset by peer": CONNECTION_RESET,
    'Read timeout on endpoint URL: "http://dynamodb.example/"': ReadTimeoutError(
        endpoint_url="http://user:hunter2@dynamodb.example/", error=TimeoutError()
    ),
    "Unable to parse response (no element found), invalid XML received. "
    "Further retries may succeed:": ResponseParserError(
        "Unable to parse response (no element found), invalid XML received. "
        "Further retries may succeed:\nb'<SecretAccessKey>hunter2"
    ),
    "HTTPClientError": HTTPClientError(error=ValueError("hunter2")),
    "CredentialRetrievalError": CredentialRetrievalError(provider="x", error_msg="hunter2"),
    "NoneType": None,
}


class TestWords:
    @pytest.mark.parametrize(("words", "error"), NEVER_SENT.items())
    def test_description_of_a_request_that_was_never_sent(
        self, words: str, error: Exception
    ) -> None:
        """It says what could not be reached and why, without a user name or password."""
        assert describe(error) == words
        assert never_sent(error)

    @pytest.mark.parametrize(("words", "error"), MAYBE_SENT.items())
    def test_description_of_other_failures(self, words: str, error: Exception | None) -> None:
        """It is botocore's text if that quotes no secret, or else the name of the class."""
        assert describe(error) == words
        assert not never_sent(error)

    @pytest.mark.parametrize(
        "error",
        [
            EndpointResolutionError(msg="AccountIdEndpointMode is required"),
            UnauthorizedSSOTokenError(),
        ],
    )
    def test_description_of_a_wrong_setting(self, error: Exception) -> None:
        """botocore's own text names the setting, and a retry would not help."""
        assert describe(error) == str(error)
        assert is_settings_error(error)


def raised(error: Exception, *, after: Exception) -> Exception:
    """Raise an error from another one, and return it."""
    try:
        raise error from after
    except type(error):
        return error


class TestTracebacks:
    @pytest.mark.parametrize(
        "error", [CONNECTION_REFUSED, CONNECTION_RESET, client_error("Throttling"), TimeoutError()]
    )
    def test_traceback_of_a_failure_without_earlier_errors(self, error: Exception) -> None:
        """The traceback leaves out the earlier errors of HTTP clients and time limits."""
        error = raised(error, after=OSError("before"))
        shorten_traceback(error)
        assert "before" not in "".join(traceback.format_exception(error))

    def test_traceback_of_a_credential_provider_is_complete(self) -> None:
        """The author of a credential provider needs the complete traceback."""
        error = raised(RuntimeError("no key"), after=OSError("before"))
        shorten_traceback(error)
        shown = "".join(traceback.format_exception(error))
        assert "Traceback (most recent call last)" in shown
        assert "OSError: before" in shown
