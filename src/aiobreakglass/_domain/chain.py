"""Judge the entries of a history: each by itself, and as a chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Final, NamedTuple

from aiobreakglass._domain.change import Action
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.finding import Finding, error, expired, shown_entry, shown_hash
from aiobreakglass._domain.history import (
    HistoryEntry,
    canonical_json,
    entry_values,
    hash_of,
)
from aiobreakglass._domain.moves import (
    altered_fields,
    changed_fields,
    fields_beyond,
    is_result_of,
)
from aiobreakglass._domain.timestamps import encode_time

_ONLY_FIRST: Final = (Action.CREATED, Action.IMPORTED)
# A row that is not an event can be deleted before anything of it is recorded.
_NOT_FIRST: Final = {*Action} - {*_ONLY_FIRST, Action.ADOPTED, Action.DELETED}
_REMOVED: Final = "entries were removed, or this one was altered"


class Link(NamedTuple):
    """An entry of a chain, or the place of an entry that cannot be read."""

    revision: int
    entry: HistoryEntry | None


START: Final = Link(0, None)
"""What comes before the first entry."""


def text_findings(subject: str, given: HistoryEntry, read: HistoryEntry) -> Iterator[Finding]:
    """Compare an entry with its text, and its text with the hash.

    Args:
        subject: How findings name the entry.
        given: The entry as it was given.
        read: The entry that its text describes.
    """
    computed = _hash_of(read.entry)
    if computed is None or given.hash != computed:
        yield error(
            "wrong hash",
            subject,
            f"the hash {shown_hash(given.hash)}",
            f"{shown_hash(computed)}, the SHA-256 of its text",
            "its text or its hash was altered",
        )
    if not _is_canonical(read):
        yield error(
            "not canonical",
            subject,
            "a text that is spelled differently",
            "the canonical JSON (RFC 8785) of what it says",
            "no store wrote this text",
        )
    differing = [
        field.name
        for field in fields(HistoryEntry)
        if getattr(given, field.name) != getattr(read, field.name)
    ]
    if differing:
        yield error(
            "not as its text",
            subject,
            f"other values of {', '.join(differing)}",
            "the values in its text",
            "rely only on the text that the hash is about",
        )


def order_findings(event_id: str | None, links: Sequence[Link]) -> Iterator[Finding]:
    """Judge the order in which the entries were given."""
    seen: set[int] = set()
    for before, link in pairwise([START, *links]):
        subject = shown_entry(event_id, link.revision)
        if link.revision in seen:
            yield error(
                "revision used twice",
                subject,
                "another entry with this revision",
                "one entry for each revision",
                "verification continues with the first of them",
            )
        elif link.revision < before.revision:
            yield error(
                "out of order",
                subject,
                f"the entry after entry {before.revision}",
                "the oldest entry first",
                "verification continues in the right order",
            )
        seen.add(link.revision)


def chain_findings(
    event_id: str | None, chain: Sequence[Link], *, is_over: bool
) -> Iterator[Finding]:
    """Compare each entry with the one before it.

    Args:
        event_id: The id of the event.
        chain: The entries in order, each revision once.
        is_over: Whether the retention of the history has ended.
    """
    last: HistoryEntry | None = None
    for before, link in pairwise([START, *chain]):
        if link.revision > before.revision + 1:
            yield _missing(event_id, before.revision + 1, link.revision - 1, is_over=is_over)
        entry, subject = link.entry, shown_entry(event_id, link.revision)
        if entry is None:
            continue
        yield from _entry_findings(subject, entry)
        is_next = link.revision == before.revision + 1 and before.entry is not None
        if last is not None:
            yield from _next_findings(subject, last, entry)
            yield from _change_findings(subject, last, entry, is_next=is_next)
            if is_next and entry.previous is not None and entry.previous != last.hash:
                yield error(
                    "broken link",
                    subject,
                    f"{shown_hash(entry.previous)} as the hash before",
                    f"{shown_hash(last.hash)}, the hash of entry {last.revision}",
                    "one of the two entries was altered",
                )
        last = entry


def move_findings(
    subject: str, origin: str, before: BreakGlassEvent, after: BreakGlassEvent
) -> Iterator[Finding]:
    """Judge the difference between two states of an event that no entry explains."""
    if altered := altered_fields(before, after):
        yield _altered(subject, origin, altered)
    elif changed := changed_fields(before, after):
        yield Finding(
            "warning",
            "changed outside",
            subject,
            f"other values of {', '.join(changed)} than in {origin}",
            "each change recorded by the store that makes it",
            "find out which other program or person changes the table's rows",
        )


def is_created_too_late(entry: HistoryEntry) -> bool:
    """Return whether an entry says that a store created an event that had lapsed by then."""
    event = entry.event
    return entry.action is Action.CREATED and event is not None and event.expires_at <= entry.at


def _entry_findings(subject: str, entry: HistoryEntry) -> Iterator[Finding]:
    """Judge an entry by itself."""
    is_first = entry.revision == 1
    if not is_result_of(entry.action, entry.event):
        state = "no event" if entry.event is None else f"an event that is {entry.event.status}"
        yield error(
            "wrong action",
            subject,
            f"{entry.action} with {state}",
            "an event that this action leaves",
            "no store wrote this entry",
        )
    if entry.action in _NOT_FIRST if is_first else entry.action in _ONLY_FIRST:
        yield error(
            "wrong action",
            subject,
            f"{entry.action}",
            "created, imported or adopted in the first entry, and the first two only there",
            _REMOVED,
        )
    if is_created_too_late(entry):
        yield error(
            "wrong time",
            subject,
            encode_time(entry.at),
            "a time before the event lapsed",
            "no store creates an event that has lapsed",
        )
    if is_first != (entry.previous is None):
        yield error(
            "broken link",
            subject,
            f"{shown_hash(entry.previous)} as the hash before",
            "none in the first entry, and one in each later entry",
            _REMOVED,
        )


def _next_findings(subject: str, last: HistoryEntry, entry: HistoryEntry) -> Iterator[Finding]:
    """Judge whether an entry can come after another one."""
    if entry.at <= last.at:
        yield error(
            "wrong time",
            subject,
            encode_time(entry.at),
            f"a time after {encode_time(last.at)}, the time of entry {last.revision}",
            "one of the two times is wrong",
        )
    if last.action is Action.DELETED:
        yield error(
            "after deletion",
            subject,
            f"{entry.action}",
            f"nothing after entry {last.revision}, which deleted the event",
            "the event was brought back outside the library",
        )


def _change_findings(
    subject: str, last: HistoryEntry, entry: HistoryEntry, *, is_next: bool
) -> Iterator[Finding]:
    """Judge what became of the event since the last readable entry."""
    if last.event is None or entry.event is None:
        return
    origin = f"entry {last.revision}"
    if entry.action is Action.ADOPTED and is_next:
        yield from move_findings(subject, origin, last.event, entry.event)
        return
    altered = (
        fields_beyond(entry.action, last.event, entry.event)
        if is_next
        else altered_fields(last.event, entry.event)
    )
    if altered:
        yield _altered(subject, origin, altered)


def _altered(subject: str, origin: str, altered: Sequence[str]) -> Finding:
    return error(
        "altered",
        subject,
        f"other values of {', '.join(altered)} than in {origin}",
        "values that the change can make",
        "evidence was altered",
    )


def _missing(event_id: str | None, first: int, last: int, *, is_over: bool) -> Finding:
    subject = shown_entry(event_id, first) + (f" to {last}" if last > first else "")
    if is_over:
        return expired(subject, "no entry", "none after the history's retention has ended")
    return error("gap", subject, "no entry", "an entry", "entries were removed")


def _is_canonical(entry: HistoryEntry) -> bool:
    """Return whether the text is spelled as stores spell it; it may have a later one's names."""
    known = entry_values(entry)
    canonical = canonical_json(known)
    if entry.entry == canonical:
        return True
    try:
        values = json.loads(entry.entry)
        if canonical_json(values) != entry.entry:
            return False
        spelled = {name: values[name] for name in known}
        if entry.event is not None:
            spelled["event"] = {
                name: value
                for name, value in values["event"].items()
                if name in BreakGlassEvent.model_fields
            }
        # Texts, because values such as 1 and 1.0 are equal.
        return canonical_json(spelled) == canonical
    except RecursionError:
        return False


def _hash_of(text: str) -> str | None:
    try:
        return hash_of(text)
    except UnicodeEncodeError:
        return None
