"""Every method under every fault: what the caller sees, and what the table contains then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.retries.standard import ExponentialBackoff

from aiobreakglass._aws.client import open_client
from tests.dynamodb.conftest import REGION
from tests.dynamodb.rows import Rows
from tests.dynamodb.tables import temporary_table
from tests.dynamodb.waiting import PATIENT, lose_patience
from tests.faults.calls import CALLS
from tests.faults.expectations import EXPECTATIONS, Expectation, Seen, table
from tests.faults.laboratory import Connection, Laboratory, Scenery, Trials, set_scenes
from tests.faults.proxy import fault_proxy

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"


class Setting(NamedTuple):
    """How a client is set up."""

    transport: str
    sdk_attempts: int = 1


# The SDK makes its own attempts only for this sample, so that each of the store's is seen.
WITHIN_THE_SDKS_ATTEMPTS = (
    "response lost, after the commit",
    "connection reset",
    "wrong crc32",
    "500 `InternalServerError`",
    "`ThrottlingException`",
    "`TransactionConflict`",
    "expired token",
    "response lost, then access denied",
    "response lost, then `ThrottlingException`",
)

# The fast transport is ours, so it meets every fault. aiobotocore's meets one of each kind;
# `tests/dynamodb/transport/test_outcomes.py` compares the two.
ON_THE_STANDARD_TRANSPORT = (*WITHIN_THE_SDKS_ATTEMPTS, "no response, after the commit")
WITHIN_ITS_ATTEMPTS = (
    "response lost, after the commit",
    "`ThrottlingException`",
    "expired token",
    "response lost, then `ThrottlingException`",
)

# The faults that meet each setting.
TRIED: dict[Setting, Collection[str]] = {
    Setting("fast"): EXPECTATIONS,
    Setting("fast", sdk_attempts=3): WITHIN_THE_SDKS_ATTEMPTS,
    Setting("standard"): ON_THE_STANDARD_TRANSPORT,
    Setting("standard", sdk_attempts=3): WITHIN_ITS_ATTEMPTS,
}


def under(is_tried: Callable[[Expectation], bool]) -> pytest.MarkDecorator:
    """Try a test in each setting, under those of its faults that are to be tried."""
    return pytest.mark.parametrize(
        ("setting", "expected"),
        [
            pytest.param(
                setting,
                EXPECTATIONS[name],
                id=f"{setting.transport}: {name}"
                + (", within the SDK's attempts" if setting.sdk_attempts > 1 else ""),
            )
            for setting, names in TRIED.items()
            for name in names
            if is_tried(EXPECTATIONS[name])
        ],
    )


class Connections:
    """The connection of each setting, which stays until the last test."""

    def __init__(self, stack: AsyncExitStack, endpoint_url: str, session: AioSession) -> None:
        self._stack = stack
        self._endpoint_url = endpoint_url
        self._session = session
        self._of_setting: dict[Setting, Connection] = {}

    async def of(self, setting: Setting) -> Connection:
        """Return a connection whose reads time out only when the proxy makes them hang."""
        if setting not in self._of_setting:
            self._of_setting[setting] = await self._new(setting)
        return self._of_setting[setting]

    async def _new(self, setting: Setting) -> Connection:
        retries: Any = {"mode": "standard", "total_max_attempts": setting.sdk_attempts}
        config = PATIENT.merge(AioConfig(retries=retries))
        proxy = await self._stack.enter_async_context(fault_proxy(self._endpoint_url))
        opened = await self._stack.enter_async_context(
            open_client(REGION, proxy.url, self._session, config)
        )
        proxy.on_hang = partial(lose_patience, opened.client)
        transport = await opened.transport("breakglass") if setting.transport == "fast" else None
        assert (transport is not None) == (setting.transport == "fast")
        return Connection(proxy, opened.client, transport)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connections(
    dynamodb_local_endpoint: str, session: AioSession
) -> AsyncIterator[Connections]:
    async with AsyncExitStack() as stack:
        yield Connections(stack, dynamodb_local_endpoint, session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(
    dynamodb_local_endpoint: str, session: AioSession
) -> AsyncIterator[DynamoDBClient]:
    async with open_client(REGION, dynamodb_local_endpoint, session, PATIENT) as opened:
        yield opened.client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenery(backend: DynamoDBClient) -> Scenery:
    return await set_scenes(backend)


@pytest_asyncio.fixture(loop_scope="module")
async def laboratory(
    connections: Connections, backend: DynamoDBClient, scenery: Scenery, setting: Setting
) -> AsyncIterator[Laboratory]:
    connection = await connections.of(setting)
    async with temporary_table(backend) as table_name:
        await Rows(backend, table_name).put_all(scenery.rows)
        yield Laboratory(connection, backend, table_name, scenery.scenes)


@pytest.fixture(autouse=True)
def no_pauses_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.0)


@pytest.mark.asyncio(loop_scope="module")
class TestEveryMethod:
    @under(lambda expected: True)
    async def test_method_hides_a_fault_that_passes(
        self, laboratory: Laboratory, expected: Expectation
    ) -> None:
        """A fault that passes within the time limit is invisible, and a write happens once."""
        trials = await laboratory.try_all(expected.script, for_good=False)
        check(trials, expected, read=expected.read_once, write=expected.write_once)
        if expected.is_final:
            # It is met once, so whether it would stay makes no difference.
            assert expected.read_for_good is expected.read_once
            assert expected.write_for_good is expected.write_once

    @under(lambda expected: not expected.is_final)
    async def test_method_reports_a_fault_that_stays(
        self, laboratory: Laboratory, few_attempts: None, expected: Expectation
    ) -> None:
        """The error for a fault that stays says truly whether the write may have happened."""
        trials = await laboratory.try_all(expected.script, for_good=True)
        check(trials, expected, read=expected.read_for_good, write=expected.write_for_good)


def check(found: Trials, expected: Expectation, *, read: Seen, write: Seen) -> None:
    trials = found.by_name
    assert {name: trial.ending.seen for name, trial in trials.items()} == {
        name: write if call.is_write else read for name, call in CALLS.items()
    }
    assert [name for name, trial in trials.items() if not trial.is_true] == []
    assert [name for name, trial in trials.items() if not trial.is_recorded_once] == []
    assert [name for name, trial in trials.items() if not trial.is_each_write_one] == []
    assert found.violations == []
    for trial in trials.values():
        error = trial.ending.error
        assert error is None or expected.said in str(error)
        if expected.is_final:
            sent = [
                request
                for request in trial.ending.requests
                if request.operation == trial.call.operation
            ]
            assert len(sent) == len(expected.script)


def test_docs_show_these_expectations() -> None:
    """The table in the docs is the one that is tested here."""
    _, _, section = DOCS.read_text(encoding="utf-8").partition("\n## What the caller sees\n")
    lines = section.partition("\n## ")[0].splitlines(keepends=True)
    assert "".join(line for line in lines if line.startswith("|")) == table()
