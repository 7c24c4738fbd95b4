"""How messages name a failure, and how much of it a traceback shows.

Third-party errors may quote credentials, so messages give only their class; `__cause__` has the
rest. botocore's own words name settings, files and URLs. User names and passwords in URLs are left
out.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import Any, Final

from botocore.exceptions import (
    BaseEndpointResolverError,
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    EndpointProviderError,
    HTTPClientError,
    InvalidDefaultsMode,
    InvalidProxiesConfigError,
    InvalidRetryConfigurationError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
    UnknownSignatureVersionError,
)
from botocore.exceptions import ConnectionError as TransportError


class BrokenAnswerError(Exception):
    """An answer that cannot be the one to our request."""


class TooLateError(Exception):
    """What a write relies on has lapsed: no further attempt may be sent."""


_TRANSFER_ERRORS: Final = (
    BrokenAnswerError,
    ChecksumError,
    ConnectTimeoutError,
    ConnectionClosedError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
"""What a request can meet on its way."""

_SETTINGS_ERRORS: Final = (
    BaseEndpointResolverError,
    EndpointProviderError,
    InvalidDefaultsMode,
    InvalidProxiesConfigError,
    InvalidRetryConfigurationError,
    PartialCredentialsError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
    UnknownSignatureVersionError,
)
"""What is wrong with settings, in words that quote only names."""

_NO_CREDENTIALS: Final = (
    "no credentials were found in the environment, in the AWS config files or from the host's "
    "role: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"
)


def describe(error: Exception | None) -> str:
    """Return what is known of a failure, without what could be a secret."""
    from aiohttp import ClientConnectorError, ClientHttpProxyError

    if isinstance(error, NoCredentialsError):
        return _NO_CREDENTIALS
    cause = _cause(error)
    if isinstance(cause, ClientHttpProxyError):
        return refused_by_proxy(cause.status)
    if isinstance(cause, ClientConnectorError):
        return f"{_peer(error, cause)} could not be reached: {_reason(cause)}"
    if isinstance(error, ConnectTimeoutError):
        return f"the endpoint {_host(error)} could not be reached: no connection in time"
    if isinstance(error, EndpointConnectionError):
        # aiobotocore calls it so as well if a connection breaks later on.
        return f"the connection to {_host(error)} broke: {_reason(cause)}"
    if is_settings_error(cause):
        error = cause
    if _is_known_transfer_failure(error) or is_settings_error(error):
        # From the second line on, botocore may quote an answer that it could not read.
        return _without_userinfo(str(error).partition("\n")[0])
    return type(error).__name__


def refused_by_proxy(status_code: int) -> str:
    """Return what a proxy's refusal means."""
    advice = "; check user name and password in the proxy's URL" if status_code == 407 else ""
    return f"the proxy refused with HTTP status {status_code}{advice}"


def _without_userinfo(text: str) -> str:
    """Return a text with no user name and password in its URLs."""
    return re.sub(r"//[^/\s]*@", "//", text)


def never_sent(error: Exception | None) -> bool:
    """Tell whether an attempt certainly ended before its request could be sent."""
    if isinstance(error, (ConnectTimeoutError, TooLateError)) or is_settings_error(error):
        return True
    # aiobotocore reports a connection that could not be made, and one that broke down later, by
    # the same exception; aiohttp's, inside it, tells them apart.
    from aiohttp import ClientConnectorError, ClientHttpProxyError

    return isinstance(error, TransportError) and isinstance(
        _cause(error), (ClientConnectorError, ClientHttpProxyError)
    )


def is_transfer_failure(error: Exception) -> bool:
    """Tell whether a request failed on its way, there or back."""
    return _is_known_transfer_failure(error) or isinstance(
        error, (TransportError, HTTPClientError)
    )


def is_settings_error(error: Exception | None) -> bool:
    """Tell whether a request cannot be made with these settings, however often it is tried."""
    return isinstance(error, _SETTINGS_ERRORS) or isinstance(_cause(error), _SETTINGS_ERRORS)


def shorten_traceback(error: Exception) -> None:
    """Cut what led to an error out of tracebacks, if the error itself says it all."""
    if _is_known_transfer_failure(error) or isinstance(error, (ClientError, TimeoutError)):
        error.__cause__ = None
    if _is_known_transfer_failure(error):
        # The frames are those of HTTP clients, one within the other.
        error.__traceback__ = None


def _is_known_transfer_failure(error: Exception | None) -> bool:
    # Imported here, because it costs more than all the rest of this package; a client has it.
    from botocore.parsers import ResponseParserError

    return isinstance(error, (*_TRANSFER_ERRORS, ResponseParserError))


def _cause(error: Exception | None) -> Exception | None:
    """Return the HTTP client's own error, around which botocore put its one."""
    cause: Any = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    return cause if isinstance(cause, Exception) else None


def _peer(error: Exception | None, cause: Any) -> str:
    host = f"[{cause.host}]" if ":" in cause.host else cause.host
    # botocore names the endpoint even if it was the proxy whose name is unknown.
    is_proxy = isinstance(error, ProxyConnectionError) or (
        not re.match(rf"{re.escape(host)}(:|$)", _host(error), flags=re.IGNORECASE)
    )
    return f"the {'proxy' if is_proxy else 'endpoint'} {host}:{cause.port}"


def _host(error: Any) -> str:
    """Return host and port of the URL that was asked."""
    found = re.search(r"//(?:[^/\s]*@)?([^/\s?#]+)", str(error.kwargs.get("endpoint_url")))
    return "" if found is None else found[1]


def _reason(cause: Any) -> str:
    """Return why a connection failed, in the operating system's words."""
    problem = getattr(cause, "certificate_error", getattr(cause, "os_error", cause))
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {problem.verify_message}"
    if isinstance(problem, ssl.SSLError):
        return f"no TLS connection: {str(problem.reason).lower().replace('_', ' ')}"
    reason = None
    if isinstance(problem, socket.gaierror):
        reason = problem.strerror
    elif isinstance(problem, OSError) and problem.errno:
        # asyncio's words are another address each time.
        reason = os.strerror(problem.errno)
    return reason[:1].lower() + reason[1:] if reason else type(problem).__name__
