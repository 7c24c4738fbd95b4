"""A model of DynamoDB: one table, at the level of the requests that the library sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final, Literal, NamedTuple

from aiobreakglass import TableLayout
from tests.simulation.dynamodb import queries
from tests.simulation.dynamodb.actions import (
    MAX_PARTITION_KEY,
    MAX_SORT_KEY,
    Action,
    Schema,
    only_key,
    prepare,
    read_placeholders,
    used_by,
)
from tests.simulation.dynamodb.conditions import Compiled, compile_condition
from tests.simulation.dynamodb.indexes import Index
from tests.simulation.dynamodb.refusals import (
    NotModelledError,
    Reason,
    RefusedError,
    cancelled,
    invalid,
    no_reason,
    reason,
)
from tests.simulation.dynamodb.time_to_live import Expiries
from tests.simulation.dynamodb.values import Item, item_size

Request = Mapping[str, Any]
Cause = Literal["request", "hand", "ttl", "restore"]

TABLE_NAME: Final = "break-glass"
TOKEN_SECONDS: Final = 600
MAX_ACTIONS: Final = 100
MAX_TRANSACTION: Final = 4 << 20
MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 16 << 20
MAX_TOKEN: Final = 36

_TRANSACTION_MEMBERS: Final = frozenset({"TransactItems", "ClientRequestToken"})
_GET_MEMBERS: Final = frozenset(
    {"TableName", "Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
)
_KEYS_MEMBERS: Final = frozenset(
    {"Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
)
_QUERY_MEMBERS: Final = frozenset(
    {
        "TableName",
        "IndexName",
        "Select",
        "Limit",
        "ConsistentRead",
        "ScanIndexForward",
        "ExclusiveStartKey",
        "KeyConditionExpression",
        "FilterExpression",
        "ProjectionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
    }
)
_SINGLE: Final = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}


class Commit(NamedTuple):
    """A change of the table."""

    serial: int
    at: float
    """By the service's clock."""
    changes: Mapping[str, tuple[Item | None, Item | None]]
    """The row before and after, by partition key."""
    cause: Cause


class Habits(NamedTuple):
    """What the service takes its time for, in seconds."""

    lag: Callable[[Random], float]
    """How long a change takes to reach one entry of an index, or an eventually consistent read."""
    deletion: Callable[[Random], float]
    """How long after it is due a row is deleted by TTL."""


def at_once(_: Random) -> float:
    """Take no time."""
    return 0.0


def usual_lag(random: Random) -> float:
    """Take a blink mostly, seconds sometimes, minutes on a bad day."""
    chance = random.random()
    if chance < 0.8:
        return random.random() * 0.05
    return random.random() * (5.0 if chance < 0.98 else 300.0)


def usual_deletion(random: Random) -> float:
    """Take up to two days, and sometimes no time at all."""
    return random.choice((0.0, random.random() * 3600, random.random() * 172_800))


PROMPT: Final = Habits(at_once, at_once)
USUAL: Final = Habits(usual_lag, usual_deletion)


class Database:
    """One table, its indexes and its TTL, as DynamoDB keeps them.

    Each call is atomic. Rows are values: a write makes new ones, and nobody may change one.
    `now` is the service's clock, in Unix seconds; it may stand still, and must not step back.
    """

    def __init__(
        self,
        layout: TableLayout,
        *,
        now: Callable[[], float],
        random: Random,
        habits: Habits = USUAL,
        table_name: str = TABLE_NAME,
        on_commit: Callable[[Commit], None] = lambda _: None,
    ) -> None:
        self.rows: dict[str, Item] = {}
        self.on_commit = on_commit
        self._layout = layout
        self._now = now
        self._random = random
        self._habits = habits
        self._table_name = table_name
        key = layout.partition_key
        self._schema = Schema(
            key,
            dict.fromkeys(layout.indexes.values(), MAX_PARTITION_KEY)
            | {"created_at": MAX_SORT_KEY},
        )
        self._indexes = {
            name: Index(field, "created_at", key, lambda: habits.lag(random))
            for name, field in layout.indexes.items()
        }
        self._expiries = Expiries(layout.ttl_attribute)
        self._serial = 0
        self._versions: dict[str, list[tuple[float, Item | None]]] = {}
        self._stale: dict[str, tuple[float, Item | None]] = {}
        """Until when an eventually consistent read may return which earlier row."""
        self._tokens: dict[str, Any] = {}
        self._token_ends: deque[tuple[float, str]] = deque()
        self._operations: Mapping[str, Callable[[Request], dict[str, Any]]] = {
            "GetItem": self._get_item,
            "BatchGetItem": self._batch_get_item,
            "Query": self._query,
            "TransactWriteItems": self._transact_write_items,
        }

    def execute(
        self, operation: str, request: Request, cause: Cause = "request"
    ) -> dict[str, Any]:
        """Return what the client returns, or raise `ClientError` as it does."""
        self.background()
        try:
            if operation in _SINGLE:
                answer = self._write_one(_SINGLE[operation], request, cause)
            elif operation in self._operations:
                answer = self._operations[operation](request)
            else:
                raise NotModelledError(operation)
        except RefusedError as refused:
            raise refused.client_error(operation) from None
        answer["ResponseMetadata"] = {
            "HTTPStatusCode": 200,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        }
        return answer

    def put(self, item: Item) -> None:
        """Put a row by hand, whatever it replaces."""
        self.execute("PutItem", {"TableName": self._table_name, "Item": item}, "hand")

    def remove(self, key: str) -> None:
        """Remove a row by hand."""
        request = {"TableName": self._table_name, "Key": {self._schema.key: {"S": key}}}
        self.execute("DeleteItem", request, "hand")

    def background(self) -> None:
        """Delete by TTL the rows whose time has come."""
        now = self._now()
        for key in self._expiries.take(now, self.rows):
            self._commit({key: None}, "ttl")

    def spread_all(self) -> None:
        """Let all changes arrive in all indexes."""
        for index in self._indexes.values():
            index.spread(float("inf"))

    def next_instant(self) -> float | None:
        """Return when something falls due next: in an index, or by TTL."""
        instants = [index.next_instant for index in self._indexes.values()]
        instants.append(self._expiries.next_instant)
        return min((each for each in instants if each is not None), default=None)

    def restore_some(self, at: float, share: float) -> None:
        """Set some rows back to what they were at an instant, as a partial restore does."""
        restored: dict[str, Item | None] = {}
        for key, versions in sorted(self._versions.items()):
            if self._random.random() < share:
                old = [row for since, row in versions if since <= at]
                restored[key] = old[-1] if old else None
        self._commit(restored, "restore")

    def _commit(self, changes: Mapping[str, Item | None], cause: Cause) -> None:
        now = self._now()
        done: dict[str, tuple[Item | None, Item | None]] = {}
        for key, after in changes.items():
            before = self.rows.get(key)
            if before is after:
                continue
            done[key] = before, after
            if after is None:
                del self.rows[key]
            else:
                self.rows[key] = after
                self._expiries.watch(key, after, self._habits.deletion(self._random))
            self._versions.setdefault(key, []).append((now, after))
            self._stale[key] = now + self._habits.lag(self._random), before
            for index in self._indexes.values():
                index.change(before, after, now)
        if done:
            self._serial += 1
            self.on_commit(Commit(self._serial, now, done, cause))

    def _check_table(self, name: str) -> None:
        if name != self._table_name:
            raise RefusedError("ResourceNotFoundException", "Requested resource not found")

    # Reads

    def _get_item(self, request: Request) -> dict[str, Any]:
        _check_members("GetItem", request, _GET_MEMBERS)
        self._check_table(request["TableName"])
        attributes = _projection(request)
        key = only_key(request["Key"], self._schema)
        row = self._row(key, request)
        return {} if row is None else {"Item": queries.project(row, attributes)}

    def _batch_get_item(self, request: Request) -> dict[str, Any]:
        _check_members("BatchGetItem", request, frozenset({"RequestItems"}))
        asked = request["RequestItems"]
        for name in asked:
            self._check_table(name)
        if not asked:
            raise invalid("RequestItems must have length greater than or equal to 1")
        ((name, wanted),) = asked.items()
        _check_members("BatchGetItem", wanted, _KEYS_MEMBERS)
        attributes = _projection(wanted)
        keys = [only_key(key, self._schema) for key in wanted["Keys"]]
        if not keys or len(keys) > MAX_BATCH:
            raise invalid("Keys must have 1 to 100 members")
        if len(set(keys)) != len(keys):
            raise invalid("Provided list of item keys contains duplicates")
        # In no order: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
        self._random.shuffle(keys)
        rows: list[Item] = []
        left: list[Item] = []
        room = MAX_BATCH_BYTES
        for key in keys:
            row = self._row(key, wanted)
            if row is not None:
                room -= item_size(row)
            if room < 0:
                left.append({self._schema.key: {"S": key}})
            elif row is not None:
                rows.append(queries.project(row, attributes))
        unprocessed = {name: {**wanted, "Keys": left}} if left else {}
        return {"Responses": {name: rows}, "UnprocessedKeys": unprocessed}

    def _row(self, key: str, request: Request) -> Item | None:
        if not request.get("ConsistentRead", False):
            until, before = self._stale.get(key, (0.0, None))
            if self._now() < until and self._random.random() < 0.5:
                return before
        return self.rows.get(key)

    def _query(self, request: Request) -> dict[str, Any]:
        _check_members("Query", request, _QUERY_MEMBERS)
        self._check_table(request["TableName"])
        index = self._indexes.get(request.get("IndexName", ""))
        if index is None:
            if "IndexName" not in request:
                raise NotModelledError("Query without IndexName")
            raise invalid("The table does not have the specified index")
        if request.get("ConsistentRead", False):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        limit = request.get("Limit", float("inf"))
        if limit < 1:
            raise invalid("Limit must be greater than or equal to 1")
        index.spread(self._now())
        return self._page(request, index, limit)

    def _page(self, request: Request, index: Index, limit: float) -> dict[str, Any]:
        condition = queries.compile_key_condition(request.get("KeyConditionExpression", ""))
        filter_ = _filter(request)
        projection = request.get("ProjectionExpression")
        paths = () if projection is None else queries.compile_projection(projection)
        used_names, used_values = used_by(condition.compiled, filter_)
        names, values = read_placeholders(
            request, used_names | {path for path in paths if path[0] == "#"}, used_values
        )
        for compiled in (condition.compiled, filter_):
            for check in () if compiled is None else compiled.checks:
                check(names, values)
        keys = (index.partition, index.range)
        span = queries.resolve(condition, names, values, *keys)
        if filter_ is not None:
            for path in filter_.paths:
                if names.get(path, path) in keys:
                    raise invalid(
                        "Filter Expression can only contain non-primary key attributes: Primary "
                        f"key attribute: {names.get(path, path)}"
                    )
        start_key = request.get("ExclusiveStartKey")
        after = (
            None
            if start_key is None
            else queries.start_place(start_key, span, self._schema.key, *keys)
        )
        select = _select(request)
        attributes = None if projection is None else [names.get(path, path) for path in paths]
        places = queries.ordered(
            index.places(span.partition),
            span,
            after,
            forward=request.get("ScanIndexForward", True),
        )
        items: list[Item] = []
        looked_at = found = bytes_ = 0
        answer: dict[str, Any] = {}
        for place in places:
            row = index.row(span.partition, place)
            looked_at += 1
            bytes_ += item_size(row)
            if filter_ is None or filter_.test(row, names, values):
                found += 1
                if select != "COUNT":
                    items.append(queries.project(row, attributes))
            if looked_at == limit or bytes_ > queries.MAX_PAGE:
                answer["LastEvaluatedKey"] = {
                    name: row[name] for name in (self._schema.key, *keys)
                }
                break
        if select != "COUNT":
            answer["Items"] = items
        return answer | {"Count": found, "ScannedCount": looked_at}

    # Writes

    def _write_one(self, kind: str, request: Request, cause: Cause) -> dict[str, Any]:
        self._check_table(request["TableName"])
        returned = request.get("ReturnValues", "NONE")
        parameters = {key: value for key, value in request.items() if key != "ReturnValues"}
        action = prepare(kind, parameters, self._schema)
        before = self.rows.get(action.key)
        after = action.run(before, self._schema)
        self._commit({action.key: after}, cause)
        if returned == "NONE":
            return {}
        if returned not in ("ALL_OLD", "ALL_NEW"):
            raise NotModelledError(f"ReturnValues {returned}")
        row = before if returned == "ALL_OLD" else after
        return {} if row is None else {"Attributes": dict(row)}

    def _transact_write_items(self, request: Request) -> dict[str, Any]:
        _check_members("TransactWriteItems", request, _TRANSACTION_MEMBERS)
        entries = request["TransactItems"]
        if not 1 <= len(entries) <= MAX_ACTIONS:
            raise invalid(f"TransactItems must have 1 to {MAX_ACTIONS} members")
        token = request.get("ClientRequestToken")
        if token is not None and not 1 <= len(token) <= MAX_TOKEN:
            raise invalid(f"ClientRequestToken must have 1 to {MAX_TOKEN} characters")
        actions = [self._action(entry) for entry in entries]
        if len({action.key for action in actions}) != len(actions):
            raise invalid("Transaction request cannot include multiple operations on one item")
        if token is not None and self._is_repeated(token, entries):
            return {}
        self._commit(self._outcomes(actions), "request")
        if token is not None:
            self._tokens[token] = entries
            self._token_ends.append((self._now() + TOKEN_SECONDS, token))
        return {}

    def _action(self, entry: Request) -> Action:
        if len(entry) != 1:
            raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        ((kind, parameters),) = entry.items()
        self._check_table(parameters["TableName"])
        return prepare(kind, parameters, self._schema)

    def _outcomes(self, actions: list[Action]) -> dict[str, Item | None]:
        changes: dict[str, Item | None] = {}
        reasons: list[Reason] = []
        is_cancelled = False
        for action in actions:
            try:
                changes[action.key] = action.run(self.rows.get(action.key), self._schema)
                reasons.append(no_reason())
            except RefusedError as refused:
                reasons.append(reason(refused))
                is_cancelled = True
        if is_cancelled:
            raise cancelled(reasons)
        if len(actions) > 10 and (
            sum(item_size(row) for row in changes.values() if row is not None) > MAX_TRANSACTION
        ):
            raise invalid("The aggregate size of the items in the transaction exceeds 4 MB")
        return changes

    def _is_repeated(self, token: str, entries: Any) -> bool:
        """Tell whether a token was used for the same, or refuse it for anything else."""
        now = self._now()
        while self._token_ends and self._token_ends[0][0] < now:
            del self._tokens[self._token_ends.popleft()[1]]
        if token not in self._tokens:
            return False
        if self._tokens[token] != entries:
            raise RefusedError(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request",
            )
        return True


def _check_members(operation: str, request: Request, known: frozenset[str]) -> None:
    if not request.keys() <= known:
        raise NotModelledError(f"{operation} with {sorted(request.keys() - known)}")


def _projection(request: Request) -> list[str] | None:
    text = request.get("ProjectionExpression")
    paths = () if text is None else queries.compile_projection(text)
    names, _ = read_placeholders(
        request, frozenset(path for path in paths if path[0] == "#"), frozenset()
    )
    return None if text is None else [names.get(path, path) for path in paths]


def _filter(request: Request) -> Compiled | None:
    text = request.get("FilterExpression")
    return None if text is None else compile_condition(text, "FilterExpression")


def _select(request: Request) -> str:
    default = "SPECIFIC_ATTRIBUTES" if "ProjectionExpression" in request else "ALL_ATTRIBUTES"
    select: str = request.get("Select", default)
    if (select == "SPECIFIC_ATTRIBUTES") != ("ProjectionExpression" in request):
        raise invalid(f"Select {select} does not go with the projection")
    return select
