"""What the differential suite compares: requests, answers, and the differences that are known."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

Request = Mapping[str, Any]

TABLE_NAME: Final = "differential"
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query"})


class Case(NamedTuple):
    """A request, and what is special about it."""

    label: str
    operation: str
    request: Request


class Answer(NamedTuple):
    """An answer, without what may differ."""

    summary: str
    """`ok`, or the error's code, with the codes of a transaction's reasons.

    `ok, more to come` if a query's page says where to go on.
    """
    content: Any = None
    """What a success returns, or the rows that came with a refusal."""

    @property
    def code(self) -> str:
        """The error's code alone."""
        return self.summary.partition(" [")[0]

    @property
    def rows(self) -> Any:
        """What a success returns, but not where to go on."""
        return {name: part for name, part in self.content.items() if name != "LastEvaluatedKey"}


class Difference(NamedTuple):
    """One known difference between the model and another DynamoDB."""

    backend: str
    label: str
    """What is special about the requests that show it; `*` in it stands for anything."""
    model: str
    """The code of the model's answer; `*` for any."""
    other: str
    """The code of the other one's."""
    reason: str

    def covers(self, case: Case, model: Answer, other: Answer) -> bool:
        """Tell whether these two answers are this difference.

        Two successes must have the same content, but the rows may be different afterwards.
        """
        return (
            fnmatchcase(case.label, self.label)
            and self.model in ("*", model.code)
            and self.other in ("*", other.code)
            and (
                not model.code.startswith("ok")
                or not other.code.startswith("ok")
                or model.rows == other.rows
            )
        )
