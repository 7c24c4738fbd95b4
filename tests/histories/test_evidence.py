"""The auditor on tables after a few calls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiobreakglass import BreakGlassEvent, BreakGlassStatus
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_event, encode_guard, encode_tombstone
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
    }
)


def row(event: BreakGlassEvent) -> Item:
    return encode_event(event, LAYOUT, write_id="history", retention=None)


def call(kind: str, seen: BreakGlassEvent | None, answer: str = OK) -> Call:
    return Call(
        caller="somebody",
        kind=kind,
        pair="alice/prod",
        event_id=ACTIVE.id,
        invoked=0,
        returned=1,
        answer=answer,
        seen_id=None if seen is None else seen.id,
        seen=None if seen is None else Version.of(seen),
    )


CREATED = call("create", ACTIVE)
GUARD = encode_guard(ACTIVE, LAYOUT)
TOMBSTONE = encode_tombstone(ACTIVE.id, LAYOUT, deleted_at=ACTIVE.created_at, retention=None)


@pytest.mark.parametrize(
    ("calls", "rows"),
    [
        pytest.param([CREATED], [row(ACTIVE), GUARD], id="created"),
        pytest.param([CREATED, call("close", CLOSED)], [row(CLOSED)], id="closed"),
        pytest.param([CREATED, call("delete", None)], [TOMBSTONE], id="deleted"),
        pytest.param([CREATED, call("delete", None, UNKNOWN)], [TOMBSTONE], id="deleted unheard"),
        pytest.param([call("create", None, UNAVAILABLE)], [], id="never created"),
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
        pytest.param([CREATED], [TOMBSTONE], "nobody deleted", id="a tombstone that nobody made"),
        pytest.param(
            [CREATED, call("delete", None, UNAVAILABLE)],
            [TOMBSTONE],
            "nobody deleted",
            id="a delete that had failed for good",
        ),
        pytest.param(
            [CREATED, call("close", CLOSED)],
            [row(CLOSED.model_copy(update={"closed_by": "eve"}))],
            "had ended, and changed",
            id="evidence of a closing that was altered",
        ),
        pytest.param(
            [CREATED, call("update", EXTENDED)],
            [row(EXTENDED.model_copy(update={"request_id": "other"})), GUARD],
            "two versions of one updated_at",
            id="a version that was replaced by its like",
        ),
        pytest.param(
            [CREATED],
            [row(ACTIVE.model_copy(update={**LATER, "justification": "x" * 20})), GUARD],
            "was rewritten",
            id="another justification",
        ),
        pytest.param([CREATED], [row(ACTIVE)], "guard", id="an active event without its guard"),
    ],
)
def test_table_that_contradicts_the_answers_is_found(
    calls: list[Call], rows: list[Item], finding: str
) -> None:
    """The auditor finds each contradiction between the answers and the table."""
    assert any(finding in found for found in inspect(calls, rows))
