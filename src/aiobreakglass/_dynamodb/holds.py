"""Hold events and release them: first the event itself, then the rows of its history.

While an event is held, neither its row nor its history has a time to live. A history can have more
rows than one transaction, so they follow the change in transactions of their own. Each requires
that the event is still held, or still released, as the change left it. Otherwise a slow release
would give back the time to live of an event that is held again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.transaction import MAX_PARTS, AttributeValue, Item, Part
from aiobreakglass._domain.errors import (
    BreakGlassError,
    EventHeldError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.history import Tip
from aiobreakglass._domain.oversight import decide_hold, decide_release
from aiobreakglass._dynamodb.commit import Commits, Decide, event_rule
from aiobreakglass._dynamodb.histories import Histories
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.event import EVENT
from aiobreakglass._dynamodb.parts.expressions import part, update_expression
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import number_of
from aiobreakglass._dynamodb.row import Row

_TOGETHER: Final = MAX_PARTS - 1
"""How many entries follow in one transaction, beside the check of the event."""

_ROUNDS: Final = 16


class Holds:
    """Puts events under legal holds, and releases them."""

    def __init__(
        self,
        calls: Calls,
        table: Table,
        reads: Reads,
        histories: Histories,
        commits: Commits,
    ) -> None:
        self._calls = calls
        self._table = table
        self._reads = reads
        self._histories = histories
        self._commits = commits

    async def hold(self, event_id: str, held_by: str, reason: str) -> BreakGlassEvent:
        """Hold an event; if it is held already, complete that and raise `EventHeldError`."""
        return await self._change(
            event_id,
            lambda stored, now: decide_hold(stored, held_by, reason, now),
            EventHeldError,
        )

    async def release(self, event_id: str, released_by: str, reason: str) -> BreakGlassEvent:
        """Release an event; if it is not held, complete that and raise."""
        return await self._change(
            event_id,
            lambda stored, now: decide_release(stored, released_by, reason, now),
            # The event may be deleted by now, and its history still lack its time to live.
            (InvalidStateTransitionError, EventNotFoundError),
        )

    async def _change(
        self,
        event_id: str,
        decide: Decide,
        refusal: type[BreakGlassError] | tuple[type[BreakGlassError], ...],
    ) -> BreakGlassEvent:
        # One operation to the end, because whoever closes the store waits for it.
        with self._calls.operation() as operation:
            try:
                row = await self._reads.event_row(operation, event_id)
                change = await self._commits.commit(
                    operation, event_id, event_rule(event_id, decide), row
                )
            except refusal:
                # An earlier call may have got no further than this.
                await self._follow(event_id)
                raise
            await self._follow(event_id)
        return change.stored

    async def _follow(self, event_id: str) -> None:
        """Give the rows of a history the time to live that the event's row says, or none."""
        try:
            for _ in range(_ROUNDS):
                if await self._follow_once(event_id):
                    return
        except BreakGlassError as error:
            # Whatever it is, the event itself is held or released already.
            raise StoreUnavailableError(
                f"event {event_id}: not all of its history is changed yet: {error}",
                outcome_unknown=True,
            ) from error
        raise StoreUnavailableError(
            f"event {event_id}: others changed its history {_ROUNDS} times in a row; try again",
            outcome_unknown=True,
        )

    async def _follow_once(self, event_id: str) -> bool:
        operation = self._calls.renewed()
        item = await self._reads.row(operation, self._table.layout.event_key(event_id))
        if item is None:
            # Its retention is over, so that of its history says when that goes.
            return True
        # A tombstone is followed as well, because the event may have been deleted meanwhile.
        row = Row(item, self._table.layout)
        if row.tip is None and "held_by" not in item:
            # Another writer replaced the row, and it may have been held until then.
            return True
        entries = (await self._histories.rows(operation, event_id)).values()
        waiting = iter([each for each in map(self._update_of(row), entries) if each is not None])
        while parts := list(islice(waiting, _TOGETHER)):
            # Each transaction has its own time limit, because there may be many.
            operation = self._calls.renewed()
            refusal = await self._calls.write(operation, [self._check(row), *parts])
            if refusal is not None:
                return False
        return True

    def _check(self, row: Row) -> Part:
        """Require that the event is held as it was read, or not held and kept as long."""
        held_at, kept = row.item.get("held_at"), row.item.get("history_ttl")
        values: Item = {}
        conditions: list[str] = []
        for name, value in (("held_at", held_at), ("history_ttl", kept)):
            if value is None:
                conditions.append(f"attribute_not_exists(#{name})")
            else:
                conditions.append(f"#{name} = :{name}")
                values[f":{name}"] = value
        return part(
            self._table,
            EVENT,
            "ConditionCheck",
            row.key,
            " AND ".join(conditions),
            names=("held_at", "history_ttl"),
            values=values,
        )

    def _update_of(self, row: Row) -> Callable[[Item], Part | None]:
        """Return a function that returns the update of an entry's row; None if there is none."""
        layout = self._table.layout
        is_held, tip = "held_at" in row.item, row.tip
        kept = None if tip is None or tip.history_ttl is None else {"N": str(tip.history_ttl)}

        def update(entry: Item) -> Part | None:
            own = entry.get("history_ttl")
            # What the row says was shortened if an entry says more, and must stay visible.
            until = own if tip is None or _is_kept_longer(entry, tip) else kept
            expected: dict[str, AttributeValue | None] = {
                layout.ttl_attribute: None if is_held else until,
                "history_ttl": until,
            }
            changes = {name: value for name, value in expected.items() if entry.get(name) != value}
            if not changes:
                return None
            key = str(entry[layout.partition_key]["S"])
            return _changed(self._table, key, entry, changes)

        return update


def _is_kept_longer(entry: Item, tip: Tip) -> bool:
    """Return whether an entry is to be kept longer than the event's row says."""
    own = number_of(entry, "history_ttl")
    if own is None or tip.history_ttl is None:
        return "history_ttl" not in entry and tip.history_ttl is not None
    return own > tip.history_ttl


def _changed(
    table: Table, key: str, entry: Item, changes: dict[str, AttributeValue | None]
) -> Part:
    """Return the update of attributes of a row that is as it was read."""
    expression, values = update_expression(table.layout, changes)
    # An update without this would make a row in place of one that is gone.
    conditions = ["attribute_exists(#pk)"]
    for name in ("hash", *changes):
        placeholder = table.layout.placeholder(name)
        if name in entry:
            conditions.append(f"#{placeholder} = :{placeholder}")
            values[f":{placeholder}"] = entry[name]
        else:
            conditions.append(f"attribute_not_exists(#{placeholder})")
    return part(
        table,
        key,
        "Update",
        key,
        " AND ".join(conditions),
        names=(table.layout.partition_key, "hash", *changes),
        values=values,
        UpdateExpression=expression,
    )
