"""The same request to the model and to another DynamoDB, and what tells their answers apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from aiobreakglass import TableLayout
from aiobreakglass._table.definition import Definition
from tests.simulation.dynamodb.cases import READS, TABLE_NAME, Answer, Case, Difference, Request
from tests.simulation.dynamodb.database import Database
from tests.simulation.dynamodb.differences import DIFFERENCES
from tests.simulation.dynamodb.refusals import RefusedError
from tests.simulation.dynamodb.values import Item, canonical

REGION: Final = "eu-central-1"
_UNASKED: Final = ("ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics")


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

    def remove(self, row: Item) -> None:
        """Remove a row, whatever its key is made of."""
        self._client.delete_item(TableName=TABLE_NAME, Key={"pk": row["pk"]})


@contextmanager
def backend(endpoint_url: str) -> Iterator[Backend]:
    """Make a table of its own on an emulator."""
    client: Any = get_session().create_client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint_url,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    client.create_table(**Definition(TABLE_NAME, TableLayout(), False, False).creation)
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
    content = _success(answer)
    return Answer("ok, more to come" if "LastEvaluatedKey" in content else "ok", content)


def spelt(rows: Iterable[Item]) -> list[Item]:
    """Return rows by key, their values in one spelling: emulators keep numbers as they came."""
    return sorted(map(_spelt, rows), key=lambda row: str(row.get("pk")))


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


class Comparison:
    """The model beside a backend, and what has been found."""

    def __init__(self, name: str, model: Database, other: Backend) -> None:
        self.problems: list[str] = []
        self.occurred: Counter[Difference] = Counter()
        self.answers: Counter[str] = Counter()
        self._known = [each for each in DIFFERENCES if each.backend == name]
        self._model = model
        self._other = other

    def compare(self, case: Case) -> None:
        """Send a request to both, and note what is different and not known."""
        model, other = ask(self._model, case), ask(self._other, case)
        self.answers[model.code] += 1
        known = next((each for each in self._known if each.covers(case, model, other)), None)
        if model != other:
            if known is None:
                self._note(case, f"the model: {model}\nthe other: {other}")
            else:
                self.occurred[known] += 1
        if case.operation not in READS and (model != other or known is not None):
            self._align()

    def compare_rows(self, case: Case) -> None:
        """Note which rows are different."""
        mine, others = self._rows()
        if mine != others:
            only = [row for row in mine if row not in others]
            others_only = [row for row in others if row not in mine]
            self._note(case, f"only in the model: {only}\nonly in the other: {others_only}")
            self._align()

    def _align(self) -> None:
        """Leave the rows that both have."""
        mine, others = self._rows()
        for row in mine:
            if row not in others:
                self._model.remove(row["pk"]["S"])
        for row in others:
            if row not in mine:
                self._other.remove(row)

    def _rows(self) -> tuple[list[Item], list[Item]]:
        return spelt(self._model.rows.values()), spelt(self._other.rows())

    def _note(self, case: Case, problem: str) -> None:
        self.problems.append(f"{case.label}: {case.operation} {case.request}\n{problem}")
