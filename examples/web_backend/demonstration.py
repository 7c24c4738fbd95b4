"""An invented month of events, so that the page has something to show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from aiobreakglass import BreakGlassEvent, GovernedStore, ReasonCode, ReviewOutcome

from .changes import utc_now

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

UNREVIEWED = timedelta(hours=80)
"""Events that began this long ago, or later, still wait for a review."""
FOLLOW_UP = 98
"""How many hours ago the event began that needs a follow-up."""
HELD = 171
"""The same for the event that is under a legal hold."""

Step = tuple[datetime, Callable[[], Awaitable[object]]]


class TravelledClock:
    """Shows the time that is being told, and the present once everything is told."""

    def __init__(self) -> None:
        self.told: datetime | None = None

    def __call__(self) -> datetime:
        return self.told or utc_now()


async def tell_the_past(store: GovernedStore, clock: TravelledClock) -> None:
    """Let everything happen in the order of the month, so that each event has its history."""
    steps = sorted(past_month(store), key=lambda step: step[0])
    for clock.told, happen in steps:
        await happen()
    clock.told = None


def past_month(store: GovernedStore) -> list[Step]:
    """Return what happened, each with its time."""
    now = utc_now()
    steps: list[Step] = []
    for hours, minutes, invoker, profile, reason, justification in PAST:
        opened = now - timedelta(hours=hours)
        event = BreakGlassEvent(
            invoker=invoker,
            profile=profile,
            reason_code=ReasonCode(reason),
            justification=justification,
            duration=timedelta(hours=1 if minutes is None or minutes < 60 else 3),
            created_at=opened,
        )
        steps += [(opened, opening(store, event)), ending(store, event, minutes)]
        if timedelta(hours=hours) > UNREVIEWED:
            outcome = (
                ReviewOutcome.NEEDS_FOLLOW_UP if hours == FOLLOW_UP else ReviewOutcome.JUSTIFIED
            )
            steps.append((opened + timedelta(hours=20), reviewing(store, event, outcome)))
        if hours == HELD:
            steps.append((opened + timedelta(hours=30), holding(store, event)))
    return steps


def opening(store: GovernedStore, event: BreakGlassEvent) -> Callable[[], Awaitable[object]]:
    return lambda: store.create(event)


def ending(store: GovernedStore, event: BreakGlassEvent, minutes: int | None) -> Step:
    if minutes is None:
        end = event.expires_at
        return end, lambda: store.update(event.expire(at=end))
    return event.created_at + timedelta(minutes=minutes), lambda: store.close(
        event.id,
        closed_by=event.invoker,
        closed_reason="Done, and handed over to the team on duty",
    )


def reviewing(
    store: GovernedStore, event: BreakGlassEvent, outcome: ReviewOutcome
) -> Callable[[], Awaitable[object]]:
    return lambda: store.review(
        event.id,
        reviewed_by="sam" if event.invoker == "rita" else "rita",
        outcome=outcome,
        comment="The log of the session agrees with the justification"
        if outcome.is_final
        else "Which invoices were sent twice? Ask the team that owns the queue",
    )


def holding(store: GovernedStore, event: BreakGlassEvent) -> Callable[[], Awaitable[object]]:
    return lambda: store.hold(
        event.id, held_by="sam", reason="Counsel needs it until the customer's claim is settled"
    )
