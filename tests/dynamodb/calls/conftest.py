"""Stores whose requests go through a proxy that can make them fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Literal

import pytest

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass.testing import FakeClock
from tests.dynamodb.conftest import REGION
from tests.dynamodb.waiting import PATIENT_AND_SENDING_ONCE, lose_patience
from tests.faults.proxy import FaultProxy, fault_proxy

# No call comes near this limit. A slow answer would add an attempt or an unknown outcome.
LONG_ENOUGH = timedelta(minutes=5)

Transport = Literal["fast", "standard"]
Open = Callable[..., AbstractAsyncContextManager[AsyncDynamoDBStore]]


@pytest.fixture
async def proxy(dynamodb_local_endpoint: str) -> AsyncIterator[FaultProxy]:
    """Run a fault proxy before DynamoDB Local, because moto ignores `ClientRequestToken`."""
    async with fault_proxy(dynamodb_local_endpoint) as proxy:
        yield proxy


@pytest.fixture
def endpoint_url(dynamodb_local_endpoint: str) -> str:
    return dynamodb_local_endpoint


@pytest.fixture
def transport() -> Transport:
    return "fast"


@pytest.fixture
def open_store(proxy: FaultProxy, table_name: str, clock: FakeClock) -> Open:
    """Open a store behind the proxy."""
    return partial(
        AsyncDynamoDBStore.open,
        table_name,
        region_name=REGION,
        endpoint_url=proxy.url,
        clock=clock,
    )


@pytest.fixture
async def store(
    proxy: FaultProxy, open_store: Open, transport: Transport
) -> AsyncIterator[AsyncDynamoDBStore]:
    """Open a store whose attempts time out only when the proxy makes them hang."""
    async with open_store(
        config=PATIENT_AND_SENDING_ONCE,
        operation_timeout=LONG_ENOUGH,
        transport=transport,
    ) as store:
        proxy.on_hang = partial(lose_patience, store._calls._client)
        yield store
