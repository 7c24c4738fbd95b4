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
        elif step.kind in ("remove entry", "spoil entry"):
            self._meddle(step, pair)
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
        row: dict[str, Any] = encode_event(event, LAYOUT, write_id="foreign")
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
        if step.kind in ("note by hand", "write as before"):
            self._note(step, event, row)
            return
        row["status"] = {"S": "closed"}
        moved_on = event.updated_at + timedelta(microseconds=1)
        row["updated_at"] = {"S": f"{moved_on:%Y-%m-%dT%H:%M:%S.%fZ}"}
        if step.kind == "close by hand":
            row |= {"closed_by": {"S": "root"}, "closed_reason": {"S": "in the console"}}
        self._world.database.put(row)

    def _note(self, step: Step, event: BreakGlassEvent, row: dict[str, Any]) -> None:
        """Change an event as a program does that knows no histories."""
        noted = event.model_copy(
            update={
                "request_id": f"hand-{step.number}",
                "updated_at": event.updated_at + timedelta(microseconds=1),
            }
        )
        own = encode_event(noted, LAYOUT, write_id="foreign")
        # It keeps what it does not know if it updates the row, and drops it if it puts the row.
        self._world.database.put(row | own if step.kind == "note by hand" else own)

    def _meddle(self, step: Step, pair: Pair) -> None:
        """Remove or spoil an entry in the history of the pair's holder."""
        event = self._holder(pair)
        if event is None:
            return
        database = self._world.database
        keys = [key for key in self._world.timeline.history_keys(event.id) if key in database.rows]
        if not keys:
            return
        key = keys[int(step.choice * len(keys))]
        if step.kind == "remove entry":
            database.remove(key)
        else:
            database.put(database.rows[key] | {"entry": {"S": "spoiled by hand"}})

    def _holder(self, pair: Pair) -> BreakGlassEvent | None:
        for event in self._world.timeline.events():
            if (event.invoker, event.profile) == pair and event.status == "active":
                return event
        return None
