"""Check after every commit whether what is held stays, and what is released may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from aiobreakglass import EventHeldError, InvalidStateTransitionError
from tests.simulation.record import Call
from tests.simulation.timeline import DELETED, LAYOUT, NOTHING, Sight, Timeline, event_id_of

_TTL: Final = LAYOUT.ttl_attribute


class Holds:
    """Watch the holds, commit by commit, and what their callers are told."""

    def __init__(
        self,
        timeline: Timeline,
        on_finding: Callable[[str], None],
        is_disturbed: Callable[[str], bool],
    ) -> None:
        self._timeline = timeline
        self._on_finding = on_finding
        self._is_disturbed = is_disturbed
        self._since: dict[str, tuple[int, Call]] = {}
        """The commit that held or released each event last, and the call that made it."""
        self._is_complete: dict[str, bool] = {}
        """Whether a caller has been told since that this was done, for each such event."""

    def is_interrupted(self, event_id: str) -> bool:
        """Tell whether no caller knows yet that the last hold or release of an event is done."""
        return self._is_complete.get(event_id) is False

    def commit(self, changes: Mapping[str, tuple[Sight, Sight]], call: Call) -> None:
        """Judge a commit of a call."""
        for event_id in dict.fromkeys(filter(None, map(event_id_of, changes))):
            if self._is_disturbed(event_id):
                continue
            before, after = changes.get(LAYOUT.event_key(event_id), (NOTHING, NOTHING))
            if _held_at(before) != _held_at(after):
                self._since[event_id] = self._timeline.serial, call
                self._is_complete[event_id] = False
                if after.said == DELETED:
                    self._on_finding(f"{call} deleted {event_id}, which is held")
            self._find(self._of_event(event_id))
            if self._is_complete.get(event_id):
                self._find(self._of_history(event_id))

    def told(self, call: Call) -> None:
        """Judge what a caller was told: then all rows are held, or none."""
        done = {"hold": EventHeldError, "release": InvalidStateTransitionError}.get(call.kind)
        if done is None or call.event_id not in self._since or self._is_disturbed(call.event_id):
            return
        if call.error is not None and not isinstance(call.error, done):
            return
        since, by = self._since[call.event_id]
        # Of a later hold or release its own caller must be told.
        if since <= call.began or by is call:
            self._is_complete[call.event_id] = True
            self._find(self._of_history(call.event_id))

    def _of_event(self, event_id: str) -> Iterator[str]:
        sight = self._timeline.event(event_id)
        if _held_at(sight) is not None and _TTL in (sight.item or {}):
            yield f"{event_id} is held, and its row may be deleted at {sight.item}"

    def _of_history(self, event_id: str) -> Iterator[str]:
        """All entries may be deleted when the row of the event says; none, if it is held."""
        sight = self._timeline.event(event_id)
        if sight.item is None:
            return
        is_held, kept = _held_at(sight) is not None, sight.item.get("history_ttl")
        for key in self._timeline.history_keys(event_id):
            item = self._timeline.now(key).item
            if item is not None and item.get(_TTL) != (None if is_held else kept):
                state = "held" if is_held else "released"
                yield f"{event_id} is {state}, and {key} may be deleted at {item.get(_TTL)}"

    def _find(self, texts: Iterator[str]) -> None:
        for text in texts:
            self._on_finding(text)


def _held_at(sight: Sight) -> object:
    return None if sight.event is None else sight.event.held_at
