"""What the README says is so: its programs run, its tables and policies are compared."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.session import get_session

import aiobreakglass
from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    TableLayout,
    create_table,
)
from aiobreakglass._dynamodb.codec import decode_event, encode_guard, is_tombstone
from aiobreakglass.testing import FakeClock, make_event

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

REGION = "eu-west-1"
TABLE = "break-glass"
LAYOUT = TableLayout()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    (_, after) = re.split(rf"^#+ {re.escape(heading)}$", README, flags=re.MULTILINE)
    section = re.split(r"^#", after, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


DEMO, TESTS = (block.strip() for block in blocks("sh"))
RUNTIME_POLICY, SETUP_STATEMENT, EXAMPLE_ROWS = map(json.loads, blocks("json"))


@pytest.fixture
async def client(moto_endpoint: str) -> AsyncIterator[DynamoDBClient]:
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        yield client


@pytest.fixture
async def no_table(moto_endpoint: str) -> AsyncIterator[DynamoDBClient]:
    """A client other than the test's; the table that the test makes is gone when it ends."""
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        yield client
        await client.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
        await client.delete_table(TableName=TABLE)


@pytest.mark.parametrize("program", blocks("python"))
async def test_programs_run_as_they_stand_and_print_what_their_comments_say(
    program: str, no_table: DynamoDBClient, moto_endpoint: str, tmp_path: Path
) -> None:
    await create_table(no_table, TABLE)
    result = run(program, tmp_path, AWS_ENDPOINT_URL_DYNAMODB=moto_endpoint)
    assert (result.returncode, result.stderr) == (0, "")
    printed = re.findall(r"^ +print\(.+  # (.+)$", program, flags=re.MULTILINE)
    assert result.stdout.splitlines() == printed


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_are_the_ones_that_ci_runs() -> None:
    prepare = "python3 -m venv .venv && .venv/bin/python -m pip install --quiet nox"
    assert f"{prepare} && .venv/bin/nox -s demo" == DEMO
    assert f"{prepare} && .venv/bin/nox -s tests" == TESTS
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    files = [link for link in links if not link.startswith("https://")]
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_each_promise_names_its_tests() -> None:
    for promise, proof in rows("What is promised"):
        assert re.search(r"\(tests/\S+\.py\)", proof), promise


def test_the_options_are_those_that_exist() -> None:
    parameters = {
        *inspect.signature(AsyncDynamoDBStore.open).parameters,
        *inspect.signature(AsyncDynamoDBStore).parameters,
    }
    options = parameters - {"client", "table_name", "store_options"}
    assert names([option for option, *_ in rows("Point it at AWS")]) == options


def test_the_exceptions_are_those_that_exist() -> None:
    exceptions = {
        name
        for name in aiobreakglass.__all__
        if isinstance(value := getattr(aiobreakglass, name), type)
        and issubclass(value, BreakGlassError)
        and value is not BreakGlassError
    }
    listed = names([exception for exception, _ in rows("When something goes wrong")])
    assert listed == exceptions | {"RuntimeError", "TypeError", "ValueError", "ValidationError"}


def test_the_example_rows_are_such_as_the_store_writes() -> None:
    row, guard, tombstone = EXAMPLE_ROWS
    event = decode_event(row, LAYOUT)
    assert row["pk"] == tombstone["pk"] == {"S": LAYOUT.event_key(event.id)}
    assert guard == encode_guard(event, LAYOUT)
    assert not is_tombstone(row)
    assert is_tombstone(tombstone)


Permission = tuple[str, str, str | None]
"""An action, the kind of its resource, and the operation that it must be part of."""


class Recorder:
    """What a client sends, in the README's words, and what IAM would be asked for it."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.requests: list[str] = []
        self.permissions: set[Permission] = set()
        client.meta.events.register("provide-client-params.dynamodb", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: object) -> None:
        parts = [part for item in params.get("TransactItems", ()) for part in item.items()]
        if parts:
            self.requests.append(f"{model.name}({', '.join(kind for kind, _ in parts)})")
        else:
            self.requests.append(model.name)
            self._need(model.name, params)
        for kind, part in parts:
            self._need(f"{kind}Item", part, enclosing=model.name)

    def _need(self, action: str, params: dict[str, Any], enclosing: str | None = None) -> None:
        resource = "index" if "IndexName" in params else "table"
        self.permissions.add((f"dynamodb:{action}", resource, enclosing))


def granted(*statements: dict[str, Any]) -> set[Permission]:
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/{TABLE}"
    kinds = {arn: "table", f"{arn}/index/*": "index"}
    permissions = set()
    for statement in statements:
        assert statement["Effect"] == "Allow"
        conditions = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {})
        enclosing = conditions.get("dynamodb:EnclosingOperation")
        for action in statement["Action"]:
            permissions.add((action, kinds[statement["Resource"]], enclosing))
    return permissions


@dataclass
class Alice:
    """Somebody whose calls are recorded, with a name of her own for each of them."""

    name: str
    store: AsyncDynamoDBStore
    clock: FakeClock
    recorder: Recorder
    others: DynamoDBClient

    async def opens(self) -> BreakGlassEvent:
        event = make_event(invoker=self.name, created_at=self.clock())
        return await self.store.create(event)

    async def closes(self, event: BreakGlassEvent) -> BreakGlassEvent:
        return await self.store.close(event.id, closed_by="bob", closed_reason="Over")

    async def has_opened(self) -> BreakGlassEvent:
        event = await self.opens()
        self.recorder.requests.clear()
        return event

    async def has_closed(self) -> BreakGlassEvent:
        event = await self.closes(await self.opens())
        self.recorder.requests.clear()
        return event


async def check_without_access(alice: Alice) -> None:
    await alice.store.find_active_by_invoker_and_profile(alice.name, "prod")


async def check_with_access(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.find_active_by_invoker_and_profile(event.invoker, event.profile)


async def get(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.get(event.id)


async def create(alice: Alice) -> None:
    await alice.opens()


async def create_refused(alice: Alice) -> None:
    await alice.has_opened()
    with pytest.raises(ActiveEventExistsError):
        await alice.opens()


async def create_where_another_has_lapsed(alice: Alice) -> None:
    event = await alice.has_opened()
    alice.clock.set(event.expires_at)
    await alice.opens()


async def create_where_a_guard_has_lost_its_event(alice: Alice) -> None:
    event = await alice.has_opened()
    key = {"pk": {"S": LAYOUT.event_key(event.id)}}
    await alice.others.delete_item(TableName=TABLE, Key=key)
    await alice.opens()


async def update(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.update(event.model_copy(update={"request_id": "c0ffee"}))


async def close(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.closes(event)


async def delete_active(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.delete(event.id)


async def delete_closed(alice: Alice) -> None:
    event = await alice.has_closed()
    await alice.store.delete(event.id)


async def list_by_invoker(alice: Alice) -> None:
    await alice.store.list_by_invoker(alice.name)


async def list_by_status(alice: Alice) -> None:
    await alice.store.list_by_status("active")


async def list_by_profile(alice: Alice) -> None:
    await alice.store.list_by_profile("prod")


async def count_by_invoker(alice: Alice) -> None:
    await alice.store.count_by_invoker_since(alice.name, alice.clock())


async def count_by_profile(alice: Alice) -> None:
    await alice.store.count_by_profile_since("prod", alice.clock())


async def get_last(alice: Alice) -> None:
    await alice.store.get_last_by_invoker_and_profile(alice.name, "prod")


CALLS: dict[Callable[[Alice], Awaitable[None]], str] = {
    check_without_access: "`find_active_by_invoker_and_profile`, no access",
    check_with_access: "`find_active_by_invoker_and_profile`, access",
    get: "`get`",
    create: "`create`",
    create_refused: "`create`, refused",
    create_where_another_has_lapsed: "`create`, where another has lapsed",
    create_where_a_guard_has_lost_its_event: "`create`, where a guard has lost its event",
    update: "`update`",
    close: "`close`",
    delete_active: "`delete`, active",
    delete_closed: "`delete`, closed or expired",
    list_by_invoker: "lists and counts",
    list_by_status: "lists and counts",
    list_by_profile: "lists and counts",
    count_by_invoker: "lists and counts",
    count_by_profile: "lists and counts",
    get_last: "lists and counts",
}


async def test_calls_send_and_need_what_the_readme_says(
    client: DynamoDBClient, no_table: DynamoDBClient
) -> None:
    await create_table(no_table, TABLE)
    clock, recorder = FakeClock(), Recorder(client)
    store = AsyncDynamoDBStore(client, TABLE, clock=clock)
    documented = dict(rows("What each call sends"))
    assert documented.keys() == set(CALLS.values())
    for call, label in CALLS.items():
        recorder.requests.clear()
        await call(Alice(call.__name__, store, clock, recorder, others=no_table))
        requests = " ".join(f"`{request}`" for request in recorder.requests)
        assert f"{call.__name__}: {requests}" == f"{call.__name__}: {documented[label]}"
    assert recorder.permissions == granted(*RUNTIME_POLICY["Statement"])


@pytest.mark.usefixtures("no_table")
async def test_making_the_table_needs_what_the_readme_says(client: DynamoDBClient) -> None:
    recorder = Recorder(client)
    await create_table(client, TABLE)
    await create_table(client, TABLE, point_in_time_recovery=True, deletion_protection=True)
    assert recorder.permissions == granted(SETUP_STATEMENT)
