"""What the command says about an event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, ReviewOutcome
from aiobreakglass.cli.events import (
    EVENT_COLUMNS,
    event_lines,
    event_object,
    event_row,
    state_of,
)
from aiobreakglass.cli.texts import json_line
from aiobreakglass.testing import make_event

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
ACTIVE = make_event(
    id="e5ee23033c0b4ce7",
    invoker="alice",
    profile="prod",
    justification="The primary database\ndoes not answer",
    created_at=NOW - timedelta(minutes=30),
    labels={"ticket": "INC-4711"},
)
CLOSED = make_event(
    id="0123456789abcdef",
    invoker="alice",
    profile="prod",
    status=BreakGlassStatus.CLOSED,
    created_at=NOW - timedelta(hours=2),
    updated_at=NOW - timedelta(hours=1),
    ended_at=NOW - timedelta(hours=1),
    closed_by="bob",
    closed_reason="Over",
)


def cells(event: BreakGlassEvent, now: datetime = NOW) -> dict[str, str]:
    titles = [column.title for column in EVENT_COLUMNS]
    return dict(zip(titles, event_row(event, now, UTC), strict=True))


def test_row_of_active_access() -> None:
    assert cells(ACTIVE) == {
        "event": "e5ee23033c0b4ce7",
        "state": "active",
        "invoker": "alice",
        "profile": "prod",
        "until": "2026-11-26 15:00:00Z",
        "left": "30m",
        "opened": "2026-11-26 14:00:00Z",
        "reason": str(ACTIVE.reason_code),
        "review": "-",
        "justification": r"The primary database\ndoes not answer",
    }


def test_row_of_ended_access_says_when_it_ended() -> None:
    row = cells(CLOSED)
    assert row["until"] == "2026-11-26 13:30:00Z"
    assert (row["state"], row["left"], row["review"]) == ("closed", "-", "awaited")
    reviewed = CLOSED.model_copy(update={"review_outcome": ReviewOutcome.JUSTIFIED})
    assert cells(reviewed)["review"] == "justified"


def test_event_that_has_run_out_is_not_shown_as_active() -> None:
    """The row still says active, and a person must not take that for access."""
    assert state_of(ACTIVE, ACTIVE.expires_at) == "lapsed"
    assert cells(ACTIVE, ACTIVE.expires_at)["left"] == "-"
    assert event_object(ACTIVE, ACTIVE.expires_at)["grants_access"] is False
    assert dict(event_lines(ACTIVE, ACTIVE.expires_at, UTC))["state"] == "lapsed"


def test_fields_of_an_event_are_those_that_it_has() -> None:
    """A person reads labels and texts as they were written, and no empty field."""
    fields = dict(event_lines(ACTIVE, NOW, UTC))
    assert fields["justification"] == "The primary database\ndoes not answer"
    assert fields["label ticket"] == "INC-4711"
    assert fields["duration"] == "1h"
    assert fields["expires at"] == "2026-11-26 15:00:00.000000Z"
    assert fields["left"] == "30m"
    assert "closed by" not in fields
    assert "mfa verified" not in fields


def test_object_of_an_event_is_the_one_of_exports() -> None:
    """A program reads the same JSON from the command as from `events.jsonl`."""
    values = json.loads(json_line(event_object(ACTIVE, NOW)))
    assert values.pop("grants_access") is True
    assert values["created_at"] == "2026-11-26T14:00:00.000000Z"
    assert values["duration"] == 3_600_000_000_000
    assert "closed_by" not in values
