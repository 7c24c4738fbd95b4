"""The same request to the model and to another DynamoDB, and what tells their answers apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from aiobreakglass import TableLayout
from aiobreakglass._dynamodb.table import table_definition
from tests.simulation.dynamodb.keys import MAX_PARTITION_KEY
from tests.simulation.dynamodb.refusals import RefusedError
from tests.simulation.dynamodb.values import Item, canonical

Request = Mapping[str, Any]

REGION: Final = "eu-central-1"
TABLE_NAME: Final = "differential"

_UNASKED: Final = ("ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics")


class Case(NamedTuple):
    """A request, and what is special about it."""

    label: str
    operation: str
    request: Request


class Answer(NamedTuple):
    """An answer, without what may differ."""

    summary: str
    """`ok`, or the error's code, with the codes of a transaction's reasons."""
    content: Any = None
    """What a success returns, or the rows that came with a refusal."""

    @property
    def code(self) -> str:
        """The error's code alone."""
        return self.summary.partition(" ")[0]


class Executes(Protocol):
    """What answers requests."""

    def execute(self, operation: str, request: Request, /) -> dict[str, Any]:
        """Answer a request, or raise `ClientError`."""
        ...


class Backend:
    """A table on an emulator, by a client that checks nothing before it sends."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def execute(self, operation: str, request: Request) -> dict[str, Any]:
        """Send a request once."""
        answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**request)
        return answer

    def rows(self) -> list[Item]:
        """Return all rows."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=TABLE_NAME, ConsistentRead=True
        )
        return [item for page in pages for item in page["Items"]]


@contextmanager
def backend(endpoint_url: str) -> Iterator[Backend]:
    """Make a table of its own on an emulator."""
    client: Any = get_session().create_client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint_url,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    client.create_table(**table_definition(TABLE_NAME, TableLayout(), deletion_protection=False))
    try:
        yield Backend(client)
    finally:
        client.delete_table(TableName=TABLE_NAME)
        client.close()


def ask(backend: Executes, case: Case) -> Answer:
    """Return the answer to a request, whatever it is."""
    try:
        answer = backend.execute(case.operation, case.request)
    except ClientError as error:
        return _refusal(error)
    return Answer("ok", _success(answer))


def spelt(rows: Iterable[Item]) -> list[Item]:
    """Return rows by key, their values in one spelling: emulators keep numbers as they came."""
    return sorted(map(_spelt, rows), key=lambda row: str(row.get("pk")))


def keys_of(case: Case) -> list[str]:
    """Return the keys of the rows that a write is about, as far as they can be keys."""
    entries = [
        parameters
        for entry in case.request.get("TransactItems", ({"": case.request},))
        for parameters in entry.values()
    ]
    values = [entry.get("Key", entry.get("Item", {})).get("pk", {}).get("S") for entry in entries]
    return [value for value in values if value and len(value.encode()) <= MAX_PARTITION_KEY]


def _refusal(error: ClientError) -> Answer:
    response: dict[str, Any] = dict(error.response)
    reasons = response.get("CancellationReasons") or []
    codes = [reason.get("Code") or "None" for reason in reasons]
    summary = response["Error"]["Code"] + (f" {codes}" if codes else "")
    rows = [reason.get("Item") for reason in reasons] or [response.get("Item")]
    return Answer(summary, [None if row is None else _spelt(row) for row in rows])


def _success(answer: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in answer.items() if name not in _UNASKED}
    for name in ("Item", "Attributes", "LastEvaluatedKey"):
        if name in content:
            content[name] = _spelt(content[name])
    if "Items" in content:
        content["Items"] = [_spelt(item) for item in content["Items"]]
    if "Responses" in content:
        content["Responses"] = {table: spelt(rows) for table, rows in content["Responses"].items()}
    return content


def _spelt(row: Item) -> Item:
    spelling: Item = {}
    for name, value in row.items():
        try:
            spelling[name] = canonical(value)
        except RefusedError:
            spelling[name] = value
    return spelling
