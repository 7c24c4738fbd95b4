"""What the fast transport sends: the order, the connections and the signatures."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from aiohttp import web
from botocore.credentials import ReadOnlyCredentials

from aiobreakglass import _shielding
from aiobreakglass._aws.answers import read_json
from tests.dynamodb import canned
from tests.dynamodb.canned import ANSWERS, CannedServer
from tests.dynamodb.waiting import PATIENT

from .calls import BINARY, REQUESTS, carried, opened, outcome, sent, unheard


class TestRequests:
    async def test_repeated_requests_differ_only_in_their_id(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """Each request has its own id; apart from time and signature the rest is the client's."""
        async with opened(server, session) as client:
            transport = await carried(client)
            for _ in range(2):
                await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            await client.client.get_item(**REQUESTS["GetItem"])
        assert len({headers["amz-sdk-invocation-id"] for headers, _ in server.requests}) == 3
        first, second, ordinary = map(sent, server.requests)
        assert first == second == ordinary

    @pytest.mark.parametrize("loads", [read_json, orjson.loads], ids=["json", "orjson"])
    async def test_answers_with_and_without_orjson(
        self,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        loads: Any,
    ) -> None:
        """Both JSON libraries read the same answers."""
        monkeypatch.setattr("aiobreakglass._aws.fast.transport.loads", loads)
        async with opened(server, session) as client:
            transport = await carried(client)
            for name, request in REQUESTS.items():
                assert await transport.call(name, request, unheard) == ANSWERS[name]

    async def test_caller_is_notified_before_a_request_is_sent(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """The transport calls back before it sends a request."""
        heard: list[int] = []
        async with opened(server, session) as client:
            transport = await carried(client)
            await transport.call(
                "GetItem", REQUESTS["GetItem"], lambda: heard.append(len(server.requests))
            )
        assert heard == [0]

    async def test_cancelled_calls_leave_no_connection_behind(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """After 64 cancelled calls the transport works, and no connection remains taken."""
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
    async def test_number_of_connections_follows_the_configuration(
        self, server: CannedServer, session: AioSession, connections: int
    ) -> None:
        """All calls share one connection in turn; 0 means no limit, as in aiohttp."""
        config = AioConfig(max_pool_connections=connections)
        async with opened(server, session, config) as client, asyncio.timeout(60):
            transport = await carried(client)
            calls = [transport.call("Query", REQUESTS["Query"], unheard) for _ in range(9)]
            assert await asyncio.gather(*calls) == [ANSWERS["Query"]] * 9

    async def test_calls_get_a_connection_in_order(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """A waiting call gets the connection before a caller that was served and calls again."""
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

    async def test_calls_that_the_client_sends_are_shielded(
        self, server: CannedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cancelled caller waits for the answer also if the client sends the call."""
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
            ended, _ = await asyncio.wait({call}, timeout=0.1)
            assert not ended
            may_answer.set()
            with pytest.raises(asyncio.CancelledError):
                await call
            connections = await client.sessions[0].connections()
            # The connection would be closed if nobody had waited for the answer.
            assert [len(idle) for idle in connections.connector._conns.values()] == [1]

    async def test_signing_key_per_day_and_secret(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """Each day and each secret has its own signing key."""
        async with opened(server, session) as client:
            transport = await carried(client)
            moments = ["20240101T000000Z", "20240101T235959Z", "20240102T000000Z"]
            credentials = ReadOnlyCredentials("KEY", "secret", None)
            keys = [transport._key("GetItem", credentials, moment) for moment in moments]
            other = credentials._replace(secret_key="another")  # noqa: S106 - not a real secret
            keys.append(transport._key("GetItem", other, moments[-1]))
        assert [keys.index(key) for key in keys] == [0, 0, 2, 3]

    async def test_request_is_signed_with_the_current_credentials(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """Each request is signed with the session's credentials at that time."""
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
    async def test_successes_refill_the_retry_quota(
        self, server: CannedServer, session: AioSession, short_pauses: None
    ) -> None:
        """Successes on either transport give back the quota that retries have used."""
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

    async def test_full_retry_quota_is_not_refilled(
        self,
        server: CannedServer,
        session: AioSession,
        short_pauses: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Once the quota must be full, the transport reports no more successes to the client."""
        monkeypatch.setattr("aiobreakglass._aws.fast.transport._QUOTA", 3)
        told: list[str] = []
        async with opened(server, session) as client:
            transport = await carried(client)
            client.client.meta.events.register(
                "after-call.dynamodb", lambda model, **_: told.append(model.name)
            )

            async def succeed(times: int) -> None:
                for _ in range(times):
                    await transport.call("GetItem", REQUESTS["GetItem"], unheard)

            await succeed(5)
            assert told == []
            for _ in range(2):
                server.script = [canned.error(500, "InternalServerError")]
                await succeed(1)
                told.clear()
                await succeed(9)
                assert told == ["GetItem"] * 3
