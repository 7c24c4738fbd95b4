"""Judge the history of an event, and the stored event by its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from aiobreakglass._domain.chain import (
    Link,
    chain_findings,
    move_findings,
    order_findings,
    text_findings,
)
from aiobreakglass._domain.event import BreakGlassEvent, read_event, utc_now
from aiobreakglass._domain.fields import MAX_DURATION, valid_instant
from aiobreakglass._domain.finding import COMPARE, error, expired, shown_entry, shown_event
from aiobreakglass._domain.finding import Finding as Finding
from aiobreakglass._domain.history import (
    HISTORY_MARGIN,
    MAX_REVISION,
    HistoryEntry,
    earliest_history_ttl,
    read_entry,
    rounded_up,
    seconds_since_1970,
)
from aiobreakglass._domain.moves import changed_fields


def verify_history(
    entries: Iterable[HistoryEntry],
    event: BreakGlassEvent | None,
    *,
    at: datetime | None = None,
) -> list[Finding]:
    """Return what is wrong with the history of an event; an empty list means nothing.

    A history shows that an entry, or the event, was altered, and that an entry between others was
    removed. If the last entries were removed and the event was set back to match, only an anchor
    shows it.

    It cannot know which event you asked for: if `event` is None, compare the `event_id` of the
    entries yourself.

    Args:
        entries: The history as `history` returns it.
        event: The event as it is stored now; None if there is none.
        at: The instant by which retention is judged; by default now.

    Raises:
        TypeError: An argument has another type.
        ValueError: `event` is not valid, or `at` is not aware.
    """
    entries = list(entries)
    for entry in entries:
        if not isinstance(entry, HistoryEntry):
            raise TypeError(f"entries must be HistoryEntry objects, not {type(entry).__name__}")
    if event is not None:
        if not isinstance(event, BreakGlassEvent):
            raise TypeError(f"event must be a BreakGlassEvent, not {type(event).__name__}")
        # `model_copy(update=...)` checks nothing.
        event = read_event(vars(event))
    now = utc_now() if at is None else valid_instant(at)
    return list(_findings(entries, event, seconds_since_1970(now)))


def _findings(
    entries: Sequence[HistoryEntry], event: BreakGlassEvent | None, now: int
) -> Iterator[Finding]:
    event_id = None if event is None else event.id
    links: list[Link] = []
    for place, given in enumerate(entries, 1):
        entry = _read(given)
        if entry is None:
            links.append(Link(_revision_of(given, place), None))
            yield _unreadable(shown_entry(event_id, links[-1].revision))
            continue
        event_id = event_id or entry.event_id
        subject = shown_entry(event_id, entry.revision)
        yield from text_findings(subject, given, entry)
        other = _other_event(entry, event_id)
        if other is None:
            links.append(Link(entry.revision, entry))
        else:
            yield _mixed(subject, shown_event(other))
    yield from order_findings(event_id, links)
    # If a revision was used twice, the first entry stays.
    by_revision = {link.revision: link for link in reversed(links)}
    chain = [by_revision[revision] for revision in sorted(by_revision)]
    # The row of an event goes days before its history, so retention explains no gap beside it.
    is_over = event is None and _is_over(chain, now)
    yield from chain_findings(event_id, chain, is_over=is_over)
    yield from _event_findings(event_id, chain, event, now)


def _read(given: HistoryEntry) -> HistoryEntry | None:
    """Return the entry that a text describes, or None; no other field can be relied on."""
    ttl: object = given.history_ttl
    is_ttl = isinstance(ttl, int) and not isinstance(ttl, bool)
    if not isinstance(given.entry, str):
        return None
    try:
        return read_entry(given.entry, given.hash, given.history_ttl if is_ttl else None)
    except ValueError:
        return None


def _revision_of(unreadable: HistoryEntry, place: int) -> int:
    """Return the revision that an entry claims, or else its place in the list."""
    revision: object = unreadable.revision
    if isinstance(revision, int) and 1 <= revision <= MAX_REVISION:
        return int(revision)
    return place


def _other_event(entry: HistoryEntry, event_id: str) -> str | None:
    """Return the id of another event that an entry is about; None if it is about this one."""
    if entry.event_id != event_id:
        return entry.event_id
    return entry.event.id if entry.event is not None and entry.event.id != event_id else None


def _event_findings(
    event_id: str | None, chain: Sequence[Link], event: BreakGlassEvent | None, now: int
) -> Iterator[Finding]:
    """Compare the stored event with the last entry."""
    subject = shown_event(event_id)
    if not chain and event is not None:
        yield Finding(
            "warning",
            "no history",
            subject,
            "an event without entries",
            "an entry for each change",
            "adopt_table records an event that is older than the table's histories; the history "
            f"of any other event was removed: {COMPARE}",
        )
    last = chain[-1].entry if chain else None
    if last is None:
        return
    origin = f"entry {last.revision}"
    if event is None:
        if last.event is not None:
            yield _event_is_missing(subject, last, last.event, now)
    elif last.event is None:
        yield error(
            "not as recorded",
            subject,
            "an event",
            f"none after {origin}, which deleted it",
            "the event was brought back outside the library",
        )
    elif changed := changed_fields(last.event, event):
        yield from move_findings(subject, origin, last.event, event)
        yield Finding(
            "warning",
            "not as recorded",
            subject,
            f"other values of {', '.join(changed)}",
            f"the values in {origin}, the last one",
            "the event's next change, or adopt_table, records the difference",
        )


def _is_over(chain: Sequence[Link], now: int) -> bool:
    """Return whether the retention of a history has ended, so that TTL may remove entries."""
    entries = [link.entry for link in chain if link.entry is not None]
    events = [entry.event for entry in entries if entry.event is not None]
    if events and events[-1].held_by is not None:
        return False
    created_at = events[0].created_at if events else None
    return bool(entries) and all(_is_ttl_over(entry, created_at, now) for entry in entries)


def _is_ttl_over(entry: HistoryEntry, created_at: datetime | None, now: int) -> bool:
    ttl = entry.history_ttl
    earliest = 0 if created_at is None else earliest_history_ttl(created_at)
    return ttl is not None and earliest <= ttl <= now


def _event_is_missing(
    subject: str, last: HistoryEntry, event: BreakGlassEvent, now: int
) -> Finding:
    ttl = last.history_ttl
    if ttl is not None and ttl >= earliest_history_ttl(event.created_at) and event.held_by is None:
        # The row of an event goes before its history: at `expires_at` plus the same retention.
        early = rounded_up(HISTORY_MARGIN) + rounded_up(MAX_DURATION)
        lifetime = seconds_since_1970(event.expires_at) - seconds_since_1970(event.created_at)
        if ttl - early + lifetime <= now:
            return expired(subject, "no event", "none after its retention has ended")
    return error(
        "not as recorded",
        subject,
        "no event",
        f"the event as entry {last.revision}, the last one, records it",
        "its row was removed outside the library, or by the TTL of a store that changed "
        "expires_at and has a shorter retention",
    )


def _unreadable(subject: str) -> Finding:
    return error(
        "unreadable",
        subject,
        "a text that is not that of an entry",
        "the canonical JSON of an entry",
        "it was altered, or a later release wrote it",
    )


def _mixed(subject: str, other: str) -> Finding:
    return error(
        "another event",
        subject,
        f"an entry of {other}",
        "entries of one event",
        "verification leaves this entry out",
    )
