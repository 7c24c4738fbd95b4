"""The reference tables of the documentation match the library."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
import re
from collections import defaultdict
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import aiobreakglass
from aiobreakglass import (
    Action,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    GovernedStore,
    HistoryEntry,
    create_table,
)
from aiobreakglass._domain import chain, verification
from aiobreakglass._domain.finding import EXPIRED
from aiobreakglass._domain.history import tip_of
from aiobreakglass._dynamodb.codec import decode_event, encode_guard, is_tombstone
from aiobreakglass._dynamodb.record import decode_entry, decode_record, encode_entry
from aiobreakglass._evidence import added, comparison, holding, judgments, verify
from aiobreakglass.testing import FakeClock
from tests.documents import pages
from tests.documents.calls import CALLS, LAYOUT, TABLE, Alice, Recorder, limits_for, policy
from tests.documents.pages import CONTROLS, EVIDENCE, OPERATIONS, REFERENCE, SCALE

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


def names(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_documented_options_are_those_that_exist() -> None:
    parameters = {
        *inspect.signature(AsyncDynamoDBStore.open).parameters,
        *inspect.signature(AsyncDynamoDBStore).parameters,
    }
    options = parameters - {"client", "table_name", "store_options"}
    assert names([option for option, *_ in REFERENCE.rows("Options")]) == options


def test_documented_exceptions_are_those_that_exist() -> None:
    exceptions = {
        name
        for name in aiobreakglass.__all__
        if isinstance(value := getattr(aiobreakglass, name), type)
        and issubclass(value, BreakGlassError)
        and value is not BreakGlassError
    }
    listed = names([exception for exception, _ in REFERENCE.rows("Exceptions")])
    assert listed == exceptions | {"RuntimeError", "TypeError", "ValueError", "ValidationError"}


def test_example_rows_match_what_the_store_writes() -> None:
    (block,) = pages.TABLE.texts("json")
    row, guard, _, tombstone = json.loads(block)
    event = decode_event(row, LAYOUT)
    assert row["pk"] == tombstone["pk"] == {"S": LAYOUT.event_key(event.id)}
    assert guard == encode_guard(event, LAYOUT)
    assert not is_tombstone(row)
    assert is_tombstone(tombstone)


def test_example_entry_is_the_newest_of_the_example_row() -> None:
    (block,) = pages.TABLE.texts("json")
    row, _, item, tombstone = json.loads(block)
    entry = decode_entry(item, LAYOUT.history_key(row["id"]["S"], 1))
    assert entry.event == decode_event(row, LAYOUT)
    assert hashlib.sha256(entry.entry.encode()).hexdigest() == entry.hash
    assert decode_record(row) == tip_of(entry)
    assert item == encode_entry(
        entry, LAYOUT, write_id=row["write_id"]["S"], ttl=entry.history_ttl
    )
    # The deletion is the second change, and its entry is not shown.
    tip = decode_record(tombstone)
    assert tip is not None
    assert (tip.revision, tip.digest) == (2, None)


@pytest.mark.parametrize("standard", ["SOC 2", "ISO/IEC 27001:2022, Annex A", "PCI DSS"])
def test_each_control_names_evidence_that_exists(standard: str) -> None:
    """Each line says what gives the evidence, by names that exist, and what it does not give."""
    known = {
        *aiobreakglass.__all__,
        *dir(GovernedStore),
        *BreakGlassEvent.model_fields,
        *Action,
        *(field.name for field in dataclasses.fields(HistoryEntry)),
        *inspect.signature(AsyncDynamoDBStore).parameters,
        *inspect.signature(GovernedStore.list_by_status).parameters,
    }
    rows = CONTROLS.rows(standard)
    assert rows
    for control, about, evidence, missing in rows:
        assert about, control
        assert missing, control
        assert evidence.startswith("nothing") or "`" in evidence or "](" in evidence, control
        assert names([evidence]) <= known, control


def test_documented_actions_are_those_that_exist() -> None:
    """The page for auditors explains each action of an entry, and each member."""
    text = EVIDENCE.section("What a history is")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    described = names([cells[0] for cells in rows])
    fields = {field.name for field in dataclasses.fields(HistoryEntry)}
    assert described - {"action"} == (fields | {*Action}) - {"action"}


WHOLE_TABLE = {"`audit_table`", "`export_events`", "`verify_anchor`", "`adopt_table`"}


def actions_of(requests: list[str]) -> set[str]:
    """Return the actions that some requests need; a transaction needs those of its parts."""
    parts = {part for request in requests for part in re.findall(r"\w+", request)}
    items = ("Put", "Update", "Delete", "ConditionCheck")
    return {
        f"dynamodb:{part}Item" if part in items else f"dynamodb:{part}"
        for part in parts - {"TransactWriteItems"}
    }


async def test_calls_send_and_need_what_the_pages_say(
    moto_client: DynamoDBClient, no_table: DynamoDBClient
) -> None:
    await create_table(no_table, TABLE)
    clock, recorder = FakeClock(), Recorder(moto_client)
    store = AsyncDynamoDBStore(moto_client, TABLE, clock=clock, limits=limits_for)
    documented = dict(SCALE.rows("What each call sends"))
    assert documented.keys() == set(CALLS.values())
    needed: dict[str, set[str]] = defaultdict(set)
    for call, label in CALLS.items():
        recorder.requests.clear()
        await call(Alice(call.__name__, store, clock, recorder, others=no_table))
        requests = " ".join(f"`{request}`" for request in recorder.requests)
        assert f"{call.__name__}: {requests}" == f"{call.__name__}: {documented[label]}"
        for action in actions_of(recorder.requests):
            needed[action].add(label.split(",")[0])
    assert recorder.permissions == policy("Does everything")
    rows = OPERATIONS.rows("Actions")
    actions = {action.strip("`"): set(calls.split(", ")) for action, calls in rows}
    # What reads the whole table is tried with the policies of its roles.
    assert actions.pop("dynamodb:Scan") == WHOLE_TABLE
    assert {action: calls - WHOLE_TABLE for action, calls in actions.items()} == needed


@pytest.mark.usefixtures("no_table")
async def test_creating_the_table_needs_what_its_policy_grants(
    moto_client: DynamoDBClient,
) -> None:
    recorder = Recorder(moto_client)
    await create_table(moto_client, TABLE)
    await create_table(moto_client, TABLE, point_in_time_recovery=True, deletion_protection=True)
    # `create_table` probes for transactions; a denied probe is an answer as well.
    probe = ("dynamodb:ConditionCheckItem", "table", "TransactWriteItems")
    assert recorder.permissions - {probe} == policy("Makes the table")


@pytest.mark.parametrize(
    ("heading", "modules"),
    [
        ("What verification can find", [chain, verification]),
        ("Audit a whole table", [holding, judgments]),
        ("Prove that nothing was removed", [comparison, verify, added]),
    ],
    ids=["history", "table", "anchor"],
)
def test_documented_kinds_are_those_that_are_found(
    heading: str, modules: list[ModuleType]
) -> None:
    """The page for auditors explains each kind of finding."""
    sections = ["What verification can find", heading]
    rows = [row for section in sections for row in EVIDENCE.rows(section)]
    documented = {kind for kinds, *_ in rows for kind in re.findall("`([^`]+)`", kinds)}
    found = {kind for module in modules for kind in kinds_in(module)}
    assert found <= documented
    own = {kind for kinds, *_ in EVIDENCE.rows(heading) for kind in re.findall("`([^`]+)`", kinds)}
    assert own <= found


def kinds_in(module: ModuleType) -> set[str]:
    """Return the kinds of the findings that a module makes, as they stand in its source."""
    kinds: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(func=ast.Name(id="error"), args=[ast.Constant(value=kind), *_]):
                kinds.add(str(kind))
            case ast.Call(func=ast.Name(id="Finding"), args=[_, ast.Constant(value=kind), *_]):
                kinds.add(str(kind))
            case ast.Call(func=ast.Name(id="Finding"), args=[_, ast.IfExp() as either, *_]):
                kinds |= {ast.literal_eval(kind) for kind in (either.body, either.orelse)}
            case ast.Call(func=ast.Name(id="expired")):
                kinds.add(EXPIRED)
    return kinds
