"""What a seed makes: who calls what and when, and what happens to them meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import accumulate
from random import Random
from typing import Final

from aiobreakglass import Limits, Quota
from tests.simulation import draws

KINDS: Final = {
    "create": 22,
    "create again": 3,
    "check": 22,
    "check many": 5,
    "get": 6,
    "extend": 12,
    "note": 3,
    "shorten": 2,
    "rewrite": 2,
    "close by update": 5,
    "expire": 4,
    "close": 10,
    "delete": 4,
    "list": 4,
    "count": 2,
    "last": 2,
    "sweep": 1,
    "history": 5,
    "prolong": 8,
    "review": 8,
    "hold": 3,
    "release": 3,
    "list reviews": 2,
}
"""What somebody does next, by weight."""

ON_THE_BRINK: Final = {
    "create": 15,
    "check": 30,
    "extend": 25,
    "prolong": 15,
    "close": 5,
    "get": 10,
}
"""The same in a history on the brink."""

UNDER_REVIEW: Final = {
    "create": 25,
    "close": 16,
    "review": 18,
    "hold": 14,
    "release": 14,
    "delete": 3,
    "list reviews": 3,
    "history": 3,
    "check": 4,
}
"""The same in a history of one pair whose events are reviewed and held."""

PLAIN: Final = {"pause": 4, "kill": 4, "set clock": 3}
"""What happens to processes, by weight."""

BY_HAND: Final = {
    "close by hand": 3,
    "end badly by hand": 1,
    "spoil by hand": 3,
    "note by hand": 3,
    "write as before": 4,
    "remove entry": 1,
    "spoil entry": 1,
    "remove guard": 2,
    "put without guard": 1,
    "put garbage": 1,
    "restore": 1,
}
"""What others do to the table, by weight."""

STEPS: Final = 300
_SEARCHED_STEPS: Final = 100
_NOT_SEARCHED: Final = ("sweep", "list reviews", *BY_HAND)
_BURSTS: Final = 10
_GAPS: Final = (0.5, 5.0, 40.0, 400.0, 3600.0)
"""How long nothing happens between two bursts of calls, in seconds."""
_WINDOWS: Final = (2.0, 30.0, 300.0, 3600.0)
"""How long a use of the door counts, in seconds."""
_PACES: Final = (0.002, 0.02, 0.5)
"""How long a task waits between two calls of a burst, in seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or one thing that happens; what it is about depends on what is known by then."""

    number: int
    kind: str
    process: int
    task: int
    at: float
    """Not before this instant."""
    pair: int = 0
    event_id: str = ""
    """Of the event that a create makes."""
    lifetime: float = 0.0
    """How long an event lasts, or how much longer, in seconds; of a pause, how long it is."""
    on_holder: bool = True
    """Whether it is about the holder of the pair, as seen last, or about any event of the pair."""
    choice: float = 0.0
    """Which of them, from 0 to 1."""
    aim: float | None = None
    """How long after the lapse of the event that it is about it wants to come."""
    cancelled_after: float | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a history is lived under."""

    processes: int
    tasks: int
    pairs: int
    fault_rate: float
    attempts: int
    """How often the client sends by itself."""
    retentions: tuple[float | None, ...]
    """How long each process keeps rows, in seconds."""
    is_forgetful: bool
    """Whether the service forgets the token of a write at once, and not after ten minutes."""
    sweep_every: float | None
    leads: tuple[float, ...]
    """How far each process's clock is ahead, in seconds."""
    drifts: tuple[float, ...]
    prompt: bool
    """Whether indexes and TTL do everything at once."""
    is_on_the_brink: bool
    """Whether all of it happens around the lapse of events."""
    is_under_review: bool = False
    """Whether most of it happens after events have ended."""
    rules: tuple[Limits, Limits] | None = None
    """The limits of all processes: the first, and the stricter ones of later."""
    stricter_from: tuple[float | None, ...] = ()
    """When each process takes the stricter ones; None if it never does."""
    reads_in_parts: bool = False
    """Whether others may write between two rows of one batch that is read."""
    is_searched: bool = False
    """Whether nothing happens but calls, for a checker that knows of nothing else."""


@dataclass(frozen=True, slots=True)
class History:
    """One history, as a seed makes it, or less of it."""

    seed: int
    steps: tuple[Step, ...]
    conditions: Conditions
    spared: frozenset[tuple[int, int]] = field(default=frozenset())
    """The requests that are to meet no fault after all, by step and place in it."""

    @property
    def is_by_hand(self) -> bool:
        """Whether others write to the table as well."""
        return any(step.kind in BY_HAND for step in self.steps)


def history(seed: int, *, steps: int = STEPS) -> History:
    """Return what a seed makes."""
    random = draws.seeded(seed, "plan")
    reads_in_parts = draws.seeded(seed, "parts").random() < 0.5
    conditions = replace(_conditions(random), reads_in_parts=reads_in_parts)
    return History(seed, tuple(_steps(random, conditions, steps)), conditions)


def searchable(seed: int) -> History:
    """Return what a seed makes for a checker that has to search: short, and calls alone."""
    made = history(seed, steps=_SEARCHED_STEPS)
    steps = tuple(step for step in made.steps if step.kind not in _NOT_SEARCHED)
    conditions = replace(
        made.conditions,
        sweep_every=None,
        retentions=(None,) * made.conditions.processes,
        is_searched=True,
        rules=None,
        pairs=2,
    )
    return replace(made, steps=steps, conditions=conditions)


def _conditions(random: Random) -> Conditions:
    processes = random.randint(1, 3)
    disagreement = random.choice((0.0, 0.0, 0.01, 2.0, 30.0))
    drift = random.choice((0.0, 0.0, 1e-4))
    mood = random.random()
    is_on_the_brink, is_under_review = mood < 0.2, mood >= 0.85
    rules = _rules(random) if random.random() < 0.5 else None
    return Conditions(
        processes=processes,
        tasks=random.randint(2, 6),
        pairs=random.randint(1, 4),
        fault_rate=0.3
        if is_on_the_brink or is_under_review
        else random.choice((0.0, 0.05, 0.1, 0.1, 0.3)),
        attempts=random.choice((1, 3)),
        retentions=_retentions(random, processes),
        is_forgetful=random.random() < 0.2,
        sweep_every=random.choice((None, None, 300.0, 900.0)),
        leads=tuple(random.uniform(-1, 1) * disagreement for _ in range(processes)),
        drifts=tuple(random.uniform(-1, 1) * drift for _ in range(processes)),
        prompt=random.random() < 0.3,
        is_on_the_brink=is_on_the_brink,
        is_under_review=is_under_review,
        rules=rules,
        stricter_from=_stricter_from(random, processes),
    )


def _retentions(random: Random, processes: int) -> tuple[float | None, ...]:
    """Let processes keep rows equally long, mostly."""
    drawn = [random.choice((None, 0.0, 3600.0, 31_536_000.0)) for _ in range(processes)]
    return tuple(drawn if random.random() < 0.3 else drawn[:1] * processes)


def _rules(random: Random) -> tuple[Limits, Limits]:
    """Return limits that are met soon, and stricter ones."""

    def quota() -> Quota | None:
        if random.random() < 0.4:
            return None
        return Quota(random.randint(2, 6), timedelta(seconds=random.choice(_WINDOWS)))

    longest = random.choice((None, None, 60.0, 7200.0))
    first = Limits(
        max_duration=None if longest is None else timedelta(seconds=longest),
        cooldown=random.choice((None, None, timedelta(seconds=random.choice((0.5, 20.0))))),
        per_invoker=quota(),
        per_profile=quota(),
        max_extensions=random.choice((None, 0, 1, 3)),
        max_unreviewed=random.choice((None, random.randint(2, 4))),
    )
    return first, _stricter(first)


def _stricter(limits: Limits) -> Limits:
    """Return limits with a use less in each."""

    def one_less(quota: Quota | None) -> Quota | None:
        return None if quota is None else replace(quota, uses=quota.uses - 1)

    unreviewed = limits.max_unreviewed
    return replace(
        limits,
        per_invoker=one_less(limits.per_invoker),
        per_profile=one_less(limits.per_profile),
        max_unreviewed=None if unreviewed is None else unreviewed - 1,
    )


def _stricter_from(random: Random, processes: int) -> tuple[float | None, ...]:
    """Let the processes take stricter limits one by one, in one history of three."""
    if random.random() < 2 / 3:
        return (None,) * processes
    return tuple(random.random() * 2000 for _ in range(processes))


def _steps(random: Random, conditions: Conditions, number: int) -> list[Step]:
    mix = _mix(conditions)
    kinds, weights = list(mix), list(accumulate(mix.values()))
    happenings: dict[str, int] = {}
    if random.random() < 0.5:
        happenings |= PLAIN
    if random.random() < 0.25:
        happenings |= BY_HAND
    steps: list[Step] = []
    at = 0.0
    while len(steps) < number:
        gap, pace = random.choice(_GAPS), random.choice(_PACES)
        start = at = at + gap * random.random()
        ends = dict.fromkeys(range(conditions.processes * conditions.tasks), start)
        for _ in range(min(number // _BURSTS + 1, number - len(steps))):
            place = random.randrange(len(ends))
            ends[place] += random.expovariate(1 / pace)
            at = max(at, ends[place])
            process, task = divmod(place, conditions.tasks)
            if happenings and random.random() < 0.04:
                kind = random.choices(list(happenings), list(happenings.values()))[0]
            else:
                kind = random.choices(kinds, cum_weights=weights)[0]
            steps.append(_step(random, len(steps), kind, process, task, ends[place], conditions))
            if conditions.is_on_the_brink:
                steps[-1] = _on_the_brink(random, steps[-1])
            elif conditions.is_under_review:
                steps[-1] = replace(steps[-1], pair=0)
    return steps


def _mix(conditions: Conditions) -> dict[str, int]:
    if conditions.is_under_review:
        return UNDER_REVIEW
    return ON_THE_BRINK if conditions.is_on_the_brink else KINDS


def _step(
    random: Random,
    number: int,
    kind: str,
    process: int,
    task: int,
    at: float,
    conditions: Conditions,
) -> Step:
    return Step(
        number=number,
        kind=kind,
        process=process,
        task=task,
        at=at,
        pair=random.randrange(conditions.pairs),
        event_id=random.randbytes(8).hex() if kind in ("create", "put without guard") else "",
        lifetime=_lifetime(random, kind),
        on_holder=random.random() < 0.8,
        choice=random.random(),
        aim=random.uniform(-3.0, 0.3) if random.random() < 0.25 else None,
        cancelled_after=random.expovariate(1 / 0.01) if random.random() < 0.05 else None,
    )


def _on_the_brink(random: Random, step: Step) -> Step:
    """Have an event last for seconds, and others ask about it near its lapse."""
    return replace(
        step,
        pair=0,
        on_holder=True,
        aim=random.uniform(-3.5, 0.3) if random.random() < 0.7 else None,
        lifetime=step.lifetime if step.kind in PLAIN else random.uniform(1, 8),
    )


def _lifetime(random: Random, kind: str) -> float:
    if kind == "pause":
        return random.choice((0.5, 5.0, 60.0)) * random.random()
    if kind == "set clock":
        return random.choice((-1, 1)) * random.choice((0.01, 1.0, 90.0)) * random.random()
    return 0.05 + random.choice((1.0, 5.0, 5.0, 60.0, 900.0, 14_000.0)) * random.random()
