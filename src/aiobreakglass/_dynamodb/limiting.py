"""Read what limits the opening of access, and choose the slots that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

from aiobreakglass import _randomness
from aiobreakglass._aws.calls import Operation
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.errors import (
    ActiveEventExistsError,
    CorruptItemError,
    EventExistsError,
    LimitExceededError,
)
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.history import seconds_since_1970
from aiobreakglass._domain.limits import Limits, LimitsFor, check_opening, limits_of
from aiobreakglass._domain.slots import (
    ENDLESS,
    Pool,
    Slot,
    SlotKind,
    Taken,
    Use,
    pools_of,
    slots_of,
    take,
)
from aiobreakglass._dynamodb.codec import FINAL_OUTCOMES, is_tombstone
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.slot import read_use
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.record import number_of
from aiobreakglass._dynamodb.row import Row


class Limiting:
    """Applies a store's limits to each opening of access."""

    def __init__(
        self, reads: Reads, table: Table, limits: LimitsFor, clock: Callable[[], datetime]
    ) -> None:
        self._reads = reads
        self._table = table
        self.limits = limits
        self._clock = clock

    async def slots(self, operation: Operation, change: Change, write_id: str) -> Sequence[Taken]:
        """Return the slots that an opening takes, or raise what refuses it.

        Whoever already holds access is told that, before any limit that they have used up. If
        nothing is counted and no rule is broken, nothing is read.
        """
        event = change.stored
        if event.status.is_terminal:
            return ()
        limits = limits_of(self.limits, event)
        pools = pools_of(limits)
        if not pools and _follows_rules(limits, event):
            return ()
        slots = {
            self._table.layout.slot_key(slot): slot
            for slot in chain.from_iterable(slots_of(pool, event) for pool in pools)
        }
        rows = await self._rows(operation, event, slots)
        if await self._has_landed(operation, event, limits, rows, write_id):
            return ()
        uses, unreadable = self._uses(slots, rows)
        settled = await self._settled(operation, pools, uses)
        try:
            counted = uses | dict.fromkeys(unreadable, ENDLESS)
            return take(pools, event, counted, settled, change.at, _choose)
        except LimitExceededError as refusal:
            # DynamoDB read the rows one after the other. So the use that is in the way may be of
            # this very event, or of one that gives access by now.
            rows = await self._rows(operation, event)
            if await self._has_landed(operation, event, limits, rows, write_id):
                return ()
            (kind,) = (pool.kind for pool in pools if pool.limit == refusal.limit)
            for slot, error in unreadable.items():
                if slot.kind is kind:
                    raise error from None
            raise

    def _uses(
        self, slots: Mapping[str, Slot], rows: Mapping[str, Item]
    ) -> tuple[dict[Slot, Use], dict[Slot, CorruptItemError]]:
        """Return what slots say about their last uses, and the errors of those that say nothing.

        One broken row must not shut the door while other slots are free.
        """
        uses: dict[Slot, Use] = {}
        unreadable: dict[Slot, CorruptItemError] = {}
        for key, slot in slots.items():
            if key in rows:
                try:
                    uses[slot] = read_use(rows[key], self._table.layout)
                except CorruptItemError as error:
                    unreadable[slot] = error
        return uses, unreadable

    async def _has_landed(
        self,
        operation: Operation,
        event: BreakGlassEvent,
        limits: Limits,
        rows: Mapping[str, Item],
        write_id: str,
    ) -> bool:
        """Return whether an earlier attempt of this very write has succeeded.

        The next attempt will show that. Raise if something else refuses the event before any limit
        that counts.
        """
        layout = self._table.layout
        first = rows.get(layout.history_key(event.id, 1))
        if first is not None and Row(first, layout).is_written_by(write_id):
            return True
        if first is not None or layout.event_key(event.id) in rows:
            raise EventExistsError(event.id)
        check_opening(limits, event)
        await self._refuse_holder(operation, event, rows)
        return False

    async def _rows(
        self, operation: Operation, event: BreakGlassEvent, slots: Iterable[str] = ()
    ) -> Mapping[str, Item]:
        layout = self._table.layout
        return await self._reads.rows(
            operation,
            [
                layout.event_key(event.id),
                layout.history_key(event.id, 1),
                layout.guard_key(event.invoker, event.profile),
                *slots,
            ],
        )

    async def _refuse_holder(
        self, operation: Operation, event: BreakGlassEvent, rows: Mapping[str, Item]
    ) -> None:
        guard = rows.get(self._table.layout.guard_key(event.invoker, event.profile))
        if guard is None:
            return
        row = await self._reads.event_row(operation, self._reads.event_id_of(guard))
        holder = None if row is None else row.active_event(event.invoker, event.profile)
        if holder is not None and holder.is_active(self._clock()):
            raise ActiveEventExistsError(holder)

    async def _settled(
        self, operation: Operation, pools: Iterable[Pool], uses: Mapping[Slot, Use]
    ) -> set[str]:
        """Return the events of the slots of reviews that are gone or finally reviewed."""
        if not any(pool.kind is SlotKind.UNREVIEWED for pool in pools):
            return set()
        layout = self._table.layout
        keys = {
            layout.event_key(use.event_id): use.event_id
            for slot, use in uses.items()
            if slot.kind is SlotKind.UNREVIEWED
        }
        rows = await self._reads.rows(operation, keys)
        now = seconds_since_1970(self._clock())
        return {event_id for key, event_id in keys.items() if _is_settled(rows.get(key), now)}


def _is_settled(row: Item | None, now: int) -> bool:
    """Return whether an event's row is gone or finally reviewed: that is never reversed."""
    if row is None or row.get("review_outcome") in FINAL_OUTCOMES:
        return True
    # Deleting an event must not evade its review.
    kept = number_of(row, "history_ttl") if is_tombstone(row) else None
    return kept is not None and kept <= now


def _follows_rules(limits: Limits, event: BreakGlassEvent) -> bool:
    """Return whether an event breaks no rule about itself."""
    try:
        check_opening(limits, event)
    except LimitExceededError:
        return False
    return True


def _choose(free: Sequence[Taken]) -> Taken:
    return _randomness.source.get().choice(free)
