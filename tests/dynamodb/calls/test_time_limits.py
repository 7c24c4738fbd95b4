"""How long a store waits for its endpoint, and how often it tries."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aiobreakglass import AsyncDynamoDBStore, StoreUnavailableError
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.conftest import REGION
from tests.dynamodb.waiting import PATIENT_AND_SENDING_ONCE
from tests.faults import proxy as faults
from tests.faults.proxy import FaultProxy

from .conftest import LONG_ENOUGH, Open


class TestTimeLimits:
    async def test_unreachable_endpoint_is_reported_in_time(
        self, closed_port: int, few_attempts: None, clock: FakeClock
    ) -> None:
        """The store reports an unreachable endpoint within its limit, and nothing has happened."""
        async with (
            asyncio.timeout(LONG_ENOUGH.total_seconds() / 2),
            AsyncDynamoDBStore.open(
                "breakglass",
                region_name=REGION,
                endpoint_url=f"http://127.0.0.1:{closed_port}",
                config=PATIENT_AND_SENDING_ONCE,
                operation_timeout=LONG_ENOUGH,
            ) as store,
        ):
            with pytest.raises(StoreUnavailableError, match="connection refused") as caught:
                await store.create(make_event())
        assert not caught.value.outcome_unknown

    async def test_unsent_write_with_legacy_retries_is_known(
        self, closed_port: int, few_attempts: None, session: AioSession
    ) -> None:
        """The store knows that an unsent write did not happen, in any retry mode."""
        async with session.create_client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{closed_port}",
            config=AioConfig(retries={"mode": "legacy", "max_attempts": 1}),
        ) as client:
            store = AsyncDynamoDBStore(client, "breakglass", operation_timeout=LONG_ENOUGH)
            with pytest.raises(StoreUnavailableError) as caught:
                await store.create(make_event())
        assert not caught.value.outcome_unknown

    async def test_configured_attempts_keep_the_standard_mode(self, table_name: str) -> None:
        """A configuration that sets only the number of attempts keeps the mode "standard"."""
        async with AsyncDynamoDBStore.open(
            table_name, region_name=REGION, config=AioConfig(retries={"max_attempts": 5})
        ) as store:
            config: Any = store._calls._client.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 6}

    async def test_malformed_endpoint_url_is_not_quoted(self) -> None:
        """The error names the argument, and does not quote a password in the URL."""
        with pytest.raises(ValueError, match="endpoint_url") as caught:
            async with AsyncDynamoDBStore.open(
                "breakglass", region_name=REGION, endpoint_url="http://user:hunter2@no host"
            ):
                raise AssertionError("never entered")
        assert "hunter2" not in str(caught.value)

    async def test_endpoint_that_never_answers(self, open_store: Open, proxy: FaultProxy) -> None:
        """The operation's limit takes precedence over the SDK's limits for each attempt."""
        proxy.plan = lambda exchange: faults.hang
        async with (
            asyncio.timeout(60),
            open_store(operation_timeout=timedelta(milliseconds=300)) as store,
        ):
            with pytest.raises(StoreUnavailableError, match="no answer in time"):
                await store.get("0123456789abcdef")
