"""Write the IAM policy of each role; pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aiobreakglass._contract.arguments import AWAITING_REVIEW
from aiobreakglass._dynamodb.layout import TABLE_ARN, TableLayout, check_layout


class TableRole(StrEnum):
    """What a program or a person does with the table, and so what IAM must grant."""

    ASKS = "asks"
    """A gateway calls `find_active_by_invoker_and_profile`, its plural, `get` and `history`."""
    OPENS = "opens"
    """A door calls `create`, `close`, `extend` and `update`, and what `asks` may."""
    REVIEWS = "reviews"
    """Reviewers and counsel call `review`, `hold`, `release_hold`, lists, counts and `history`."""
    SWEEPS = "sweeps"
    """A worker calls `run_expiry` or `expire_due`."""
    AUDITS = "audits"
    """An auditor calls `audit_table`, `export_events` and `verify_anchor`, which only read."""
    OPERATES = "operates"
    """An operator calls every method of a store, `adopt_table`, and `verify_table`."""
    DEPLOYS = "deploys"
    """A deployment calls `create_table`, `verify_table` and `harden_table`, and sees no rows."""


class _Grant(NamedTuple):
    """What a role may do; empty tuples grant nothing."""

    table: tuple[str, ...] = ()
    """Operations on the table itself."""
    indexes: tuple[str, ...] = ()
    """The fields that a role lists by."""
    writes: tuple[str, ...] = ()
    """The parts of transactions."""


_READS: Final = ("GetItem", "BatchGetItem")
_WRITES: Final = ("PutItem", "UpdateItem", "DeleteItem")
_CHECKED_WRITES: Final = (*_WRITES, "ConditionCheckItem")
_LISTS: Final = ("invoker", "status", "profile", AWAITING_REVIEW)
_DESCRIPTIONS: Final = ("DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups")

_GRANTS: Final = {
    TableRole.ASKS: _Grant(_READS),
    TableRole.OPENS: _Grant(_READS, writes=_CHECKED_WRITES),
    TableRole.REVIEWS: _Grant(_READS, _LISTS, _CHECKED_WRITES),
    TableRole.SWEEPS: _Grant(_READS, ("status",), _WRITES),
    TableRole.AUDITS: _Grant(("Scan", "BatchGetItem")),
    TableRole.OPERATES: _Grant((*_READS, "Scan", *_DESCRIPTIONS), _LISTS, _CHECKED_WRITES),
    TableRole.DEPLOYS: _Grant(
        (
            *_DESCRIPTIONS,
            "CreateTable",
            "UpdateTable",
            "UpdateTimeToLive",
            "UpdateContinuousBackups",
        )
    ),
}


def iam_policy(role: TableRole | str, table_arn: str, *, layout: TableLayout | None = None) -> str:
    """Return the IAM policy, in JSON, that a role needs, and no more.

    IAM has no condition on what a row says, only on its key. Whoever may put rows may put any
    row, so give each role to its own principal. A table with a KMS key of your own also needs the
    key's own permissions.

    Args:
        role: What the principal does.
        table_arn: The ARN of the table.
        layout: The names that the table uses; None means the default names.

    Raises:
        ValueError: There is no such role, or `table_arn` is not the ARN of a table.
    """
    if role not in list(TableRole):
        raise ValueError(f"role must be one of {', '.join(TableRole)}")
    grant = _GRANTS[TableRole(role)]
    if not isinstance(table_arn, str):
        raise TypeError(f"table_arn must be a str, not {type(table_arn).__name__}")
    if not TABLE_ARN.fullmatch(table_arn):
        raise ValueError("table_arn must be the ARN of a table, not its name")
    layout = TableLayout() if layout is None else check_layout(layout)
    indexes = [f"{table_arn}/index/{layout.index_of(field)}" for field in grant.indexes]
    statements = [
        *_statement("Table", grant.table, table_arn),
        *_statement("Lists", ("Query",) if indexes else (), indexes),
        *_statement("Transactions", grant.writes, table_arn, in_transactions=True),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _statement(
    name: str,
    operations: Sequence[str],
    resource: str | list[str],
    *,
    in_transactions: bool = False,
) -> list[dict[str, Any]]:
    if not operations:
        return []
    statement: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Action": [f"dynamodb:{operation}" for operation in operations],
        "Resource": resource,
    }
    if in_transactions:
        enclosing = {"dynamodb:EnclosingOperation": "TransactWriteItems"}
        statement["Condition"] = {"ForAnyValue:StringEquals": enclosing}
    return [statement]
