"""What a seed determines: the calls of every task, and the fault for each request."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final, Literal

from aiobreakglass import Limits, Quota
from tests.faults import proxy
from tests.faults.proxy import Exchange, Fault

KINDS: Final = {
    "create": 26,
    "create again": 3,
    "find": 18,
    "get": 10,
    "extend": 14,
    "close by update": 6,
    "expire": 5,
    "close": 11,
    "delete": 6,
    "prolong": 6,
    "review": 8,
    "hold": 3,
    "release": 3,
}
"""The kinds of the next call, by weight."""

FAULT_RATE: Final = 0.12
CANCELLATION_RATE: Final = 0.1

LIMITS: Final = Limits(
    per_profile=Quota(24, timedelta(seconds=1)),
    per_invoker=Quota(8, timedelta(seconds=0.5)),
    max_unreviewed=16,
)
"""The limits of every other pair of histories."""

APART: Final = 1_000_000
"""How far the clocks of a process are ahead or behind in half of the histories, in microseconds.

So two processes differ by 2 seconds.
"""

LAG: Final = 0.4
"""How many seconds a request is held: longer than its sender waits."""


@dataclass(frozen=True, slots=True)
class History:
    """One history, determined by a seed and these few numbers."""

    seed: int
    faults: bool = False
    processes: int = 2
    tasks: int = 4
    steps: int = 20
    pairs: int = 2

    @property
    def transport(self) -> Literal["fast", "standard"]:
        """The transport of its requests, which alternates from history to history."""
        return "standard" if self.seed % 2 else "fast"

    def steps_of(self, process: int, task: int) -> list[Step]:
        """Return the steps of one task in their order."""
        random = Random(f"{self.seed}/{process}/{task}")  # noqa: S311 - a plan, no secret
        apart = APART if self.seed % 4 >= 2 else 0
        lead = apart if process % 2 else -apart
        steps = [_step(random, self.pairs) for _ in range(self.steps)]
        return [replace(step, clock_lead=step.clock_lead + lead) for step in steps]

    @property
    def limits(self) -> Limits | None:
        """The limits of all its stores."""
        return LIMITS if self.seed % 8 < 4 else None

    def pair(self, number: int) -> tuple[str, str]:
        """Return the names of a pair."""
        return f"invoker-{number}", "prod"


@dataclass(frozen=True, slots=True)
class Step:
    """One call; its subject depends on what its process has seen by then."""

    kind: str
    pair: int
    event_id: str
    """The id of the event that a create makes."""
    lifetime: int
    """How many microseconds a created or extended event lasts."""
    clock_lead: int
    """By how many microseconds the clock of this call is ahead of the others."""
    on_holder: bool
    """Whether its subject is the holder of the pair as last seen, or any event of the pair."""
    choice: float
    """Which of these events, from 0 to 1."""
    cancelled_after: float | None
    """Seconds until the call is cancelled, if it is."""


def _step(random: Random, pairs: int) -> Step:
    return Step(
        kind=random.choices(list(KINDS), list(KINDS.values()))[0],
        pair=random.randrange(pairs),
        event_id=random.randbytes(8).hex(),
        lifetime=_lifetime(random),
        clock_lead=random.randint(-10_000, 10_000),
        on_holder=random.random() < 0.75,
        choice=random.random(),
        cancelled_after=(
            random.expovariate(1 / 0.01) if random.random() < CANCELLATION_RATE else None
        ),
    )


def _lifetime(random: Random) -> int:
    """Return how long an event lasts: most lapse soon, and the rest can be extended."""
    short = int(random.lognormvariate(0, 1) * 150_000) + 20_000
    return short + (random.randint(1_000_000, 2_000_000) if random.random() < 0.4 else 0)


_THROTTLED: Final = proxy.answer(400, "ThrottlingException")
_EXPIRED_TOKEN: Final = proxy.answer(400, "ExpiredTokenException")
_ACCESS_DENIED: Final = proxy.answer(400, "AccessDeniedException")

FAULTS: Final[dict[str, Fault]] = {
    "reset": proxy.reset,
    "response lost": proxy.lose_response,
    "no answer, not forwarded": proxy.hang,
    "no answer, forwarded": proxy.hang_after,
    "body cut off": proxy.cut_body,
    "wrong crc32": proxy.wrong_checksum,
    "invalid JSON": proxy.invalid_json,
    "delay within patience": proxy.delay(0.05),
    "delay beyond patience": proxy.delay(LAG),
    "500": proxy.answer(500, "InternalFailure"),
    "500 after commit": proxy.after(proxy.answer(500, "InternalFailure")),
    "503": proxy.answer(503, "ServiceUnavailable"),
    "InternalServerError": proxy.answer(500, "InternalServerError"),
    "ThrottlingException": _THROTTLED,
    "ProvisionedThroughputExceededException": proxy.answer(
        400, "ProvisionedThroughputExceededException"
    ),
    "RequestLimitExceeded": proxy.answer(400, "RequestLimitExceeded"),
    "expired token": _EXPIRED_TOKEN,
    "access denied": _ACCESS_DENIED,
}
"""The faults for any request."""

WRITE_FAULTS: Final[dict[str, Fault]] = {
    "TransactionConflict": proxy.cancelled("TransactionConflict", "None"),
    "TransactionConflict and ConditionalCheckFailed": proxy.cancelled(
        "TransactionConflict", "ConditionalCheckFailed"
    ),
    "TransactionInProgressException": proxy.answer(400, "TransactionInProgressException"),
    "ReplicatedWriteConflictException": proxy.answer(400, "ReplicatedWriteConflictException"),
    "response lost, then expired token": proxy.lose_response,
    "response lost, then access denied": proxy.lose_response,
    "response lost, then throttled": proxy.lose_response,
}
"""The faults for writes only."""

_SEQUELS: Final = {
    "response lost, then expired token": _EXPIRED_TOKEN,
    "response lost, then access denied": _ACCESS_DENIED,
    "response lost, then throttled": _THROTTLED,
}


class FaultMix:
    """A `FaultProxy.plan` that a seed determines, and that counts its faults."""

    def __init__(self, seed: int, injected: Counter[str]) -> None:
        self._random = Random(f"{seed}/faults")  # noqa: S311 - a plan, no secret
        self._injected = injected
        self._sequels: dict[str, Fault] = {}

    def __call__(self, exchange: Exchange) -> Fault:
        body: dict[str, Any] = json.loads(exchange.body)
        token = str(body.get("ClientRequestToken"))
        if token in self._sequels:
            return self._sequels.pop(token)
        if self._random.random() >= FAULT_RATE:
            return proxy.none
        is_write = exchange.operation == "TransactWriteItems"
        faults = FAULTS | WRITE_FAULTS if is_write else FAULTS
        name = self._random.choice(list(faults))
        self._injected[name] += 1
        if name in _SEQUELS:
            self._sequels[token] = _SEQUELS[name]
        return faults[name]
