"""Check the histories after every commit: what changes is recorded, with it and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from aiobreakglass import Action, HistoryEntry, verify_history
from tests.simulation.dynamodb.database import Commit
from tests.simulation.record import Call, Finding, Kind, Packet
from tests.simulation.timeline import CORRUPT, DELETED, LAYOUT, Sight, Timeline, event_id_of
from tests.simulation.whole import Chain, Entry, flaws, read, stated, story_flaws

_CHANGES: Final = (
    "create",
    "update",
    "close",
    "delete",
    "prolong",
    "review",
    "hold",
    "release",
)
_KEPT: Final = ("history_ttl", LAYOUT.ttl_attribute)
_ENDINGS: Final = {"closed": Action.CLOSED, "expired": Action.EXPIRED}


class Chains:
    """Watch the histories, commit by commit."""

    def __init__(
        self,
        timeline: Timeline,
        on_finding: Callable[[Finding], None],
        *,
        one_retention: bool,
        is_interrupted: Callable[[str], bool],
    ) -> None:
        self._one_retention = one_retention
        self._is_interrupted = is_interrupted
        self._timeline = timeline
        self._on_finding = on_finding
        self._written: dict[str, HistoryEntry] = {}
        """All that was ever recorded, by hash."""
        self._write_ids: dict[str, str] = {}
        """The entry of each write, by its id."""
        self._signed: defaultdict[str, list[HistoryEntry]] = defaultdict(list)
        """The entries that each caller has left."""
        self._disturbed: set[str] = set()
        """The events whose rows others have changed."""
        self._unsettled: set[str] = set()
        """Those that the library has not changed since."""
        self._set_back: set[str] = set()
        """The keys of the rows that others have changed, and the library not since."""
        self._gone: set[str] = set()
        """The events whose row TTL has deleted."""
        self._looked_at: dict[str, int] = {}
        """The last commit that had changed each event, or its history, when it was looked at."""

    def is_disturbed(self, event_id: str) -> bool:
        """Tell whether others have changed a row of an event, or of its history."""
        return event_id in self._disturbed

    def ends_with_deletion(
        self, event_id: str, entries: Sequence[HistoryEntry], now: datetime
    ) -> bool:
        """Tell whether a history ends with the deletion of its event, unless others prevent that.

        If others have set the row back and left a gap, the deletion fills the gap. What was behind
        the gap stays behind the deletion, and verification must find it there.
        """
        deletion = next((entry for entry in reversed(entries) if entry.event is None), None)
        if deletion is None or deletion is entries[-1]:
            return deletion is not None
        filled, *behind = [
            self._timeline.now(LAYOUT.history_key(event_id, entry.revision)).since
            for entry in entries[entries.index(deletion) :]
        ]
        found = verify_history(entries, None, at=now)
        is_found = any(finding.severity == "error" for finding in found)
        return self.is_disturbed(event_id) and max(behind) < filled and is_found

    def commit(
        self, commit: Commit, changes: Mapping[str, tuple[Sight, Sight]], packet: Packet | None
    ) -> None:
        """Judge a commit: of a call, if there is a packet that made it."""
        by_event: defaultdict[str, dict[str, tuple[Sight, Sight]]] = defaultdict(dict)
        for key, change in changes.items():
            if event_id := event_id_of(key):
                by_event[event_id][key] = change
        for event_id, of_event in by_event.items():
            if packet is not None and packet.call is not None:
                self._find(self._of_change(event_id, of_event, packet.call))
                self._unsettled.discard(event_id)
                self._set_back.difference_update(of_event)
            elif commit.cause == "ttl":
                self._find(self._of_deletion(event_id, of_event))
            else:
                self._disturbed.add(event_id)
                self._unsettled.add(event_id)
                self._set_back.update(of_event)

    def look(self, now: datetime) -> None:
        """Judge the record as it is: all of it that has changed since the last look."""
        for event_id in self._timeline.event_ids():
            keys = [LAYOUT.event_key(event_id), *self._timeline.history_keys(event_id)]
            last = max(self._timeline.now(key).since for key in keys)
            if self._looked_at.get(event_id) == last:
                continue
            self._looked_at[event_id] = last
            self._find(self._of_record(event_id))
            # A history does not say why a row has gone if stores keep rows for different times.
            if self._one_retention or event_id not in self._gone:
                self._find(self._of_verification(event_id, now))

    def end(self, calls: Iterable[Call]) -> None:
        """Judge whether what callers were told is in the record."""
        for call in calls:
            if call.kind in _CHANGES:
                self._find(self._of_call(call))

    def _chain(self, event_id: str) -> Chain:
        keys = [LAYOUT.event_key(event_id), *self._timeline.history_keys(event_id)]
        row, *entries = [self._timeline.now(key).item for key in keys]
        return Chain(row, [entry for entry in entries if entry])

    def _find(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._on_finding(Finding(Kind.UNRECORDED, text))

    def _of_deletion(
        self, event_id: str, changes: Mapping[str, tuple[Sight, Sight]]
    ) -> Iterator[str]:
        """A row must not stay when its history goes."""
        if LAYOUT.event_key(event_id) in changes:
            self._gone.add(event_id)
            return
        row = self._timeline.event(event_id).item
        if not row or event_id in self._unsettled:
            return
        if self._is_interrupted(event_id):
            # Until the call is repeated, the history may go when it could before.
            return
        # An entry behind a gap that others left is none of those that the row tells of.
        revision = int(row.get("revision", {"N": "0"})["N"])
        last = LAYOUT.history_key(event_id, revision) if self.is_disturbed(event_id) else None
        behind = [key for key in changes if last is not None and key > last]
        # An entry that others have set back has the time to live that it had then.
        gone = changes.keys() - behind - self._set_back
        if gone:
            yield f"{', '.join(sorted(gone))} went before the row of the event"

    def _of_change(
        self, event_id: str, changes: Mapping[str, tuple[Sight, Sight]], call: Call
    ) -> Iterator[str]:
        rows = {key: each for key, each in changes.items() if _is_history(key)}
        before, after = changes.get(LAYOUT.event_key(event_id), (None, None))
        if before is None and all(_is_kept_otherwise(*each) for each in rows.values()):
            # The second step of a hold or a release; `Holds` judges it.
            return
        entries: list[Entry] = []
        for key in sorted(rows):
            old, new = rows[key]
            entry = None if new.item is None else read(new.item)
            if old.item is not None:
                yield f"{call} replaced {key}"
            if new.entry is None or entry is None:
                yield f"{call} left no entry at {key}"
                return
            entries.append(entry)
        if before is None or after is None:
            yield f"{call} wrote {', '.join(rows)} without a change of the event"
            return
        if not entries:
            yield f"{call} changed {event_id} and wrote no entry"
            return
        yield from self._of_links(event_id, entries)
        written = [new.entry for _, new in rows.values() if new.entry is not None]
        written.sort(key=lambda entry: entry.revision)
        yield from self._of_entries(event_id, written, before)
        yield from _of_row(entries[-1], written[-1], before, after)
        if self.is_disturbed(event_id) and written[-1].hash in self._written:
            # Others have undone a write, and a packet of it that was still under way repeats it.
            return
        yield from self._of_write(sorted(rows), rows, after)
        yield from _of_author(written[-1], call)
        self._written.update((entry.hash, entry) for entry in written)
        if (by := written[-1].by) is not None:
            self._signed[by].append(written[-1])

    def _of_links(self, event_id: str, entries: list[Entry]) -> Iterator[str]:
        """Each new entry continues the history, as it is or as others have let it become."""
        for entry in entries:
            revision, previous = entry.values["revision"], entry.values["previous"]
            name = f"entry {revision} of {event_id}"
            if previous is None:
                if revision != 1:
                    yield f"{name} is linked to nothing"
                continue
            key = LAYOUT.history_key(event_id, revision - 1)
            sights = self._timeline.ever(key)
            known = sights if self.is_disturbed(event_id) else sights[-1:]
            earlier = [read(sight.item) for sight in known if sight.item is not None]
            # What others have spoiled cannot be read.
            if None not in earlier and previous not in {each.hash for each in earlier if each}:
                yield f"{name} is not linked to the entry before"

    def _of_entries(
        self, event_id: str, entries: list[HistoryEntry], before: Sight
    ) -> Iterator[str]:
        """The entry before says what the change replaced: if it did not, that was adopted."""
        newest = entries[-1]
        adopted = [entry for entry in entries if entry.action is Action.ADOPTED]
        if adopted != entries[:-1] or len(adopted) > 1:
            yield f"{event_id} got the entries {[str(entry.action) for entry in entries]}"
            return
        if adopted and not self.is_disturbed(event_id):
            yield f"{event_id} was adopted, and only the library had changed it"
        if adopted and adopted[0].event != before.event:
            yield f"{event_id} was adopted as something else"
        if before.event is None:
            return
        previous = adopted[0] if adopted else self._written.get(newest.previous or "")
        if previous is None or previous.event != before.event:
            yield f"entry {newest.revision} of {event_id} hides what it replaced"

    def _of_write(
        self, keys: list[str], rows: Mapping[str, tuple[Sight, Sight]], after: Sight
    ) -> Iterator[str]:
        """All rows of a write have its id, and no other write has it."""
        items = [new.item for _, new in rows.values()]
        if after.said != DELETED:
            items.append(after.item)
        ids = {str((item or {}).get(LAYOUT.write_id_attribute)) for item in items}
        if len(ids) != 1:
            yield f"{', '.join(keys)} and the event have the write ids {sorted(ids)}"
        for write_id in ids:
            if write_id in self._write_ids:
                yield f"one write made {self._write_ids[write_id]} and {keys[-1]}"
            self._write_ids[write_id] = keys[-1]

    def _of_record(self, event_id: str) -> Iterator[str]:
        if not self.is_disturbed(event_id):
            is_gone = event_id in self._gone
            yield from flaws(event_id, self._chain(event_id), may_be_gone=is_gone)

    def _of_verification(self, event_id: str, now: datetime) -> Iterator[str]:
        """`verify_history` calls a history whole if nobody has disturbed it, and only if it is."""
        chain = self._chain(event_id)
        entries = self._timeline.entries(event_id, self._timeline.serial)
        sight = self._timeline.event(event_id)
        if sight.said == CORRUPT or len(entries) != len(chain.entries):
            # A row that cannot be read is told of as such, and not verified.
            return
        if not entries and sight.event is None:
            # Only an audit of the table can miss the history that a tombstone names.
            return
        found = verify_history(entries, sight.event, at=now)
        if not self.is_disturbed(event_id):
            yield from (str(finding) for finding in found if finding.severity != "info")
        elif not found:
            is_gone = event_id in self._gone
            for flaw in story_flaws(event_id, chain, may_be_gone=is_gone):
                yield f"verification calls the history of {event_id} whole: {flaw}"

    def _of_call(self, call: Call) -> Iterator[str]:
        """A change that was acknowledged has one entry, with all that its caller said."""
        entries = self._signed[call.sign]
        if len(entries) > 1:
            yield f"{call} left {len(entries)} entries"
        if call.ended is None or call.error is not None:
            return
        if call.kind != "delete" and [entry.event for entry in entries] != [call.value]:
            yield f"{call} was acknowledged, and left {len(entries)} entries that say so"
        for entry in entries:
            if entry.note != call.note:
                yield f"{call} said {call.note!r}, and its entry says {entry.note!r}"


def _of_row(entry: Entry, written: HistoryEntry, before: Sight, after: Sight) -> Iterator[str]:
    """The row of the event says which entry is its newest, and the entry says what the row is."""
    item = after.item or {}
    name = f"entry {written.revision} of {written.event_id}"
    if item.get("revision") != {"N": str(written.revision)} or item.get("head") != {
        "S": entry.hash
    }:
        yield f"{name} is not the newest for the row of the event"
    if written.event != after.event:
        yield f"{name} is not what the event became"
    if before.item is None and stated(item) != entry.values["event"]:
        yield f"{name} is not what the row says"
    action = _action(before, after)
    if written.action is not action:
        yield f"{name} says {written.action}, and the event was {action}"


def _action(before: Sight, after: Sight) -> Action | None:
    """Return what a change of the event's row did to the event."""
    old, new = before.event, after.event
    if new is None:
        return Action.DELETED if after.said == DELETED else None
    if old is None:
        return Action.IMPORTED if new.status.is_terminal else Action.CREATED
    if (old.held_by, old.held_at) != (new.held_by, new.held_at):
        return Action.RELEASED if new.held_by is None else Action.HELD
    if old.status.is_terminal:
        return Action.REVIEWED
    if new.status.is_terminal:
        return _ENDINGS[new.status]
    return Action.EXTENDED if new.expires_at > old.expires_at else Action.UPDATED


def _of_author(entry: HistoryEntry, call: Call) -> Iterator[str]:
    """Only the caller can have signed an entry, and only an expiry needs nobody."""
    name = f"entry {entry.revision} of {entry.event_id}"
    if entry.by is None and entry.action is not Action.EXPIRED:
        yield f"{name} of {call} says nobody"
    if entry.by not in (None, call.sign):
        yield f"{name} of {call} says {entry.by}"


def _is_kept_otherwise(old: Sight, new: Sight) -> bool:
    """Tell whether a row is the same but for how long it is kept."""
    if old.item is None or new.item is None:
        return False
    others = [
        {name: value for name, value in item.items() if name not in _KEPT}
        for item in (old.item, new.item)
    ]
    return others[0] == others[1]


def _is_history(key: str) -> bool:
    return key.startswith(LAYOUT.history_prefix)
