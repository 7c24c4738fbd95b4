"""Open access under three limits with plain rows, as one would without a store.

The keys of the slots are finished, so that a contestant without a store only reads, chooses and
writes.
"""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiobreakglass import BreakGlassEvent, Limits, Quota
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.slots import pools_of, slots_of
from benchmarks.plain import time_text
from benchmarks.rows import LAYOUT

DAY: Final = timedelta(days=1)
LIMITS: Final = Limits(
    cooldown=timedelta(hours=1), per_invoker=Quota(3, DAY), per_profile=Quota(20, DAY)
)
IN_USE: Final = 10
"""How many of the profile's slots the stub says are taken."""

CONDITION: Final = "(attribute_not_exists(pk) OR used_at <= :latest) AND NOT #ttl > :ttl"

Slots = list[tuple[timedelta, list[str]]]
"""For each limit how far it looks back, and the keys of its slots."""


def slots_for(event: BreakGlassEvent) -> Slots:
    """Return the slots of the limits for an event, in the order in which the store writes."""
    return [
        (pool.within, [LAYOUT.slot_key(slot) for slot in slots_of(pool, event)])
        for pool in reversed(pools_of(LIMITS))
        if pool.within is not None
    ]


def keys_to_read(event: BreakGlassEvent, slots: Slots) -> list[str]:
    """Return the keys that decide whether the event may be opened."""
    return [
        LAYOUT.event_key(event.id),
        LAYOUT.history_key(event.id, 1),
        LAYOUT.guard_key(event.invoker, event.profile),
        *(key for _, keys in slots for key in keys),
    ]


def taken(
    slots: Slots, found: dict[str, dict[str, Any]], event_id: str, write_id: str
) -> list[tuple[dict[str, Any], str]]:
    """Return the row of a free slot of each limit, and the latest use that leaves it free."""
    now = datetime.now(UTC)
    rows = []
    for within, keys in slots:
        latest = time_text(now - within)
        free = [key for key in keys if key not in found or found[key]["used_at"] <= latest]
        key = random.choice(free)  # noqa: S311 - it keeps no secret
        row = {
            "pk": key,
            "used_at": time_text(now),
            "event_id": event_id,
            "write_id": write_id,
            "ttl": math.ceil((now + within + DAY).timestamp()),
        }
        rows.append((row, latest))
    return rows


def slots_in_use(event: BreakGlassEvent, now: datetime) -> list[Item]:
    """Return the rows of slots of the event's profile that others use."""
    (_, keys), *_ = slots_for(event)
    return [
        {
            "pk": {"S": key},
            "used_at": {"S": time_text(now - timedelta(minutes=number))},
            "event_id": {"S": f"{number:016x}"},
            "write_id": {"S": "0" * 32},
            "ttl": {"N": str(int(now.timestamp()) + 172_800)},
        }
        for number, key in enumerate(keys[:IN_USE])
    ]
