"""The fast transport has the same outcomes as the client."""

from __future__ import annotations

import gzip
import json
from functools import partial
from itertools import product
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError

from aiobreakglass._aws.client import open_client
from tests.dynamodb import canned
from tests.dynamodb.canned import CannedServer, Spoil
from tests.dynamodb.conftest import REGION
from tests.dynamodb.waiting import PATIENT, lose_patience

from .calls import BINARY, REQUESTS, carried, opened, outcome, sent, unheard

pytestmark = pytest.mark.slow

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
    "byte-order mark": canned.sent(200, b'\xef\xbb\xbf{"Count": 0, "Items": []}'),
    "UTF-16": canned.sent(200, '{"Count": 0, "Items": []}'.encode("utf-16")),
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


class TestOutcomes:
    @pytest.mark.parametrize("mode", ["standard", "legacy"])
    @pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
    async def test_both_transports_have_the_same_outcome(
        self,
        server: CannedServer,
        session: AioSession,
        short_pauses: None,
        mode: str,
        spoil: Spoil,
    ) -> None:
        """Requests, answers, exceptions, error codes and attempts are the same as the client's."""
        retries: Any = {"mode": mode, "total_max_attempts": 3}
        config = PATIENT.merge(AioConfig(retries=retries))
        async with opened(server, session, config) as client:
            server.on_hang = partial(lose_patience, client.client)
            transport = await carried(client)
            for times, (name, request) in product([1, 2, 9], REQUESTS.items()):
                seen = []
                for call in (
                    partial(transport.call, name, request, unheard),
                    partial(getattr(client.client, xform_name(name)), **request),
                ):
                    server.script = [spoil] * times
                    server.requests.clear()
                    seen.append((await outcome(call()), [sent(it) for it in server.requests]))
                assert seen[0] == seen[1], f"{name}, {times} times in a row"

    async def test_binary_attributes_are_encoded_as_by_the_client(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """Other writers' binary attributes are sent as the client encodes them."""
        async with opened(server, session) as client:
            await (await carried(client)).call("TransactWriteItems", BINARY, unheard)
        ((_, body),) = server.requests
        assert json.loads(body)["TransactItems"][0]["Put"]["Item"] == {"pk": {"B": "/w=="}}

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirect_has_the_clients_outcome(
        self, server: CannedServer, session: AioSession, status: int
    ) -> None:
        """The transport follows a redirect only as far as the client does."""
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
        request = REQUESTS["GetItem"]
        async with opened(server, session, config) as client:
            transport = await carried(client)
            server.script = [canned.sent(status, b"{}", location="/nowhere")] * 2
            fast = await outcome(transport.call("GetItem", request, unheard))
            server.script = [canned.sent(status, b"{}", location="/nowhere")]
            assert fast == await outcome(client.client.get_item(**request))

    async def test_empty_session_token_is_not_sent(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """An empty session token counts as none, and adds no header."""
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
    async def test_credentials_with_a_line_break_are_refused(
        self, server: CannedServer, session: AioSession, field: str
    ) -> None:
        """A line break could begin another header, so both transports refuse it."""
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

    async def test_refused_connection_is_the_clients_error(
        self, session: AioSession, closed_port: int
    ) -> None:
        """The error is the client's, which shows that nothing was sent."""
        async with open_client(REGION, f"http://127.0.0.1:{closed_port}", session, None) as client:
            call = (await carried(client)).call("GetItem", REQUESTS["GetItem"], unheard)
            with pytest.raises(EndpointConnectionError, match="Could not connect"):
                await call
