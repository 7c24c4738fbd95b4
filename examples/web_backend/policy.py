"""The rules of the door: who may open it how often, for how long, and with what. SET YOUR OWN.

The store enforces them in the same transaction that opens access, so no race and no retry gets
around them. The page shows them before somebody opens access. All programs that open access to the
table need the same rules. Give a function of the event instead if profiles need different rules.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from aiobreakglass import BreakGlassEvent, Limits, Quota

LimitsFor = Limits | Callable[[BreakGlassEvent], Limits]

LIMITS: Final[LimitsFor] = Limits()
"""The rules of a deployment. As it is there are none."""

DEMO_LIMITS: Final = Limits(
    cooldown=timedelta(minutes=2),
    per_invoker=Quota(4, timedelta(hours=24)),
    per_profile=Quota(8, timedelta(hours=24)),
    max_extensions=2,
    max_unreviewed=4,
)
"""The rules of the demonstration, so that a visitor soon meets some of them."""


def limits_of(limits: LimitsFor, event: BreakGlassEvent) -> Limits:
    """Return the rules of one event."""
    return limits if isinstance(limits, Limits) else limits(event)
