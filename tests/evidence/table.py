"""A table in memory, with rows as stores write them, and a client that reads it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import HistoryEntry, recorded, tip_of
from aiobreakglass._domain.rules import decide_close, decide_create, decide_delete, decide_update
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.record import encode_entry, encode_record
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass.testing import make_event

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

NAME: Final = "breakglass"
LAYOUT: Final = TableLayout()
NOW: Final = datetime(2024, 3, 1, 12, tzinfo=UTC)
"""When all events here are created, unless a test says otherwise."""
RETENTION: Final = timedelta(days=365)

Rows = dict[str, Item]


def nothing() -> None:
    """Do nothing before an answer."""


class Reader:
    """A client of DynamoDB that reads rows from a mapping, and can do nothing else."""

    def __init__(self, rows: Mapping[str, Item]) -> None:
        self.rows = rows
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.before_answer: Callable[[], object] = nothing
        """Called before each answer: a change that somebody makes meanwhile, or a failure."""
        self.meta = SimpleNamespace(
            events=self,
            endpoint_url="http://127.0.0.1:1",
            service_model=SimpleNamespace(
                service_name="dynamodb", operation_names=["Scan", "BatchGetItem"]
            ),
        )

    @property
    def client(self) -> DynamoDBClient:
        return cast("DynamoDBClient", self)

    def change_before(self, answer: int, past: Past, change: Callable[[], object]) -> None:
        """Have the event of a past changed just before one of the answers."""

        def meanwhile() -> None:
            if len(self.requests) == answer:
                change()
                self.rows = dict(past.rows)

        self.before_answer = meanwhile

    def register(self, *_: object, **__: object) -> None:
        """Register no hook: nothing here calls one."""

    register_first = register

    async def scan(self, **request: Any) -> Any:
        await self._note("Scan", request)
        number, total = request["Segment"], request["TotalSegments"]
        after = request.get("ExclusiveStartKey", {"pk": {"S": ""}})["pk"]["S"]
        keys = [
            key
            for key in sorted(self.rows)
            if key > after and zlib.crc32(key.encode()) % total == number
        ]
        page = keys[: request["Limit"]]
        last = {"LastEvaluatedKey": {"pk": {"S": page[-1]}}} if page != keys else {}
        return {"Items": [self.rows[key] for key in page], "Count": len(page), **last}

    async def batch_get_item(self, **request: Any) -> Any:
        await self._note("BatchGetItem", request)
        ((name, asked),) = request["RequestItems"].items()
        keys = [key["pk"]["S"] for key in asked["Keys"]]
        assert len(keys) <= 100
        assert len(set(keys)) == len(keys)
        found = [self.rows[key] for key in keys if key in self.rows]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}

    async def _note(self, operation: str, request: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.requests.append((operation, request))
        assert "ConsistentRead" in str(request)
        made = self.before_answer()
        if isinstance(made, Awaitable):
            await made


class Past:
    """One event and its history, as stores write them.

    Args:
        is_old: Whether the event is from before histories existed, so that it has none yet.
        recorded_at: When the event is created or imported, if not at its `created_at`.
        fields: The fields of the event.
    """

    def __init__(
        self, *, is_old: bool = False, recorded_at: datetime | None = None, **fields: Any
    ) -> None:
        self.entries: list[HistoryEntry] = []
        self.event: BreakGlassEvent | None = None
        event = make_event(**{"created_at": NOW, **fields})
        self.id = event.id
        self.created = event
        self._deleted_at: datetime | None = None
        if is_old:
            self.event = event
        else:
            self.record(decide_create(event, recorded_at or event.created_at))

    def close(self, after: timedelta = timedelta(minutes=10)) -> Past:
        """Close the event."""
        now = self.created.created_at + after
        return self.record(decide_close(self._present, "bob", "all done", now))

    def extend(self, to: timedelta = timedelta(hours=2)) -> Past:
        """Move the end of the event."""
        now = self.created.created_at + timedelta(minutes=5)
        proposed = self._present.model_copy(update={"expires_at": self.created.created_at + to})
        return self.record(decide_update(self._present, proposed, now, "carol", None))

    def delete(self) -> Past:
        """Delete the event."""
        self._deleted_at = self.created.created_at + timedelta(minutes=20)
        return self.record(decide_delete(self.event, self._deleted_at, "dave", None))

    @property
    def _present(self) -> BreakGlassEvent:
        assert self.event is not None
        return self.event

    def record(self, change: Change) -> Past:
        """Make a change, and record it."""
        tip = tip_of(self.entries[-1]) if self.entries else None
        self.entries += recorded(self.id, change, tip, Retention(RETENTION).of_history).entries
        self.event = change.after
        return self

    @property
    def key(self) -> str:
        return LAYOUT.event_key(self.id)

    @property
    def guard_key(self) -> str:
        return LAYOUT.guard_key(self.created.invoker, self.created.profile)

    def entry_key(self, revision: int) -> str:
        return LAYOUT.history_key(self.id, revision)

    @property
    def rows(self) -> Rows:
        """All rows of the event: its own, its history's and its guard."""
        rows = {
            self.entry_key(entry.revision): encode_entry(entry, LAYOUT, write_id="w", ttl=None)
            for entry in self.entries
        }
        record = encode_record(tip_of(self.entries[-1]))
        if self.event is None:
            assert self._deleted_at is not None
            tombstone = encode_tombstone(self.id, LAYOUT, deleted_at=self._deleted_at)
            return {**rows, self.key: tombstone | record}
        rows[self.key] = encode_event(self.event, LAYOUT, write_id="w") | record
        if self.event.is_active(self.event.created_at):
            rows[self.guard_key] = encode_guard(self.event, LAYOUT)
        return rows

    @property
    def old_rows(self) -> Rows:
        """The rows of the event as the release before histories wrote them."""
        assert self.event is not None
        rows = {self.key: encode_event(self.event, LAYOUT, write_id="w")}
        if self.event.is_active(self.event.created_at):
            rows[self.guard_key] = encode_guard(self.event, LAYOUT)
        return rows


def table_of(*pasts: Past) -> Rows:
    """Return the rows of some events."""
    return {key: row for past in pasts for key, row in past.rows.items()}


def some_pasts() -> list[Past]:
    """Return an event of each kind, each of another pair."""
    return [
        Past(invoker="alice"),
        Past(invoker="bob").extend(),
        Past(invoker="carol").close(),
        Past(invoker="dave", status="expired"),
        Past(invoker="eve").extend().close().delete(),
        Past(invoker="frank").delete(),
    ]


def removed(rows: Rows, keys: Iterable[str]) -> Rows:
    """Return the rows without some of them."""
    gone = set(keys)
    return {key: row for key, row in rows.items() if key not in gone}
