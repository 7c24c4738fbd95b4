"""The auditor on tables after a few calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiobreakglass import Action, BreakGlassEvent, BreakGlassStatus, HistoryEntry
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import recorded, tip_of
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
from aiobreakglass._dynamodb.record import encode_entry, encode_record
from aiobreakglass.testing import make_event
from tests.histories.evidence import LAYOUT, inspect
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

ACTIVE = make_event(request_id="first")
LATER = {"updated_at": ACTIVE.updated_at + timedelta(seconds=1)}
EXTENDED = ACTIVE.model_copy(update={**LATER, "request_id": "second"})
CLOSED = ACTIVE.model_copy(
    update={
        **LATER,
        "status": BreakGlassStatus.CLOSED,
        "closed_by": "bob",
        "closed_reason": "done",
        "ended_at": LATER["updated_at"],
    }
)
HELD = CLOSED.model_copy(
    update={
        "updated_at": CLOSED.updated_at + timedelta(seconds=1),
        "held_by": "who wants to hold",
        "held_at": CLOSED.updated_at + timedelta(seconds=1),
        "held_reason": "a case",
    }
)
GUARD = encode_guard(ACTIVE, LAYOUT)


def table(*changes: tuple[str | None, BreakGlassEvent | None]) -> list[Item]:
    """Return the rows after these changes of one event, each with its author; None deletes it."""
    entries: list[HistoryEntry] = []
    before: BreakGlassEvent | None = None
    for author, version in changes:
        at = (version or before or ACTIVE).updated_at
        change = Change(_action(before, version), before, version, at, author)
        tip = tip_of(entries[-1]) if entries else None
        entries += recorded(ACTIVE.id, change, tip, lambda _: None).entries
        before = version
    if before is None:
        row = encode_tombstone(ACTIVE.id, LAYOUT, deleted_at=ACTIVE.created_at)
    else:
        row = encode_event(before, LAYOUT, write_id="history")
    guards = [] if before is None or before.status.is_terminal else [GUARD]
    histories = [encode_entry(entry, LAYOUT, write_id="history", ttl=None) for entry in entries]
    return [row | encode_record(tip_of(entries[-1])), *guards, *histories]


def _action(before: BreakGlassEvent | None, after: BreakGlassEvent | None) -> Action:
    if before is None:
        return Action.CREATED
    if after is None:
        return Action.DELETED
    if after.held_by is not None:
        return Action.HELD
    return Action.CLOSED if after.status.is_terminal else Action.UPDATED


def without_guard(rows: list[Item]) -> list[Item]:
    return [row for row in rows if row != GUARD]


def held_in_part() -> list[Item]:
    """Return a table whose event is held, and whose history still has a time to live."""
    event, *others = table(CREATION, CLOSING, ("who wants to hold", HELD))
    end = {"history_ttl": {"N": "1000000000"}}
    entries = [row | end | {LAYOUT.ttl_attribute: end["history_ttl"]} for row in others]
    return [event | end, *entries]


def call(kind: str, seen: BreakGlassEvent | None, answer: str = OK) -> Call:
    return Call(
        caller=f"who wants to {kind}",
        kind=kind,
        pair="alice/prod",
        event_id=ACTIVE.id,
        invoked=0,
        returned=1,
        answer=answer,
        seen_id=None if seen is None else seen.id,
        seen=None if seen is None else Version.of(seen),
    )


GUARD = encode_guard(ACTIVE, LAYOUT)
CREATED = call("create", ACTIVE)
CREATION = (CREATED.caller, ACTIVE)
DELETION = ("who wants to delete", None)
CLOSING = ("who wants to close", CLOSED)


@pytest.mark.parametrize(
    ("calls", "rows"),
    [
        pytest.param([CREATED], table(CREATION), id="created"),
        pytest.param([CREATED, call("close", CLOSED)], table(CREATION, CLOSING), id="closed"),
        pytest.param([CREATED, call("delete", None)], table(CREATION, DELETION), id="deleted"),
        pytest.param(
            [CREATED, call("delete", None, UNKNOWN)],
            table(CREATION, DELETION),
            id="deleted unheard",
        ),
        pytest.param([call("create", None, UNAVAILABLE)], [], id="never created"),
        pytest.param(
            [CREATED, call("close", CLOSED), call("hold", None, UNKNOWN)],
            held_in_part(),
            id="held in part, unheard",
        ),
    ],
)
def test_table_that_matches_the_answers_has_no_findings(
    calls: list[Call], rows: list[Item]
) -> None:
    """The auditor finds nothing if the table matches the answers."""
    assert inspect(calls, rows) == []


@pytest.mark.parametrize(
    ("calls", "rows", "finding"),
    [
        pytest.param([CREATED], [], "nothing is left", id="an event that vanished"),
        pytest.param(
            [CREATED],
            table(CREATION, DELETION),
            "nobody deleted",
            id="a tombstone that nobody made",
        ),
        pytest.param(
            [CREATED, call("delete", None, UNAVAILABLE)],
            table(CREATION, DELETION),
            "nobody deleted",
            id="a delete that had failed for good",
        ),
        pytest.param(
            [CREATED, call("close", CLOSED)],
            table(CREATION, ("eve", CLOSED.model_copy(update={"closed_by": "eve"}))),
            "had ended, and changed",
            id="evidence of a closing that was altered",
        ),
        pytest.param(
            [CREATED, call("update", EXTENDED)],
            table(CREATION, ("eve", EXTENDED.model_copy(update={"request_id": "other"}))),
            "two versions of one updated_at",
            id="a version that was replaced by its like",
        ),
        pytest.param(
            [CREATED],
            table(
                CREATION, ("eve", ACTIVE.model_copy(update=LATER | {"justification": "x" * 20}))
            ),
            "was rewritten",
            id="another justification",
        ),
        pytest.param(
            [CREATED],
            without_guard(table(CREATION)),
            "guard",
            id="an active event without its guard",
        ),
        pytest.param(
            [CREATED, call("close", CLOSED)],
            [*table(CREATION, CLOSING)[:1], *table(CREATION, CLOSING)[2:]],
            "entry 1",
            id="a history without its beginning",
        ),
        pytest.param(
            [CREATED, call("update", EXTENDED), call("close", CLOSED)],
            table(CREATION, CLOSING),
            "does not say what who wants to update did",
            id="a change that was acknowledged and not recorded",
        ),
        pytest.param(
            [CREATED, call("update", EXTENDED)],
            table(CREATION, ("who wants to update", ACTIVE.model_copy(update=LATER))),
            "does not say what who wants to update did",
            id="a change that was recorded as another",
        ),
        pytest.param(
            [CREATED, call("update", EXTENDED)],
            table(
                CREATION,
                ("who wants to update", ACTIVE.model_copy(update=LATER)),
                ("who wants to update", EXTENDED),
            ),
            "says 2 times what who wants to update did",
            id="a change that was recorded twice",
        ),
        pytest.param(
            [CREATED, call("update", None, UNAVAILABLE)],
            table(CREATION, ("who wants to update", EXTENDED)),
            "was told unavailable, and is in the history",
            id="a change that had failed for good",
        ),
        pytest.param(
            [CREATED, call("close", CLOSED)],
            table(CREATION, CLOSING, (None, None)),
            "unsigned",
            id="a deletion without an author",
        ),
        pytest.param(
            [CREATED, call("close", CLOSED), call("hold", HELD)],
            held_in_part(),
            "held, and its history has a time to live",
            id="a hold that was acknowledged in part",
        ),
        pytest.param(
            [
                CREATED,
                call("close", CLOSED),
                call("hold", None, UNKNOWN),
                replace(call("hold", HELD, "EventHeldError"), caller="another"),
            ],
            held_in_part(),
            "held, and its history has a time to live",
            id="a hold that another was told of",
        ),
        pytest.param(
            [CREATED],
            table(CREATION, ("eve", EXTENDED)),
            "eve did, who is nobody",
            id="a change of somebody else",
        ),
    ],
)
def test_table_that_contradicts_the_answers_is_found(
    calls: list[Call], rows: list[Item], finding: str
) -> None:
    """The auditor finds each contradiction between the answers and the table."""
    assert any(finding in found for found in inspect(calls, rows)), inspect(calls, rows)
