"""A server for the transport, and an SDK with short pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.dynamodb.canned import CannedServer, canned_server


@pytest.fixture
async def server() -> AsyncIterator[CannedServer]:
    async with canned_server() as server:
        yield server


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the SDK's pauses between attempts, in both retry modes."""
    monkeypatch.setattr(
        "botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.001
    )
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0.001)
