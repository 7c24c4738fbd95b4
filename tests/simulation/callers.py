"""What people know of the events, and the calls that they make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiobreakglass import (
    MAX_DURATION,
    ActiveEventExistsError,
    BreakGlassEvent,
    BreakGlassStatus,
    ConcurrentModificationError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ReviewRefusedError,
    expire_due,
)
from aiobreakglass.testing import make_event
from tests.simulation.plan import Step
from tests.simulation.process import START, Process
from tests.simulation.record import Call
from tests.simulation.timeline import Pair

if TYPE_CHECKING:
    from tests.simulation.world import World

_LONGEST_AIM: Final = 90.0
_ASKS_FOR_WHAT_IS_GONE: Final = 0.2
"""How often somebody may ask for an event that is not there."""
_Work = Callable[[], Coroutine[Any, Any, Any]]


def names(pair: int) -> Pair:
    """Return a pair by its number: two invokers, each with as many profiles as there are."""
    return f"invoker-{pair % 2}", f"profile-{pair // 2}"


class Callers:
    """All callers of a history; they tell one another what they have seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._holders: dict[Pair, BreakGlassEvent] = {}
        """The active event of each pair, as it was seen last."""
        self._seen: dict[Pair, list[BreakGlassEvent]] = {}
        """All that was seen of each pair, outdated versions too."""
        self._gone: set[str] = set()
        """The events that somebody was told not to be there."""

    async def take(self, step: Step) -> None:
        """Make the call of a step, when its time has come."""
        pair = names(step.pair)
        if step.aim is not None:
            await self._aim(self._subject(step, pair), step.aim)
        process = self._world.processes[step.process]
        call, work = self._call(step, process, pair)
        await self._world.call(call, work, step.cancelled_after)

    def note(self, call: Call) -> None:
        """Remember what a caller was told."""
        if call.kind == "delete" or call.is_refused:
            self._note_gone(call)
        if isinstance(call.value, BreakGlassEvent):
            self._gone.discard(call.event_id)
            self._remember(call.value)
        elif isinstance(call.error, ActiveEventExistsError | ReviewRefusedError):
            self._remember(call.error.event)
        elif isinstance(call.error, EventHeldError):
            # That of a row that is not an event has none.
            if call.kind == "hold":
                self._remember(call.error.event)
        elif isinstance(call.error, ConcurrentModificationError) and call.error.current:
            self._remember(call.error.current)

    def _note_gone(self, call: Call) -> None:
        """Remember that there is no such event, if a caller was told so."""
        was_refused = call.kind == "create" and not isinstance(call.error, EventExistsError)
        was_deleted = call.kind == "delete" and call.error is None and call.ended is not None
        if was_refused or was_deleted or isinstance(call.error, EventNotFoundError):
            self._gone.add(call.event_id)

    def _remember(self, event: BreakGlassEvent) -> None:
        pair = event.invoker, event.profile
        self._seen.setdefault(pair, []).append(event)
        holder = self._holders.get(pair)
        if event.status == "active":
            self._holders[pair] = event
        elif holder is not None and holder.id == event.id:
            del self._holders[pair]

    def _subject(self, step: Step, pair: Pair) -> BreakGlassEvent | None:
        if step.on_holder and pair in self._holders:
            return self._holders[pair]
        seen = self._seen.get(pair, [])
        known = [event for event in seen if event.id not in self._gone]
        if known and step.choice > _ASKS_FOR_WHAT_IS_GONE:
            seen = known
        return seen[int(step.choice * len(seen))] if seen else None

    async def _aim(self, event: BreakGlassEvent | None, after: float) -> None:
        """Wait for the lapse of an event, if that is near."""
        if event is not None:
            lapse = (event.expires_at - START).total_seconds()
            left = lapse + after - self._world.loop.time()
            if 0 < left < _LONGEST_AIM:
                await asyncio.sleep(left)

    def _call(self, step: Step, process: Process, pair: Pair) -> tuple[Call, _Work]:
        store, call = process.store, Call(step.number, step.kind, process, pair)
        call.sign = f"step-{step.number}"
        if step.kind == "create":
            event = self.new_event(call, step, process.clock.present())
            self._seen.setdefault(pair, []).append(event)
            return self._about(call, event), partial(store.create, event, **_signed(call))
        if step.kind in _OF_NO_EVENT:
            return self._of_no_event(call, step)
        subject = self._subject(step, pair)
        if step.kind in _OVERSIGHT:
            subject = self._to_oversee(step, pair)
        if subject is None:
            call.kind = "check"
            return call, partial(store.find_active_by_invoker_and_profile, *pair)
        self._about(call, subject)
        if step.kind == "create again":
            call.kind = "create"
            return call, partial(store.create, subject, **_signed(call))
        if step.kind == "get":
            return call, partial(store.get, subject.id)
        if step.kind == "delete":
            return call, partial(store.delete, subject.id, **_signed(call))
        if step.kind == "history":
            return call, partial(store.history, subject.id)
        if step.kind == "close":
            call.subject, call.note = None, "done"
            return call, partial(
                store.close, subject.id, closed_by=call.sign, closed_reason=call.note
            )
        if step.kind in _GOVERNED:
            return call, self._governed(call, step, subject)
        call.kind = "update"
        changed = _changed(subject, step, call.sign, process.clock.present())
        call.asked = {"right": step.kind not in ("rewrite", "shorten")}
        return self._about(call, changed), partial(store.update, changed, **_signed(call))

    def _governed(self, call: Call, step: Step, subject: BreakGlassEvent) -> _Work:
        store, sign = call.process.store, call.sign
        call.subject, call.note = None, f"{sign} had to"
        match step.kind:
            case "prolong":
                now = call.process.clock.present()
                later = max(subject.expires_at, now) + timedelta(seconds=step.lifetime)
                end = min(later, subject.created_at + MAX_DURATION)
                if step.choice < 0.06:
                    end += MAX_DURATION
                call.asked = {"expires_at": end}
                return partial(
                    store.extend, subject.id, expires_at=end, extended_by=sign, reason=call.note
                )
            case "review":
                # Now and then somebody reviews their own use.
                reviewer = subject.invoker.upper() if step.choice < 0.05 else sign
                outcome = _OUTCOMES[step.number % len(_OUTCOMES)]
                call.asked = {"reviewed_by": reviewer, "outcome": outcome}
                return partial(
                    store.review,
                    subject.id,
                    reviewed_by=reviewer,
                    outcome=outcome,
                    comment=call.note,
                )
            case "hold":
                return partial(store.hold, subject.id, held_by=sign, reason=call.note)
        return partial(store.release_hold, subject.id, released_by=sign, reason=call.note)

    def _to_oversee(self, step: Step, pair: Pair) -> BreakGlassEvent | None:
        """Return an event that can be reviewed or released, as far as anybody knows, mostly."""
        newest = {event.id: event for event in self._seen.get(pair, ())}
        events = list(newest.values())
        is_right = _OVERSIGHT[step.kind]
        right = [event for event in events if event.id not in self._gone and is_right(event)]
        chosen = right if right and step.on_holder else events
        return chosen[-1 - int(step.choice * min(len(chosen), 4))] if chosen else None

    def _of_no_event(self, call: Call, step: Step) -> tuple[Call, _Work]:
        store, (invoker, profile) = call.process.store, call.pair
        if step.kind == "check":
            return call, partial(store.find_active_by_invoker_and_profile, invoker, profile)
        if step.kind == "check many":
            profiles = ["profile-1", "profile-0"]
            call.asked = {"profiles": profiles}
            return call, partial(store.find_active_by_invoker_and_profiles, invoker, profiles)
        if step.kind == "last":
            return call, partial(store.get_last_by_invoker_and_profile, invoker, profile)
        if step.kind == "list reviews":
            outcome = "needs_follow_up" if step.on_holder else None
            limit = 2 if step.choice < 0.3 else 100
            call.asked = {"outcome": outcome}
            return call, partial(store.list_awaiting_review, limit, outcome=outcome)
        if step.kind == "sweep":
            return call, partial(expire_due, store, now=call.process.clock.present())
        field, value = [
            ("invoker", invoker),
            ("profile", profile),
            ("status", "active"),
            ("status", "closed"),
        ][int(step.choice * (4 if step.kind == "list" else 2))]
        call.asked = {"field": field, "value": value}
        if step.kind == "list":
            limit, on_corrupt = (2, "skip") if step.on_holder else (100, "raise")
            method = getattr(store, f"list_by_{field}")
            return call, partial(method, value, limit, on_corrupt=on_corrupt)
        return call, partial(
            getattr(store, f"count_by_{field}_since"), value, START - timedelta(1)
        )

    def new_event(self, call: Call, step: Step, now: datetime) -> BreakGlassEvent:
        """Return an event that a caller is about to create, now and then one from before."""
        invoker, profile = call.pair
        before = timedelta(seconds=120 * step.choice if step.choice < 0.2 else 0)
        return make_event(
            id=step.event_id,
            invoker=invoker,
            profile=profile,
            created_at=now - before,
            duration=min(timedelta(seconds=step.lifetime) + before, MAX_DURATION),
            justification=f"{call.sign} has to look after {profile}",
        )

    def _about(self, call: Call, event: BreakGlassEvent) -> Call:
        call.subject, call.event_id = event, event.id
        return call


def _signed(call: Call) -> dict[str, str]:
    """Return what a caller has a history say of its change."""
    call.note = f"{call.sign} had to"
    return {"by": call.sign, "note": call.note}


_OF_NO_EVENT: Final = (
    "check",
    "check many",
    "last",
    "sweep",
    "list",
    "count",
    "list reviews",
)
_GOVERNED: Final = ("prolong", "review", "hold", "release")
_OUTCOMES: Final = ("justified", "needs_follow_up", "unjustified", "justified")


def _waits_for_review(event: BreakGlassEvent) -> bool:
    return event.status.is_terminal and (
        event.review_outcome is None or not event.review_outcome.is_final
    )


_OVERSIGHT: Final[dict[str, Callable[[BreakGlassEvent], bool]]] = {
    "review": _waits_for_review,
    "hold": lambda event: event.held_by is None,
    "release": lambda event: event.held_by is not None,
}
"""The events that can be reviewed, held and released."""


def _changed(event: BreakGlassEvent, step: Step, sign: str, now: datetime) -> BreakGlassEvent:
    """Return an event as a step wants it; the store is to judge whether that can be."""
    changes: dict[str, Any] = {"request_id": sign}
    if step.kind == "rewrite":
        changes["justification"] = f"{sign} had quite another reason for it"
    elif event.status != "active":
        pass
    elif step.kind == "extend":
        later = max(event.expires_at, now) + timedelta(seconds=step.lifetime)
        changes["expires_at"] = min(later, event.created_at + MAX_DURATION)
    elif step.kind == "shorten":
        changes["expires_at"] = now + (event.expires_at - now) * step.choice
    elif step.kind == "expire":
        changes["status"] = BreakGlassStatus.EXPIRED
    elif step.kind == "close by update":
        closing = {"closed_by": sign, "closed_reason": "done"}
        changes |= {"status": BreakGlassStatus.CLOSED, **closing}
    return event.model_copy(update=changes)
