"""OpenTelemetry's instrumentation traces a store as it traces a client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from aiobotocore.session import AioSession
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor as _Aiobotocore
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor as _Botocore
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aiobreakglass import AsyncDynamoDBStore, CorruptItemError
from aiobreakglass.testing import make_event
from tests.dynamodb import canned
from tests.dynamodb.canned import CannedServer, Spoil, canned_server
from tests.dynamodb.conftest import REGION

# Their annotations are incomplete.
AiobotocoreInstrumentor: Any = _Aiobotocore
BotocoreInstrumentor: Any = _Botocore

Kind = Literal["fast", "standard"]


class Telemetry:
    """The spans that instrumentation has recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @contextmanager
    def by(self, instrumentor: Any) -> Iterator[None]:
        """Turn on an instrumentor."""
        instrumentor.instrument(tracer_provider=self._provider)
        assert instrumentor.is_instrumented_by_opentelemetry
        try:
            yield
        finally:
            instrumentor.uninstrument()

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Enclose calls in a span with this name."""
        with self._provider.get_tracer(__name__).start_as_current_span(name):
            yield

    def spans(self) -> list[tuple[str, str | None]]:
        """Return the names of all ended spans, each with that of its parent."""
        ended = self._exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in ended}
        return [(span.name, span.parent and names[span.parent.span_id]) for span in ended]


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with canned_server(as_asked=True) as server:
        yield server


def opened(
    server: CannedServer, session: AioSession, transport: Kind = "fast"
) -> AbstractAsyncContextManager[AsyncDynamoDBStore]:
    return AsyncDynamoDBStore.open(
        "breakglass",
        region_name=REGION,
        endpoint_url=server.url,
        session=session,
        transport=transport,
    )


async def test_aiobotocores_instrumentation_traces_each_call(
    telemetry: Telemetry,
    server: CannedServer,
    session: AioSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client sends the calls itself, and each call has its span."""
    caplog.set_level(logging.INFO, "aiobreakglass.transport")
    with telemetry.by(AiobotocoreInstrumentor()):
        async with opened(server, session) as store:
            event = await store.create(make_event())
            with pytest.raises(CorruptItemError):
                await store.get(event.id)
            assert await store.count_by_invoker_since("alice", datetime.now(UTC)) == 1
    assert telemetry.spans() == [
        ("DynamoDB.TransactWriteItems", None),
        ("DynamoDB.GetItem", None),
        ("DynamoDB.Query", None),
    ]
    assert caplog.messages == [
        "the store uses aiobotocore's own transport: aiobotocore's calls are traced"
    ]


async def test_fast_transport_after_instrumentation_has_ended(
    telemetry: Telemetry,
    server: CannedServer,
    session: AioSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A store that is opened after the end of tracing uses the fast transport."""
    caplog.set_level(logging.INFO, "aiobreakglass.transport")
    with telemetry.by(AiobotocoreInstrumentor()):
        pass
    async with opened(server, session) as store:
        await store.create(make_event())
    assert telemetry.spans() == []
    assert caplog.messages == []


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["fast", "standard"])
@pytest.mark.parametrize(
    ("spoil", "attempts"),
    [(canned.right, 1), (canned.error(500, "InternalServerError"), 2), (canned.dropped, 2)],
    ids=["answered", "500 first", "dropped first"],
)
async def test_aiohttps_instrumentation_traces_each_attempt(
    telemetry: Telemetry,
    server: CannedServer,
    session: AioSession,
    caplog: pytest.LogCaptureFixture,
    transport: Kind,
    spoil: Spoil,
    attempts: int,
) -> None:
    """Each attempt has its span, and sends the span's id in a header that is not signed."""
    caplog.set_level(logging.INFO, "aiobreakglass.transport")
    with telemetry.by(AioHttpClientInstrumentor()):
        async with opened(server, session, transport) as store:
            server.script = [spoil]
            with telemetry.within("a check"):
                await store.create(make_event())
    assert telemetry.spans() == [("POST", "a check")] * attempts + [("a check", None)]
    assert len({headers["traceparent"] for headers, _ in server.requests}) == attempts
    for headers, _ in server.requests:
        assert (
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target,"
            in (headers["authorization"])
        )
    reason = "the store uses aiobotocore's own transport: the client's HTTP session is traced"
    assert caplog.messages == ([reason] if transport == "fast" else [])


@pytest.mark.parametrize("transport", ["fast", "standard"])
async def test_aiobotocores_instrumentation_that_begins_later(
    telemetry: Telemetry, server: CannedServer, session: AioSession, transport: Kind
) -> None:
    """Tracing that begins after `open` records the calls from then on."""
    async with opened(server, session, transport) as store:
        await store.create(make_event())
        with telemetry.by(AiobotocoreInstrumentor()):
            await store.create(make_event())
        await store.create(make_event())
    assert telemetry.spans() == [("DynamoDB.TransactWriteItems", None)]


@pytest.mark.parametrize("transport", ["fast", "standard"])
@pytest.mark.parametrize("begins", ["before", "later"])
async def test_botocores_instrumentation_adds_its_header(
    telemetry: Telemetry, server: CannedServer, session: AioSession, transport: Kind, begins: str
) -> None:
    """Each request has the X-Ray header that only botocore's instrumentation adds."""
    instrumentor = BotocoreInstrumentor()
    async with AsyncExitStack() as stack:
        if begins == "before":
            stack.enter_context(telemetry.by(instrumentor))
        store = await stack.enter_async_context(opened(server, session, transport))
        if begins == "later":
            stack.enter_context(telemetry.by(instrumentor))
        with telemetry.within("a check"):
            await store.create(make_event())
    ((headers, _),) = server.requests
    assert "x-amzn-trace-id" in headers
