"""What the service takes its time for, and how often it is short of resources."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple


def at_once(_: Random) -> float:
    """Take no time."""
    return 0.0


def usual_lag(random: Random) -> float:
    """Take a blink mostly, seconds sometimes, minutes on a bad day."""
    chance = random.random()
    if chance < 0.8:
        return random.random() * 0.05
    return random.random() * (5.0 if chance < 0.98 else 300.0)


def usual_deletion(random: Random) -> float:
    """Take up to two days, and sometimes no time at all."""
    return random.choice((0.0, random.random() * 3600, random.random() * 172_800))


class Habits(NamedTuple):
    """How a service behaves where its documentation leaves it free. Times are in seconds."""

    lag: Callable[[Random], float] = usual_lag
    """How long a change takes to reach one entry of an index, or an eventually consistent read."""
    deletion: Callable[[Random], float] = usual_deletion
    """How long after it is due a row is deleted by TTL."""
    strain: float = 0.0
    """The share of requests that are throttled, meet a conflict, or are answered in part."""


USUAL: Final = Habits()
PROMPT: Final = Habits(at_once, at_once)
"""As emulators are."""
