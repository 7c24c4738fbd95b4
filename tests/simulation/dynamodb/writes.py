"""TransactWriteItems, and the writes of a single row that other programs use."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.simulation.dynamodb.actions import Action, check_members, prepare
from tests.simulation.dynamodb.refusals import (
    NotModelledError,
    Reason,
    RefusedError,
    cancelled,
    invalid,
    no_reason,
    reason,
)
from tests.simulation.dynamodb.table import Cause, Table
from tests.simulation.dynamodb.values import Item, item_size

Request = Mapping[str, Any]

TOKEN_SECONDS: Final = 600
MAX_TOKEN: Final = 36
MAX_ACTIONS: Final = 100
MAX_TRANSACTION: Final = 4 << 20

_TRANSACTION_MEMBERS: Final = frozenset({"TransactItems", "ClientRequestToken"})
_SINGLE: Final = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}


class Tokens:
    """Which transaction was carried out under which token, for ten minutes or as told.

    A refused one is not remembered: the same request is judged anew.
    """

    def __init__(self, seconds: float = TOKEN_SECONDS) -> None:
        self._seconds = seconds
        self._done: dict[str, Any] = {}
        self._ends: deque[tuple[float, str]] = deque()

    def is_done(self, token: str, entries: Any, now: float) -> bool:
        """Tell whether the same was carried out already; refuse a token that served another."""
        while self._ends and self._ends[0][0] <= now:
            del self._done[self._ends.popleft()[1]]
        if token not in self._done:
            return False
        if self._done[token] != entries:
            raise RefusedError(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request",
            )
        return True

    def remember(self, token: str, entries: Any, now: float) -> None:
        """Remember what was carried out."""
        self._done[token] = entries
        self._ends.append((now + self._seconds, token))


def write_one(table: Table, operation: str, request: Request, cause: Cause) -> dict[str, Any]:
    """Write one row by PutItem, UpdateItem or DeleteItem."""
    table.check_name(request["TableName"])
    returned = request.get("ReturnValues", "NONE")
    parameters = {name: value for name, value in request.items() if name != "ReturnValues"}
    action = prepare(_SINGLE[operation], parameters, table.schema)
    before = table.rows.get(action.key)
    after = action.run(before, table.schema)
    table.commit({action.key: after}, cause)
    if returned == "NONE":
        return {}
    if returned not in ("ALL_OLD", "ALL_NEW"):
        raise NotModelledError(f"ReturnValues {returned}")
    row = before if returned == "ALL_OLD" else after
    return {} if row is None else {"Attributes": dict(row)}


def transact_write_items(table: Table, request: Request, tokens: Tokens) -> dict[str, Any]:
    """Carry out all actions, or none."""
    check_members("TransactWriteItems", tuple(request), _TRANSACTION_MEMBERS)
    entries = request["TransactItems"]
    if not 1 <= len(entries) <= MAX_ACTIONS:
        raise invalid(f"TransactItems must have 1 to {MAX_ACTIONS} members")
    token = request.get("ClientRequestToken")
    if token is not None and not 1 <= len(token) <= MAX_TOKEN:
        raise invalid(f"ClientRequestToken must have 1 to {MAX_TOKEN} characters")
    actions = [_action(table, entry) for entry in entries]
    keys = [action.key for action in actions if action.problem is None]
    if len(set(keys)) != len(keys):
        raise invalid("Transaction request cannot include multiple operations on one item")
    if token is not None and tokens.is_done(token, entries, table.now()):
        return {}
    table.commit(_outcomes(table, actions), "request")
    if token is not None:
        tokens.remember(token, entries, table.now())
    return {}


def _action(table: Table, entry: Request) -> Action:
    if len(entry) != 1:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    ((kind, parameters),) = entry.items()
    table.check_name(parameters["TableName"])
    return prepare(kind, parameters, table.schema)


def _outcomes(table: Table, actions: Sequence[Action]) -> dict[str, Item | None]:
    """Return what becomes of each row, or refuse them all."""
    outcomes: dict[str, Item | None] = {}
    reasons: list[Reason] = []
    is_cancelled = False
    for action in actions:
        try:
            outcomes[action.key] = action.run(table.rows.get(action.key), table.schema)
            reasons.append(no_reason())
        except RefusedError as refused:
            reasons.append(reason(refused))
            is_cancelled = True
    if is_cancelled:
        raise cancelled(reasons)
    # Ten rows of 400 KB are less.
    if len(actions) > 10:
        size = sum(item_size(row) for row in outcomes.values() if row is not None)
        if size > MAX_TRANSACTION:
            raise invalid("The aggregate size of the items in the transaction exceeds 4 MB")
    return outcomes
