"""What others do to the table: people in the console, programs that know no guards, a restore."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiobreakglass import BreakGlassEvent
from aiobreakglass._dynamodb.codec import encode_event
from aiobreakglass.testing import make_event
from tests.simulation.callers import names
from tests.simulation.plan import Step
from tests.simulation.process import START
from tests.simulation.timeline import LAYOUT, Pair

if TYPE_CHECKING:
    from tests.simulation.world import World


class ByHand:
    """Write to the table past every store."""

    def __init__(self, world: World) -> None:
        self._world = world

    def take(self, step: Step) -> None:
        """Do what a step says."""
        pair = names(step.pair)
        self._world.tell(f"by hand: {step.kind} {pair}")
        database = self._world.database
        if step.kind == "remove guard":
            database.remove(LAYOUT.guard_key(*pair))
        elif step.kind == "restore":
            database.restore_some(START.timestamp() + self._now - step.lifetime, share=0.3)
        elif step.kind in ("put without guard", "put garbage"):
            self._put(step, pair)
        else:
            self._end(step, pair)

    @property
    def _now(self) -> float:
        return self._world.loop.time()

    def _put(self, step: Step, pair: Pair) -> None:
        event = make_event(
            id=step.event_id or f"{step.number:016x}",
            invoker=pair[0],
            profile=pair[1],
            created_at=START + timedelta(seconds=self._now),
            duration=timedelta(seconds=step.lifetime),
            justification=f"step-{step.number} was put by hand",
        )
        row: dict[str, Any] = encode_event(event, LAYOUT, write_id="foreign", retention=None)
        if step.kind == "put garbage":
            del row["expires_at"]
        self._world.database.put(row)

    def _end(self, step: Step, pair: Pair) -> None:
        event = self._holder(pair)
        if event is None:
            return
        key = LAYOUT.event_key(event.id)
        row = dict(self._world.database.rows[key])
        if step.kind == "spoil by hand":
            # It still says that it is active, and is no event any more.
            del row["expires_at"]
            self._world.database.put(row)
            return
        row["status"] = {"S": "closed"}
        moved_on = event.updated_at + timedelta(microseconds=1)
        row["updated_at"] = {"S": f"{moved_on:%Y-%m-%dT%H:%M:%S.%fZ}"}
        if step.kind == "close by hand":
            row |= {"closed_by": {"S": "root"}, "closed_reason": {"S": "in the console"}}
        self._world.database.put(row)

    def _holder(self, pair: Pair) -> BreakGlassEvent | None:
        for event in self._world.timeline.events():
            if (event.invoker, event.profile) == pair and event.status == "active":
                return event
        return None
