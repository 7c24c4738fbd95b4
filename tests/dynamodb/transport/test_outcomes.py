"""The fast transport: as the client would have it, in every outcome; and when it is left aside."""

from __future__ import annotations

import ast
import asyncio
import functools
import gzip
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiobotocore.client
import aiobotocore.httpxsession
import orjson
import pytest
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.session import AioSession, get_session
from aiohttp import ClientSession, web
from aiohttp.client_proto import ResponseHandler
from botocore import UNSIGNED, xform_name
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import EndpointConnectionError, HTTPClientError

import aiobreakglass
from aiobreakglass import AsyncDynamoDBStore, _shielding
from aiobreakglass._dynamodb.client import Opened, open_client
from aiobreakglass._dynamodb.transport import Transport
from aiobreakglass.testing import make_event
from tests.dynamodb import canned
from tests.dynamodb.canned import ANSWERS, CannedServer, Spoil, canned_server
from tests.dynamodb.conftest import REGION
from tests.dynamodb.waiting import PATIENT, lose_patience

REQUESTS: dict[str, dict[str, Any]] = {
    "GetItem": {"TableName": "breakglass", "Key": {"pk": {"S": "x"}}, "ConsistentRead": True},
    "Query": {"TableName": "breakglass", "KeyConditionExpression": "pk = :pk", "Limit": 3},
    "TransactWriteItems": {
        "TransactItems": [
            {"Put": {"TableName": "breakglass", "Item": {"pk": {"S": "caf\u00e9 \U0001f6aa"}}}}
        ],
        "ClientRequestToken": "t-1",
    },
}
BINARY: dict[str, Any] = {
    "TransactItems": [{"Put": {"TableName": "breakglass", "Item": {"pk": {"B": b"\xff"}}}}],
    "ClientRequestToken": "t-1",
}


def unheard() -> None:
    """Do nothing when a request goes."""


FRESH = {"x-amz-date", "authorization", "amz-sdk-invocation-id"}

SPOILS: dict[str, Spoil] = {
    "nothing": canned.right,
    "throttled": canned.error(400, "ThrottlingException"),
    "over capacity": canned.error(400, "ProvisionedThroughputExceededException"),
    "access denied": canned.error(400, "AccessDeniedException"),
    "expired token": canned.error(400, "ExpiredTokenException"),
    "no such table": canned.error(400, "ResourceNotFoundException"),
    "500": canned.error(500, "InternalServerError"),
    "503 in HTML": canned.sent(503, b"<html>no</html>", **{"content-type": "text/html"}),
    "refused": canned.error(
        400,
        "TransactionCanceledException",
        CancellationReasons=[
            {"Code": "ConditionalCheckFailed", "Item": {"pk": {"S": "x"}}},
            {"Code": "None"},
        ],
    ),
    "conflict": canned.error(
        400, "TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}]
    ),
    "wrong crc32": canned.wrong_checksum,
    "no crc32": canned.without_checksum,
    "garbage": canned.sent(200, b"\x00\xff garbage"),
    "no object": canned.sent(200, b"[]"),
    "empty": canned.sent(200, b""),
    "binary": canned.sent(200, b'{"Item": {"pk": {"B": "/w=="}}, "Count": 0, "Items": []}'),
    "binary set": canned.sent(200, b'{"Item": {"pk": {"BS": ["/w=="]}}, "Count": 0, "Items": []}'),
    "compressed": canned.sent(200, gzip.compress(b"{}"), **{"content-encoding": "gzip"}),
    "redirected": canned.sent(301, b"{}"),
    "redirected to nowhere": canned.sent(301, b"{}", location=""),
    "dropped": canned.dropped,
    "no HTTP": canned.raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "hanging": canned.hanging,
    "chunked": canned.chunked,
    "dribbled": canned.dribbled,
    "cut": canned.cut,
}


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with canned_server() as server:
        yield server


def opened(
    server: CannedServer, session: AioSession, config: AioConfig | None = None
) -> AbstractAsyncContextManager[Opened]:
    return open_client(REGION, server.url, session, config)


async def carried(client: Opened) -> Transport:
    transport = await client.transport("breakglass")
    assert transport is not None
    return transport


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK pause shortly in either of its ways to retry."""
    monkeypatch.setattr(
        "botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.001
    )
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0.001)


async def outcome(call: Any) -> object:
    """Return all that a caller can tell of a call: its answer, or its exception."""
    try:
        answer = await call
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        response = getattr(error, "response", None) or {}
        return type(error), str(error), without_metadata(response), attempts(response)
    return without_metadata(answer)


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def attempts(response: dict[str, Any]) -> object:
    return response.get("ResponseMetadata", {}).get("RetryAttempts")


class TestOutcomes:
    @pytest.mark.parametrize("mode", ["standard", "legacy"])
    @pytest.mark.parametrize("times", [1, 2, 9])
    @pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
    async def test_of_both_transports(
        self,
        server: CannedServer,
        session: AioSession,
        short_pauses: None,
        mode: str,
        times: int,
        spoil: Spoil,
    ) -> None:
        """Answer, exception, error code, attempts, and what is sent: the client's, all of them."""
        retries: Any = {"mode": mode, "total_max_attempts": 3}
        config = PATIENT.merge(AioConfig(retries=retries))
        async with opened(server, session, config) as client:
            server.on_hang = partial(lose_patience, client.client)
            transport = await carried(client)
            for name, request in REQUESTS.items():
                seen = []
                for call in (
                    lambda name=name, request=request: transport.call(name, request, unheard),
                    lambda name=name, request=request: getattr(client.client, xform_name(name))(
                        **request
                    ),
                ):
                    server.script = [spoil] * times
                    server.requests.clear()
                    seen.append((await outcome(call()), [sent(it) for it in server.requests]))
                assert seen[0] == seen[1]

    async def test_of_binary_attributes(self, server: CannedServer, session: AioSession) -> None:
        """What other writers' attributes hold goes out as the client encodes it."""
        async with opened(server, session) as client:
            await (await carried(client)).call("TransactWriteItems", BINARY, unheard)
        ((_, body),) = server.requests
        assert json.loads(body)["TransactItems"][0]["Put"]["Item"] == {"pk": {"B": "/w=="}}

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_of_a_redirect(
        self, server: CannedServer, session: AioSession, status: int
    ) -> None:
        """It is followed as far as the client follows it, who never is where it is told to go."""
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
        request = REQUESTS["GetItem"]
        async with opened(server, session, config) as client:
            transport = await carried(client)
            server.script = [canned.sent(status, b"{}", location="/nowhere")] * 2
            fast = await outcome(transport.call("GetItem", request, unheard))
            server.script = [canned.sent(status, b"{}", location="/nowhere")]
            assert fast == await outcome(client.client.get_item(**request))

    async def test_of_an_empty_session_token(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """It is none, and no header is made of it."""
        own = get_session()
        own.set_credentials("KEY1", "secret", "token")
        credentials = await own.get_credentials()
        assert credentials is not None
        async with opened(server, own) as client:
            transport = await carried(client)
            credentials.token = ""
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            await client.client.get_item(**REQUESTS["GetItem"])
        for headers, _ in server.requests:
            assert "x-amz-security-token" not in headers
            assert "x-amz-security-token" not in headers["authorization"]

    @pytest.mark.parametrize("field", ["access_key", "token"])
    async def test_of_credentials_with_a_line_break(
        self, server: CannedServer, session: AioSession, field: str
    ) -> None:
        """What would end a header, and begin another, is refused as the client refuses it."""
        own = get_session()
        own.set_credentials("KEY1", "secret", "token")
        credentials = await own.get_credentials()
        assert credentials is not None
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
        async with opened(server, own, config) as client:
            transport = await carried(client)
            setattr(credentials, field, "one\r\nX-Another: two")
            request = REQUESTS["GetItem"]
            fast = await outcome(transport.call("GetItem", request, unheard))
            assert fast == await outcome(client.client.get_item(**request))
        assert isinstance(fast, tuple)
        assert server.requests == []

    async def test_of_a_connection_that_cannot_be_made(
        self, session: AioSession, closed_port: int
    ) -> None:
        """It is the client's error, which tells that nothing was sent."""
        async with open_client(REGION, f"http://127.0.0.1:{closed_port}", session, None) as client:
            call = (await carried(client)).call("GetItem", REQUESTS["GetItem"], unheard)
            with pytest.raises(EndpointConnectionError, match="Could not connect"):
                await call


def sent(request: tuple[dict[str, str], bytes]) -> tuple[dict[str, str], bytes]:
    """Return a request without what goes by the clock, by chance, or by the order of a set."""
    headers, body = request
    kept = {name: value for name, value in headers.items() if name not in FRESH}
    kept["amz-sdk-request"] = re.sub("ttl=[^;]+; ", "", kept["amz-sdk-request"])
    agent = kept["user-agent"].split(" ")
    kept["user-agent"] = " ".join("".join(sorted(part)) for part in agent)
    return kept, body


class TestRequests:
    async def test_that_repeat_each_other(self, server: CannedServer, session: AioSession) -> None:
        """Each has an id of its own; the rest is the client's, but for time and signature."""
        async with opened(server, session) as client:
            transport = await carried(client)
            for _ in range(2):
                await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            await client.client.get_item(**REQUESTS["GetItem"])
        assert len({headers["amz-sdk-invocation-id"] for headers, _ in server.requests}) == 3
        first, second, ordinary = map(sent, server.requests)
        assert first == second == ordinary

    @pytest.mark.parametrize("loads", [json.loads, orjson.loads], ids=["json", "orjson"])
    async def test_with_and_without_the_extra(
        self,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        loads: Any,
    ) -> None:
        """Answers are the same whichever library reads them."""
        monkeypatch.setattr("aiobreakglass._dynamodb.transport.loads", loads)
        async with opened(server, session) as client:
            transport = await carried(client)
            for name, request in REQUESTS.items():
                assert await transport.call(name, request, unheard) == ANSWERS[name]

    async def test_tell_when_they_go(self, server: CannedServer, session: AioSession) -> None:
        """Whoever sends a request hears of it before it is sent."""
        heard: list[int] = []
        async with opened(server, session) as client:
            transport = await carried(client)
            await transport.call(
                "GetItem", REQUESTS["GetItem"], lambda: heard.append(len(server.requests))
            )
        assert heard == [0]

    async def test_that_are_cancelled_together(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """64 cancelled calls leave no connection behind, and a transport that works."""
        async with opened(server, session, PATIENT) as client:
            transport = await carried(client)
            server.script = [canned.hanging] * 64
            calls = [
                asyncio.create_task(transport.call("GetItem", REQUESTS["GetItem"], unheard))
                for _ in range(64)
            ]
            async with asyncio.timeout(60):
                await server.have_come(64)
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(result) for result in ended} == {asyncio.CancelledError}
            connections = await client.sessions[0].connections()
            assert connections.connector._acquired == set()
            answer = await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert answer == ANSWERS["GetItem"]

    @pytest.mark.parametrize("connections", [0, 1])
    async def test_on_as_many_connections_as_the_configuration_says(
        self, server: CannedServer, session: AioSession, connections: int
    ) -> None:
        """One is shared by all in turn, and 0 is no limit, as for aiohttp."""
        config = AioConfig(max_pool_connections=connections)
        async with opened(server, session, config) as client, asyncio.timeout(60):
            transport = await carried(client)
            calls = [transport.call("Query", REQUESTS["Query"], unheard) for _ in range(9)]
            assert await asyncio.gather(*calls) == [ANSWERS["Query"]] * 9

    async def test_in_their_order(self, server: CannedServer, session: AioSession) -> None:
        """Whoever waits for a connection goes before one who was served and comes again."""
        config = AioConfig(max_pool_connections=1)
        async with opened(server, session, config) as client, asyncio.timeout(60):
            transport = await carried(client)

            async def call(name: str) -> None:
                await transport.call(name, REQUESTS[name], unheard)

            async def call_again_and_again() -> None:
                for _ in range(3):
                    await call("GetItem")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(call_again_and_again())
                tasks.create_task(call("Query"))
        targets = [headers["x-amz-target"].partition(".")[2] for headers, _ in server.requests]
        assert targets == ["GetItem", "Query", "GetItem", "GetItem"]

    async def test_that_the_client_carries_are_shielded(
        self, server: CannedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cancelled caller waits for the answer to what is the client's to send as well."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))
        may_answer = asyncio.Event()

        async def late(request: web.Request, body: bytes) -> web.StreamResponse:
            await may_answer.wait()
            return await canned.right(request, body)

        server.script = [late]
        async with opened(server, session, PATIENT) as client:
            transport = await carried(client)
            deadline = asyncio.get_running_loop().time() + 3600
            call = asyncio.create_task(
                transport.call("TransactWriteItems", BINARY, unheard, deadline)
            )
            await server.have_come(1)
            call.cancel()
            gone, _ = await asyncio.wait({call}, timeout=0.1)
            assert not gone
            may_answer.set()
            with pytest.raises(asyncio.CancelledError):
                await call
            connections = await client.sessions[0].connections()
            # An answer that nobody waited for would have cost the connection.
            assert [len(idle) for idle in connections.connector._conns.values()] == [1]

    async def test_on_another_day(self, server: CannedServer, session: AioSession) -> None:
        """Each day's requests are signed with that day's key, each secret's with its own."""
        async with opened(server, session) as client:
            transport = await carried(client)
            moments = ["20240101T000000Z", "20240101T235959Z", "20240102T000000Z"]
            credentials = ReadOnlyCredentials("KEY", "secret", None)
            keys = [transport._key("GetItem", credentials, moment) for moment in moments]
            other = credentials._replace(secret_key="another")  # noqa: S106 - of nobody
            keys.append(transport._key("GetItem", other, moments[-1]))
        assert [keys.index(key) for key in keys] == [0, 0, 2, 3]

    async def test_after_credentials_have_changed(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """Every request is signed with what the session's credentials are by then."""
        own = get_session()
        own.set_credentials("KEY1", "secret")
        credentials = await own.get_credentials()
        assert credentials is not None
        async with opened(server, own) as client:
            transport = await carried(client)
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            credentials.access_key, credentials.token = "KEY2", "token"
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            await client.client.get_item(**REQUESTS["GetItem"])
        first, second, ordinary = [headers for headers, _ in server.requests]
        assert "Credential=KEY1/" in first["authorization"]
        assert "x-amz-security-token" not in first
        assert "Credential=KEY2/" in second["authorization"]
        assert second["x-amz-security-token"] == ordinary["x-amz-security-token"] == "token"


class TestRetryQuota:
    async def test_that_was_used_up(
        self, server: CannedServer, session: AioSession, short_pauses: None
    ) -> None:
        """Successes give back what retries took of it, whichever way they go."""
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": 3})
        async with opened(server, session, config) as client:
            transport = await carried(client)

            async def attempts_of_a_failure() -> int:
                server.script = [canned.error(500, "InternalServerError")] * 3
                before = len(server.requests)
                await outcome(transport.call("GetItem", REQUESTS["GetItem"], unheard))
                server.script = []
                return len(server.requests) - before

            while await attempts_of_a_failure() == 3:
                pass
            assert await attempts_of_a_failure() == 1
            for _ in range(5):
                await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert await attempts_of_a_failure() == 2


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
        monkeypatch.setattr("aiobreakglass._dynamodb.wire.ResponseHandler", Another)
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
        """It would make a second header for the authorization."""
        async with open_client(REGION, "http://user:secret@127.0.0.1:1", session, None) as client:
            assert await client.transport("breakglass") is None

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


@pytest.mark.parametrize(
    "endpoint_url", [None, "https://dynamodb.example:8443/path", "http://[::1]:8000"]
)
async def test_endpoints(session: AioSession, endpoint_url: str | None) -> None:
    """AWS's own and any other, a path and a port too; and opening sends nothing anywhere."""
    async with open_client(REGION, endpoint_url, session, None) as client:
        assert await client.transport("breakglass") is not None


def test_private_names() -> None:
    """All that is used of other packages' insides, so that an upgrade knows where to look."""
    folder = Path(aiobreakglass.__file__).parent / "_dynamodb"
    found = set()
    for path in (folder / f"{name}.py" for name in ("wire", "transport", "learning", "client")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ours = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        }
        overridden = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "super()"
        }
        private = re.compile(r"_[a-z]\w*")
        found |= {
            name
            for node in ast.walk(tree)
            for name in [
                node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
            ]
            if isinstance(name, str) and private.fullmatch(name) and name not in ours - overridden
        }
    assert found == {
        "_get_session",
        "_get_ssl_context",
        "_setup_proxy_ssl_context",
        "_make_api_call",
        "_request",
        "_emitter",
        "_handlers",
        "_retry",  # a file of botocore's, by its name
    }
