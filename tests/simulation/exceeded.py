"""Check the limits after every commit: what was opened and extended, by the deciding clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Final, NamedTuple

from aiobreakglass import MAX_DURATION, BreakGlassEvent, Limits
from tests.simulation.record import Packet
from tests.simulation.timeline import DELETED, LAYOUT, Sight, Timeline

_Change = tuple[Sight, Sight]


class Opening(NamedTuple):
    """One use of the door, as its own entry tells it."""

    at: datetime
    """By the clock of the host that decided on it."""
    event: BreakGlassEvent


class Use(NamedTuple):
    """Who or what uses a limit, and the limit: uses within different ones do not count together.

    A limit that was lowered holds for the openings that were decided by it.
    """

    name: str
    of: tuple[str, ...]
    most: int
    within: timedelta | None


class Exceeded:
    """Watch what is opened and extended under limits."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._openings: defaultdict[Use, list[Opening]] = defaultdict(list)
        self._is_disturbed = False
        """Whether others have changed a row from which uses are counted."""

    def disturb(self) -> None:
        """Excuse what follows: others have set rows back from which uses are counted."""
        self._is_disturbed = True

    def of_commit(self, changes: Mapping[str, _Change], packet: Packet) -> Iterator[str]:
        """Yield what a commit of a call had no right to."""
        slots = [key for key in changes if key.startswith(LAYOUT.slot_prefix)]
        opened = [
            after.event
            for key, (before, after) in changes.items()
            if key.startswith(LAYOUT.event_prefix) and before.said is None
            if after.event is not None and not after.event.status.is_terminal
        ]
        if slots and len(opened) != 1:
            yield f"{packet.call} took {', '.join(slots)} and opened nothing"
            return
        for event in opened:
            openings = self._timeline.openings(event.id)
            if not openings:
                # What is not recorded is found by `Chains`.
                return
            at = openings[-1]
            for key in slots:
                yield from self._of_slot(*changes[key], event, at, packet)
            if packet.rules is not None:
                yield from self._of_opening(Opening(at, event), packet.rules, slots, packet)
        for key, (before, after) in changes.items():
            if key.startswith(LAYOUT.event_prefix) and before.event and after.event:
                yield from of_extension(before.event, after.event, packet.rules)

    def _of_slot(
        self, before: Sight, after: Sight, event: BreakGlassEvent, at: datetime, packet: Packet
    ) -> Iterator[str]:
        item = after.item or {}
        if after.said != event.id:
            yield f"{event.id} left a slot to {after.said}"
        if item["used_at"] != {"S": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}:
            yield f"{event.id} was opened at {at}, and its slot says {item['used_at']}"
        if self._is_disturbed or before.said is None or packet.rules is None:
            return
        key = str(item["pk"]["S"])
        within = _within(packet.rules, key.removeprefix(LAYOUT.slot_prefix)[0])
        if within is None:
            if self._owes(str(before.said), packet.clock):
                yield f"{event.id} took {key}, which {before.said} needs until it is reviewed"
        elif before.item is not None:
            used_at = datetime.fromisoformat(before.item["used_at"]["S"])
            if used_at + within > at:
                yield f"{event.id} took {key} at {at}, which was in use since {used_at}"

    def _of_opening(
        self, opening: Opening, rules: Limits, slots: list[str], packet: Packet
    ) -> Iterator[str]:
        event = opening.event
        if rules.max_duration is not None and _length(event) > rules.max_duration:
            yield f"{event.id} lasts {_length(event)} of {rules.max_duration}"
        uses = _uses(event, rules)
        if len(slots) != len(uses):
            yield f"{event.id} took {slots} for {', '.join(use.name for use in uses)}"
        for use in uses:
            openings = self._openings[use]
            openings.append(opening)
            if self._is_disturbed:
                continue
            if use.within is None:
                counted = [each for each in openings if self._owes(each.event.id, packet.clock)]
                if len(counted) > use.most:
                    yield f"{_told(counted)} wait for their review, and {use.most} may"
            elif crowd := _crowd(openings, opening, use.most, use.within):
                yield f"{use.name}: {_told(crowd)} within {use.within}, and {use.most} may"

    def _owes(self, event_id: str, now: datetime) -> bool:
        return owes(self._timeline, event_id, self._timeline.serial, now)


def owes(timeline: Timeline, event_id: str, serial: int, now: datetime) -> bool:
    """Tell whether an event had no final review after a commit, also if it was deleted by then.

    What was deleted without one counts until its history ends.
    """
    sights = [
        sight for sight in timeline.ever(LAYOUT.event_key(event_id)) if sight.since <= serial
    ]
    if any(sight.event and sight.event.review_outcome in FINAL for sight in sights):
        return False
    newest = sights[-1]
    return has_history(newest, now) if newest.said == DELETED else newest.event is not None


def has_history(tombstone: Sight, now: datetime) -> bool:
    """Tell whether the history of a deleted event may not go yet."""
    kept = (tombstone.item or {}).get("history_ttl")
    return kept is None or datetime.fromtimestamp(int(kept["N"]), UTC) > now


def of_extension(
    old: BreakGlassEvent, new: BreakGlassEvent, rules: Limits | None
) -> Iterator[str]:
    """Yield the limits that an event was extended past."""
    if new.status.is_terminal or new.expires_at <= old.expires_at:
        return
    if _length(new) > MAX_DURATION:
        yield f"{new.id} was extended to {_length(new)}"
    if rules is None:
        return
    if rules.max_duration is not None and _length(new) > rules.max_duration:
        yield f"{new.id} was extended to {_length(new)} of {rules.max_duration}"
    if rules.max_extensions is not None and new.extensions > rules.max_extensions:
        yield f"{new.id} was extended {new.extensions} of {rules.max_extensions} times"


FINAL: Final = ("justified", "unjustified")


def _uses(event: BreakGlassEvent, rules: Limits) -> list[Use]:
    invoker, profile = event.invoker, event.profile
    uses: list[Use] = []
    if rules.cooldown is not None:
        uses.append(Use("cooldown", (invoker, profile), 1, rules.cooldown))
    if rules.per_invoker is not None:
        quota = rules.per_invoker
        uses.append(Use("per_invoker", (invoker,), quota.uses, quota.within))
    if rules.per_profile is not None:
        quota = rules.per_profile
        uses.append(Use("per_profile", (profile,), quota.uses, quota.within))
    if rules.max_unreviewed is not None:
        uses.append(Use("max_unreviewed", (invoker,), rules.max_unreviewed, None))
    return uses


def _within(rules: Limits, kind: str) -> timedelta | None:
    match kind:
        case "C":
            return rules.cooldown
        case "I":
            return None if rules.per_invoker is None else rules.per_invoker.within
        case "P":
            return None if rules.per_profile is None else rules.per_profile.within
    return None


def _crowd(
    openings: list[Opening], newest: Opening, most: int, within: timedelta
) -> list[Opening]:
    """Return the openings of an interval that has the newest one and too many, if there is one.

    An interval begins with an opening, and ends before the instant that is `within` later.
    """
    near = [each for each in openings if abs(each.at - newest.at) < within]
    near.sort(key=attrgetter("at"))
    for start, first in enumerate(near):
        crowd = [each for each in near[start:] if each.at < first.at + within]
        if len(crowd) > most:
            return crowd
    return []


def _length(event: BreakGlassEvent) -> timedelta:
    return event.expires_at - event.created_at


def _told(openings: list[Opening]) -> str:
    return ", ".join(f"{each.event.id} at {each.at:%H:%M:%S.%f}" for each in openings)
