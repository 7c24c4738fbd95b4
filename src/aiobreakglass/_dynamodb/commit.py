"""Run the only write loop: read, decide, collect the parts, send, and interpret a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from aiobreakglass import _randomness
from aiobreakglass._aws.calls import Calls, Operation
from aiobreakglass._aws.transaction import Item, Refusal
from aiobreakglass._domain.change import Action, Change
from aiobreakglass._domain.errors import (
    ActiveEventExistsError,
    BreakGlassError,
    CorruptItemError,
    EventHeldError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.history import Tip, recorded
from aiobreakglass._domain.rules import MAX_CLOCK_LEAD, decide_delete, decide_expiry
from aiobreakglass._domain.slots import SlotKind, Taken
from aiobreakglass._dynamodb.histories import Histories
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt, Contributor, Verdict
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart, stale_guard_parts
from aiobreakglass._dynamodb.parts.history import AdoptionPart, HistoryPart, written_entry
from aiobreakglass._dynamodb.parts.slot import SlotPart
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.requests import BATCH
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row, event_row

Decided = TypeVar("Decided", Change, Change | None)

Rule = Callable[[Row | None, datetime], Decided]
"""Decides what to do with an event's row, or with None if there is no row, at an instant.

It returns None if there is nothing to do, and raises if the change is not allowed.
"""

Decide = Callable[[BreakGlassEvent, datetime], Change]
"""Decides what to do with an existing event at an instant."""

TakeSlots = Callable[[Operation, Change, str], Awaitable[Sequence[Taken]]]
"""Returns the slots that a change takes, or raises what refuses it; the text is the write's id."""

ROUNDS: Final = 16
"""How often a write starts over because others changed its rows meanwhile."""


class Commits:
    """Commits each change as one transaction of all contributors' parts."""

    def __init__(
        self,
        calls: Calls,
        table: Table,
        contributors: Sequence[Contributor],
        retention: Retention,
        clock: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._table = table
        self._reads = Reads(calls, table)
        self._histories = Histories(self._reads, table)
        self._retention = retention
        self._contributors = contributors
        self._clock = clock

    async def commit(
        self,
        operation: Operation,
        event_id: str,
        rule: Rule[Decided],
        row: Row | None,
        take_slots: TakeSlots | None = None,
    ) -> Decided:
        """Write the change that a rule decides on and return it; None if there is nothing to do.

        Every exception says whether the change may have happened.

        Args:
            operation: The operation that the write is part of.
            event_id: The id of the event.
            rule: Decides on the change, and again after each conflict.
            row: The event's row as it was read; None if there is none.
            take_slots: Reads what limits the change, and returns the slots that it takes.
        """
        try:
            return await self._commit(operation, event_id, rule, row, take_slots)
        except Exception as error:
            if not operation.outcome_unknown or getattr(error, "outcome_unknown", False):
                raise
            # The row that refused the last attempt may be our own change, changed again since. Or
            # that row may go away, and then the lost attempt may still succeed.
            raise StoreUnavailableError(
                f"one attempt got no answer, and the next one failed: {error}",
                outcome_unknown=True,
            ) from error

    async def _commit(
        self,
        operation: Operation,
        event_id: str,
        rule: Rule[Decided],
        row: Row | None,
        take_slots: TakeSlots | None,
    ) -> Decided:
        write_id = _randomness.token(16)
        without: str | None = None
        tip = None if row is None else row.tip
        for _ in range(ROUNDS):
            decided_on = row
            change, row = await self._decide(operation, event_id, rule, row)
            if change is None:
                return change
            if row is not decided_on:
                tip = None if row is None else row.tip
            tip = await self._verified(operation, event_id, tip, change.at)
            if change.action is Action.RELEASED and tip is not None:
                kept = self._retention.of_release(change.at, tip.history_ttl)
                tip = tip._replace(history_ttl=kept)
            record = recorded(event_id, change, tip, self._new_ttl(change, row))
            slots = await take_slots(operation, change, write_id) if take_slots else ()
            attempt = Attempt(change, row, record, write_id, slots)
            refusal = await self._send(operation, attempt, without)
            if refusal is None:
                return change
            operation.outcome_unknown |= refusal.may_still_land
            without = None
            if not refusal.rows:
                # It was too late to send, so the rule decides again, at a later instant.
                continue
            role, verdict = self._verdict(attempt, refusal)
            match verdict:
                case Verdict.OURS:
                    return self._landed(change, refusal.rows[role])
                case Verdict.AGAIN:
                    # DynamoDB returned the row that refused ours; None means that it is gone.
                    row = event_row(refusal.rows[role], self._table.layout)
                    tip = None if row is None else row.tip
                case Verdict.WITHOUT:
                    without = role
                case Verdict.TAKEN:
                    # The next round reads the slots again.
                    pass
                case Verdict.BEHIND:
                    # Another writer dropped or reverted what the row says about the history.
                    taken = record.entries[0].revision
                    tip = await self._histories.tip(operation, event_id, taken)
                case Verdict.BLOCKED:
                    if await self._clear_guard(operation, attempt, refusal.rows[role]):
                        return change
        raise overtaken(event_id)

    async def _verified(
        self, operation: Operation, event_id: str, tip: Tip | None, now: datetime
    ) -> Tip | None:
        """Return the newest entry from the history itself if what the row says is doubtful.

        Another writer may have set it. A revision that no entry has would put the next entry where
        nobody looks for it, and a time in the future would give all later entries later times.
        """
        if tip is None or (tip.revision <= BATCH and tip.at - now <= MAX_CLOCK_LEAD):
            return tip
        read = await self._histories.tip(operation, event_id, tip.revision)
        if read is None:
            read = await self._histories.tip(operation, event_id, 1)
        if read is None:
            return tip
        is_same = (read.revision, read.head) == (tip.revision, tip.head)
        return tip._replace(at=read.at) if is_same else read

    def _new_ttl(self, change: Change, row: Row | None) -> Callable[[datetime], int | None]:
        """Return what decides how long a history is kept that begins with a change."""
        if row is None or change.before is None:
            return self._retention.of_history
        return partial(self._retention.of_old_history, stored=row.ttl)

    async def _decide(
        self, operation: Operation, event_id: str, rule: Rule[Decided], row: Row | None
    ) -> tuple[Decided, Row | None]:
        """Return the rule's decision, and the row that it is about."""
        now = self._clock()
        try:
            return rule(row, now), row
        except Exception as error:
            if row is not None and not row.is_fresh:
                row = await self._reads.event_row(operation, event_id)
                return await self._decide(operation, event_id, rule, row)
            is_refused = isinstance(error, InvalidStateTransitionError)
            if is_refused and row is not None and row.event.is_lapsed(now):
                # The event has lapsed whether or not we mark it.
                with suppress(BreakGlassError):
                    await self._mark_expired(operation, row)
            raise

    async def _send(
        self, operation: Operation, attempt: Attempt, without: str | None
    ) -> Refusal | None:
        parts = [
            part
            for contributor in self._contributors
            if contributor.role != without
            for part in contributor.parts(attempt)
        ]

        def time_left() -> timedelta | None:
            return attempt.change.time_left(self._clock())

        return await self._calls.write(operation, parts, time_left)

    def _verdict(self, attempt: Attempt, refusal: Refusal) -> tuple[str, Verdict]:
        """Return a refused part's role and its contributor's verdict: the first that explains it.

        A part of the history is also refused if the row was changed after it was read, so its
        contributor has the last word.
        """
        verdicts: list[tuple[str, Verdict]] = []
        for contributor in self._contributors:
            if contributor.role not in refusal.rows:
                continue
            verdict = contributor.refused(attempt, refusal.rows[contributor.role])
            verdicts.append((contributor.role, verdict))
            if verdict is not Verdict.BEHIND:
                break
        return verdicts[-1]

    def _landed(self, change: Change, existing: Item | None) -> Change:
        """Return our own change as an earlier round wrote it, at another instant perhaps."""
        entry = None if existing is None else written_entry(existing, self._table.layout)
        return change if entry is None else replace(change, after=entry.event)

    async def _clear_guard(
        self, operation: Operation, attempt: Attempt, guard: Item | None
    ) -> bool:
        """Clear a stale guard, or raise if its holder is active; return True if that is ours."""
        if guard is None:
            return False
        event = attempt.change.stored
        holder_id = self._reads.event_id_of(guard)
        row = await self._reads.event_row(operation, holder_id)
        if row is not None and row.is_written_by(attempt.write_id):
            return True
        holder = None if row is None else row.active_event(event.invoker, event.profile)
        if holder is not None and holder.is_active(self._clock()):
            raise ActiveEventExistsError(holder)
        try:
            if row is None or holder is None:
                parts = stale_guard_parts(self._table, event.invoker, event.profile, holder_id)
                await self._calls.write(operation.for_other_rows(), parts)
            else:
                await self._mark_expired(operation, row)
        except InvalidStateTransitionError:
            # Somebody else ended or extended it; the next round reads it again.
            pass
        except StoreUnavailableError as error:
            # The lost write was about other rows, so it says nothing about this event.
            raise StoreUnavailableError(error.message, operation.outcome_unknown) from error
        return False

    async def _mark_expired(self, operation: Operation, row: Row) -> None:
        await self.commit(operation.for_other_rows(), row.event_id, _expiry_rule, row)


def contributors(table: Table, retention: Retention) -> list[Contributor]:
    """Return all contributors; if several parts are refused, the first one's verdict counts."""
    return [
        HistoryPart(table),
        AdoptionPart(table),
        EventPart(table, retention),
        GuardPart(table),
        *(SlotPart(table, kind) for kind in SlotKind),
    ]


def overtaken(event_id: str) -> StoreUnavailableError:
    """Return the error for a write that others have overtaken in each of its rounds."""
    return StoreUnavailableError(
        f"event {event_id}: others changed its rows {ROUNDS} times in a row; try again"
    )


def event_rule(event_id: str, decide: Decide) -> Rule[Change]:
    """Return a rule that raises `EventNotFoundError` unless the event exists."""

    def rule(row: Row | None, now: datetime) -> Change:
        if row is None:
            raise EventNotFoundError(event_id)
        return decide(row.event, now)

    return rule


def delete_rule(by: str | None, note: str | None) -> Rule[Change | None]:
    """Return a rule that deletes a row if there is one, even if it is not an event."""

    def rule(row: Row | None, now: datetime) -> Change | None:
        if row is None:
            return None
        try:
            event = row.event
        except CorruptItemError:
            if "held_by" in row.item:
                raise EventHeldError(row.event_id) from None
            return decide_delete(None, now, by, note)
        return decide_delete(event, now, by, note)

    return rule


def _expiry_rule(row: Row | None, now: datetime) -> Change | None:
    return None if row is None else decide_expiry(row.event, now)
