"""Which servers a store's own client trusts, with every supported aiobotocore."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import SSLError

from aiobreakglass._aws.client import Opened, open_client
from aiobreakglass._aws.fast.transport import Session
from tests.dynamodb.canned import CannedServer, canned_server
from tests.dynamodb.conftest import REGION

pytestmark = pytest.mark.slow

REQUEST: dict[str, Any] = {"TableName": "breakglass", "Key": {"pk": {"S": "x"}}}

Ask = Callable[[CannedServer], Awaitable[Any]]


async def by_the_client(opened: Opened) -> Any:
    return await opened.client.get_item(**REQUEST)


async def by_the_transport(opened: Opened) -> Any:
    transport = await opened.transport("breakglass")
    assert transport is not None
    return await transport.call("GetItem", REQUEST, lambda: None)


async def through_a_proxy(opened: Opened) -> Any:
    assert await opened.transport("breakglass") is None
    return await by_the_client(opened)


@dataclass
class Proxy:
    """A proxy that connects to any requested host."""

    url: str = ""
    asked_for: list[str] = field(default_factory=list)
    """Host and port of each connection."""


@asynccontextmanager
async def running_proxy() -> AsyncIterator[Proxy]:
    """Run a proxy on 127.0.0.1 and a free port."""
    proxy = Proxy()
    tunnels: set[asyncio.Task[None] | None] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.add(asyncio.current_task())
        proxy.asked_for.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        host, port = proxy.asked_for[-1].split(":")
        their_reader, their_writer = await asyncio.open_connection(host, int(port))
        writers.extend((writer, their_writer))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, their_writer), pump(their_reader, writer))

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
        for writer in writers:
            writer.close()
        await asyncio.gather(*filter(None, tunnels))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The only certificate authority that the machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return authority


@pytest.fixture(params=[by_the_client, by_the_transport, through_a_proxy])
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Send one request to a server, in each way in turn."""
    async with running_proxy() as proxy:
        proxies = {"https": proxy.url} if request.param is through_a_proxy else None
        config = AioConfig(retries={"total_max_attempts": 1}, proxies=proxies)

        async def ask(server: CannedServer) -> Any:
            async with open_client(REGION, server.url, get_session(), config) as opened:
                return await request.param(opened)

        yield ask
        # An unused proxy would prove nothing.
        assert bool(proxy.asked_for) == (request.param is through_a_proxy)


def server_with(certificate: trustme.LeafCert) -> AbstractAsyncContextManager[CannedServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return canned_server(context)


async def test_trusted_certificate_with_the_right_name(authority: trustme.CA, ask: Ask) -> None:
    """The client trusts this certificate."""
    async with server_with(authority.issue_cert("127.0.0.1")) as server:
        assert (await ask(server))["Item"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["elsewhere.example", "127.0.0.2"])
async def test_trusted_certificate_with_another_name_is_refused(
    authority: trustme.CA, ask: Ask, name: str
) -> None:
    """The client sends nothing to a server whose certificate has another name."""
    async with server_with(authority.issue_cert(name)) as server:
        with pytest.raises(SSLError):
            await ask(server)
    assert server.requests == []


async def test_certificate_of_an_unknown_authority_is_refused(
    authority: trustme.CA, ask: Ask
) -> None:
    """The client sends nothing to a server with a self-made certificate."""
    async with server_with(trustme.CA().issue_cert("127.0.0.1")) as server:
        with pytest.raises(SSLError):
            await ask(server)
    assert server.requests == []


class TestTheContextForAProxy:
    """Some releases of aiobotocore have no context for a proxy, and check no certificate then."""

    @pytest.fixture
    def made_by_aiobotocore(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
        def make(context: ssl.SSLContext | None) -> None:
            monkeypatch.setattr(
                AIOHTTPSession, "_setup_proxy_ssl_context", lambda self, proxy_url: context
            )

        return make

    async def test_missing_proxy_context_is_replaced(
        self, made_by_aiobotocore: Callable[[Any], None]
    ) -> None:
        """The new context checks certificates and host names."""
        made_by_aiobotocore(None)
        context = Session()._setup_proxy_ssl_context("http://127.0.0.1:1")
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED

    async def test_existing_proxy_context_is_kept(
        self, made_by_aiobotocore: Callable[[Any], None]
    ) -> None:
        """The context of aiobotocore has the proxy's own settings."""
        made_by_aiobotocore(theirs := ssl.create_default_context())
        assert Session()._setup_proxy_ssl_context("http://127.0.0.1:1") is theirs

    async def test_each_proxy_has_its_own_connections(self) -> None:
        """Connections through one proxy never use the context of another."""
        async with Session() as session:
            urls = (None, "http://127.0.0.1:1", "http://127.0.0.1:2")
            assert len({await session._get_session(url) for url in urls}) == 3
