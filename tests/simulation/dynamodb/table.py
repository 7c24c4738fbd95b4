"""The rows of a table, and all that follows from a change of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal, NamedTuple

from aiobreakglass import TableLayout
from tests.simulation.dynamodb.habits import Habits
from tests.simulation.dynamodb.indexes import Index
from tests.simulation.dynamodb.keys import MAX_PARTITION_KEY, MAX_SORT_KEY, Schema
from tests.simulation.dynamodb.refusals import RefusedError
from tests.simulation.dynamodb.time_to_live import Expiries
from tests.simulation.dynamodb.values import Item

Cause = Literal["request", "hand", "ttl", "restore"]
"""Who changed a row: a request, another writer, or the service itself."""

_SORT_KEY = "created_at"


class Commit(NamedTuple):
    """A change of the table."""

    serial: int
    at: float
    """By the service's clock."""
    changes: Mapping[str, tuple[Item | None, Item | None]]
    """The row before and after, by partition key."""
    cause: Cause


class Table:
    """Rows by partition key; what was, what is, and what the indexes know of it."""

    def __init__(
        self,
        name: str,
        layout: TableLayout,
        now: Callable[[], float],
        random: Random,
        habits: Habits,
    ) -> None:
        self.rows: dict[str, Item] = {}
        self.on_commit: Callable[[Commit], None] = lambda _: None
        self.now = now
        self.random = random
        self.habits = habits
        self.schema = Schema(
            layout.partition_key,
            dict.fromkeys(layout.indexes.values(), MAX_PARTITION_KEY) | {_SORT_KEY: MAX_SORT_KEY},
        )
        self.indexes = {
            name: Index(field, _SORT_KEY, layout.partition_key, self._lag)
            for name, field in layout.indexes.items()
        }
        self.expiries = Expiries(layout.ttl_attribute)
        self._name = name
        self._serial = 0
        self._versions: dict[str, list[tuple[float, Item | None]]] = {}
        self._replaced: dict[str, tuple[float, Item | None]] = {}
        """When which row was replaced: an eventually consistent read may still return it."""

    def check_name(self, name: str) -> None:
        """Refuse another table's name."""
        if name != self._name:
            raise RefusedError("ResourceNotFoundException", "Requested resource not found")

    def row(self, key: str, *, consistent: bool) -> Item | None:
        """Return a row; one that was replaced just now will do if consistency is not asked for."""
        if not consistent and key in self._replaced:
            since, before = self._replaced[key]
            if self.now() < since + self._lag():
                return before
        return self.rows.get(key)

    def commit(self, changes: Mapping[str, Item | None], cause: Cause) -> None:
        """Change rows at once, and let the changes set out for the indexes."""
        now = self.now()
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
                self.expiries.watch(key, after, self.habits.deletion(self.random))
            self._versions.setdefault(key, []).append((now, after))
            self._replaced[key] = now, before
            for index in self.indexes.values():
                index.change(before, after, now)
        if done:
            self._serial += 1
            self.on_commit(Commit(self._serial, now, done, cause))

    def delete_expired(self) -> None:
        """Delete the rows that TTL has come to by now."""
        for key in self.expiries.take(self.now(), self.rows):
            self.commit({key: None}, "ttl")

    def restore(self, at: float, share: float) -> None:
        """Set a random share of the rows back to what they were at an instant."""
        restored: dict[str, Item | None] = {}
        for key, versions in self._versions.items():
            if self.random.random() < share:
                old = [row for since, row in versions if since <= at]
                restored[key] = old[-1] if old else None
        self.commit(restored, "restore")

    def _lag(self) -> float:
        return self.habits.lag(self.random)
