"""A simulated process: a store of its own, a clock of its own, and a life that can end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, Limits, _randomness
from tests.simulation.client import Client
from tests.simulation.dynamodb.database import TABLE_NAME
from tests.simulation.loop import LANE, Lane, VirtualLoop
from tests.simulation.record import CALL, Call

if TYPE_CHECKING:
    from tests.simulation.network import Network

START: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When every history begins."""


class HostClock:
    """A host's clock: it is ahead or behind, drifts, and steps when somebody sets it."""

    def __init__(self, loop: VirtualLoop, lead: float, drift: float) -> None:
        self._loop = loop
        self._lead = lead
        self._drift = drift

    def present(self) -> datetime:
        """Return what it says."""
        now = self._loop.time()
        return START + timedelta(seconds=now + self._lead + now * self._drift)

    def read(self) -> datetime:
        """Return the same, and have the call remember it."""
        now = self.present()
        call = CALL.get()
        if call is not None:
            call.nows.append(now)
        return now

    def step(self, seconds: float) -> None:
        """Set it."""
        self._lead += seconds


class Rules:
    """The limits of a process; from an instant on they may be stricter."""

    def __init__(
        self, loop: VirtualLoop, first: Limits, stricter: Limits, stricter_from: float | None
    ) -> None:
        self._loop = loop
        self._first = first
        self._stricter = stricter
        self._stricter_from = stricter_from

    @property
    def given(self) -> Limits | Callable[[BreakGlassEvent], Limits]:
        """What a store is given: by value if they never change."""
        return self._first if self._stricter_from is None else self._of

    def present(self) -> Limits:
        """Return what they are."""
        is_first = self._stricter_from is None or self._loop.time() < self._stricter_from
        return self._first if is_first else self._stricter

    def _of(self, _: BreakGlassEvent) -> Limits:
        """Return the same, and have the call remember it."""
        rules, call = self.present(), CALL.get()
        if call is not None:
            call.rules.append(rules)
        return rules


class Process:
    """One process, from its start to its end; what is started again is another."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        network: Network,
        clock: HostClock,
        random: Random,
        store_class: type[AsyncDynamoDBStore],
        *,
        attempts: int,
        rules: Rules | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.clock = clock
        self.is_dead = False
        self.disturbances = 0
        """How often it was paused, or its clock set."""
        self.calls: dict[Call, Callable[[], None]] = {}
        """The calls under way, and how to tell each caller that its process has died."""
        self.lane = Lane(loop)
        self.context = copy_context()
        self.context.run(LANE.set, self.lane)
        self.context.run(_randomness.source.set, random)
        client: Any = Client(partial(network.send, self), random, attempts=attempts)
        self._rules = rules
        given = None if rules is None else rules.given
        self.store = self.context.run(
            partial(store_class, client, TABLE_NAME, clock=clock.read, limits=given, **options)
        )

    def __str__(self) -> str:
        return self.name

    def rules_of(self, call: Call | None) -> Sequence[Limits]:
        """Return the limits by which it has decided for a call; none if it has none."""
        if self._rules is None:
            return ()
        return (call.rules if call is not None else ()) or (self._rules.present(),)

    def pause(self) -> None:
        """Stop it for a while, as a host does that is moved, or out of memory."""
        self.disturbances += 1
        self.lane.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.lane.resume()

    def die(self) -> None:
        """End it at once: nothing more leaves it, and its callers hear no more of it.

        What is left of its tasks is cancelled, so that nothing waits for ever; that is seen by
        nobody.
        """
        self.is_dead = True
        self.lane.resume()
        for call, tell in list(self.calls.items()):
            tell()
            assert call.task is not None
            call.task.cancel()
