"""The verbs that show what is recorded: list, show, history, at, timeline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from aiobreakglass import (
    DEFAULT_QUERY_LIMIT,
    MAX_DURATION,
    MAX_QUERY_LIMIT,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    CorruptItemError,
    EventPage,
    HistoryEntry,
    ReviewOutcome,
    access_at,
)
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.events import (
    HISTORY_COLUMNS,
    entry_object,
    entry_row,
    event_object,
)
from aiobreakglass.cli.files import write_whole
from aiobreakglass.cli.invocation import Invocation
from aiobreakglass.cli.statuses import Status, WrongUseError, failure_of
from aiobreakglass.cli.timeline import drawn, svg, timeline_of
from aiobreakglass.cli.verbs.access import EventId

PANEL: Final = "What is recorded"

ByInvoker = Annotated[
    str | None, typer.Option("--invoker", metavar="NAME", help="Only events of this person.")
]
ByProfile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Only events of this profile.")
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="The earliest opening: a time, or 24h for 24 hours ago."
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only events opened before this.")
]


class _Found(NamedTuple):
    events: list[BreakGlassEvent]
    corrupt: list[CorruptItemError]
    has_more: bool = False


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "list", panel=PANEL, writes=False)(list_events)
    verb(app, "show", panel=PANEL, writes=False)(show)
    verb(app, "history", panel=PANEL, writes=False)(history)
    verb(app, "at", panel=PANEL, writes=False)(at)
    verb(app, "timeline", panel=PANEL, writes=False)(timeline)


def list_events(
    run: Invocation,
    invoker: ByInvoker = None,
    profile: ByProfile = None,
    status: Annotated[
        BreakGlassStatus | None,
        typer.Option(case_sensitive=False, help="Only events of this status."),
    ] = None,
    awaiting_review: Annotated[
        bool, typer.Option("--awaiting-review", help="What waits for a review, oldest first.")
    ] = False,
    follow_up: Annotated[
        bool, typer.Option("--follow-up", help="What needs follow-up after a review.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="The most events to list.")
    ] = DEFAULT_QUERY_LIMIT,
) -> Status:
    """List events, newest first: what is active, unless an option asks for something else.

    "lapsed" is an active event that has run out and waits to be marked: it grants nothing.
    """
    chosen = [
        option
        for option, value in (
            ("--invoker", invoker),
            ("--profile", profile),
            ("--status", status),
            ("--awaiting-review", awaiting_review),
            ("--follow-up", follow_up),
        )
        if value
    ]
    if len(chosen) > 1:
        raise WrongUseError(f"one of {' and '.join(chosen)} is enough: a list has one key")
    times = {
        "since": run.time_if_given("--since", since),
        "until": run.time_if_given("--until", until),
    }

    def method(store: AsyncDynamoDBStore) -> Callable[..., Any]:
        if invoker is not None:
            return _keyed(store.list_by_invoker, invoker)
        if profile is not None:
            return _keyed(store.list_by_profile, profile)
        if awaiting_review or follow_up:
            outcome = ReviewOutcome.NEEDS_FOLLOW_UP if follow_up else None
            return _queue(store, outcome)
        return _keyed(store.list_by_status, status or BreakGlassStatus.ACTIVE)

    found = run.run(_list(run, method, limit, times))
    run.output.events(found.events, run.now())
    if not found.events:
        run.output.note("There is no such event.")
    if found.has_more:
        # The queue of reviews begins with the oldest.
        rest = "--since" if awaiting_review or follow_up else "--until"
        run.output.note(f"There are more: add --limit {limit * 10}, or {rest}.")
    return _report_corrupt(run, found)


def show(run: Invocation, event_id: EventId) -> Status:
    """Show everything that an event says."""
    event = run.run(_get(run, event_id))
    run.output.event(event, run.now())
    return Status.DONE


def history(run: Invocation, event_id: EventId) -> Status:
    """Show every change of an event: when, what, by whom and why.

    To judge the history too, use verify.
    """
    entries = run.run(_history(run, event_id))
    run.output.objects(map(entry_object, entries))
    run.output.rows(HISTORY_COLUMNS, [entry_row(entry, run.output.zone) for entry in entries])
    if not entries:
        run.output.note("The event has no history yet: it is from before histories existed.")
    return Status.DONE


def at(
    run: Invocation,
    time: Annotated[
        str,
        typer.Argument(metavar="TIME", help="A time, or 2h for two hours ago."),
    ],
    profile: ByProfile = None,
    invoker: ByInvoker = None,
) -> Status:
    """Show who held access at an instant of the past."""
    instant = run.time("TIME", time)
    found = run.run(_at(run, instant, profile, invoker))
    run.output.events(found, run.now())
    if not found:
        run.output.note("Nobody held access then.")
    return Status.DONE


def timeline(
    run: Invocation,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Where the drawing begins.")
    ] = "24h",
    file: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Write a drawing for a report instead."),
    ] = None,
) -> Status:
    """Draw who held what, and when."""
    begin = run.time("--since", since)
    now = run.now()
    if begin >= now:
        raise WrongUseError("--since must be in the past")
    found = run.run(_since(run, begin))
    lines = timeline_of(found.events, begin, now)
    drawn_ids = {held.event_id for line in lines for held in line.held}
    run.output.objects(event_object(event, now) for event in found.events if event.id in drawn_ids)
    if file is not None:
        write_whole(file, svg(lines, begin, now, run.output.zone))
        run.output.note(f"Drawn in {file}.")
    elif lines:
        run.output.verbatim(drawn(lines, begin, now, run.output.zone, run.output.width))
    else:
        run.output.note("Nobody held access in that time.")
    return _report_corrupt(run, found)


async def _list(
    run: Invocation,
    method: Callable[[AsyncDynamoDBStore], Callable[..., Any]],
    limit: int,
    times: dict[str, datetime | None],
) -> _Found:
    async with run.store() as store, run.output.working("Reading") as working:
        found = _Found([], [])
        async with aclosing(
            _pages(method(store), min(limit + 1, MAX_QUERY_LIMIT), times)
        ) as pages:
            async for page in pages:
                found.events.extend(page.events)
                found.corrupt.extend(page.corrupt)
                working.count(len(found.events), "events")
                if len(found.events) > limit:
                    break
        return _Found(found.events[:limit], found.corrupt, len(found.events) > limit)


async def _pages(
    method: Callable[..., Any], size: int, times: dict[str, datetime | None]
) -> AsyncGenerator[EventPage, None]:
    cursor: str | None = None
    while True:
        page: EventPage = await method(size, cursor=cursor, on_corrupt="skip", **times)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def _keyed(method: Callable[..., Any], key: str) -> Callable[..., Any]:
    return lambda limit, **options: method(key, limit, **options)


def _queue(store: AsyncDynamoDBStore, outcome: ReviewOutcome | None) -> Callable[..., Any]:
    return lambda limit, **options: store.list_awaiting_review(limit, outcome=outcome, **options)


async def _get(run: Invocation, event_id: str) -> BreakGlassEvent:
    async with run.store() as store, run.output.working("Reading"):
        return await store.get(event_id)


async def _history(run: Invocation, event_id: str) -> list[HistoryEntry]:
    async with run.store() as store, run.output.working("Reading"):
        return await store.history(event_id)


async def _at(
    run: Invocation, instant: datetime, profile: str | None, invoker: str | None
) -> list[BreakGlassEvent]:
    async with run.store() as store, run.output.working("Reading"):
        return await access_at(store, instant, profile=profile, invoker=invoker)


async def _since(run: Invocation, begin: datetime) -> _Found:
    """Return every event that may have granted access since an instant."""
    try:
        earliest = begin - MAX_DURATION
    except OverflowError:
        earliest = begin
    async with run.store() as store, run.output.working("Reading") as working:
        events: dict[str, BreakGlassEvent] = {}
        corrupt: list[CorruptItemError] = []
        # Active ones first: an event that ends meanwhile is in a later list.
        for status in BreakGlassStatus:
            method = _keyed(store.list_by_status, status)
            times: dict[str, datetime | None] = {"since": earliest}
            async with aclosing(_pages(method, MAX_QUERY_LIMIT, times)) as pages:
                async for page in pages:
                    events.update((event.id, event) for event in page)
                    corrupt.extend(page.corrupt)
                    working.count(len(events), "events")
        return _Found(
            sorted(events.values(), key=lambda event: (event.created_at, event.id)), corrupt
        )


def _report_corrupt(run: Invocation, found: _Found) -> Status:
    """Report the rows that a list left out: then nobody can tell that the answer is whole."""
    for error in found.corrupt:
        run.output.failure(failure_of(error))
    return Status.COULD_NOT_TELL if found.corrupt else Status.DONE
