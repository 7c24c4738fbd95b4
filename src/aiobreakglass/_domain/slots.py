"""Decide which slots an opening takes: each slot is a row for one use within a limit.

A quota of N within W has N slots, and each opening takes one of them for W. So there are never
more than N openings within any interval of the length W, wherever it begins (the pigeonhole
principle).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from aiobreakglass._domain.errors import LimitExceededError
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.limits import Limits, Quota

_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)


class SlotKind(StrEnum):
    """The names by which a limit counts uses; a part of the slot's key."""

    PROFILE = "P"
    INVOKER = "I"
    PAIR = "C"
    UNREVIEWED = "U"


class Pool(NamedTuple):
    """The slots of one limit for one opening."""

    limit: str
    """The field of `Limits`."""
    kind: SlotKind
    size: int
    within: timedelta | None
    """How long a use takes its slot; None means until the event is reviewed."""


class Slot(NamedTuple):
    """One slot of a pool; openings that share a limit have equal slots."""

    kind: SlotKind
    invoker: str
    """Empty if the limit counts the openings of all invokers."""
    profile: str
    """Empty if the limit counts the openings of all profiles."""
    number: int


class Use(NamedTuple):
    """The last use of a slot."""

    used_at: datetime
    event_id: str
    ttl: int = 0
    """Until when its slot is kept, in seconds since 1970; 0 if no use asks for that."""


ENDLESS: Final = Use(datetime.max.replace(tzinfo=UTC), "")
"""What a slot counts as that cannot be read: it may be in use."""


class Taken(NamedTuple):
    """A slot that an opening takes."""

    pool: Pool
    slot: Slot
    seen: Use | None
    """The use that it replaces."""


def pools_of(limits: Limits) -> list[Pool]:
    """Return the pools of some limits, in the order in which they refuse."""
    pools: list[Pool] = []
    if limits.cooldown is not None:
        pools.append(Pool("cooldown", SlotKind.PAIR, 1, limits.cooldown))
    quotas: tuple[tuple[str, SlotKind, Quota | None], ...] = (
        ("per_invoker", SlotKind.INVOKER, limits.per_invoker),
        ("per_profile", SlotKind.PROFILE, limits.per_profile),
    )
    pools += [Pool(name, kind, quota.uses, quota.within) for name, kind, quota in quotas if quota]
    if limits.max_unreviewed is not None:
        pools.append(Pool("max_unreviewed", SlotKind.UNREVIEWED, limits.max_unreviewed, None))
    return pools


def slots_of(pool: Pool, event: BreakGlassEvent) -> list[Slot]:
    """Return the slots of a pool for one event."""
    invoker = "" if pool.kind is SlotKind.PROFILE else event.invoker
    profile = event.profile if pool.kind in {SlotKind.PROFILE, SlotKind.PAIR} else ""
    return [Slot(pool.kind, invoker, profile, number) for number in range(pool.size)]


def free_before(pool: Pool, now: datetime) -> datetime | None:
    """Return the latest use that no longer takes its slot; None if time alone frees no slot.

    The boundary instant is in favour of the caller.
    """
    if pool.within is None:
        return None
    try:
        return now - pool.within
    except OverflowError:
        return _BEGINNING_OF_TIME


def free_from(pool: Pool, use: Use) -> datetime | None:
    """Return when a use frees its slot; None if no time of the calendar does."""
    if pool.within is None:
        return None
    try:
        return use.used_at + pool.within
    except OverflowError:
        return None


def take(
    pools: Iterable[Pool],
    event: BreakGlassEvent,
    uses: Mapping[Slot, Use],
    settled: Collection[str],
    now: datetime,
    choose: Callable[[Sequence[Taken]], Taken],
) -> list[Taken]:
    """Return one free slot of each pool, or raise `LimitExceededError` for the first full one.

    Args:
        pools: The pools, in the order in which they refuse.
        event: The event that is opened.
        uses: What the slots say; a slot without a use was never taken.
        settled: The events that are gone or finally reviewed.
        now: When the event is opened, by the deciding store's clock.
        choose: Chooses one of several slots. At random, so that openings at the same time seldom
            take the same slot.
    """
    return [_take(pool, event, uses, settled, now, choose) for pool in pools]


def _take(
    pool: Pool,
    event: BreakGlassEvent,
    uses: Mapping[Slot, Use],
    settled: Collection[str],
    now: datetime,
    choose: Callable[[Sequence[Taken]], Taken],
) -> Taken:
    latest = free_before(pool, now)
    free: list[Taken] = []
    used: list[Use] = []
    for slot in slots_of(pool, event):
        use = uses.get(slot)
        is_free = (
            use is None
            or (latest is not None and use.used_at <= latest)
            or (latest is None and use.event_id in settled)
        )
        if is_free:
            free.append(Taken(pool, slot, use))
        elif use is not None:
            used.append(use)
    if free:
        return choose(free)
    used.sort()
    raise LimitExceededError(
        pool.limit,
        _refusal(pool, event),
        free_from(pool, used[0]),
        [use.event_id for use in used],
    )


def _refusal(pool: Pool, event: BreakGlassEvent) -> str:
    invoker, profile = repr(event.invoker), repr(event.profile)
    times = "once" if pool.size == 1 else f"{pool.size} times"
    match pool.kind:
        case SlotKind.PAIR:
            return f"{invoker} may open {profile} {times} within {pool.within}"
        case SlotKind.INVOKER:
            return f"{invoker} may open access {times} within {pool.within}"
        case SlotKind.PROFILE:
            return f"{profile} may be opened {times} within {pool.within}"
        case SlotKind.UNREVIEWED:
            events = "event" if pool.size == 1 else "events"
            return f"{invoker} may have {pool.size} unreviewed {events}; have one reviewed first"
