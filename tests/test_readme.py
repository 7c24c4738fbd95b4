"""What the README's tables and policies say is so; its programs are run by test_docs."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING

import pytest

import aiobreakglass
from aiobreakglass import AsyncDynamoDBStore, BreakGlassError, create_table
from aiobreakglass._dynamodb.codec import decode_event, encode_guard, is_tombstone
from aiobreakglass.testing import FakeClock
from tests.documents.calls import CALLS, LAYOUT, TABLE, Alice, Recorder, granted
from tests.documents.pages import README, ROOT

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

DEMO, TESTS = (block.strip() for block in README.texts("sh"))
RUNTIME_POLICY, SETUP_STATEMENT, EXAMPLE_ROWS = map(json.loads, README.texts("json"))


def names(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_commands_are_the_ones_that_ci_runs() -> None:
    prepare = "python3 -m venv .venv && .venv/bin/python -m pip install --quiet nox"
    assert f"{prepare} && .venv/bin/nox -s demo" == DEMO
    assert f"{prepare} && .venv/bin/nox -s tests" == TESTS
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_each_promise_names_its_tests() -> None:
    for promise, proof in README.rows("What is promised"):
        assert re.search(r"\(tests/\S+\.py\)", proof), promise


def test_the_options_are_those_that_exist() -> None:
    parameters = {
        *inspect.signature(AsyncDynamoDBStore.open).parameters,
        *inspect.signature(AsyncDynamoDBStore).parameters,
    }
    options = parameters - {"client", "table_name", "store_options"}
    assert names([option for option, *_ in README.rows("Point it at AWS")]) == options


def test_the_exceptions_are_those_that_exist() -> None:
    exceptions = {
        name
        for name in aiobreakglass.__all__
        if isinstance(value := getattr(aiobreakglass, name), type)
        and issubclass(value, BreakGlassError)
        and value is not BreakGlassError
    }
    listed = names([exception for exception, _ in README.rows("When something goes wrong")])
    assert listed == exceptions | {"RuntimeError", "TypeError", "ValueError", "ValidationError"}


def test_the_example_rows_are_such_as_the_store_writes() -> None:
    row, guard, tombstone = EXAMPLE_ROWS
    event = decode_event(row, LAYOUT)
    assert row["pk"] == tombstone["pk"] == {"S": LAYOUT.event_key(event.id)}
    assert guard == encode_guard(event, LAYOUT)
    assert not is_tombstone(row)
    assert is_tombstone(tombstone)


async def test_calls_send_and_need_what_the_readme_says(
    moto_client: DynamoDBClient, no_table: DynamoDBClient
) -> None:
    await create_table(no_table, TABLE)
    clock, recorder = FakeClock(), Recorder(moto_client)
    store = AsyncDynamoDBStore(moto_client, TABLE, clock=clock)
    documented = dict(README.rows("What each call sends"))
    assert documented.keys() == set(CALLS.values())
    for call, label in CALLS.items():
        recorder.requests.clear()
        await call(Alice(call.__name__, store, clock, recorder, others=no_table))
        requests = " ".join(f"`{request}`" for request in recorder.requests)
        assert f"{call.__name__}: {requests}" == f"{call.__name__}: {documented[label]}"
    assert recorder.permissions == granted(*RUNTIME_POLICY["Statement"])


@pytest.mark.usefixtures("no_table")
async def test_making_the_table_needs_what_the_readme_says(moto_client: DynamoDBClient) -> None:
    recorder = Recorder(moto_client)
    await create_table(moto_client, TABLE)
    await create_table(moto_client, TABLE, point_in_time_recovery=True, deletion_protection=True)
    # It asks whether there are transactions; that this is denied is an answer as well.
    probe = ("dynamodb:ConditionCheckItem", "table", "TransactWriteItems")
    assert recorder.permissions - {probe} == granted(SETUP_STATEMENT)
