"""Describe failures in messages, and shorten their tracebacks.

Third-party errors may quote credentials, so messages give only their class, and `__cause__` has
the rest. botocore's own messages name settings, files and URLs; ours leave out user names and
passwords in URLs.
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
    """The answer cannot belong to our request."""


class TooLateError(Exception):
    """The event that a write relies on has lapsed, so no further attempt may be sent."""


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
"""How a request or its response can fail on the way."""

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
"""Errors about settings; their messages quote only names."""

_NO_CREDENTIALS: Final = (
    "no credentials were found in the environment, in the AWS config files or from the host's "
    "role: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"
)


def describe(error: Exception | None) -> str:
    """Return a description of a failure that cannot contain a secret."""
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
        # aiobotocore also raises this if a connection breaks later.
        return f"the connection to {_host(error)} broke: {_reason(cause)}"
    if is_settings_error(cause):
        error = cause
    if _is_known_transfer_failure(error) or is_settings_error(error):
        # From the second line on, botocore may quote an answer that it could not parse.
        return _without_userinfo(str(error).partition("\n")[0])
    return type(error).__name__


def refused_by_proxy(status_code: int) -> str:
    """Return the message for a proxy's refusal."""
    advice = "; check user name and password in the proxy's URL" if status_code == 407 else ""
    return f"the proxy refused with HTTP status {status_code}{advice}"


def _without_userinfo(text: str) -> str:
    """Return a text without the user names and passwords in its URLs."""
    return re.sub(r"//[^/\s]*@", "//", text)


def never_sent(error: Exception | None) -> bool:
    """Return whether an attempt certainly ended before its request could be sent."""
    if isinstance(error, (ConnectTimeoutError, TooLateError)) or is_settings_error(error):
        return True
    # aiobotocore raises the same exception for a connection that could not be made and for one
    # that broke later; aiohttp's exception inside tells them apart.
    from aiohttp import ClientConnectorError, ClientHttpProxyError

    return isinstance(error, TransportError) and isinstance(
        _cause(error), (ClientConnectorError, ClientHttpProxyError)
    )


def is_transfer_failure(error: Exception) -> bool:
    """Return whether a request or its response failed on the way."""
    return _is_known_transfer_failure(error) or isinstance(
        error, (TransportError, HTTPClientError)
    )


def is_settings_error(error: Exception | None) -> bool:
    """Return whether the settings prevent the request, so that a retry cannot help."""
    return isinstance(error, _SETTINGS_ERRORS) or isinstance(_cause(error), _SETTINGS_ERRORS)


def shorten_traceback(error: Exception) -> None:
    """Remove the cause and frames of an error if the error itself says everything."""
    if _is_known_transfer_failure(error) or isinstance(error, (ClientError, TimeoutError)):
        error.__cause__ = None
    if _is_known_transfer_failure(error):
        # The frames are all inside the HTTP clients.
        error.__traceback__ = None


def _is_known_transfer_failure(error: Exception | None) -> bool:
    # Imported here because it costs more than the rest of this package; clients import it anyway.
    from botocore.parsers import ResponseParserError

    return isinstance(error, (*_TRANSFER_ERRORS, ResponseParserError))


def _cause(error: Exception | None) -> Exception | None:
    """Return the HTTP client's error that botocore wrapped in its own."""
    cause: Any = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    return cause if isinstance(cause, Exception) else None


def _peer(error: Exception | None, cause: Any) -> str:
    host = f"[{cause.host}]" if ":" in cause.host else cause.host
    # botocore names the endpoint even if it was the proxy that could not be found.
    is_proxy = isinstance(error, ProxyConnectionError) or (
        not re.match(rf"{re.escape(host)}(:|$)", _host(error), flags=re.IGNORECASE)
    )
    return f"the {'proxy' if is_proxy else 'endpoint'} {host}:{cause.port}"


def _host(error: Any) -> str:
    """Return host and port of the requested URL."""
    found = re.search(r"//(?:[^/\s]*@)?([^/\s?#]+)", str(error.kwargs.get("endpoint_url")))
    return "" if found is None else found[1]


def _reason(cause: Any) -> str:
    """Return why a connection failed, as the operating system puts it."""
    problem = getattr(cause, "certificate_error", getattr(cause, "os_error", cause))
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {problem.verify_message}"
    if isinstance(problem, ssl.SSLError):
        return f"no TLS connection: {str(problem.reason).lower().replace('_', ' ')}"
    reason = None
    if isinstance(problem, socket.gaierror):
        reason = problem.strerror
    elif isinstance(problem, OSError) and problem.errno:
        # asyncio's message has a different address each time.
        reason = os.strerror(problem.errno)
    return reason[:1].lower() + reason[1:] if reason else type(problem).__name__
