"""An invented month of events, so that the page has something to show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, ReasonCode

PAST = (
    # Hours ago, minutes used (None: until it expired), who, what, why.
    (
        2.5,
        35,
        "bob",
        "production",
        "incident",
        "Checkout answers with errors since the deployment",
    ),
    (27, None, "alice", "production", "incident", "The primary database does not answer"),
    (30, 50, "alice", "staging", "maintenance", "Rehearsing the failover of tomorrow night"),
    (74, 20, "rita", "production", "security", "Revoking keys that were found in a public log"),
    (98, 175, "bob", "billing", "recovery", "Replaying the invoices that the queue has dropped"),
    (171, 45, "alice", "customer-data", "security", "A customer reports data of somebody else"),
    (173, 80, "bob", "production", "incident", "The load balancer sends everything to one host"),
    (260, None, "bob", "staging", "maintenance", "Moving the test data to the new cluster"),
    (338, 25, "alice", "production", "incident", "Certificates have run out on two gateways"),
    (
        339,
        None,
        "bob",
        "production",
        "incident",
        "Certificates have run out: second pair of hands",
    ),
    (412, 110, "alice", "billing", "recovery", "Restoring a table that a migration has emptied"),
    (511, 15, "rita", "production", "other", "The yearly exercise of the emergency procedure"),
    (598, 60, "bob", "customer-data", "recovery", "Checking that yesterday's restore is complete"),
    (
        688,
        None,
        "alice",
        "production",
        "incident",
        "Disks are full on the primary and its replica",
    ),
)


def past_month() -> Iterator[BreakGlassEvent]:
    """Return events that have ended by now."""
    now = datetime.now(UTC)
    for hours, minutes, invoker, profile, reason, justification in PAST:
        opened = now - timedelta(hours=hours)
        duration = timedelta(hours=1 if minutes is None or minutes < 60 else 3)
        ending: dict[str, object] = (
            {"status": BreakGlassStatus.EXPIRED, "updated_at": opened + duration}
            if minutes is None
            else {
                "status": BreakGlassStatus.CLOSED,
                "updated_at": opened + timedelta(minutes=minutes),
                "closed_by": invoker,
                "closed_reason": "Done, and handed over to the team on duty",
            }
        )
        yield BreakGlassEvent.model_validate(
            {
                "invoker": invoker,
                "profile": profile,
                "reason_code": ReasonCode(reason),
                "justification": justification,
                "duration": duration,
                "created_at": opened,
                **ending,
            }
        )
