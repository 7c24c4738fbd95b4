"""Read what a table says about events: their rows, their histories and their guards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.fields import valid_event_id
from aiobreakglass._domain.history import HistoryEntry
from aiobreakglass._dynamodb.codec import guarded_pair
from aiobreakglass._dynamodb.layout import Table, TableLayout, check_layout, check_table_name
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import decode_entry, decode_record
from aiobreakglass._dynamodb.requests import BATCH

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_STEP_TIMEOUT: Final = timedelta(minutes=1)
"""How long one page, or one group of reads, may take with all its retries."""

_TOGETHER: Final = 25
"""How many events are read together, so that few histories are in memory."""

_FIRST_ENTRIES: Final = 2000
"""How many entries are read before it is known that they exist; a row may name any revision. The
histories that are read together have no more, unless one alone has."""

_ROUNDS: Final = 8
"""How often a record is read again because its row changed meanwhile."""

_Element = TypeVar("_Element")


class EventRecord(NamedTuple):
    """What a table says about one event."""

    event_id: str
    row: Item | None
    """The event's row, or its tombstone."""
    chain: Mapping[int, Item]
    """The rows of its history, by revision."""
    guard: Item | None
    """The guard of its pair, if its row is active."""


def open_table(
    client: DynamoDBClient, name: str, layout: TableLayout | None
) -> tuple[Calls, Table]:
    """Return what reads a table through a borrowed client, or raise for wrong arguments."""
    layout = TableLayout() if layout is None else check_layout(layout)
    table = Table(check_table_name(name, or_arn=True), layout)
    return Calls(client, table.name, _STEP_TIMEOUT), table


def is_event_id(text: str) -> bool:
    """Return whether a store can have written an event with this id."""
    try:
        valid_event_id(text)
    except ValueError:
        return False
    return True


def groups(
    elements: Iterable[_Element], revision_of: Callable[[_Element], int] | None = None
) -> Iterable[list[_Element]]:
    """Yield elements in groups that are read together.

    Args:
        elements: Events, or rows that are read without a history.
        revision_of: Returns how many entries the history of an event should have; long ones make
            a group smaller.
    """
    group: list[_Element] = []
    entries = 0
    for element in elements:
        more = 0 if revision_of is None else revision_of(element)
        if group and (len(group) == _TOGETHER or entries + more > _FIRST_ENTRIES):
            yield group
            group, entries = [], 0
        group.append(element)
        entries += more
    if group:
        yield group


def revision_of_row(row: tuple[str, Item]) -> int:
    """Return how many entries an event should have, by its id and its row."""
    return _last(row[1], 0)


def readable_entry(item: Item | None, key: str) -> HistoryEntry | None:
    """Return the entry of a row; None if there is no row, or if it is not an entry."""
    try:
        return None if item is None else decode_entry(item, key)
    except CorruptItemError:
        return None


class Records:
    """Reads the records of events, strongly consistently."""

    def __init__(self, calls: Calls, table: Table) -> None:
        self._calls = calls
        self._layout = table.layout
        self._reads = Reads(calls, table)

    async def rows(self, keys: Collection[str]) -> dict[str, Item]:
        """Return the existing rows with these partition keys."""
        if not keys:
            return {}
        with self._calls.operation() as operation:
            return await self._reads.rows(operation, keys)

    async def of_ids(self, revisions: Mapping[str, int]) -> list[EventRecord]:
        """Return the records of events, each with its history up to a revision at least.

        The parts of a record are not from one instant. If they contradict each other, `settled`
        tells whether that is true.
        """
        rows = await self.rows([self._layout.event_key(event_id) for event_id in revisions])
        return await self._with_histories(
            {event_id: rows.get(self._layout.event_key(event_id)) for event_id in revisions},
            revisions,
        )

    async def of_rows(self, rows: Sequence[tuple[str, Item]]) -> list[EventRecord]:
        """Return the records of events whose rows were read just now, as `of_ids` does."""
        return await self._with_histories(dict(rows), {})

    async def settled(self, event_id: str, revision: int = 0) -> EventRecord | None:
        """Return a record whose row did not change while it was read; None if it always does.

        Stores change a history and a guard only together with the event's row.
        """
        for _ in range(_ROUNDS):
            before = await self._row(event_id)
            (record,) = await self._with_histories({event_id: before}, {event_id: revision})
            record = record._replace(chain=await self._whole(record, revision))
            if await self._row(event_id) == before:
                return record
        return None

    async def settled_guard(self, key: str, event_id: str) -> tuple[Item | None, Item | None]:
        """Return a guard and the row of the event that it points to.

        If the guard changed meanwhile, it is returned as None, because it is in use.
        """
        before = (await self.rows([key])).get(key)
        row = await self._row(event_id)
        after = (await self.rows([key])).get(key)
        return after if before == after else None, row

    async def _row(self, event_id: str) -> Item | None:
        key = self._layout.event_key(event_id)
        return (await self.rows([key])).get(key)

    async def _with_histories(
        self, rows: Mapping[str, Item | None], revisions: Mapping[str, int]
    ) -> list[EventRecord]:
        chains: dict[str, dict[str, int]] = {}
        guards: dict[str, str] = {}
        for event_id, row in rows.items():
            last = _last(row, revisions.get(event_id, 0))
            # The one after the last must not exist.
            first = range(1, min(last, _FIRST_ENTRIES) + 1)
            chains[event_id] = self._keys(event_id, [*first, *range(max(last, 1), last + 2)])
            pair = None if row is None else guarded_pair(row)
            if pair is not None:
                guards[event_id] = self._layout.guard_key(*pair)
        keys = [key for chain in chains.values() for key in chain]
        found = await self.rows([*keys, *guards.values()])
        return [
            EventRecord(
                event_id,
                row,
                {number: found[key] for key, number in chains[event_id].items() if key in found},
                found.get(guards.get(event_id, "")),
            )
            for event_id, row in rows.items()
        ]

    async def _whole(self, record: EventRecord, revision: int) -> Mapping[int, Item]:
        """Return a chain to its end, even if the row does not know it."""
        chain = dict(record.chain)
        last = max(1, min(_last(record.row, revision), _FIRST_ENTRIES))
        while last in chain:
            first, last = last + 1, last + BATCH
            keys = self._keys(record.event_id, range(first, last + 1))
            found = await self.rows(list(keys))
            chain |= {keys[key]: row for key, row in found.items()}
        return chain

    def _keys(self, event_id: str, revisions: Iterable[int]) -> dict[str, int]:
        if not is_event_id(event_id):
            # No store writes such an id, and the key may be longer than DynamoDB allows.
            return {}
        return {self._layout.history_key(event_id, revision): revision for revision in revisions}


def _last(row: Item | None, revision: int) -> int:
    """Return the last revision that a history should have."""
    tip = None if row is None else decode_record(row)
    return max(0 if tip is None else tip.revision, revision)
