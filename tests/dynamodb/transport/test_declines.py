"""When a store uses the client's own transport instead of the fast one."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Container
from typing import Any

import aiobotocore.client
import aiobotocore.httpxsession
import pytest
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.session import AioSession, get_session
from aiohttp import ClientSession
from aiohttp.client_proto import ResponseHandler
from botocore import UNSIGNED
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import HTTPClientError

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass._aws.client import open_client
from aiobreakglass.testing import make_event
from tests.dynamodb.canned import CannedServer
from tests.dynamodb.conftest import REGION

from .calls import REQUESTS, opened, unheard

pytestmark = pytest.mark.slow


async def add_nothing(**_: Any) -> None:
    """Stand for a user's event handler."""


class TestClientsThatAreUnusual:
    async def reasons(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        table_name: str = "breakglass",
        **options: Any,
    ) -> list[str]:
        """Check that the store works, and return its logged reasons for the fallback."""
        caplog.set_level(logging.INFO, "aiobreakglass.transport")
        async with AsyncDynamoDBStore.open(
            table_name, region_name=REGION, endpoint_url=server.url, **options
        ) as store:
            assert await store.create(event := make_event()) == event
        assert len(server.requests) == 1
        return [record.getMessage() for record in caplog.records if "transport" in record.name]

    async def check(self, why: str, *arguments: Any, **options: Any) -> None:
        (reason,) = await self.reasons(*arguments, **options)
        assert re.search(why, reason)

    async def test_ordinary_client_uses_the_fast_transport(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """The store logs nothing about an ordinary client."""
        assert await self.reasons(caplog, server, session=session) == []

    async def test_standard_transport_by_choice_is_not_logged(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """If the caller chooses the standard transport, the store logs nothing."""
        assert await self.reasons(caplog, server, session=session, transport="standard") == []

    async def test_unknown_transport_is_refused(self, session: AioSession) -> None:
        """`open` refuses an unknown transport before it opens anything."""
        with pytest.raises(ValueError, match='transport must be "fast" or "standard"'):
            async with AsyncDynamoDBStore.open("breakglass", transport="slow"):  # type: ignore[arg-type]
                pytest.fail("opened")

    async def test_adaptive_retries_need_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Only the client can delay requests, as adaptive retries do."""
        config = AioConfig(retries={"mode": "adaptive"})
        await self.check("adaptive", caplog, server, session=session, config=config)

    async def test_configured_proxy_needs_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Only the client connects through a proxy."""
        config = AioConfig(proxies={"https": "http://127.0.0.1:9"})
        await self.check("proxy", caplog, server, session=session, config=config)

    async def test_table_arn_needs_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """An ARN may resolve to another endpoint."""
        arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/breakglass"
        await self.check("ARN", caplog, server, arn, session=session)

    async def test_lambda_needs_the_client(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """On Lambda the client adds a tracing header that differs in each invocation."""
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "doorman")
        await self.check("Lambda", caplog, server, session=session)

    @pytest.mark.parametrize(
        "event", ["before-send", "needs-retry.dynamodb", "after-call.*.Query"]
    )
    async def test_event_handlers_of_the_user_need_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, event: str
    ) -> None:
        """A user's event handler is called for every call."""
        own = get_session()
        own.get_component("event_emitter").register(event, add_nothing)
        await self.check(f"handlers of {__name__}", caplog, server, session=own)

    async def test_tracer_around_api_calls_needs_the_client(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A tracer that wraps aiobotocore's API calls sees every call."""

        class Wrapper:
            """An object that binds as a function does, as wrapt makes it."""

            def __init__(self, wrapped: Any) -> None:
                self.wrapped = wrapped

            def __get__(self, instance: Any, owner: type) -> Any:
                return self.wrapped.__get__(instance, owner)

        clients: Any = aiobotocore.client.AioBaseClient
        monkeypatch.setattr(clients, "_make_api_call", Wrapper(clients._make_api_call))
        await self.check("traced", caplog, server, session=session)

    @pytest.mark.parametrize(
        ("name", "other"),
        [("set_response_params", lambda self, *, read_timeout: None), ("start_timeout", None)],
    )
    async def test_other_aiohttp_internals_need_the_client(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        other: Any,
    ) -> None:
        """The store uses undocumented parts of aiohttp only if they are as expected."""

        class Another(ResponseHandler):
            pass

        setattr(Another, name, other)
        monkeypatch.setattr("aiobreakglass._aws.fast.wire.ResponseHandler", Another)
        await self.check("reads responses in another way", caplog, server, session=session)

    @pytest.mark.parametrize("name", ["_make_api_call", "prepare_request", "_request"])
    async def test_patched_method_needs_the_client(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """A function that replaces a method sees every call, even if it looks like the method."""
        owner: Any = {
            "_make_api_call": AioBaseClient,
            "prepare_request": AioEndpoint,
            "_request": ClientSession,
        }[name]
        original = getattr(owner, name)

        @functools.wraps(original)
        def patched(*arguments: Any, **options: Any) -> Any:
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, patched)
        await self.check("traced", caplog, server, session=session)

    async def test_replaced_aiohttp_session_needs_the_client(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Another class for aiohttp's session may do more."""
        with pytest.warns(DeprecationWarning, match="discouraged"):
            another = type("Another", (ClientSession,), {})
        monkeypatch.setattr("aiobotocore.httpsession.aiohttp.ClientSession", another)
        await self.check("set up in another way", caplog, server, session=session)

    @pytest.mark.parametrize("extra", ["x\r\nX-Evil: 1", "x\nX-Evil: 1"])
    async def test_header_that_aiohttp_refuses_is_never_sent(
        self, server: CannedServer, session: AioSession, extra: str
    ) -> None:
        """Neither transport sends a header that aiohttp refuses."""
        config = AioConfig(user_agent_extra=extra, retries={"total_max_attempts": 1})
        async with opened(server, session, config) as client:
            assert await client.transport("breakglass") is None
            with pytest.raises(HTTPClientError):
                await client.client.get_item(**REQUESTS["GetItem"])
        assert server.requests == []

    async def test_endpoint_with_a_password_is_refused(self, session: AioSession) -> None:
        """`open` refuses a password in the URL, which would add a second Authorization header."""
        with pytest.raises(ValueError, match="without a user name"):
            async with open_client(REGION, "http://user:secret@127.0.0.1:1", session, None):
                pytest.fail("opened")

    async def test_endpoint_discovery_needs_the_client(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """A client that discovers its endpoint first sends nothing while the store learns."""
        config = AioConfig(endpoint_discovery_enabled=True)
        async with open_client(REGION, None, session, config) as client:
            assert await client.transport("breakglass") is None

    async def test_connections_without_keep_alive_need_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """If the configuration ends each connection, aiohttp must ask the server to do so."""
        config = AioConfig(connector_args={"force_close": True, "keepalive_timeout": None})
        await self.check("set up in another way", caplog, server, session=session, config=config)

    async def test_own_http_session_class_needs_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """A client with its own HTTP session class keeps using it."""

        class Own(aiobotocore.httpsession.AIOHTTPSession):
            pass

        config = AioConfig(http_session_cls=Own)
        await self.check("another class", caplog, server, session=session, config=config)

    async def test_other_signature_needs_the_client(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Only the client makes signatures that the store cannot reproduce exactly."""
        config = AioConfig(signature_version=UNSIGNED)
        await self.check(
            "signs requests in another way", caplog, server, session=session, config=config
        )

    async def test_open_without_credentials_does_not_fail(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without credentials the store cannot learn anything, but `open` succeeds."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        caplog.set_level(logging.INFO, "aiobreakglass.transport")
        async with opened(server, get_session()) as client:
            assert await client.transport("breakglass") is None
        assert "there are no credentials" in caplog.text


class Rotating(AioCredentials):
    """Credentials that change to KEY2, KEY3 and so on, at the given calls."""

    def __init__(self, at: Container[int]) -> None:
        super().__init__("KEY1", "secret")
        self._at = at
        self._calls = 0
        self._keys = 1

    async def load_credentials(self) -> Rotating:
        """Stand in for a session's chain of providers."""
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override] # aiobotocore awaits it
        self._calls += 1
        self._keys += self._calls in self._at
        return ReadOnlyCredentials(self.key, f"secret of {self.key}", f"token of {self.key}")

    @property
    def key(self) -> str:
        return f"KEY{self._keys}"


class TestCredentialsThatChangeMeanwhile:
    @pytest.mark.parametrize("at", [{call} for call in range(1, 9)] + [{2, 4}, {2, 3, 4, 5}])
    async def test_credentials_that_change_during_open(
        self, server: CannedServer, caplog: pytest.LogCaptureFixture, at: set[int]
    ) -> None:
        """The store learns again with the new credentials, and logs nothing."""
        caplog.set_level(logging.INFO, "aiobreakglass.transport")
        own = get_session()
        own.register_component("credential_provider", credentials := Rotating(at))
        async with opened(server, own) as client:
            transport = await client.transport("breakglass")
            assert transport is not None
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
        assert caplog.messages == []
        ((headers, _),) = server.requests
        assert f"Credential={credentials.key}/" in headers["authorization"]

    async def test_credentials_that_change_with_every_request(
        self, server: CannedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The store stops learning, and logs why."""
        caplog.set_level(logging.INFO, "aiobreakglass.transport")
        own = get_session()
        own.register_component("credential_provider", Rotating(range(10_000)))
        async with opened(server, own) as client:
            assert await client.transport("breakglass") is None
        (message,) = caplog.messages
        assert message.endswith("the credentials change with every request")


@pytest.mark.parametrize(
    "endpoint_url", [None, "https://dynamodb.example:8443/path", "http://[::1]:8000"]
)
async def test_any_endpoint_can_use_the_fast_transport(
    session: AioSession, endpoint_url: str | None
) -> None:
    """Any endpoint, port and path works, and `open` sends nothing."""
    async with open_client(REGION, endpoint_url, session, None) as client:
        assert await client.transport("breakglass") is not None
