"""Messages about wrong endpoints, proxies, accounts and credentials."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import EndpointConnectionError

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError
from aiobreakglass.testing import make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.versions import needs_aiobotocore
from tests.dynamodb.waiting import PATIENT_AND_SENDING_ONCE

from .conftest import LONG_ENOUGH

pytestmark = pytest.mark.slow

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]

WHERE_CREDENTIALS_ARE = (
    "the request could not be made: no credentials were found in the environment, in the AWS "
    "config files or from the host's role: "
    "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"
)


@asynccontextmanager
async def answering(status: str) -> AsyncIterator[int]:
    """Run a server that gives every request this status, and return its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\n<html>".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


async def told(**options: Any) -> StoreUnavailableError:
    """Return the error of a write with these options; certainly nothing was written."""
    options = {"region_name": REGION, "session": get_session(), **options}
    with pytest.raises(StoreUnavailableError) as caught:
        async with (
            asyncio.timeout(LONG_ENOUGH.total_seconds() / 2),
            AsyncDynamoDBStore.open(
                "breakglass", operation_timeout=LONG_ENOUGH, **options
            ) as store,
        ):
            await store.create(make_event())
    assert not caught.value.outcome_unknown
    return caught.value


def through(proxy: str) -> AioConfig:
    return PATIENT_AND_SENDING_ONCE.merge(AioConfig(proxies={"http": proxy, "https": proxy}))


@pytest.mark.usefixtures("few_attempts")
class TestProxies:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_proxy_that_asks_for_a_password(self, scheme: str) -> None:
        """The message names a proxy that refuses, before or after it has opened a tunnel."""
        async with answering("407 Proxy Authentication Required") as port:
            error = await told(
                endpoint_url=f"{scheme}://dynamodb.example",
                config=through(f"http://user:hunter2@127.0.0.1:{port}"),
            )
        assert str(error) == (
            "the proxy refused with HTTP status 407; "
            "check user name and password in the proxy's URL"
        )

    async def test_unreachable_proxy_is_named(self, closed_port: int) -> None:
        """The message has the proxy's host and port, and nothing else of its URL."""
        error = await told(config=through(f"http://user:hunter2@127.0.0.1:{closed_port}"))
        assert str(error) == (
            f"the proxy 127.0.0.1:{closed_port} could not be reached: connection refused"
        )

    @needs_aiobotocore("3.9", "an older client reads the URL only when it sends")
    async def test_proxy_that_is_not_a_url_is_refused(self) -> None:
        """The message is botocore's own, which quotes nothing, and the store does not retry."""
        error = await told(config=through("http://user:hunter2@127.0.0.1:port"))
        assert str(error) == (
            "the request could not be made: "
            "Invalid configuration value(s) provided for proxies_config."
        )


@pytest.mark.usefixtures("few_attempts")
class TestEndpoints:
    async def test_unreachable_endpoint_is_named(self, closed_port: int) -> None:
        """The message says that the connection was refused."""
        error = await told(
            endpoint_url=f"http://127.0.0.1:{closed_port}", config=PATIENT_AND_SENDING_ONCE
        )
        assert str(error) == (
            f"the endpoint 127.0.0.1:{closed_port} could not be reached: connection refused"
        )

    async def test_endpoint_that_is_not_dynamodb(self) -> None:
        """A server that is not DynamoDB answers without DynamoDB's error codes."""
        async with answering("404 Not Found") as port:
            error = await told(endpoint_url=f"http://127.0.0.1:{port}")
        assert str(error) == (
            "the answer has HTTP status 404 and no error code of DynamoDB's; "
            "check endpoint_url and proxies"
        )

    @pytest.mark.parametrize(
        "url",
        [
            "hunter2.example:8000",
            "ftp://hunter2.example",
            "http://hunter2.example:99999",
            "http://hunter2.example:0",
            "http://user:hunter2@dynamodb.example",
            "http://user:hunter2@no host",
        ],
    )
    @pytest.mark.parametrize("given", ["argument", "environment"])
    async def test_unusable_endpoint_url_is_refused_unquoted(
        self, monkeypatch: pytest.MonkeyPatch, url: str, given: str
    ) -> None:
        """`open` refuses an unusable URL, names the argument, and does not quote the URL."""
        if given == "environment":
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        with pytest.raises(ValueError, match=r"^endpoint_url, here or as") as caught:
            async with AsyncDynamoDBStore.open(
                "breakglass",
                region_name=REGION,
                session=get_session(),
                endpoint_url=url if given == "argument" else None,
            ):
                pytest.fail("opened")
        assert "hunter2" not in "".join(traceback.format_exception_only(caught.value))
        assert "hunter2" not in str(caught.value.__cause__)
        assert caught.value.__suppress_context__

    async def test_traceback_of_unreachable_endpoint_is_short(self, closed_port: int) -> None:
        """The traceback ends at the direct cause, because HTTP clients' own errors add nothing."""
        error = await told(
            endpoint_url=f"http://127.0.0.1:{closed_port}", config=PATIENT_AND_SENDING_ONCE
        )
        assert isinstance(error.__cause__, EndpointConnectionError)
        shown = "".join(traceback.format_exception(error))
        # Only our error has one; its cause is shown without frames.
        assert shown.count("Traceback (most recent call last)") == 1
        assert shown.startswith("botocore.exceptions.EndpointConnectionError: ")
        assert "aiohttp" not in shown


class TestAccounts:
    async def test_required_account_that_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message quotes botocore, which names the setting and what it needs."""
        monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required")
        assert str(await told()) == (
            "the request could not be made: AccountIdEndpointMode is required but no AccountID "
            "was provided or able to be loaded"
        )

    async def test_unknown_account_mode_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`open` refuses an unknown mode in botocore's words."""
        monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "sometimes")
        expected = "no client could be made: .*'sometimes' for 'account_id_endpoint_mode'"
        with pytest.raises(StoreUnavailableError, match=expected):
            async with AsyncDynamoDBStore.open(
                "breakglass", region_name=REGION, session=get_session()
            ):
                pytest.fail("opened")


class TestCredentials:
    @pytest.fixture(autouse=True)
    def no_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Remove the credentials from the environment."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    async def test_credentials_that_are_missing(self) -> None:
        """The message says where botocore looks for credentials."""
        assert str(await told()) == WHERE_CREDENTIALS_ARE

    async def test_credentials_with_a_missing_half(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message names the variable that is not set."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hunter2")
        assert str(await told()) == (
            "credentials could not be looked up: "
            "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY"
        )

    @pytest.mark.parametrize("own_session", [False, True])
    async def test_credentials_of_a_missing_profile(
        self, monkeypatch: pytest.MonkeyPatch, own_session: bool
    ) -> None:
        """The message names the profile, with the caller's session and with the store's own."""
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        assert str(await told(session=get_session() if own_session else None)) == (
            "credentials could not be looked up: The config profile (nobody) could not be found"
        )
