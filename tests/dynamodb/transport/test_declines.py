"""When the fast transport is left aside, and when it is not."""

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


async def add_nothing(**_: Any) -> None:
    """Stand for a handler of somebody's."""


class TestClientsThatAreUnusual:
    async def reasons(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        table_name: str = "breakglass",
        **options: Any,
    ) -> list[str]:
        """Return why the fast transport was left aside; and see that the store works."""
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

    async def test_a_usual_one(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Nothing is said where there is nothing unusual."""
        assert await self.reasons(caplog, server, session=session) == []

    async def test_by_choice(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Who wants the standard transport gets it, and no word of it."""
        assert await self.reasons(caplog, server, session=session, transport="standard") == []

    async def test_no_such_choice(self, session: AioSession) -> None:
        """A transport that is neither is refused before anything is opened."""
        with pytest.raises(ValueError, match='transport must be "fast" or "standard"'):
            async with AsyncDynamoDBStore.open("breakglass", transport="slow"):  # type: ignore[arg-type]
                pytest.fail("opened")

    async def test_adaptive_retries(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """They hold requests back, which only the client can."""
        config = AioConfig(retries={"mode": "adaptive"})
        await self.check("adaptive", caplog, server, session=session, config=config)

    async def test_a_proxy(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """A proxy of the configuration's is the client's to speak to."""
        config = AioConfig(proxies={"https": "http://127.0.0.1:9"})
        await self.check("proxy", caplog, server, session=session, config=config)

    async def test_a_table_by_its_arn(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """An ARN may lead to another endpoint."""
        arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/breakglass"
        await self.check("ARN", caplog, server, arn, session=session)

    async def test_on_lambda(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """There the client adds a tracing header, another in each invocation."""
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "doorman")
        await self.check("Lambda", caplog, server, session=session)

    @pytest.mark.parametrize(
        "event", ["before-send", "needs-retry.dynamodb", "after-call.*.Query"]
    )
    async def test_handlers_of_the_users(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, event: str
    ) -> None:
        """Who listens to a client's events hears of every call."""
        own = get_session()
        own.get_component("event_emitter").register(event, add_nothing)
        await self.check(f"handlers of {__name__}", caplog, server, session=own)

    async def test_a_tracer(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What wraps aiobotocore's calls sees every one of them."""

        class Wrapper:
            """As wrapt makes them: an object that is bound as a function would be."""

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
    async def test_another_aiohttp(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        other: Any,
    ) -> None:
        """What is not documented of aiohttp is there, or not relied upon."""

        class Another(ResponseHandler):
            pass

        setattr(Another, name, other)
        monkeypatch.setattr("aiobreakglass._aws.fast.wire.ResponseHandler", Another)
        await self.check("reads responses in another way", caplog, server, session=session)

    @pytest.mark.parametrize("name", ["_make_api_call", "prepare_request", "_request"])
    async def test_a_patch(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """A function in a method's place sees every call, though it looks like the method."""
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

    async def test_a_session_of_another_class(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """aiohttp's session may have been replaced by one that does more."""
        with pytest.warns(DeprecationWarning, match="discouraged"):
            another = type("Another", (ClientSession,), {})
        monkeypatch.setattr("aiobotocore.httpsession.aiohttp.ClientSession", another)
        await self.check("set up in another way", caplog, server, session=session)

    @pytest.mark.parametrize("extra", ["x\r\nX-Evil: 1", "x\nX-Evil: 1"])
    async def test_a_header_that_aiohttp_refuses(
        self, server: CannedServer, session: AioSession, extra: str
    ) -> None:
        """It is aiohttp's to refuse: neither transport sends it."""
        config = AioConfig(user_agent_extra=extra, retries={"total_max_attempts": 1})
        async with opened(server, session, config) as client:
            assert await client.transport("breakglass") is None
            with pytest.raises(HTTPClientError):
                await client.client.get_item(**REQUESTS["GetItem"])
        assert server.requests == []

    async def test_a_password_in_the_url(self, session: AioSession) -> None:
        """It would make a second header for the authorization, so no client is opened."""
        with pytest.raises(ValueError, match="without a user name"):
            async with open_client(REGION, "http://user:secret@127.0.0.1:1", session, None):
                pytest.fail("opened")

    async def test_more_than_one_request(self, server: CannedServer, session: AioSession) -> None:
        """A client that asks somebody else first sends nothing while it is learned from."""
        config = AioConfig(endpoint_discovery_enabled=True)
        async with open_client(REGION, None, session, config) as client:
            assert await client.transport("breakglass") is None

    async def test_connections_that_are_not_kept(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """Where aiohttp asks the server to end each connection, that is left to it."""
        config = AioConfig(connector_args={"force_close": True, "keepalive_timeout": None})
        await self.check("set up in another way", caplog, server, session=session, config=config)

    async def test_an_http_session_of_another_class(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """A client with its own way to the network keeps it."""

        class Own(aiobotocore.httpsession.AIOHTTPSession):
            pass

        config = AioConfig(http_session_cls=Own)
        await self.check("another class", caplog, server, session=session, config=config)

    async def test_another_signature(
        self, caplog: pytest.LogCaptureFixture, server: CannedServer, session: AioSession
    ) -> None:
        """A signature that is not reproduced to the byte is the client's to make."""
        config = AioConfig(signature_version=UNSIGNED)
        await self.check(
            "signs requests in another way", caplog, server, session=session, config=config
        )

    async def test_no_credentials(
        self,
        caplog: pytest.LogCaptureFixture,
        server: CannedServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without credentials nothing can be learned, and opening does not fail."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        caplog.set_level(logging.INFO, "aiobreakglass.transport")
        async with opened(server, get_session()) as client:
            assert await client.transport("breakglass") is None
        assert "there are no credentials" in caplog.text


class Rotating(AioCredentials):
    """Credentials with the key KEY1, then KEY2, ..., another from each of these calls on."""

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
    async def test_once_or_twice(
        self, server: CannedServer, caplog: pytest.LogCaptureFixture, at: set[int]
    ) -> None:
        """What was learned of the old ones is learned again, and nothing is said."""
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

    async def test_with_every_request(
        self, server: CannedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing can be learned, which is said for what it is, and ends."""
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
async def test_endpoints(session: AioSession, endpoint_url: str | None) -> None:
    """AWS's own and any other, a path and a port too; and opening sends nothing anywhere."""
    async with open_client(REGION, endpoint_url, session, None) as client:
        assert await client.transport("breakglass") is not None
