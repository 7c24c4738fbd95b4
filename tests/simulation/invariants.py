"""Check the table after every commit, also after other writers' commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

from aiobreakglass import BreakGlassEvent
from aiobreakglass._domain.change import EXTENSION_MARGIN
from aiobreakglass._domain.rules import IMMUTABLE_FIELDS
from tests.simulation.chains import Chains
from tests.simulation.dynamodb.database import Commit
from tests.simulation.exceeded import Exceeded
from tests.simulation.holds import Holds
from tests.simulation.record import Apart, Call, Finding, Kind, Packet, Written
from tests.simulation.timeline import CORRUPT, DELETED, LAYOUT, Pair, Sight, Timeline

_REVIEW: Final = ("reviewed_by", "reviewed_at", "review_outcome", "review_comment")
_HOLD: Final = ("held_by", "held_at", "held_reason")
_BLINK: Final = timedelta(milliseconds=1)


class Invariants:
    """Watch the table, commit by commit."""

    def __init__(
        self,
        timeline: Timeline,
        on_finding: Callable[[Finding], None],
        on_apart: Callable[[Apart], None],
        *,
        one_retention: bool,
    ) -> None:
        self._timeline = timeline
        self._on_finding = on_finding
        self._on_apart = on_apart
        self._active: defaultdict[Pair, dict[str, None]] = defaultdict(dict)
        """The keys of the rows that say that they are active, by the pair that they are of."""
        self.chains = Chains(
            timeline,
            on_finding,
            one_retention=one_retention,
            is_interrupted=lambda event_id: self.holds.is_interrupted(event_id),
        )
        self.holds = Holds(
            timeline,
            lambda text: on_finding(Finding(Kind.FREED, text)),
            self.chains.is_disturbed,
        )
        self._exceeded = Exceeded(timeline)
        self._outlaws: set[str] = set()
        """Those of them that others left without a guard."""

    def commit(self, commit: Commit, packet: Packet | None, now: float) -> None:
        """Judge a commit, and the packet that made it."""
        changes = self._timeline.add(commit)
        pairs = self._note_active(changes)
        self.chains.commit(commit, changes, packet)
        if commit.cause == "restore":
            self._exceeded.disturb()
        if packet is None or packet.call is None:
            for pair in pairs:
                self._outlaw(pair)
            return
        call = packet.call
        for text in self._exceeded.of_commit(changes, packet):
            self._on_finding(Finding(Kind.EXCEEDED, text))
        self.holds.commit(changes, call)
        for key, (before, after) in changes.items():
            call.written.append(Written(key, before, after, packet.is_copy))
            if key.startswith(LAYOUT.event_prefix):
                for finding in self._of_event(before, after, packet, now):
                    self._on_finding(finding)
        for pair in pairs:
            for finding in self._of_pair(pair, changes):
                self._on_finding(finding)
        if call.is_refused:
            self.refused(call, call.written[-len(changes) :])

    def refused(self, call: Call, written: Iterable[Written]) -> None:
        """Judge what was written by a call whose caller was told that nothing was."""
        for row in written:
            if not does_what_was_asked(call, row):
                continue
            if row.by_copy:
                self._on_apart(Apart.TWICE)
            else:
                text = f"{call} was refused, and {row.key} is {_named(row.after)}"
                self._on_finding(Finding(Kind.LANDED, text))

    def _note_active(self, changes: dict[str, tuple[Sight, Sight]]) -> list[Pair]:
        """Keep the active rows by pair, and return the pairs that a commit concerns."""
        pairs: dict[Pair, None] = {}
        for key, (before, after) in changes.items():
            for sight in (before, after):
                if sight.claimed is not None:
                    pairs[sight.claimed] = None
                event = sight.event
                if event is not None:
                    pairs[event.invoker, event.profile] = None
            if before.claimed is not None:
                self._active[before.claimed].pop(key, None)
            if after.claimed is not None:
                self._active[after.claimed][key] = None
            else:
                self._outlaws.discard(key)
            if key.startswith(LAYOUT.guard_prefix):
                _, invoker, profile = key.removeprefix(LAYOUT.guard_prefix).split("#")
                pairs[invoker, profile] = None
        return list(pairs)

    def _outlaw(self, pair: Pair) -> None:
        """Excuse what others have left without its guard."""
        for key in self._active[pair]:
            if not self._is_guarded(pair, key):
                self._outlaws.add(key)

    def _is_guarded(self, pair: Pair, key: str) -> bool:
        guard = self._timeline.now(LAYOUT.guard_key(*pair))
        return guard.said is not None and LAYOUT.event_key(str(guard.said)) == key

    def _of_pair(self, pair: Pair, changes: dict[str, tuple[Sight, Sight]]) -> Iterator[Finding]:
        active = [key for key in self._active[pair] if key not in self._outlaws]
        if len(active) > 1:
            yield Finding(Kind.STACKED, f"{pair} is held by {', '.join(active)}")
        for key in active:
            if not self._is_guarded(pair, key):
                yield Finding(Kind.STACKED, f"{key} of {pair} is active without its guard")
        guard = self._timeline.now(LAYOUT.guard_key(*pair))
        if guard.said == CORRUPT:
            yield Finding(Kind.BROKEN, f"the guard of {pair} is {guard.item}")
        elif guard.said is not None:
            key = LAYOUT.event_key(str(guard.said))
            before, _ = changes.get(key, (None, None))
            was_active = before is not None and before.claimed == pair
            is_new = guard.since == self._timeline.serial
            if key not in self._active[pair] and (was_active or is_new):
                yield Finding(Kind.STACKED, f"the guard of {pair} was left to {key}")

    def _of_event(
        self, before: Sight, after: Sight, packet: Packet, now: float
    ) -> Iterator[Finding]:
        old, new = before.event, after.event
        if before.said is not None and after.said is None:
            yield Finding(Kind.LOST, f"the row of {_named(before)} vanished")
        if before.said == DELETED:
            yield Finding(Kind.REOPENED, f"a tombstone became {_named(after)}")
        if after.said == CORRUPT and before.said != CORRUPT:
            yield Finding(Kind.BROKEN, f"{packet.call} wrote {after.item}")
        if old is not None and after.said not in (DELETED, None) and not _may_follow(old, new):
            yield Finding(Kind.REOPENED, f"{_named(before)} became {_named(after)}")
        if new is None or packet.call is None:
            return
        if new.status == "expired" and new.updated_at < new.expires_at and old is not None:
            yield Finding(Kind.MISDATED, f"{_named(after)} expired before its time")
        if old is not None:
            yield from self._of_change(old, new, packet, now)
            # A new event is dated by its caller.
            yield from self._of_dates(new, packet)

    def _of_change(
        self, old: BreakGlassEvent, new: BreakGlassEvent, packet: Packet, now: float
    ) -> Iterator[Finding]:
        if any(getattr(old, field) != getattr(new, field) for field in IMMUTABLE_FIELDS):
            yield Finding(Kind.LOST, f"the evidence of {old.id} was rewritten")
        if new.updated_at <= old.updated_at:
            yield Finding(
                Kind.MISDATED, f"{old.id} went from {old.updated_at} to {new.updated_at}"
            )
        if old.status.is_terminal or new.status == "expired" or old.held_at != new.held_at:
            # A hold changes nothing that lapses.
            return
        left = old.expires_at - packet.clock
        is_extension = not new.status.is_terminal and new.expires_at > old.expires_at
        if left < (EXTENSION_MARGIN if is_extension else timedelta(0)) or not left:
            text = f"{old.id} was to lapse at {old.expires_at} and was changed at {packet.clock}"
            yield Finding(Kind.REVIVED, text)
        elif is_extension and timedelta(seconds=now - packet.sent_at) >= left:
            self._on_apart(Apart.HELD_UP)

    def _of_dates(self, new: BreakGlassEvent, packet: Packet) -> Iterator[Finding]:
        """Compare the version with the clock when its bytes were sent first."""
        assert packet.call is not None
        token = packet.request["ClientRequestToken"]
        if packet.call.tokens.get(token) is None:
            return
        first, disturbances = packet.call.tokens[token]
        if disturbances == packet.call.disturbances and new.updated_at < first - _BLINK:
            yield Finding(
                Kind.MISDATED, f"{new.id} says {new.updated_at}, and was sent at {first}"
            )


def does_what_was_asked(call: Call, row: Written) -> bool:
    """Tell whether a row was written for what a call is for, and not on the way to it."""
    event = row.after.event
    if not call.event_id or row.key != LAYOUT.event_key(call.event_id):
        return False
    if call.kind == "delete":
        return row.after.said == DELETED
    if event is None or call.kind == "create":
        return event is not None and row.before.event is None
    match call.kind, row.before.event:
        case "prolong", BreakGlassEvent(extensions=extensions):
            return event.extensions > extensions
        case "release", BreakGlassEvent(held_by=held_by):
            return held_by is not None and event.held_by is None
        case "review" | "hold", BreakGlassEvent(reviewed_by=reviewed_by, held_by=held_by):
            return call.sign in {event.reviewed_by, event.held_by} - {reviewed_by, held_by}
    return call.sign in (event.request_id, event.closed_by)


def _may_follow(old: BreakGlassEvent, new: BreakGlassEvent | None) -> bool:
    """Tell whether a change leaves all of an ended event but its hold, and a review not final."""
    if not old.status.is_terminal:
        return True
    if new is None:
        return False
    free = {"updated_at", *_HOLD}
    if old.review_outcome in (None, "needs_follow_up"):
        free |= {*_REVIEW}
    return all(
        getattr(old, field) == getattr(new, field)
        for field in BreakGlassEvent.model_fields
        if field not in free
    )


def _named(sight: Sight) -> str:
    event = sight.event
    return str(sight.said) if event is None else f"{event.id} ({event.status})"
