"""Signatures: AWS's published examples, and botocore's own, exactly."""

from __future__ import annotations

import string

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from aiobreakglass._aws.fast.signing import Signer

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-test-suite.html
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TIMESTAMP = "20150830T123600Z"
SCOPE = "20150830/us-east-1/service/aws4_request"
HOST = {"host": "example.amazonaws.com"}
VECTORS = [
    pytest.param(
        HOST,
        b"",
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        id="post-vanilla",
    ),
    pytest.param(
        {**HOST, "my-header1": "value1"},
        b"",
        "host;my-header1;x-amz-date",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        id="post-header-key-sort",
    ),
    pytest.param(
        {**HOST, "my-header1": "VALUE1"},
        b"",
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        id="post-header-value-case",
    ),
    pytest.param(
        {**HOST, "content-type": "application/x-www-form-urlencoded"},
        b"Param1=value1",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        id="post-x-www-form-urlencoded",
    ),
]


def authorization(signed: str, signature: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


@pytest.mark.parametrize(("headers", "body", "signed", "signature"), VECTORS)
def test_published_examples_of_signatures(
    headers: dict[str, str], body: bytes, signed: str, signature: str
) -> None:
    """The signer makes the signatures that AWS publishes, and can learn from each."""
    expected = authorization(signed, signature)
    signer = Signer.of(expected, "/", headers)
    assert (signer.path, signer.region, signer.service) == ("/", "us-east-1", "service")
    key = signer.key(SECRET, TIMESTAMP)
    assert signer.authorization(key, KEY_ID, None, TIMESTAMP, body) == expected


VISIBLE = st.text(string.ascii_letters + string.digits + "/+=-_.", min_size=1, max_size=60)
TIMESTAMPS = st.datetimes().map("{:%Y%m%dT%H%M%SZ}".format).filter(lambda text: len(text) == 16)


@pytest.mark.slow
@settings(max_examples=100)
@given(
    region=st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True),
    host=st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,9}){0,3}(:[1-9][0-9]{3})?", fullmatch=True),
    target=st.text(string.ascii_letters + "%.", min_size=1, max_size=60),
    agent=st.text(string.printable.strip(), max_size=30),
    credentials=st.builds(
        Credentials, VISIBLE, st.text(min_size=1, max_size=60), st.none() | VISIBLE
    ),
    body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    timestamps=st.lists(TIMESTAMPS, min_size=1, max_size=3),
)
def test_any_request_is_signed_as_by_botocore(
    region: str,
    host: str,
    target: str,
    agent: str,
    credentials: Credentials,
    body: bytes,
    timestamps: list[str],
) -> None:
    """The signature is botocore's for any request at any time."""
    signer: Signer | None = None
    for timestamp in timestamps:
        expected, headers = signed_by_botocore(
            region,
            host,
            {"X-Amz-Target": target, "User-Agent": agent},
            credentials,
            body,
            timestamp,
        )
        signer = signer or Signer.of(expected, "/", {**headers, "host": host})
        key = signer.key(credentials.secret_key, timestamp)
        assert expected == signer.authorization(
            key, credentials.access_key, credentials.token, timestamp, body
        )


def signed_by_botocore(
    region: str,
    host: str,
    headers: dict[str, str],
    credentials: Credentials,
    body: bytes,
    timestamp: str,
) -> tuple[str, dict[str, str]]:
    """Return botocore's Authorization header of a request, and all its headers."""
    headers = {**headers, "Content-Type": "application/x-amz-json-1.0", "X-Amz-Date": timestamp}
    if credentials.token is not None:
        headers["X-Amz-Security-Token"] = credentials.token
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    request.context["timestamp"] = timestamp
    auth = SigV4Auth(credentials, "dynamodb", region)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, "
        f"SignedHeaders={signed}, Signature={signature}",
        headers,
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "not signed by AWS4-HMAC-SHA256"),
        ("Bearer x", "not signed by AWS4-HMAC-SHA256"),
        (authorization("host", "0" * 64).replace("HMAC", "ECDSA-P256"), "not signed by"),
        (authorization("host;x-amz-date;x-unknown", "0" * 64), "x-unknown is signed and not sent"),
    ],
)
def test_unusable_signature_is_refused(value: str, problem: str) -> None:
    """The signer refuses other kinds of signatures, and those of unknown headers."""
    with pytest.raises(ValueError, match=problem):
        Signer.of(value, "/", HOST)
