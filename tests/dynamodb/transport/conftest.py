"""A server that answers the transport, and an SDK that does not pause for long."""

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
    """Have the SDK pause shortly in either of its ways to retry."""
    monkeypatch.setattr(
        "botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.001
    )
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0.001)
