"""Sign POST requests with AWS Signature Version 4 if only time, body and credentials vary.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

DATE_HEADER: Final = "x-amz-date"
TOKEN_HEADER: Final = "x-amz-security-token"  # noqa: S105 - the name of a header

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    rf"{_ALGORITHM} Credential=[^,]+/[0-9]{{8}}/([^,/]+)/([^,/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=[0-9a-f]{64}"
)


class SignedHeaders(NamedTuple):
    """The headers that a signature covers, in their order."""

    names: str
    """Their names, as in the header `Authorization`."""
    lines: str
    """Their canonical lines, as a %-format of the values that vary."""

    @classmethod
    def of(cls, constant: Mapping[str, str], *varying: str) -> SignedHeaders:
        """Return the headers of these constant values, and of the names whose values vary."""
        values = {name: value.replace("%", "%%") for name, value in constant.items()}
        values |= dict.fromkeys(varying, "%s")
        names = sorted(values)
        return cls(";".join(names), "".join(f"{name}:{values[name]}\n" for name in names))


class Signer(NamedTuple):
    """The parts of a signature that all requests to one operation share."""

    path: str
    region: str
    service: str
    headers: SignedHeaders
    """The signed headers of a request without a session token."""
    headers_with_token: SignedHeaders

    @classmethod
    def of(cls, authorization: str, path: str, headers: Mapping[str, str]) -> Signer:
        """Return the signer that matches a signed request.

        The caller then signs the same request again to see that the signer is right.

        Args:
            authorization: The request's header `Authorization`.
            path: The path of its URL.
            headers: Its headers, including the host.

        Raises:
            ValueError: The request is signed in another way.
        """
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise ValueError(f"it is not signed by {_ALGORITHM}")
        region, service, signed = match.groups()
        constant = set(signed.split(";")) - {DATE_HEADER, TOKEN_HEADER}
        values = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        if missing := constant - values.keys():
            raise ValueError(f"{', '.join(sorted(missing))} is signed and not sent")
        headers = {name: values[name] for name in constant}
        return cls(
            path,
            region,
            service,
            SignedHeaders.of(headers, DATE_HEADER),
            SignedHeaders.of(headers, DATE_HEADER, TOKEN_HEADER),
        )

    def key(self, secret_key: str, timestamp: str) -> bytes:
        """Return the key for all signatures of the timestamp's day."""
        key = f"AWS4{secret_key}".encode()
        for part in (timestamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def authorization(
        self, key: bytes, access_key: str, token: str | None, timestamp: str, body: bytes
    ) -> str:
        """Return the value of the header `Authorization`.

        Args:
            key: The day's key, from the method `key`.
            access_key: The id of the access key.
            token: The session token, if there is one.
            timestamp: The time as `YYYYMMDDTHHMMSSZ`.
            body: The request's body.
        """
        if token:
            signed, lines = self.headers_with_token
            # The date sorts before the token.
            lines %= timestamp, token
        else:
            signed, lines = self.headers
            lines %= (timestamp,)
        request = f"POST\n{self.path}\n\n{lines}\n{signed}\n{sha256(body).hexdigest()}"
        scope = f"{timestamp[:8]}/{self.region}/{self.service}/aws4_request"
        digest = sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return (
            f"{_ALGORITHM} Credential={access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}"
        )
